/* metrics-consumer/feed.h - what viewers of the page see, made by a thread that reads the journal.
 *
 * The journal is the truth, and the page is a reader of it: an event is shown when it is on the
 * disk, and not before. The consumer's thread tells how far that is, and what number each service
 * asked for its outbox has reached, and does nothing else for viewers, however many there are.
 * While nobody watches nothing is read; whoever comes then waits until what was passed is read, and
 * is told how far that is. */
#ifndef METRICS_CONSUMER_FEED_H
#define METRICS_CONSUMER_FEED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/health.h"
#include "metrics-consumer/brokers.h"
#include "metrics-consumer/counters.h"
#include "metrics-consumer/dead_tail.h"
#include "metrics-consumer/journal_tail.h"
#include "metrics-consumer/outboxes.h"
#include "metrics-consumer/picture.h"
#include "metrics-consumer/timeline.h"
#include "metrics-consumer/viewers.h"
#include "process/fail.h"

#define FEED_TICK_MS   500   /* between two messages */
#define FEED_LINGER_MS 10000 /* so long it goes on when the last viewer has left */

/* Writes what kafka and journal say of themselves: "" is well. */
typedef void feed_checks(void *context, char kafka[HEALTH_TEXT_MAX], char journal[HEALTH_TEXT_MAX]);

struct feed_options {
	struct counters *counters; /* borrowed until feed_stop */
	const char *dead_letter_path;
	const struct outbox_urls *services;
	feed_checks *checks;
	void *context;
};

struct feed {
	struct feed_options options;
	struct journal_tail tail;
	struct timeline timeline;
	struct brokers brokers;
	struct outboxes outboxes;
	struct viewers viewers;
	pthread_t thread;
	pthread_mutex_t lock; /* never held for long: */
	pthread_cond_t wish;
	bool stopping, wished;
	int64_t recent_ms; /* monotonic, when feed_recent was last called */
	/* Held while lines are read or a message is made, by a thread that others may keep from it:
	 */
	pthread_mutex_t picture_lock;
	struct picture picture;
	atomic_int waiting;     /* for that lock */
	struct counters synced; /* as they were at the last sync; has a lock of its own */
	atomic_bool reading;    /* what is there is not all read yet; the thread alone says so */
	/* The thread's: */
	struct dead_tail dead;
	json_t *letters;
	bool letters_told;
	bool following;
	int64_t reading_of; /* bytes there were to be read when reading began */
	int64_t watched_ms; /* monotonic, the last time that somebody watched */
	int64_t tick_ms;    /* monotonic, the last message */
	uint64_t change;    /* of the timeline, told */
	int64_t started_ms; /* wall clock */
	struct log_repeat failing;
};

bool feed_start(struct feed *feed, const struct feed_options *options, struct fail *fail);
/* Ends every viewer; then the HTTP server may be stopped, and then comes feed_stop. */
void feed_close(struct feed *feed);
void feed_stop(struct feed *feed);

/* Consumer's thread, after a sync: everything before @end of file @number, which is open as @fd, is
 * on the disk, and @counts are of that. */
void feed_synced(struct feed *feed, const char *journal, int fd, int64_t number, int64_t end,
	const struct counts *counts);

/* The last events that pass a filter; none while the journal is being read. Any thread. */
json_t *feed_recent(struct feed *feed, const struct picture_filter *filter);

#endif
