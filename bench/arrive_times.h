/* bench/arrive_times.h - when each request was answered and when its event was in the journal.
 *
 * Room for every request is taken once, before the first one is sent. The client's thread writes
 * what it sent and was answered, the journal's thread the lines; both are read when the threads
 * have ended. Times are nanoseconds of CLOCK_MONOTONIC. */
#ifndef BENCH_ARRIVE_TIMES_H
#define BENCH_ARRIVE_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

#define REQUESTS_MAX 2000000

struct times {
	int64_t after; /* the events' numbers are after + 1 to after + count */
	int64_t count; /* requests */
	/* The client's. */
	int64_t answers, refused; /* answers; those that were not 201 */
	int64_t *late;            /* of each request: from its schedule until it was sent */
	int64_t *waited;   /* of each answer: from the request's schedule until it was read */
	int64_t *answered; /* of each event, by its number: when the answer was read; 0: never */
	/* The journal's. */
	int64_t lines;
	int64_t *journaled; /* of each event: when its line was there; 0: never */
};

int64_t now_ns(void);
/* CPU time of the calling thread. */
int64_t thread_ns(void);

bool times_init(struct times *times, int64_t after, int64_t count, struct fail *fail);
void times_fini(struct times *times);
/* Where an event's times stand; false: the number is not one of ours. */
bool times_place(const struct times *times, int64_t id, size_t *place);

/* Prints `"NAME":{"count":…,"p50":…,…}` in microseconds. Sorts @ns. */
void times_print(const char *name, int64_t *ns, int64_t count);
/* From answer to line, of the events that have both; below 0: the line came first. Written over
 * `journaled`; returns how many. */
int64_t times_between(struct times *times);

#endif
