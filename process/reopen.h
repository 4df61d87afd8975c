/* process/reopen.h - the wish that log files be opened again, as SIGHUP means it to a daemon. */
#ifndef PROCESS_REOPEN_H
#define PROCESS_REOPEN_H

#include <stdbool.h>

#include "process/fail.h"

/* Installs the handler for SIGHUP (main thread, once). */
bool reopen_on_signal(struct fail *fail);
/* True once for one or more signals since the last question. */
bool reopen_requested(void);

#endif
