#include "outbox/queue.h"

#include <assert.h>
#include <time.h>

bool queue_init(struct queue *queue, struct fail *fail)
{
	pthread_condattr_t attributes;
	int error;

	queue->first = queue->count = 0;
	queue->closed = queue->woken = false;
	error = pthread_mutex_init(&queue->lock, NULL);
	if (error != 0)
		return fail_errno(fail, FAIL_FATAL, error, "make a mutex");
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	error = pthread_cond_init(&queue->some, &attributes);
	pthread_condattr_destroy(&attributes);
	if (error == 0)
		return true;
	pthread_mutex_destroy(&queue->lock);
	return fail_errno(fail, FAIL_FATAL, error, "make a condition variable");
}

void queue_fini(struct queue *queue)
{
	assert(queue->count == 0);
	pthread_cond_destroy(&queue->some);
	pthread_mutex_destroy(&queue->lock);
}

bool queue_put(struct queue *queue, struct command *command)
{
	bool taken = false;

	assert(command->answer);
	pthread_mutex_lock(&queue->lock);
	if (!queue->closed && queue->count < QUEUE_MAX) {
		queue->ring[(queue->first + queue->count++) % QUEUE_MAX] = command;
		if (queue->count == 1)
			pthread_cond_signal(&queue->some);
		taken = true;
	}
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

static struct timespec deadline(int wait_ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += wait_ms / 1000;
	at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

size_t queue_take(struct queue *queue, struct command **batch, size_t max, int wait_ms)
{
	const struct timespec until = deadline(wait_ms < 0 ? 0 : wait_ms);
	size_t count = 0;
	int error = 0;

	pthread_mutex_lock(&queue->lock);
	while (queue->count == 0 && !queue->closed && !queue->woken && error == 0) {
		if (wait_ms < 0)
			error = pthread_cond_wait(&queue->some, &queue->lock);
		else
			error = pthread_cond_timedwait(&queue->some, &queue->lock, &until);
	}
	queue->woken = false;
	for (; count < max && queue->count > 0; count++, queue->count--) {
		batch[count] = queue->ring[queue->first];
		queue->first = (queue->first + 1) % QUEUE_MAX;
	}
	pthread_mutex_unlock(&queue->lock);
	return count;
}

void queue_wake(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->woken = true;
	pthread_cond_signal(&queue->some);
	pthread_mutex_unlock(&queue->lock);
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->some);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_ended(struct queue *queue)
{
	bool ended;

	pthread_mutex_lock(&queue->lock);
	ended = queue->closed && queue->count == 0;
	pthread_mutex_unlock(&queue->lock);
	return ended;
}
