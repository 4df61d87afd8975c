/* bench/arrive_journal.h - notes when the lines of one source come to the journal.
 *
 * A thread that sleeps until the kernel says that the file has grown (inotify), reads what is new,
 * and notes for each whole line of the source the moment after the read. So a line's time is late
 * by a wake-up at most, and nothing is asked for while nothing happens. */
#ifndef BENCH_ARRIVE_JOURNAL_H
#define BENCH_ARRIVE_JOURNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/arrive_times.h"

#define SOURCE_MAX  128
#define JOURNAL_BUF 262144 /* more than a line */

struct journal_watch {
	struct times *times;
	char mark[SOURCE_MAX + 16]; /* ` source=cart/5f2c9e1b id=` */
	int file, inotify;
	size_t length; /* bytes of a line that is not whole yet */
	pthread_t thread;
	atomic_int_fast64_t wanted; /* it ends with this many lines ... */
	atomic_int_fast64_t until;  /* ... or at this time */
	int64_t cpu_ns;             /* what it took, once it has ended */
	int64_t reads;
	struct fail fail;
	char bytes[JOURNAL_BUF];
};

/* Only lines behind the file's present end count. */
bool journal_watch_start(struct journal_watch *watch, const char *path, const char *source,
	struct times *times, struct fail *fail);
/* Waits for @wanted lines, for @seconds at most; then the thread has ended. */
bool journal_watch_join(
	struct journal_watch *watch, int64_t wanted, int64_t seconds, struct fail *fail);

#endif
