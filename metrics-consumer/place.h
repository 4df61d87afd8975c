/* metrics-consumer/place.h - where a record goes: a line for the journal, a dead letter, or
 * nowhere, because it is known already.
 *
 * Here is what the consumer remembers: the position in each partition and the last line before it,
 * the numbers of each source, and the checksums of recent ones. All of it is recalled from the
 * checkpoint and the files at start. Placing runs ahead of the files; what it made waits in memory
 * until the consumer has written it. One thread.
 *
 * A known number with the bytes it had, or with bytes that nobody remembers, is a copy and dropped.
 * With other bytes it is a dead letter, "altered". A record without a number cannot be known: where
 * a topic that was cut or made anew is read again, its line may be there twice. */
#ifndef METRICS_CONSUMER_PLACE_H
#define METRICS_CONSUMER_PLACE_H

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/counters.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/decode.h"
#include "metrics-consumer/line.h"
#include "metrics-consumer/line_spans.h"
#include "metrics-consumer/resume.h"
#include "metrics-consumer/sources.h"
#include "process/fail.h"
#include "process/log.h"

#define PLACE_ROOM                                                                                 \
	1048576 /* bytes of lines that wait to be written; one long record may take more */

struct place {
	struct dead_letter *dead; /* borrowed */
	struct sources *sources;
	struct event_reader *reader;
	struct progress progress; /* of all that was placed */
	char *lines;              /* whole ones, not yet written */
	size_t length, room;
	char *flat; /* a value without its line breaks */
	size_t flat_room;
	struct resume resume[EVENT_PARTITIONS];
	struct line_second second;
	struct line_spans *spans; /* of lines that belong to a trace; borrowed, or NULL */
	struct event event;
	uint64_t merged, forgotten;
	struct log_repeat untracked, stale, too_many_ranges, altered, passed_over, began_late;
};

/* Starts with nothing known. */
bool place_open(struct place *place, struct dead_letter *dead, struct fail *fail);
void place_close(struct place *place);

/* For journal_open and dead_letter_open: the place is the context. */
bool place_recall_line(void *place, const struct line *line);
bool place_recall_dead(void *place, const struct dead_record *record);

/* What the place knows, as the checkpoint keeps it, of what was written; nothing may wait. A new
 * reference, or NULL: out of memory. */
json_t *place_save(const struct place *place);
/* For journal_open: into a place that was just opened, before anything is recalled. FAIL_REFUSE
 * names what cannot be; the place is then of no use. */
bool place_restore(void *place, const json_t *state, struct fail *fail);

/* Whether the lines of @record still fit; if not, write the lines first. */
bool place_has_room(const struct place *place, const rd_kafka_message_t *record);
/* Places one record that carries no error, and @decoded from it. Fails only without memory. */
bool place_record(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, int64_t now_ms, struct fail *fail);
/* A repaired dead letter of @partition was written as a line: it is counted, and its number, @id of
 * @source, is known from now on; "" and 0 where it has none. Its offset is no position. */
void place_redriven(struct place *place, enum event_type type, int32_t partition,
	const char *source, int64_t id);
/* The lines were written. */
void place_written(struct place *place);

#endif
