/* metrics-consumer/printer.h - the journal's lines on standard output too.
 *
 * A copy for people and for `docker logs`: whoever reads it may be slow or gone, and the
 * journal never waits for him. Lines go through a ring of a fixed size; what does not fit is
 * dropped by whole lines and counted. */
#ifndef METRICS_CONSUMER_PRINTER_H
#define METRICS_CONSUMER_PRINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

#define PRINTER_RING (4 * 1024 * 1024) /* bytes that wait for a slow reader */

struct printer;

/* Starts the thread that writes to @fd, which is borrowed until printer_stop. */
bool printer_start(struct printer **printer, int fd, struct fail *fail);
/* Writes what waits, for at most @wait_ms, and ends the thread. */
void printer_stop(struct printer **printer, int wait_ms);

/* Copies whole lines into the ring, as many as fit. Never waits. One thread. */
void printer_put(struct printer *printer, const char *lines, size_t length);
/* Lines dropped so far. Any thread. */
uint64_t printer_dropped(const struct printer *printer);

#endif
