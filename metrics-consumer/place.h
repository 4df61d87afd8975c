/* metrics-consumer/place.h - where a record goes: a line for the journal, a dead letter, or
 * nowhere, because it is known already.
 *
 * Here is what the consumer remembers: the position in each partition, and the numbers of each
 * source. Both are recalled from the files at start. Placing runs ahead of the files; what it
 * made waits in memory until the consumer has written it. One thread. */
#ifndef METRICS_CONSUMER_PLACE_H
#define METRICS_CONSUMER_PLACE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/counters.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/line.h"
#include "metrics-consumer/sources.h"
#include "process/fail.h"
#include "process/log.h"

#define PLACE_ROOM                                                                                 \
	1048576 /* bytes of lines that wait to be written; one long record may take more */

struct progress {
	struct counts counts;
	int64_t next[EVENT_PARTITIONS]; /* offset, or TOPIC_EARLIEST */
};

struct place {
	struct dead_letter *dead; /* borrowed */
	struct sources *sources;
	struct event_reader *reader;
	struct progress progress; /* of all that was placed */
	char *lines;              /* whole ones, not yet written */
	size_t length, room;
	char *flat; /* a value without its line breaks */
	size_t flat_room;
	int64_t expected[EVENT_PARTITIONS]; /* the offset that was lost, until reading goes on; or
					       -1 */
	struct line_second second;
	struct event event;
	uint64_t merged;
	struct log_repeat untracked, stale, forgotten;
};

/* Starts with nothing known. */
bool place_open(struct place *place, struct dead_letter *dead, struct fail *fail);
void place_close(struct place *place);

/* For journal_open and dead_letter_open: the place is the context. */
bool place_recall_line(void *place, const struct line *line);
bool place_recall_dead(void *place, const struct dead_record *record);

/* Whether the lines of @record still fit; if not, write the lines first. */
bool place_has_room(const struct place *place, const rd_kafka_message_t *record);
/* Places one record that carries no error. Fails only without memory. */
bool place_record(
	struct place *place, const rd_kafka_message_t *record, int64_t now_ms, struct fail *fail);
/* The lines were written. */
void place_written(struct place *place);

/* Kafka no longer has our offset: reading goes on from the earliest record, and what is known
 * is dropped. False where the earliest is what we asked for. */
bool place_lost(struct place *place, int32_t partition);

#endif
