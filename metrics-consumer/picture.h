/* metrics-consumer/picture.h - what the page shows of the journal, as far as it was read.
 *
 * The last events, each SKU, and the last minutes second by second; all bounded, nothing sampled.
 * It is made of journal lines alone, so a process that starts anew makes the same one again. One
 * thread at a time. */
#ifndef METRICS_CONSUMER_PICTURE_H
#define METRICS_CONSUMER_PICTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "metrics-consumer/line.h"
#include "metrics-consumer/skus.h"
#include "metrics-consumer/timeline.h"

#define PICTURE_EVENTS     2000 /* last events that are kept */
#define PICTURE_SECONDS    600
#define PICTURE_PAUSE_MS   100 /* shorter ones are none */
#define PICTURE_TELL_MAX   60  /* events of one telling; what is more is counted */
#define PICTURE_TELL_FIRST 200 /* of the first one */
#define PICTURE_SKUS_MAX   500 /* SKUs of one telling; the others come with the next ones */

struct picture_event {
	int64_t number, position; /* of the journal, behind the line */
	int64_t time_ms, delay_ms, offset, id;
	int64_t count, price_cents;
	enum event_type type;
	int32_t partition;
	char source[SOURCE_MAX];
	char sku[EVENT_NAME_MAX], cart_id[EVENT_NAME_MAX]; /* cut */
	char reason[SKUS_REASON_MAX];
};

struct picture_second {
	int64_t at_s; /* 0: none */
	uint32_t events[EVENT_TYPES][EVENT_PARTITIONS];
	int64_t delay_ms[EVENT_PARTITIONS]; /* the longest one */
	int64_t pause_ms[EVENT_PARTITIONS]; /* the longest that ended in it */
	bool changed;
};

struct picture {
	struct picture_event *events; /* a ring */
	uint64_t event_count;         /* ever; the last PICTURE_EVENTS are there */
	struct picture_second seconds[PICTURE_SECONDS];
	struct skus skus;
	struct timeline *timeline; /* borrowed: where pauses go */
	struct event_reader *reader;
	struct line_second second;
	int64_t last_ms[EVENT_PARTITIONS]; /* time of the last line; 0: none was read */
	int64_t from_ms;                   /* time of the first line; 0: none */
	uint64_t lines, unreadable;
	uint64_t told; /* of event_count */
};

bool picture_init(struct picture *picture, struct timeline *timeline); /* false: out of memory */
void picture_fini(struct picture *picture);
/* Reading begins elsewhere. */
void picture_clear(struct picture *picture);

/* Takes a line of the journal, which ends before @position of file @number. */
void picture_line(
	struct picture *picture, const char *line, size_t length, int64_t number, int64_t position);

struct picture_filter {
	const char *type, *cart, *sku; /* NULL: any */
	size_t most;
};

/* Adds to @message what is new since it was last told, or, where it is the @first one that somebody
 * gets, all there is, which changes nothing for the others: `events`, `passed`, `seconds`, `skus`.
 */
void picture_tell(struct picture *picture, json_t *message, bool first);
/* All there is was told to everybody. */
void picture_told(struct picture *picture);
/* The last events that pass, the oldest first. */
json_t *picture_recent(const struct picture *picture, const struct picture_filter *filter);

#endif
