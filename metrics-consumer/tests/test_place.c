/* What becomes of a record, and what is known afterwards. Records are made by hand, with their
 * name in a member that is theirs; the dead letter is a file. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/checksum.h"
#include "metrics-consumer/place.h"
#include "metrics-consumer/tests/scratch.h"
#include "metrics-consumer/topic.h"

#define EVENT(count)                                                                               \
	"{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":"                        \
	"\"2025-07-08T19:15:32Z\",\"payload\":{\"cartId\":\"xyz123\",\"sku\":\"A123\","            \
	"\"count\":" count ",\"status\":\"success\"}}"
#define BROKEN_LINES                                                                               \
	"{\"type\":\"cart_emptied\",\"service\":\"cart\",\r\n\"timestamp\":"                       \
	"\"2025-07-08T19:15:32Z\",\n\"payload\":{}}\n"
#define ONE_LINE                                                                                   \
	"{\"type\":\"cart_emptied\",\"service\":\"cart\",\"timestamp\":"                           \
	"\"2025-07-08T19:15:32Z\",\"payload\":{}}"

struct fixture {
	struct scratch scratch;
	struct dead_letter dead;
	struct place place;
};

void __wrap_headers_take(rd_kafka_message_t *record, struct record_headers *out);
void __wrap_headers_take(rd_kafka_message_t *record, struct record_headers *out)
{
	*out = *(const struct record_headers *)record->_private;
}

static bool ignore(void *context, const struct dead_record *record)
{
	(void)context;
	(void)record;
	return true;
}

static void open_place(struct fixture *f)
{
	struct fail fail = { 0 };

	assert_true(place_open(&f->place, &f->dead, &fail));
}

/* The dead letter's lines are recalled; without a journal. */
static void open_dead_letter(struct fixture *f, dead_letter_seen *seen)
{
	struct fail fail = { 0 };

	assert_true(dead_letter_open(&f->dead, scratch_path(&f->scratch, "dead-letter.log"),
		f->place.progress.next, seen, &f->place, &fail));
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		resume_begin(&f->place.resume[p], &f->place.progress, 1);
}

static void close_all(struct fixture *f)
{
	dead_letter_close(&f->dead);
	place_close(&f->place);
}

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	scratch_make(&f->scratch);
	open_place(f);
	open_dead_letter(f, ignore);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	close_all(f);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static void put_bytes(struct fixture *f, int64_t offset, const char *source, int64_t id,
	const char *value, size_t length)
{
	struct record_headers headers = { .id = id, .time_ms = 1752002132481 };
	rd_kafka_message_t record = { .partition = 0,
		.offset = offset,
		.payload = (void *)(intptr_t)value,
		.len = length,
		._private = &headers };
	struct decoded decoded;
	struct fail fail = { 0 };

	strcpy(headers.source, source);
	assert_true(place_has_room(&f->place, &record));
	decode_record(f->place.reader, &f->place.event, &record, &decoded);
	assert_true(place_record(&f->place, &record, &decoded, 1752002132485, &fail));
}

static void put(
	struct fixture *f, int64_t offset, const char *source, int64_t id, const char *value)
{
	put_bytes(f, offset, source, id, value, value ? strlen(value) : 0);
}

static void assert_counts(struct fixture *f, uint64_t journaled, uint64_t repeats, uint64_t altered)
{
	const struct counts *const counts = &f->place.progress.counts;

	assert_int_equal(counts->journaled, journaled);
	assert_int_equal(counts->repeats, repeats);
	assert_int_equal(counts->dead[DEAD_ALTERED], altered);
}

static void recall(struct fixture *f, int64_t offset, int64_t id)
{
	assert_true(place_recall_line(&f->place, &(struct line){ .time_ms = 1752002132481,
							 .offset = offset,
							 .source = "cart/a",
							 .source_length = 6,
							 .id = id,
							 .value = EVENT("1"),
							 .length = strlen(EVENT("1")) }));
}

/* Without a checkpoint the lines alone tell where reading goes on, and redriven ones are behind
 * them. */
static void a_redriven_line_is_no_position(void **state)
{
	struct fixture *const f = *state;

	recall(f, 0, 1);
	recall(f, 3, 4);
	recall(f, 1, 2);
	recall(f, 2, 3);
	assert_int_equal(f->place.progress.next[0], 4);
	assert_int_equal(f->place.progress.anchor[0].offset, 3);
	assert_int_equal(f->place.progress.counts.missing, 0);
	recall(f, 0, 5); /* of a topic that was made anew: it is one */
	assert_int_equal(f->place.progress.next[0], 1);
	assert_int_equal(f->place.progress.anchor[0].offset, 0);
}

/* Writes what waits and begins anew with what @state or the files tell: as after a restart. */
static void start_again(struct fixture *f, const char *lines)
{
	struct line_second second = { 0 };
	struct fail fail = { 0 };

	assert_true(dead_letter_write(&f->dead, &fail));
	close_all(f);
	open_place(f);
	for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
		struct line line;

		assert_true(line_read(&second, lines, (size_t)(end - lines), &line));
		assert_true(place_recall_line(&f->place, &line));
	}
	open_dead_letter(f, place_recall_dead);
}

static char *lines_of(struct fixture *f)
{
	char *const text = strndup(f->place.lines, f->place.length);

	assert_non_null(text);
	return text;
}

static void a_copy_is_dropped_and_other_bytes_are_put_aside(void **state)
{
	struct fixture *const f = *state;
	char *lines;

	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/a", 1, EVENT("1"));
	assert_counts(f, 1, 1, 0);
	put(f, 2, "cart/a", 1, EVENT("2"));
	put(f, 3, "cart/a", 1, "no event at all");
	put(f, 4, "cart/a", 1, NULL);
	put(f, 5, "cart/a", 1, EVENT("1"));
	assert_counts(f, 1, 2, 3);
	put(f, 6, "cart/a", 2, EVENT("2"));
	assert_counts(f, 2, 2, 3);

	lines = lines_of(f);
	start_again(f, lines);
	free(lines);
	put(f, 6, "cart/a", 2, EVENT("2")); /* the last line, compared and skipped */
	put(f, 7, "cart/a", 1, EVENT("1"));
	put(f, 8, "cart/a", 2, EVENT("3"));
	assert_counts(f, 0, 1, 1);
	assert_int_equal(f->place.progress.counts.ever.dead[DEAD_ALTERED], 4);
	assert_int_equal(f->place.progress.counts.ever.events[EVENT_CART_ITEM_ADDED][0], 2);
}

static void a_value_is_compared_as_its_line_holds_it(void **state)
{
	struct fixture *const f = *state;
	char *lines;

	put(f, 0, "cart/a", 1, BROKEN_LINES);
	put(f, 1, "cart/a", 1, BROKEN_LINES);
	put(f, 2, "cart/a", 1, ONE_LINE);
	put(f, 3, "cart/a", 2, "{\n broken");
	put(f, 4, "cart/a", 2, "{\n broken");
	assert_counts(f, 1, 3, 0);
	lines = lines_of(f);
	start_again(f, lines);
	free(lines);
	put(f, 0, "cart/a", 1, BROKEN_LINES);
	assert_int_equal(f->place.progress.counts.ever.replaced, 0);
	put(f, 1, "cart/a", 1, BROKEN_LINES);
	put(f, 2, "cart/a", 1, ONE_LINE);
	put(f, 3, "cart/a", 2, "{\n broken");
	assert_counts(f, 0, 3, 0);
	put(f, 4, "cart/a", 1, BROKEN_LINES " ");
	assert_counts(f, 0, 4, 0);
	put(f, 5, "cart/a", 2, "{\n Broken");
	assert_counts(f, 0, 4, 1);
}

/* The sound one is then kept beside it, not dropped. */
static void a_number_first_seen_on_a_broken_record_is_that_ones(void **state)
{
	struct fixture *const f = *state;

	put(f, 0, "cart/a", 1, "{");
	put(f, 1, "cart/a", 1, "{");
	put(f, 2, "cart/a", 1, EVENT("1"));
	assert_counts(f, 0, 1, 1);
	start_again(f, "");
	put(f, 0, "cart/a", 1, "{");
	put(f, 1, "cart/a", 1, "{");
	put(f, 2, "cart/a", 1, EVENT("1"));
	assert_counts(f, 0, 3, 0); /* all of it is in the file */
	assert_int_equal(f->dead.length, 0);
}

/* It is written before the lines of its batch, and one of those may be its number's first. */
static void an_altered_record_whose_first_one_was_not_written_yet_loses_nothing(void **state)
{
	struct fixture *const f = *state;

	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/a", 1, EVENT("2"));
	assert_counts(f, 1, 0, 1);
	start_again(f, ""); /* killed before the line */
	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/a", 1, EVENT("2"));
	assert_counts(f, 1, 1, 0);
	assert_int_equal(f->dead.length, 0);
}

static void a_record_longer_than_is_kept_is_known_by_its_beginning(void **state)
{
	struct fixture *const f = *state;
	const size_t length = DEAD_VALUE_MAX + 100;
	char *const value = malloc(length);
	struct fail fail = { 0 };

	assert_non_null(value);
	memset(value, 'x', length);
	put_bytes(f, 0, "cart/a", 1, value, length);
	assert_true(dead_letter_write(&f->dead, &fail));
	put_bytes(f, 1, "cart/a", 1, value, length);
	assert_counts(f, 0, 1, 0);
	start_again(f, "");
	put_bytes(f, 1, "cart/a", 1, value, length);
	assert_counts(f, 0, 1, 0);
	free(value);
}

static void passed_over_numbers_are_looked_for_twice_then_counted(void **state)
{
	struct fixture *const f = *state;
	struct counts *const counts = &f->place.progress.counts;

	put(f, 0, "cart/a", 3, EVENT("3")); /* the first of its source: nothing to look for */
	assert_counts(f, 1, 0, 0);
	assert_int_equal(counts->missing, 2);
	put(f, 1, "cart/a", 6, EVENT("6"));
	put(f, 2, "cart/a", 7, EVENT("7"));
	assert_counts(f, 1, 0, 0);
	assert_int_equal(f->place.progress.next[0], 1);
	assert_true(resume_is_due(&f->place.resume[0], 1));
	resume_begin(&f->place.resume[0], &f->place.progress, 1);
	assert_int_equal(resume_position(&f->place.resume[0], &f->place.progress), 0);
	put(f, 0, "cart/a", 3, EVENT("3"));
	put(f, 1, "cart/a", 6, EVENT("6"));
	put(f, 2, "cart/a", 7, EVENT("7"));
	assert_counts(f, 3, 0, 0);
	assert_int_equal(counts->missing, 4);
	assert_int_equal(counts->ever.number_holes, 1);
	put(f, 3, "cart/a", 5, EVENT("5"));
	assert_int_equal(counts->missing, 3);
	assert_int_equal(counts->late, 1);
}

/* The second reading finds that the log is another one. */
static void what_comes_the_second_time_counts(void **state)
{
	struct fixture *const f = *state;

	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/a", 4, EVENT("4"));
	resume_begin(&f->place.resume[0], &f->place.progress, 1);
	put(f, 0, "cart/a", 1, EVENT("2")); /* the same number with other bytes: another record */
	assert_int_equal(f->place.progress.counts.ever.replaced, 1);
	assert_int_equal(f->place.progress.counts.missing, 0);
	assert_true(f->place.resume[0].replaced);
	assert_int_equal(f->place.progress.next[0], TOPIC_EARLIEST);
}

/* ATTACKS B10. The last line's record is in its place, and what stood behind it is not. */
static void a_log_that_was_cut_behind_the_last_line_is_read_from_there(void **state)
{
	struct fixture *const f = *state;

	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/a", 1, EVENT("1")); /* a copy: cut off later */
	put(f, 2, "cart/a", 1, EVENT("1"));
	assert_int_equal(f->place.progress.next[0], 3);
	put(f, 3, "cart/a", 4, EVENT("4")); /* 2 and 3 stand where the copies were */
	resume_begin(&f->place.resume[0], &f->place.progress, 1);
	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/a", 2, EVENT("2"));
	assert_true(f->place.resume[0].replaced); /* a checkpoint first: offsets go back */
	assert_int_equal(f->place.progress.next[0], 1);
	put(f, 2, "cart/a", 3, EVENT("3"));
	assert_counts(f, 1, 2, 0);
	resume_begin(&f->place.resume[0], &f->place.progress, 1);
	for (int i = 0; i < 4; i++) {
		static const char *const values[] = { EVENT("1"), EVENT("2"), EVENT("3"),
			EVENT("4") };

		put(f, i, "cart/a", i + 1, values[i]);
	}
	assert_counts(f, 4, 2, 0);
	assert_int_equal(f->place.progress.counts.missing, 0);
	assert_int_equal(f->place.progress.counts.late, 0);
}

/* What stands there is what stood there: copies and dead letters. */
static void what_stands_behind_the_last_line_is_no_alarm(void **state)
{
	struct fixture *const f = *state;

	put(f, 0, "cart/a", 1, EVENT("1"));
	for (int i = 0; i < 2; i++) {
		put(f, 1, "cart/a", 1, EVENT("1"));
		put(f, 2, "cart/a", 2, "{");
		put(f, 3, "", 0, "{");
		resume_check(&f->place.resume[0]);
		resume_begin(&f->place.resume[0], &f->place.progress, 1);
		put(f, 0, "cart/a", 1, EVENT("1"));
	}
	assert_int_equal(f->place.progress.counts.ever.replaced, 0);
	assert_int_equal(f->place.progress.next[0], 4);
}

static void a_record_without_a_number_is_an_anchor_by_its_bytes(void **state)
{
	struct fixture *const f = *state;

	put(f, 0, "", 0, EVENT("1"));
	for (int i = 0; i < 2; i++) {
		resume_check(&f->place.resume[0]);
		resume_begin(&f->place.resume[0], &f->place.progress, 1);
		put(f, 0, "", 0, i == 0 ? EVENT("1") : EVENT("2"));
		assert_int_equal(f->place.progress.counts.ever.replaced, i);
	}
}

/* Saves, and restores into a new place. */
static bool save_and_restore(struct fixture *f, json_t *state, struct fail *fail)
{
	char *const text = json_dumps(state, JSON_COMPACT);
	json_t *read;
	bool good;

	assert_non_null(text);
	close_all(f);
	open_place(f);
	read = json_loads(text, 0, NULL);
	assert_non_null(read);
	good = place_restore(&f->place, read, fail);
	json_decref(read);
	free(text);
	open_dead_letter(f, ignore);
	return good;
}

static void fill(struct fixture *f)
{
	put(f, 0, "cart/a", 2, EVENT("2"));
	put(f, 1, "cart/a", 3, EVENT("3"));
	put(f, 2, "cart/\"b\\", 1, EVENT("1"));
	put(f, 3, "cart/a", 4, "{");
	put(f, 4, "cart/\"b\\", 2, EVENT("2"));
	put(f, 5, "cart/a", 4, "{");
	f->place.progress.counts.ever.holes = 3;
	f->place.progress.counts.ever.replaced = 2;
	f->place.progress.counts.ever.number_holes = 1;
	place_written(&f->place);
}

static void what_is_saved_is_known_again(void **state)
{
	struct fixture *const f = *state;
	struct fail fail = { 0 };
	json_t *before, *after;

	fill(f);
	before = place_save(&f->place);
	assert_non_null(before);
	if (!save_and_restore(f, before, &fail))
		fail_msg("%s", fail.text);
	after = place_save(&f->place);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);

	assert_int_equal(f->place.progress.next[0], 6);
	assert_int_equal(f->place.progress.next[1], TOPIC_EARLIEST);
	assert_int_equal(f->place.progress.anchor[1].offset, -1);
	assert_int_equal(f->place.progress.counts.missing, 1);
	assert_int_equal(f->place.progress.counts.ever.events[EVENT_CART_ITEM_ADDED][0], 4);
	assert_int_equal(f->place.progress.counts.ever.holes, 3);
	assert_int_equal(f->place.progress.counts.ever.replaced, 2);
	assert_int_equal(f->place.progress.counts.ever.number_holes, 1);
	assert_int_equal(resume_position(&f->place.resume[0], &f->place.progress), 4);
	put(f, 4, "cart/\"b\\", 2, EVENT("2"));
	put(f, 5, "cart/a", 4, "{");
	put(f, 6, "cart/a", 4, "{");
	put(f, 7, "cart/a", 2, EVENT("2"));
	assert_counts(f, 0, 2, 0);
	put(f, 8, "cart/a", 3, EVENT("4"));
	assert_counts(f, 0, 2, 1);
	put(f, 9, "cart/a", 1, EVENT("1"));
	put(f, 10, "cart/a", 5, EVENT("5"));
	assert_counts(f, 2, 2, 1);
}

/* Its first record passes numbers over and is looked for a second time; a checkpoint comes first.
 */
static void a_source_that_was_only_seen_is_not_saved(void **state)
{
	struct fixture *const f = *state;
	struct fail fail = { 0 };
	json_t *saved;

	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/new", 5, EVENT("5"));
	assert_counts(f, 1, 0, 0);
	place_written(&f->place);
	saved = place_save(&f->place);
	if (!save_and_restore(f, saved, &fail))
		fail_msg("%s", fail.text);
	json_decref(saved);
	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/new", 5, EVENT("5"));
	resume_begin(&f->place.resume[0], &f->place.progress, 1);
	put(f, 0, "cart/a", 1, EVENT("1"));
	put(f, 1, "cart/new", 5, EVENT("5"));
	assert_counts(f, 1, 0, 0);
}

static void many_checksums_are_saved_in_few_texts(void **state)
{
	struct fixture *const f = *state;
	const int64_t last = SOURCES_RECENT_MAX + 1000;
	struct source *const s = sources_find(f->place.sources, "cart/a", 6);
	struct fail fail = { 0 };
	uint32_t checksum;
	json_t *saved;

	for (int64_t id = 1; id <= last; id++) {
		(void)sources_take(f->place.sources, s, id);
		sources_note(f->place.sources, s, id, (uint32_t)id * 2654435761u);
	}
	saved = place_save(&f->place);
	assert_int_equal(json_array_size(json_object_get(
				 json_array_get(json_object_get(saved, "sources"), 0), "recent")),
		1);
	assert_true(save_and_restore(f, saved, &fail));
	json_decref(saved);
	for (int64_t id = 1; id <= last; id++) {
		const bool known =
			source_checksum(sources_find(f->place.sources, "cart/a", 6), id, &checksum);

		assert_int_equal(known, id > last - SOURCES_RECENT_MAX);
		assert_true(!known || checksum == (uint32_t)id * 2654435761u);
	}
}

static void forged_numbers_do_not_make_it_large(void **state)
{
	const int64_t base = INT64_MAX / 2;
	struct fixture *const f = *state;
	struct fail fail = { 0 };
	json_t *saved;
	char *text;

	for (int i = 0; i < SOURCES_MAX; i++) {
		char name[32];
		struct source *s;

		(void)snprintf(name, sizeof(name), "cart/%d", i);
		s = sources_find(f->place.sources, name, strlen(name));
		assert_non_null(s);
		for (int64_t id = base; id < base + 3 * 512; id += 3) {
			assert_int_equal(sources_take(f->place.sources, s, id), SOURCE_NEW);
			sources_note(f->place.sources, s, id, (uint32_t)id);
		}
	}
	saved = place_save(&f->place);
	text = json_dumps(saved, JSON_COMPACT);
	assert_non_null(text);
	assert_true(strlen(text) < 4 * 1024 * 1024);
	free(text);
	if (!save_and_restore(f, saved, &fail))
		fail_msg("%s", fail.text);
	json_decref(saved);
	assert_int_equal(sources_count(f->place.sources), SOURCES_MAX);
}

/* Where @path leads in @state, one name or index after the other. */
static json_t *find(json_t *state, const char *path, char last[64])
{
	char text[128], *rest = text, *word;

	strcpy(text, path);
	while ((word = strsep(&rest, "."))) {
		strcpy(last, word);
		if (!rest)
			return state;
		state = json_is_array(state) ? json_array_get(state, strtoul(word, NULL, 10))
					     : json_object_get(state, word);
		assert_non_null(state);
	}
	return NULL;
}

static void change(json_t *state, const char *path, const char *to)
{
	char last[64];
	json_t *const at = find(state, path, last);
	json_t *const value = json_loads(to, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	if (json_is_array(at))
		assert_int_equal(json_array_set_new(at, strtoul(last, NULL, 10), value), 0);
	else
		assert_int_equal(json_object_set_new(at, last, value), 0);
}

static void a_state_that_cannot_be_is_refused_and_the_field_named(void **state)
{
	static const struct {
		const char *path, *to, *named;
	} odd[] = {
		{ "version", "2", "version" },
		{ "more", "1", "state" },
		{ "partitions", "[]", "partitions" },
		{ "partitions.0.next", "\"5\"", "next" },
		{ "partitions.0.next", "-2", "next" },
		{ "partitions.0.next", "4", "line.offset" },
		{ "partitions.0.more", "4", "partitions" },
		{ "partitions.0.line", "[]", "line" },
		{ "partitions.0.line.offset", "-1", "line.offset" },
		{ "partitions.0.line.id", "0", "line.source" },
		{ "partitions.0.line.source", "\"\"", "line.source" },
		{ "partitions.0.line.source", "7", "line.source" },
		{ "partitions.0.line.checksum", "\"1234567\"", "line.checksum" },
		{ "partitions.0.line.checksum", "\"1234567G\"", "line.checksum" },
		{ "sources", "{}", "sources" },
		{ "sources.0.name", "\"\"", "name" },
		{ "sources.0.name", "\"cart/\\\"b\\\\\"", "name" },
		{ "sources.0.highest", "0", "highest" },
		{ "sources.0.highest", "1", "missing" },
		{ "sources.0.highest", "3", "recent" },
		{ "sources.0.missing", "null", "missing" },
		{ "sources.0.missing.0", "[1]", "missing" },
		{ "sources.0.missing.0", "[0, 1]", "missing" },
		{ "sources.0.missing.0", "[1, 4]", "missing" },
		{ "sources.0.recent", "7", "recent" },
		{ "sources.0.recent.0", "[2, \"1234567\"]", "recent" },
		{ "sources.0.recent.0", "[0, \"12345678\"]", "recent" },
		{ "sources.0.recent.0", "[2, \"1234567x\"]", "recent" },
		{ "sources.0.recent.0", "[5, \"12345678\"]", "recent" },
		{ "counts", "null", "counts" },
		{ "counts.holes", "-1", "holes" },
		{ "counts.topic_replaced", "1.5", "topic_replaced" },
		{ "counts.number_holes", "null", "number_holes" },
		{ "counts.events.other", "[1]", "other" },
		{ "counts.events.stock_changed", "[1, -1]", "stock_changed" },
		{ "counts.events.cart_cleared", "[1]", "cart_cleared" },
		{ "counts.events.more", "[1, 1]", "events" },
		{ "counts.events", "{}", "other" },
	};
	struct fixture *const f = *state;
	json_t *saved;

	fill(f);
	saved = place_save(&f->place);
	assert_non_null(saved);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_t *const changed = json_deep_copy(saved);
		struct fail fail = { 0 };
		char named[64];

		change(changed, odd[i].path, odd[i].to);
		if (save_and_restore(f, changed, &fail))
			fail_msg("%s %s was taken", odd[i].path, odd[i].to);
		assert_int_equal(fail.kind, FAIL_REFUSE);
		(void)snprintf(named, sizeof(named), "checkpoint: %s: ", odd[i].named);
		if (strncmp(fail.text, named, strlen(named)) != 0)
			fail_msg("%s %s: %s", odd[i].path, odd[i].to, fail.text);
		json_decref(changed);
	}
	json_decref(saved);
}

/* Types are added: what was not known when it was saved was not counted. */
static void a_state_saved_by_a_program_with_fewer_types_is_taken(void **state)
{
	struct fixture *const f = *state;
	struct fail fail = { 0 };
	json_t *saved, *events;

	fill(f);
	saved = place_save(&f->place);
	assert_non_null(saved);
	events = json_object_get(json_object_get(saved, "counts"), "events");
	assert_int_equal(json_object_del(events, "cart_item_removed"), 0);
	assert_int_equal(json_object_del(events, "cart_cleared"), 0);
	assert_true(save_and_restore(f, saved, &fail));
	assert_int_equal(json_object_del(events, "stock_changed"), 0);
	assert_false(save_and_restore(f, saved, &fail));
	json_decref(saved);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_redriven_line_is_no_position),
		TEST(a_copy_is_dropped_and_other_bytes_are_put_aside),
		TEST(a_value_is_compared_as_its_line_holds_it),
		TEST(a_number_first_seen_on_a_broken_record_is_that_ones),
		TEST(an_altered_record_whose_first_one_was_not_written_yet_loses_nothing),
		TEST(a_record_longer_than_is_kept_is_known_by_its_beginning),
		TEST(passed_over_numbers_are_looked_for_twice_then_counted),
		TEST(what_comes_the_second_time_counts),
		TEST(a_log_that_was_cut_behind_the_last_line_is_read_from_there),
		TEST(what_stands_behind_the_last_line_is_no_alarm),
		TEST(a_record_without_a_number_is_an_anchor_by_its_bytes),
		TEST(what_is_saved_is_known_again),
		TEST(a_state_saved_by_a_program_with_fewer_types_is_taken),
		TEST(a_source_that_was_only_seen_is_not_saved),
		TEST(many_checksums_are_saved_in_few_texts),
		TEST(forged_numbers_do_not_make_it_large),
		TEST(a_state_that_cannot_be_is_refused_and_the_field_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
