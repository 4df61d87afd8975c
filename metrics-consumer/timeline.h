/* metrics-consumer/timeline.h - what happened to the shop, the newest TIMELINE_MAX of it.
 *
 * Leaders that moved, brokers that came and went, replicas that fell behind, pauses in which events
 * waited, outboxes and services, and what the process said of itself. Any thread. */
#ifndef METRICS_CONSUMER_TIMELINE_H
#define METRICS_CONSUMER_TIMELINE_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

#define TIMELINE_MAX       100
#define TIMELINE_TEXT_MAX  200
#define TIMELINE_ABOUT_MAX 128

/* Between two lines of a partition, while an event was waiting. */
#define TIMELINE_PAUSE_MS 1000 /* one from this on is an entry of its own */
#define TIMELINE_NEAR_MS                                                                           \
	10000 /* a pause that ends this near to a move of the leader belongs to it */

enum timeline_kind {
	TIMELINE_START,    /* the process started */
	TIMELINE_LEADER,   /* @partition: its leader moved from @from to @to; -1: none */
	TIMELINE_BROKER,   /* broker @from is gone, or @to is there again; the other is -1 */
	TIMELINE_REPLICAS, /* @partition: in-sync replicas went from @from to @to in number */
	TIMELINE_PAUSE,    /* @partition: nothing came for @pause_ms */
	TIMELINE_TROUBLE,  /* @text says what does not hold */
	TIMELINE_WELL,     /* and what holds again */
	TIMELINE_OUTBOX,   /* of @about: events wait in it, for @pause_ms; @text is its state */
	TIMELINE_DRAINED,  /* of @about: they no longer do; it took @pause_ms */
	TIMELINE_SILENT,   /* service @about does not answer: @text */
	TIMELINE_HEARD,    /* it answers, after @pause_ms, or for the first time */
	TIMELINE_GONE,     /* a pause that belongs to a move of the leader, as was seen later */
};

struct timeline_entry {
	uint64_t id; /* rising */
	enum timeline_kind kind;
	int64_t at_ms;
	int32_t partition, from, to;
	int64_t pause_ms; /* 0: none was seen */
	char text[TIMELINE_TEXT_MAX], about[TIMELINE_ABOUT_MAX];
	uint64_t change; /* when it was added or last became another one */
};

struct timeline_pause { /* the latest ones: a leader's move may be noticed after its pause */
	int64_t at_ms, ms;
};

struct timeline {
	pthread_mutex_t lock;
	struct timeline_entry list[TIMELINE_MAX]; /* a ring */
	uint64_t next_id, changes;
	struct timeline_pause pause[EVENT_PARTITIONS][8];
	size_t pauses[EVENT_PARTITIONS];
};

void timeline_init(struct timeline *timeline);
void timeline_fini(struct timeline *timeline);

/* @entry: all but id and change; at_ms 0 is now. */
void timeline_add(struct timeline *timeline, const struct timeline_entry *entry);
/* Nothing came into @partition for @ms, until @at_ms, though an event waited. It goes to a move of
 * the leader near by, or becomes an entry, or is forgotten. */
void timeline_note_pause(struct timeline *timeline, int32_t partition, int64_t at_ms, int64_t ms);

/* What changed behind @change (0: everything), oldest first, as a JSON array; @change is moved on.
 */
json_t *timeline_json(struct timeline *timeline, uint64_t *change);

#endif
