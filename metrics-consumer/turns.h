/* metrics-consumer/turns.h - when a thread that asks somebody for the page asks again: each second
 * while somebody watches, otherwise each ten seconds, and at once when somebody comes.
 *
 * The thread calls turns_wait between two questions; everything else is for any thread. */
#ifndef METRICS_CONSUMER_TURNS_H
#define METRICS_CONSUMER_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

struct turns {
	pthread_mutex_t lock;
	pthread_cond_t wish;
	bool watched, asked, stopping;
};

void turns_init(struct turns *turns);
void turns_fini(struct turns *turns);

/* Before the thread starts; and so that it ends, without waiting for it. */
void turns_begin(struct turns *turns);
void turns_stop(struct turns *turns);

void turns_watch(struct turns *turns, bool watched);

/* Until it is time for the next question, reckoned from @from, of CLOCK_MONOTONIC; @soon: as if
 * somebody watched. False: there is no next one. */
bool turns_wait(struct turns *turns, const struct timespec *from, bool soon);

#endif
