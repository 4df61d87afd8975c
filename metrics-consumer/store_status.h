/* metrics-consumer/store_status.h - what the store of a service says of its outbox, also while
 * the service is down. */
#ifndef METRICS_CONSUMER_STORE_STATUS_H
#define METRICS_CONSUMER_STORE_STATUS_H

#include <stdbool.h>

#include "metrics-consumer/outbox_status.h"
#include "process/fail.h"

/* Reads the SQLite file at @path, which a running service may be writing. Nothing is changed
 * and no file is made. FAIL_REFUSE: it is no store of ours. */
bool store_status_read(const char *path, struct outbox_status *status, struct fail *fail);

#endif
