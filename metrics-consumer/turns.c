#include "metrics-consumer/turns.h"

#include <errno.h>
#include <stdint.h>

#define WATCHED_MS   1000
#define UNWATCHED_MS 10000

void turns_init(struct turns *t)
{
	pthread_condattr_t attributes;

	*t = (struct turns){ .watched = false };
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wish, &attributes);
	pthread_condattr_destroy(&attributes);
}

void turns_fini(struct turns *t)
{
	pthread_cond_destroy(&t->wish);
	pthread_mutex_destroy(&t->lock);
}

void turns_begin(struct turns *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = false;
	pthread_mutex_unlock(&t->lock);
}

void turns_stop(struct turns *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->wish);
	pthread_mutex_unlock(&t->lock);
}

void turns_watch(struct turns *t, bool watched)
{
	pthread_mutex_lock(&t->lock);
	t->asked = t->asked || (watched && !t->watched);
	t->watched = watched;
	pthread_cond_signal(&t->wish);
	pthread_mutex_unlock(&t->lock);
}

bool turns_wait(struct turns *t, const struct timespec *from, bool soon)
{
	bool stopping;

	pthread_mutex_lock(&t->lock);
	for (t->asked = false; !t->stopping && !t->asked;) {
		const int64_t end_ms = (int64_t)from->tv_nsec / 1000000 +
				       (soon || t->watched ? WATCHED_MS : UNWATCHED_MS);
		const struct timespec end = { .tv_sec = from->tv_sec + end_ms / 1000,
			.tv_nsec = (end_ms % 1000) * 1000000 };

		if (pthread_cond_timedwait(&t->wish, &t->lock, &end) == ETIMEDOUT)
			break;
	}
	stopping = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return !stopping;
}
