/* outbox/progress.h - the numbers that travel between writer and relay. Any thread. */
#ifndef OUTBOX_PROGRESS_H
#define OUTBOX_PROGRESS_H

#include <pthread.h>
#include <stdint.h>

struct progress_numbers {
	int64_t last;                /* highest number committed; the writer moves it */
	int64_t acknowledged;        /* highest number in Kafka, none before it missing */
	int64_t acknowledged_offset; /* its offset; the relay moves both together */
};

struct progress {
	pthread_mutex_t lock;
	struct progress_numbers numbers;
};

void progress_init(struct progress *progress, const struct progress_numbers *first);
void progress_fini(struct progress *progress);
void progress_commit(struct progress *progress, int64_t last);
/* Numbers at or below the one reached are ignored: they were sent again. */
void progress_acknowledge(struct progress *progress, int64_t id, int64_t offset);
struct progress_numbers progress_read(struct progress *progress);

#endif
