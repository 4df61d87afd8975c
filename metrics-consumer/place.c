#include "metrics-consumer/place.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "metrics-consumer/checksum.h"
#include "metrics-consumer/topic.h"
#include "process/clock.h"

bool place_open(struct place *place, struct dead_letter *dead, struct fail *fail)
{
	*place = (struct place){ .dead = dead, .room = PLACE_ROOM };
	place->sources = sources_new(SOURCES_MISSING_MAX);
	place->reader = event_reader_new();
	place->lines = malloc(place->room);
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		place->progress.next[p] = TOPIC_EARLIEST;
		place->progress.anchor[p].offset = -1;
		resume_init(&place->resume[p], p);
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

/* A source beyond the bound is not kept, and none of its numbers can be known. */
static struct source *find_source(struct place *place, const char *name, size_t length)
{
	struct source *const s = sources_find(place->sources, name, length);

	if (!s)
		log_repeating(&place->untracked, LOG_WARNING, "consumer",
			"more than %d sources: copies of further ones are not recognised "
			"source=%.*s",
			SOURCES_MAX, (int)length, name);
	return s;
}

static enum source_verdict take_number(struct place *place, struct source *s, int64_t id)
{
	const enum source_verdict verdict = sources_take(place->sources, s, id);

	place->progress.counts.missing = sources_missing(place->sources);
	if (sources_merged(place->sources) > place->merged) {
		place->merged = sources_merged(place->sources);
		log_repeating(&place->too_many_ranges, LOG_WARNING, "consumer",
			"more than %d missing ranges: copies of the oldest numbers are not "
			"recognised source=%s",
			SOURCES_MISSING_MAX, s->name);
	}
	return verdict;
}

static void note(struct place *place, struct source *s, int64_t id, uint32_t checksum)
{
	sources_note(place->sources, s, id, checksum);
	if (sources_forgotten(place->sources) > place->forgotten) {
		if (place->forgotten == 0)
			log_warning("consumer",
				"more than %d recent events: of a source that was not heard of for "
				"long, altered copies are not recognised",
				SOURCES_RECENT_ALL);
		place->forgotten = sources_forgotten(place->sources);
	}
}

static void set_anchor(struct anchor *anchor, int64_t offset, const char *source, size_t length,
	int64_t id, uint32_t checksum)
{
	assert(length < sizeof(anchor->source));
	anchor->offset = offset;
	anchor->id = id;
	anchor->checksum = checksum;
	memcpy(anchor->source, source, length);
	anchor->source[length] = '\0';
}

bool place_recall_line(void *context, const struct line *line)
{
	struct place *const place = context;
	enum source_verdict verdict = SOURCE_NEW;
	enum event_type type = EVENT_OTHER;
	struct source *s = NULL;
	uint32_t checksum;

	if (line->partition >= EVENT_PARTITIONS || line->source_length >= SOURCE_MAX ||
		line->offset == INT64_MAX)
		return false;
	checksum = checksum32(line->value, line->length);
	if (line->source_length > 0)
		s = find_source(place, line->source, line->source_length);
	if (s)
		verdict = take_number(place, s, line->id);
	/* A line that fills a missing place from further in front may have been redriven: then it
	 * is no position, and its record has other bytes. */
	if (verdict == SOURCE_NEW || line->offset >= place->progress.next[line->partition]) {
		place->progress.next[line->partition] = line->offset + 1;
		set_anchor(&place->progress.anchor[line->partition], line->offset,
			line->source ? line->source : "", line->source_length, line->id, checksum);
		if (s && verdict != SOURCE_COPY)
			note(place, s, line->id, checksum);
	}
	if (event_decode(place->reader, line->value, line->length, &place->event) == EVENT_SOUND)
		type = place->event.type;
	place->progress.counts.ever.events[type][line->partition]++;
	return true;
}

bool place_recall_dead(void *context, const struct dead_record *record)
{
	struct place *const place = context;
	struct source *s;

	place->progress.counts.ever.dead[record->reason]++;
	/* An altered one is not its number's first record, and that one may not be in the journal
	 * yet: it is written after its dead letters. */
	if (record->id == 0 || record->reason == DEAD_ALTERED)
		return true;
	s = find_source(place, record->source, strlen(record->source));
	if (s && take_number(place, s, record->id) != SOURCE_COPY)
		note(place, s, record->id, record->checksum);
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
	const struct record_headers *headers, int reason, int64_t now_ms, struct fail *fail)
{
	struct counts *const counts = &place->progress.counts;
	const struct dead_record dead = { .time_ms = now_ms,
		.partition = record->partition,
		.offset = record->offset,
		.source = headers->source,
		.id = headers->id,
		.traceparent = headers->traceparent,
		.reason = reason,
		.key = record->key,
		.key_length = record->key_len,
		.value = record->payload,
		.length = record->len };

	if (dead_letter_known(place->dead, &dead)) {
		counts->repeats++; /* read again after a crash */
		return true;
	}
	if (reason == DEAD_ALTERED)
		log_repeating(&place->altered, LOG_ERROR, "consumer",
			"a known number came with other bytes, they are in the dead letter "
			"source=%s id=%" PRId64 " partition=%" PRId32 " offset=%" PRId64,
			headers->source, headers->id, record->partition, record->offset);
	counts->dead[reason]++;
	counts->ever.dead[reason]++;
	return dead_letter_add(place->dead, &dead, fail);
}

static void count_event(struct place *place, const rd_kafka_message_t *record, enum event_type type)
{
	struct counts *const counts = &place->progress.counts;

	counts->journaled++;
	counts->events[type][record->partition]++;
	counts->ever.events[type][record->partition]++;
	if (type != EVENT_OTHER && event_partition(type) != record->partition)
		counts->misplaced++;
}

/* Gives the value's checksum. */
static uint32_t add_line(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, const char *value, size_t length, int64_t now_ms)
{
	const struct record_headers *const headers = &decoded->headers;
	const int64_t at_ms = headers->time_ms >= 0 ? headers->time_ms : decoded->at_ms;
	const uint32_t checksum = decoded->breaks ? checksum32(value, length) : decoded->checksum;
	const struct line line = { .time_ms = now_ms,
		.partition = record->partition,
		.offset = record->offset,
		.source = headers->source,
		.source_length = strlen(headers->source),
		.id = headers->id,
		.delay_ms = now_ms - at_ms,
		.trace = *headers->traceparent ? headers->traceparent + TRACE_AT : NULL,
		.value = value,
		.length = length };

	assert(place->room - place->length >= LINE_HEAD_MAX + length);
	place->length += line_write(&place->second, &line, place->lines + place->length);
	if (line.trace)
		line_spans_begin(place->spans, record, decoded);
	set_anchor(&place->progress.anchor[record->partition], record->offset, line.source,
		line.source_length, line.id, checksum);
	histogram_add(&place->progress.counts.delay_ms, &counts_delay_scale,
		line.delay_ms > 0 ? (uint64_t)line.delay_ms : 0); /* clocks may differ */
	count_event(place, record, decoded->type);
	return checksum;
}

/* A value with line breaks would be several lines. *value and *length become one without;
 * length 0 where that cannot be had. */
static bool flatten(struct place *place, const char **value, size_t *length, struct fail *fail)
{
	if (!grow(&place->flat, &place->flat_room, *length, fail))
		return false;
	*length = event_minify(*value, *length, place->flat);
	*value = place->flat;
	return true;
}

/* Whether the record's value is the one with this checksum: as it is, or as its line holds it. */
static bool compare_value(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, uint32_t checksum, bool *same, struct fail *fail)
{
	const char *value = record->payload;
	size_t length = record->len;

	*same = decoded->checksum == checksum;
	if (*same || !decoded->breaks || decoded->flaw != EVENT_SOUND)
		return true;
	if (!flatten(place, &value, &length, fail))
		return false;
	*same = checksum32(value, length) == checksum;
	return true;
}

/* A record that is not known becomes a line or a dead letter. *checksum is of what is kept. */
static bool place_new(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, int64_t now_ms, uint32_t *checksum, struct fail *fail)
{
	const char *value = record->payload;
	size_t length = record->len;
	enum event_flaw flaw = decoded->flaw;

	if (flaw == EVENT_SOUND && decoded->breaks) {
		if (!flatten(place, &value, &length, fail))
			return false;
		if (length == 0)
			flaw = EVENT_NOT_JSON;
	}
	if (flaw != EVENT_SOUND) {
		*checksum = decoded->checksum;
		return put_aside(place, record, &decoded->headers, (int)flaw, now_ms, fail);
	}
	if (!grow(&place->lines, &place->room, place->length + LINE_HEAD_MAX + length, fail))
		return false;
	*checksum = add_line(place, record, decoded, value, length, now_ms);
	return true;
}

/* A record whose number is known: a copy, or something else under its name. */
static bool place_known(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, const struct source *source, int64_t now_ms,
	struct fail *fail)
{
	const struct record_headers *const headers = &decoded->headers;
	uint32_t checksum;
	bool same = true;

	if (source_checksum(source, headers->id, &checksum) &&
		!compare_value(place, record, decoded, checksum, &same, fail))
		return false;
	if (!same)
		return put_aside(place, record, headers, DEAD_ALTERED, now_ms, fail);
	place->progress.counts.repeats++;
	return true;
}

/* Whether the record is the one our last line of its partition was made of. */
static bool compare_anchor(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, bool *same, struct fail *fail)
{
	const struct anchor *const anchor = &place->progress.anchor[record->partition];

	*same = decoded->headers.id == anchor->id &&
		strcmp(decoded->headers.source, anchor->source) == 0;
	return !*same || compare_value(place, record, decoded, anchor->checksum, same, fail);
}

/* Whether a number is not known, of a source that is kept or could be. */
static bool is_new(const struct place *place, const struct record_headers *headers)
{
	const size_t length = strlen(headers->source);
	const struct source *s;

	if (headers->id == 0)
		return false;
	s = sources_peek(place->sources, headers->source, length);
	return s ? source_known(s, headers->id, headers->id) == 0
		 : sources_count(place->sources) < SOURCES_MAX;
}

/* Between the last line's record and the position there are only copies and dead letters, all of
 * numbers that are known. One that is not: the log was cut there, and has grown. */
static void look_behind_line(
	struct place *place, const rd_kafka_message_t *record, const struct record_headers *headers)
{
	struct resume *const r = &place->resume[record->partition];
	const int64_t line = place->progress.anchor[record->partition].offset;

	if (r->again || r->state != RESUME_READING || line < 0 || record->offset <= line ||
		record->offset >= place->progress.next[record->partition])
		return;
	if (is_new(place, headers))
		resume_cut_behind_line(r, &place->progress, record->offset);
}

/* Whether reading is where this record is next. */
static bool is_next(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, bool *next, struct fail *fail)
{
	struct resume *const r = &place->resume[record->partition];
	struct progress *const progress = &place->progress;
	const bool reading = !r->again && r->state == RESUME_READING;
	bool is_anchor = false;

	if (resume_wants_anchor(r, progress, record->offset) &&
		!compare_anchor(place, record, decoded, &is_anchor, fail))
		return false;
	*next = resume_takes(r, progress, record->offset, is_anchor);
	if (!*next)
		look_behind_line(place, record, &decoded->headers);
	if (!*next && reading && record->offset >= r->known_to)
		log_repeating(&place->stale, LOG_WARNING, "consumer",
			"an offset came twice partition=%" PRId32 " offset=%" PRId64,
			record->partition, record->offset);
	return true;
}

/* Numbers between the highest known and this one are not there. False: first they are looked for
 * a second time. */
static bool pass_over(struct place *place, const rd_kafka_message_t *record,
	const struct source *source, int64_t id)
{
	if (!resume_believes_hole(&place->resume[record->partition], &place->progress,
		    record->offset, id, clock_mono_ms()))
		return false;
	if (source->highest == 0) { /* of a topic that is older than the journal, mostly */
		log_repeating(&place->began_late, LOG_WARNING, "consumer",
			"the first record of a source is not its number 1 source=%s first=%" PRId64
			" partition=%" PRId32 " offset=%" PRId64,
			source->name, id, record->partition, record->offset);
		return true;
	}
	place->progress.counts.ever.number_holes++;
	log_repeating(&place->passed_over, LOG_ERROR, "consumer",
		"numbers of a source are missing source=%s first=%" PRId64 " last=%" PRId64
		" partition=%" PRId32 " offset=%" PRId64,
		source->name, source->highest + 1, id - 1, record->partition, record->offset);
	return true;
}

static bool place_next(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, int64_t now_ms, struct fail *fail)
{
	const struct record_headers *const headers = &decoded->headers;
	struct progress *const progress = &place->progress;
	struct source *const source =
		headers->id > 0 ? find_source(place, headers->source, strlen(headers->source))
				: NULL;
	const uint64_t journaled = progress->counts.journaled;
	enum source_verdict verdict = SOURCE_NEW;
	uint32_t checksum;

	if (source && headers->id - 1 > source->highest &&
		!pass_over(place, record, source, headers->id))
		return true;
	progress->next[record->partition] = record->offset + 1;
	progress->counts.taken++;
	if (source)
		verdict = take_number(place, source, headers->id);
	if (verdict == SOURCE_COPY)
		return place_known(place, record, decoded, source, now_ms, fail);
	if (!place_new(place, record, decoded, now_ms, &checksum, fail))
		return false;
	if (source)
		note(place, source, headers->id, checksum);
	if (progress->counts.journaled > journaled) {
		progress->counts.late += verdict == SOURCE_LATE;
		progress->counts.nameless += headers->id == 0;
		progress->counts.untracked += headers->id > 0 && !source;
	}
	return true;
}

bool place_record(struct place *place, const rd_kafka_message_t *record,
	const struct decoded *decoded, int64_t now_ms, struct fail *fail)
{
	bool next;

	assert(record->err == RD_KAFKA_RESP_ERR_NO_ERROR);
	assert(record->partition >= 0 && record->partition < EVENT_PARTITIONS);
	if (!is_next(place, record, decoded, &next, fail))
		return false;
	return !next || place_next(place, record, decoded, now_ms, fail);
}

void place_redriven(struct place *place, enum event_type type, int32_t partition,
	const char *source, int64_t id)
{
	struct source *const s = id > 0 ? find_source(place, source, strlen(source)) : NULL;

	place->progress.counts.ever.events[type][partition]++;
	if (s)
		(void)take_number(
			place, s, id); /* the dead letter may not be read at the next start */
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
