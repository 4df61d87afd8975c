/* process/stop.h - the wish to end, as one flag and one descriptor.
 *
 * SIGTERM and SIGINT set the flag and make the descriptor readable; a second signal leaves
 * at once with status 130. In a container we are process 1, for which SIGTERM has no
 * default action, so stop_on_signals comes before anything slow. */
#ifndef PROCESS_STOP_H
#define PROCESS_STOP_H

#include <pthread.h>
#include <stdbool.h>

#include "process/fail.h"

/* Installs the handlers (main thread, once). SIGPIPE is ignored: a closed socket is an
 * error of its write. */
bool stop_on_signals(struct fail *fail);

bool stop_requested(void);
/* A descriptor that is readable from the moment a stop is wished. For poll(2); do not read. */
int stop_descriptor(void);
/* Waits at most @wait_ms; true once a stop is wished. */
bool stop_wait(int wait_ms);
/* Wishes a stop from inside (a thread that cannot go on). Any thread. */
void stop_request(void);

/* Starts a thread with all signals blocked and a name of at most 15 bytes (`top -H`). */
bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *context,
	struct fail *fail);

#endif
