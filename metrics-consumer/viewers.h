/* metrics-consumer/viewers.h - server-sent events to any number of viewers in bounded memory.
 *
 * Messages are kept once, in a ring; a viewer is a place in it. Whoever comes gets a snapshot
 * first, which many share, or, with the Last-Event-ID of a message that the ring still has, goes on
 * behind it. A viewer whose place the ring has left is told so and his connection is closed; nobody
 * waits for him. */
#ifndef METRICS_CONSUMER_VIEWERS_H
#define METRICS_CONSUMER_VIEWERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/server.h"
#include "process/log.h"

#define VIEWERS_MAX         500     /* at once; further ones are answered 503 */
#define VIEWERS_MESSAGES    64      /* in the ring */
#define VIEWERS_BYTES       4194304 /* of them */
#define VIEWERS_SNAPSHOTS   4
#define VIEWERS_SNAPSHOT_MS 10000 /* so long the same one is given */
#define VIEWERS_PLACE_MAX   64    /* bytes of a place in the journal with its NUL */
#define VIEWERS_ID_MAX      104   /* the same of an event id: place:run:message */

struct viewer;

struct viewers_text { /* whole server-sent events */
	char *bytes;
	size_t length;
	uint64_t after;  /* the message that follows */
	int64_t made_ms; /* and when it was made, monotonic */
};

struct viewers {
	pthread_mutex_t lock;
	struct viewer *list;
	size_t count;
	struct viewers_text message[VIEWERS_MESSAGES]; /* number n at n % VIEWERS_MESSAGES */
	uint64_t first, next;
	uint64_t run; /* other processes gave messages the same numbers */
	size_t bytes;
	struct viewers_text snapshot[VIEWERS_SNAPSHOTS];
	uint64_t snapshots; /* made so far; the newest is this - 1 */
	bool wanted;        /* somebody waits for a new one */
	bool closing;
	uint64_t dropped; /* viewers that were too slow */
	struct log_repeat slow;
	void (*on_wish)(
		void *context); /* somebody came, or waits; not under the lock of the feed */
	void *context;
};

void viewers_init(struct viewers *viewers, void (*on_wish)(void *context), void *context);
/* After the HTTP server has stopped. */
void viewers_fini(struct viewers *viewers);
/* Ends every connection; whoever comes from now on is ended at once. Before http_server_stop. */
void viewers_close(struct viewers *viewers);

/* Answers a request with the stream, or with 503. @last_id is the Last-Event-ID or NULL. */
void viewers_join(struct viewers *viewers, struct http_request *request, const char *last_id);

/* The thread that makes the messages. @json has no line break, and is copied. @place begins the id,
 * which ends in what is next behind the message: between two lines there may be many, and what
 * they tell is not in the journal. False: no memory. */
bool viewers_publish(
	struct viewers *viewers, const char *event, const char *json, const char *place);
bool viewers_snapshot(struct viewers *viewers, const char *json, const char *place);
/* Whether somebody waits for one. */
bool viewers_want_snapshot(struct viewers *viewers);

size_t viewers_count(struct viewers *viewers);

#endif
