/* outbox/progress.h - the numbers that travel between writer and relay. Any thread. */
#ifndef OUTBOX_PROGRESS_H
#define OUTBOX_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct progress_numbers {
	int64_t last;                /* highest number committed; the writer moves it */
	int64_t acknowledged;        /* highest number in Kafka, none before it missing */
	int64_t acknowledged_offset; /* its offset (rows.h); the relay moves both together */
	int64_t first;   /* rows from here on are kept, all below may be gone; the writer's */
	int64_t rewinds; /* how often `acknowledged` went back; the relay's */
	int64_t seen_ms; /* monotonic: when `acknowledged` was seen in Kafka last */
};

struct progress {
	pthread_mutex_t lock;
	struct progress_numbers numbers;
};

void progress_init(struct progress *progress, const struct progress_numbers *first);
void progress_fini(struct progress *progress);
void progress_commit(struct progress *progress, int64_t last);
/* Numbers below the one reached are ignored: they were sent again. */
void progress_acknowledge(struct progress *progress, int64_t id, int64_t offset);
/* Kafka lost what it had acknowledged: everything that is kept counts as not acknowledged, and
 * its records begin at @offset. */
void progress_rewind(struct progress *progress, int64_t offset);
/* The writer is about to delete rows up to @up_to. False where the number went back since the
 * writer read it with @rewinds: then it must not. */
bool progress_forget(struct progress *progress, int64_t rewinds, int64_t up_to);
/* The deleting failed: rows from @first on are still there. */
void progress_keep(struct progress *progress, int64_t first);
struct progress_numbers progress_read(struct progress *progress);

#endif
