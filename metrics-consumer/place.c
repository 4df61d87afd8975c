#include "metrics-consumer/place.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/client/headers.h"
#include "metrics-consumer/topic.h"

bool place_open(struct place *place, struct dead_letter *dead, struct fail *fail)
{
	*place = (struct place){ .dead = dead, .room = PLACE_ROOM };
	place->sources = sources_new(SOURCES_MISSING_MAX);
	place->reader = event_reader_new();
	place->lines = malloc(place->room);
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		place->progress.next[p] = TOPIC_EARLIEST;
		place->progress.counts.lag[p] = -1;
		place->expected[p] = -1;
	}
	if (place->sources && place->reader && place->lines)
		return true;
	place_close(place);
	return fail_set(fail, FAIL_FATAL, "out of memory");
}

void place_close(struct place *place)
{
	sources_free(&place->sources);
	if (place->reader)
		event_reader_free(&place->reader);
	free(place->lines);
	free(place->flat);
	place->lines = place->flat = NULL;
}

/* Takes a number into what is known. A source beyond the bound has none that could be known. */
static enum source_verdict take_number(
	struct place *place, const char *source, size_t length, int64_t id, bool *tracked)
{
	struct source *const s = sources_find(place->sources, source, length);
	enum source_verdict verdict;

	*tracked = s != NULL;
	if (!s) {
		log_repeating(&place->untracked, LOG_WARNING, "consumer",
			"more than %d sources: copies of further ones are not recognised "
			"source=%.*s",
			SOURCES_MAX, (int)length, source);
		return SOURCE_NEW;
	}
	verdict = sources_take(place->sources, s, id);
	if (sources_merged(place->sources) > place->merged) {
		place->merged = sources_merged(place->sources);
		log_repeating(&place->forgotten, LOG_WARNING, "consumer",
			"more than %d missing ranges: copies of the oldest numbers are not "
			"recognised source=%s",
			SOURCES_MISSING_MAX, s->name);
	}
	return verdict;
}

bool place_recall_line(void *context, const struct line *line)
{
	struct place *const place = context;
	bool tracked;

	if (line->partition >= EVENT_PARTITIONS || line->source_length >= SOURCE_MAX ||
		line->offset == INT64_MAX)
		return false;
	place->progress.next[line->partition] = line->offset + 1;
	if (line->source_length > 0)
		(void)take_number(place, line->source, line->source_length, line->id, &tracked);
	return true;
}

bool place_recall_dead(void *context, const struct dead_record *record)
{
	bool tracked;

	if (record->id > 0)
		(void)take_number(
			context, record->source, strlen(record->source), record->id, &tracked);
	return true;
}

bool place_has_room(const struct place *place, const rd_kafka_message_t *record)
{
	return place->length == 0 || place->room - place->length >= LINE_HEAD_MAX + record->len;
}

static bool grow(char **bytes, size_t *room, size_t needed, struct fail *fail)
{
	char *grown;

	if (needed <= *room)
		return true;
	grown = realloc(*bytes, needed);
	if (!grown)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	*bytes = grown;
	*room = needed;
	return true;
}

static bool put_aside(struct place *place, const rd_kafka_message_t *record,
	const struct record_headers *headers, enum event_flaw flaw, int64_t now_ms,
	struct fail *fail)
{
	struct counts *const counts = &place->progress.counts;
	const struct dead_record dead = { .time_ms = now_ms,
		.partition = record->partition,
		.offset = record->offset,
		.source = headers->source,
		.id = headers->id,
		.flaw = flaw,
		.key = record->key,
		.key_length = record->key_len,
		.value = record->payload,
		.length = record->len };

	if (dead_letter_known(place->dead, &dead)) {
		counts->repeats++; /* read again after a crash */
		return true;
	}
	counts->dead[flaw]++;
	return dead_letter_add(place->dead, &dead, fail);
}

static void count_event(struct place *place, const rd_kafka_message_t *record)
{
	struct counts *const counts = &place->progress.counts;
	const enum event_type type = place->event.type;

	counts->journaled++;
	counts->events[type][record->partition]++;
	if (type != EVENT_OTHER && event_partition(type) != record->partition)
		counts->misplaced++;
}

static void add_line(struct place *place, const rd_kafka_message_t *record,
	const struct record_headers *headers, const char *value, size_t length, int64_t now_ms)
{
	const int64_t at_ms = headers->time_ms >= 0 ? headers->time_ms : place->event.at_ms;
	const struct line line = { .time_ms = now_ms,
		.partition = record->partition,
		.offset = record->offset,
		.source = headers->source,
		.source_length = strlen(headers->source),
		.id = headers->id,
		.delay_ms = now_ms - at_ms,
		.value = value,
		.length = length };

	assert(place->room - place->length >= LINE_HEAD_MAX + length);
	place->length += line_write(&place->second, &line, place->lines + place->length);
	count_event(place, record);
}

/* A value with line breaks would be several lines. *value and *length become one without;
 * length 0 where that cannot be had. */
static bool flatten(struct place *place, const char **value, size_t *length, struct fail *fail)
{
	if (!memchr(*value, '\n', *length) && !memchr(*value, '\r', *length))
		return true;
	if (!grow(&place->flat, &place->flat_room, *length, fail))
		return false;
	*length = event_minify(*value, *length, place->flat);
	*value = place->flat;
	return true;
}

/* The first record after a hole says how large it is. */
static void tell_hole(struct place *place, const rd_kafka_message_t *record)
{
	int64_t *const expected = &place->expected[record->partition];

	if (*expected < 0)
		return;
	if (record->offset > *expected)
		log_warning("consumer",
			"records are gone from Kafka that were not read partition=%" PRId32
			" from=%" PRId64 " to=%" PRId64,
			record->partition, *expected, record->offset - 1);
	else
		log_warning("consumer",
			"the topic was cut or made anew, what is known is dropped "
			"partition=%" PRId32 " expected=%" PRId64 " earliest=%" PRId64,
			record->partition, *expected, record->offset);
	*expected = -1;
}

static bool place_new(struct place *place, const rd_kafka_message_t *record,
	const struct record_headers *headers, int64_t now_ms, struct fail *fail)
{
	const char *value = record->payload;
	size_t length = record->len;
	enum event_flaw flaw = EVENT_NOT_JSON; /* of a tombstone */

	if (value)
		flaw = event_decode(place->reader, value, length, &place->event);
	if (flaw == EVENT_SOUND) {
		if (!flatten(place, &value, &length, fail))
			return false;
		if (length == 0)
			flaw = EVENT_NOT_JSON;
	}
	if (flaw != EVENT_SOUND)
		return put_aside(place, record, headers, flaw, now_ms, fail);
	if (!grow(&place->lines, &place->room, place->length + LINE_HEAD_MAX + length, fail))
		return false;
	add_line(place, record, headers, value, length, now_ms);
	return true;
}

bool place_record(
	struct place *place, const rd_kafka_message_t *record, int64_t now_ms, struct fail *fail)
{
	struct progress *const progress = &place->progress;
	enum source_verdict verdict = SOURCE_NEW;
	struct record_headers headers;
	uint64_t journaled;
	bool tracked = false;

	assert(record->err == RD_KAFKA_RESP_ERR_NO_ERROR);
	assert(record->partition >= 0 && record->partition < EVENT_PARTITIONS);
	if (record->offset < progress->next[record->partition]) {
		log_repeating(&place->stale, LOG_WARNING, "consumer",
			"an offset came twice partition=%" PRId32 " offset=%" PRId64,
			record->partition, record->offset);
		return true;
	}
	tell_hole(place, record);
	headers_read(record, &headers);
	progress->next[record->partition] = record->offset + 1;
	progress->counts.taken++;
	if (headers.id > 0)
		verdict = take_number(
			place, headers.source, strlen(headers.source), headers.id, &tracked);
	if (verdict == SOURCE_COPY) {
		progress->counts.repeats++;
		return true;
	}
	journaled = progress->counts.journaled;
	if (!place_new(place, record, &headers, now_ms, fail))
		return false;
	if (progress->counts.journaled > journaled) {
		progress->counts.late += verdict == SOURCE_LATE;
		progress->counts.nameless += headers.id == 0;
		progress->counts.untracked += headers.id > 0 && !tracked;
	}
	return true;
}

void place_written(struct place *place)
{
	place->progress.counts.journal_bytes += place->length;
	place->length = 0;
	if (place->room > PLACE_ROOM) { /* after a record larger than a batch */
		char *const smaller = realloc(place->lines, PLACE_ROOM);

		if (smaller) {
			place->lines = smaller;
			place->room = PLACE_ROOM;
		}
	}
	if (place->flat_room > PLACE_ROOM) {
		free(place->flat);
		place->flat = NULL;
		place->flat_room = 0;
	}
}

bool place_lost(struct place *place, int32_t partition)
{
	int64_t *const next = &place->progress.next[partition];

	if (*next == TOPIC_EARLIEST)
		return false;
	if (place->expected[partition] < 0)
		place->expected[partition] = *next;
	*next = TOPIC_EARLIEST;
	place->progress.counts.holes++;
	return true;
}
