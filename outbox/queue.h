/* outbox/queue.h - the bounded line of commands before the one writer.
 *
 * HTTP threads, the simulator and others put; the writer takes. A command is borrowed from
 * queue_put until its answer is called. */
#ifndef OUTBOX_QUEUE_H
#define OUTBOX_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "process/fail.h"

#define QUEUE_MAX 4096

struct command {          /* first member of a service's own command */
	bool makes_event; /* may make one: not applied for that while the outbox is full */
	/* Called once, on the writer's thread, after the commit: @refused is NULL, or says
	 * why nothing of it is kept (FAIL_UNSURE: something may be). It must not wait. */
	void (*answer)(struct command *command, const struct fail *refused);
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct command *ring[QUEUE_MAX];
	size_t first, count;
	bool closed, woken;
};

bool queue_init(struct queue *queue, struct fail *fail);
void queue_fini(struct queue *queue);

/* False where the queue is full or closed: the command was not taken. */
bool queue_put(struct queue *queue, struct command *command);
/* Takes up to @max commands, oldest first. Waits for the first one at most @wait_ms, or for
 * ever with -1; returns 0 at the end of that time, after queue_wake, and at once when the queue
 * is closed and empty. */
size_t queue_take(struct queue *queue, struct command **batch, size_t max, int wait_ms);
/* The one who takes has something else to look at. Any thread. */
void queue_wake(struct queue *queue);
/* No more puts; what is in the queue is still taken. */
void queue_close(struct queue *queue);
bool queue_ended(struct queue *queue); /* closed and empty */

#endif
