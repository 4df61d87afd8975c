/* What the place knows, as one JSON object, and back. The checkpoint keeps it.
 *
 * {"version":1,
 *  "partitions":[{"next":18,"line":{"offset":16,"source":"cart/a","id":17,"checksum":"9f…"}},…],
 *  "sources":[{"name":"cart/a","highest":17,"missing":[[3,4]],"recent":[[1,"<8 digits each>"],…]}],
 *  "counts":{…}}
 *
 * A partition without a position has next -1 and, like one without a line, "line" null. Checksums
 * are runs of consecutive numbers, each with its first. Reading is strict: this is what decides
 * what is read and dropped, so anything odd refuses the whole. */
#include "metrics-consumer/place.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics-consumer/topic.h"

#define VERSION 1
#define DIGITS  8 /* hex digits of a checksum */
/* Of a source: numbers without a hole are one or two. Forged ones are not worth the memory that
 * each run takes as JSON, hundreds of MB in all; the youngest are kept. */
#define RUNS_MAX 64

static const char hex[] = "0123456789abcdef";

static char *put_checksum(char *at, uint32_t checksum)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		*at++ = hex[checksum >> shift & 15];
	return at;
}

static bool take_checksum(const char *at, uint32_t *checksum)
{
	*checksum = 0;
	for (int i = 0; i < DIGITS; i++) {
		const char *const digit = at[i] != '\0' ? strchr(hex, at[i]) : NULL;

		if (!digit)
			return false;
		*checksum = *checksum << 4 | (uint32_t)(digit - hex);
	}
	return true;
}

/* Saving. NULL means no memory and is passed on: json_pack and the _new functions refuse it, and
 * take what they are given in any case. */

static json_t *save_partition(const struct progress *progress, int32_t partition)
{
	const struct anchor *const anchor = &progress->anchor[partition];
	char checksum[DIGITS + 1] = "";
	json_t *line;

	if (anchor->offset < 0) {
		line = json_null();
	} else {
		put_checksum(checksum, anchor->checksum);
		line = json_pack("{s:I, s:s, s:I, s:s}", "offset", (json_int_t)anchor->offset,
			"source", anchor->source, "id", (json_int_t)anchor->id, "checksum",
			checksum);
	}
	return json_pack("{s:I, s:o}", "next", (json_int_t)progress->next[partition], "line", line);
}

static json_t *save_missing(const struct source *s)
{
	json_t *const list = json_array();

	for (size_t i = 0; list && i < s->count; i++) {
		if (json_array_append_new(list, json_pack("[I, I]", (json_int_t)s->missing[i].first,
							(json_int_t)s->missing[i].last)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* The numbers stand in order from the one behind the last noted, unless there were jumps. */
static const struct source_recent *recent_of(const struct source *s, size_t i)
{
	return &s->recent[((size_t)s->noted + 1 + i) & (s->recent_room - 1)];
}

/* From which place in that order on there are at most RUNS_MAX runs. */
static size_t first_saved(const struct source *s)
{
	size_t runs = 0, from = s->recent_room;
	int64_t before = 0; /* the number in front of the run */

	for (size_t i = s->recent_room; i > 0; i--) {
		const int64_t id = recent_of(s, i - 1)->id;

		if (id == 0)
			continue;
		if (id != before && ++runs > RUNS_MAX)
			break;
		before = id - 1;
		from = i - 1;
	}
	return from;
}

static json_t *save_recent(const struct source *s)
{
	json_t *const list = json_array();
	char *const digits = malloc(s->recent_room * DIGITS + 1), *at = digits;
	int64_t first = 0, id = 0; /* of the run */
	bool good = list && digits;

	for (size_t i = first_saved(s); good && i <= s->recent_room; i++) {
		const bool last = i == s->recent_room;
		const struct source_recent *const r =
			last ? &(const struct source_recent){ 0 } : recent_of(s, i);

		if (at > digits && (last || r->id != id + 1)) {
			good = json_array_append_new(
				       list, json_pack("[I, s%]", (json_int_t)first, digits,
						     (size_t)(at - digits))) == 0;
			at = digits;
		}
		if (last || r->id == 0)
			continue;
		if (at == digits)
			first = r->id;
		id = r->id;
		at = put_checksum(at, r->checksum);
	}
	free(digits);
	if (good)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *save_sources(const struct sources *sources)
{
	json_t *const list = json_array();

	for (size_t i = 0; list && i < sources_count(sources); i++) {
		const struct source *const s = sources_at(sources, i);

		if (s->highest == 0) /* its first record is being looked for a second time */
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s, s:I, s:o, s:o}", "name", s->name, "highest",
					  (json_int_t)s->highest, "missing", save_missing(s),
					  "recent", save_recent(s))) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *save_counts(const struct counts_ever *ever)
{
	json_t *const events = json_object();

	for (int type = 0; type < EVENT_TYPES; type++) {
		json_t *const list = json_array();

		for (int p = 0; p < EVENT_PARTITIONS; p++)
			(void)json_array_append_new(
				list, json_integer((json_int_t)ever->events[type][p]));
		(void)json_object_set_new(events, event_type_name((enum event_type)type), list);
	}
	/* Dead letters are counted again each time: their file is read whole. */
	return json_pack("{s:o, s:I, s:I, s:I}", "events", events, "holes", (json_int_t)ever->holes,
		"topic_replaced", (json_int_t)ever->replaced, "number_holes",
		(json_int_t)ever->number_holes);
}

json_t *place_save(const struct place *place)
{
	const struct progress *const progress = &place->progress;

	assert(place->length == 0);
	return json_pack("{s:i, s:[o, o], s:o, s:o}", "version", VERSION, "partitions",
		save_partition(progress, 0), save_partition(progress, 1), "sources",
		save_sources(place->sources), "counts", save_counts(&progress->counts.ever));
}
_Static_assert(EVENT_PARTITIONS == 2, "place_save names them one by one");

/* Restoring. */

static bool odd(struct fail *fail, const char *field, const char *why)
{
	return fail_set(fail, FAIL_REFUSE, "checkpoint: %s: %s", field, why);
}

static bool take_whole(
	const json_t *from, int64_t least, int64_t *number, const char *field, struct fail *fail)
{
	if (!json_is_integer(from) || json_integer_value(from) < least)
		return odd(fail, field, "not a whole number that can be");
	*number = json_integer_value(from);
	return true;
}

/* An object with these fields and no others. */
static bool has_fields(const json_t *object, size_t count, const char *field, struct fail *fail)
{
	if (!json_is_object(object))
		return odd(fail, field, "not an object");
	if (json_object_size(object) != count)
		return odd(fail, field, "has fields that are not ours, or too few");
	return true;
}

static bool restore_anchor(
	const json_t *line, int64_t next, struct anchor *anchor, struct fail *fail)
{
	const char *const source = json_string_value(json_object_get(line, "source"));
	const char *const checksum = json_string_value(json_object_get(line, "checksum"));

	if (json_is_null(line))
		return true;
	if (!has_fields(line, 4, "line", fail) ||
		!take_whole(json_object_get(line, "id"), 0, &anchor->id, "line.id", fail) ||
		!take_whole(
			json_object_get(line, "offset"), 0, &anchor->offset, "line.offset", fail))
		return false;
	if (!source || strlen(source) >= SOURCE_MAX || (*source != '\0') != (anchor->id > 0))
		return odd(fail, "line.source", "not a source that goes with the id");
	if (!checksum || strlen(checksum) != DIGITS || !take_checksum(checksum, &anchor->checksum))
		return odd(fail, "line.checksum", "not 8 hex digits");
	if (anchor->offset >= next)
		return odd(fail, "line.offset", "not below next");
	strcpy(anchor->source, source);
	return true;
}

static bool restore_partition(
	const json_t *from, struct progress *progress, int32_t partition, struct fail *fail)
{
	int64_t *const next = &progress->next[partition];

	return has_fields(from, 2, "partitions", fail) &&
	       take_whole(json_object_get(from, "next"), TOPIC_EARLIEST, next, "next", fail) &&
	       (json_object_get(from, "line") || odd(fail, "line", "is not there")) &&
	       restore_anchor(
		       json_object_get(from, "line"), *next, &progress->anchor[partition], fail);
}

static bool restore_numbers(
	struct place *place, struct source *s, const json_t *from, struct fail *fail)
{
	const json_t *const missing = json_object_get(from, "missing");
	const size_t count = json_array_size(missing);
	struct source_range ranges[SOURCES_MISSING_MAX];
	int64_t highest = 0;

	if (!json_is_array(missing) || count > SOURCES_MISSING_MAX)
		return odd(fail, "missing", "not a list of at most 1024 ranges");
	if (!take_whole(json_object_get(from, "highest"), 1, &highest, "highest", fail))
		return false;
	for (size_t i = 0; i < count; i++) {
		const json_t *const range = json_array_get(missing, i);

		if (json_array_size(range) != 2)
			return odd(fail, "missing", "a range is not two numbers");
		if (!take_whole(json_array_get(range, 0), 1, &ranges[i].first, "missing", fail) ||
			!take_whole(json_array_get(range, 1), 1, &ranges[i].last, "missing", fail))
			return false;
	}
	return sources_restore(place->sources, s, highest, ranges, count) ||
	       odd(fail, "missing", "ranges that cannot be below the highest number");
}

static bool restore_recent(
	struct place *place, struct source *s, const json_t *from, struct fail *fail)
{
	const json_t *const list = json_object_get(from, "recent");

	if (!json_is_array(list))
		return odd(fail, "recent", "not a list");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *const run = json_array_get(list, i);
		const char *const digits = json_string_value(json_array_get(run, 1));
		const size_t length = digits ? strlen(digits) : 0;
		int64_t first = 0;
		uint32_t checksum;

		if (json_array_size(run) != 2 || length == 0 || length % DIGITS != 0 ||
			length / DIGITS > SOURCES_RECENT_MAX)
			return odd(fail, "recent", "a run is not a number and its checksums");
		if (!take_whole(json_array_get(run, 0), 1, &first, "recent", fail))
			return false;
		if (first > s->highest - (int64_t)(length / DIGITS) + 1)
			return odd(fail, "recent", "a number above the highest");
		for (size_t at = 0; at < length; at += DIGITS) {
			if (!take_checksum(digits + at, &checksum))
				return odd(fail, "recent", "not hex digits");
			sources_note(place->sources, s, first + (int64_t)(at / DIGITS), checksum);
		}
	}
	return true;
}

static bool restore_source(struct place *place, const json_t *from, struct fail *fail)
{
	const char *const name = json_string_value(json_object_get(from, "name"));
	const size_t length = name ? strlen(name) : 0;
	struct source *s;

	if (!has_fields(from, 4, "sources", fail))
		return false;
	if (length == 0 || length >= SOURCE_MAX)
		return odd(fail, "name", "not the name of a source");
	s = sources_find(place->sources, name, length);
	if (!s)
		return odd(fail, "sources", "too many, or out of memory");
	if (s->highest != 0)
		return odd(fail, "name", "a source is there twice");
	return restore_numbers(place, s, from, fail) && restore_recent(place, s, from, fail);
}

static bool restore_count(const json_t *from, const char *field, uint64_t *count, struct fail *fail)
{
	int64_t number = 0;

	if (!take_whole(json_object_get(from, field), 0, &number, field, fail))
		return false;
	*count = (uint64_t)number;
	return true;
}

/* A checkpoint of a program that knew fewer types has none of the later ones. */
#define FIRST_TYPES (EVENT_STOCK_CHANGED + 1)

static bool restore_events(const json_t *from, struct counts_ever *ever, struct fail *fail)
{
	size_t known = 0;
	int64_t number = 0;

	for (int type = 0; type < EVENT_TYPES; type++) {
		const char *const name = event_type_name((enum event_type)type);
		const json_t *const list = json_object_get(from, name);

		if (!list && type >= FIRST_TYPES)
			continue;
		known++;
		if (json_array_size(list) != EVENT_PARTITIONS)
			return odd(fail, name, "not one count for each partition");
		for (int p = 0; p < EVENT_PARTITIONS; p++) {
			if (!take_whole(json_array_get(list, (size_t)p), 0, &number, name, fail))
				return false;
			ever->events[type][p] = (uint64_t)number;
		}
	}
	return has_fields(from, known, "events", fail);
}

static bool restore_counts(const json_t *from, struct counts_ever *ever, struct fail *fail)
{
	return has_fields(from, 4, "counts", fail) &&
	       restore_events(json_object_get(from, "events"), ever, fail) &&
	       restore_count(from, "holes", &ever->holes, fail) &&
	       restore_count(from, "topic_replaced", &ever->replaced, fail) &&
	       restore_count(from, "number_holes", &ever->number_holes, fail);
}

bool place_restore(void *context, const json_t *state, struct fail *fail)
{
	struct place *const place = context;
	const json_t *const partitions = json_object_get(state, "partitions");
	const json_t *const sources = json_object_get(state, "sources");
	struct progress *const progress = &place->progress;

	if (!has_fields(state, 4, "state", fail))
		return false;
	if (json_integer_value(json_object_get(state, "version")) != VERSION)
		return odd(fail, "version", "not 1: it is of another version of the program");
	if (json_array_size(partitions) != EVENT_PARTITIONS)
		return odd(fail, "partitions", "not two of them");
	if (!json_is_array(sources))
		return odd(fail, "sources", "not a list");
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		if (!restore_partition(json_array_get(partitions, (size_t)p), progress, p, fail))
			return false;
	}
	for (size_t i = 0; i < json_array_size(sources); i++) {
		if (!restore_source(place, json_array_get(sources, i), fail))
			return false;
	}
	progress->counts.missing = sources_missing(place->sources);
	return restore_counts(json_object_get(state, "counts"), &progress->counts.ever, fail);
}
