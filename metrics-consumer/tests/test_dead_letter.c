#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/tests/disk.h"
#include "metrics-consumer/tests/scratch.h"
#include "process/log.h"

struct fixture {
	struct scratch scratch;
	struct dead_letter dead;
	struct fail fail;
	size_t count;
	struct dead_record last; /* seen */
	char source[SOURCE_MAX];
};

static const struct dead_record torn_json = { .time_ms = 1752002132481,
	.partition = 1,
	.offset = 15,
	.source = "stock/\"\\~",
	.id = 18,
	.reason = EVENT_NOT_JSON,
	.key = "k\0y",
	.key_length = 3,
	.value = "{\"typ\xff",
	.length = 6 };

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	scratch_make(&f->scratch);
	f->dead.file.fd = -1;
	disk_is_fine();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	disk_is_fine();
	dead_letter_close(&f->dead);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static bool see(void *context, const struct dead_record *record)
{
	struct fixture *const f = context;

	f->count++;
	f->last = *record;
	(void)snprintf(f->source, sizeof(f->source), "%s", record->source);
	return true;
}

static bool open_again(struct fixture *f)
{
	static const int64_t next[EVENT_PARTITIONS] = { 0, 0 };

	dead_letter_close(&f->dead);
	f->count = 0;
	f->fail = (struct fail){ 0 };
	return dead_letter_open(
		&f->dead, scratch_path(&f->scratch, "dead-letter.log"), next, see, f, &f->fail);
}

static void put(struct fixture *f, const struct dead_record *record)
{
	assert_true(dead_letter_add(&f->dead, record, &f->fail));
	assert_true(dead_letter_write(&f->dead, &f->fail));
}

static void assert_hex(json_t *line, const char *field, const void *bytes, size_t length)
{
	const char *const hex = json_string_value(json_object_get(line, field));

	assert_non_null(hex);
	assert_int_equal(strlen(hex), 2 * length);
	for (size_t i = 0; i < length; i++) {
		unsigned byte = 0;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		assert_int_equal(byte, ((const unsigned char *)bytes)[i]);
	}
}

static void the_original_bytes_come_back_out_of_the_line(void **state)
{
	struct fixture *const f = *state;
	char *text;
	json_t *line;

	assert_true(open_again(f));
	put(f, &torn_json);
	text = scratch_read(&f->scratch, "dead-letter.log", NULL);
	line = json_loads(text, 0, NULL);
	assert_non_null(line);
	assert_string_equal(
		json_string_value(json_object_get(line, "time")), "2025-07-08T19:15:32.481Z");
	assert_int_equal(json_integer_value(json_object_get(line, "partition")), 1);
	assert_int_equal(json_integer_value(json_object_get(line, "offset")), 15);
	assert_string_equal(json_string_value(json_object_get(line, "source")), torn_json.source);
	assert_int_equal(json_integer_value(json_object_get(line, "id")), 18);
	assert_string_equal(json_string_value(json_object_get(line, "reason")), "not_json");
	assert_hex(line, "key_hex", torn_json.key, torn_json.key_length);
	assert_hex(line, "value_hex", torn_json.value, torn_json.length);
	json_decref(line);
	free(text);
}

static void a_tombstone_without_a_key_or_a_name_says_so(void **state)
{
	struct fixture *const f = *state;
	const struct dead_record tombstone = {
		.time_ms = 1752002132481, .offset = 3, .source = "", .reason = EVENT_NOT_JSON
	};
	char *text;

	assert_true(open_again(f));
	put(f, &tombstone);
	text = scratch_read(&f->scratch, "dead-letter.log", NULL);
	assert_string_equal(text, "{\"time\":\"2025-07-08T19:15:32.481Z\",\"partition\":0,"
				  "\"offset\":3,\"reason\":\"not_json\",\"key_hex\":null,"
				  "\"value_hex\":null}\n");
	free(text);
	assert_true(open_again(f));
	assert_int_equal(f->count, 1);
	assert_int_equal(f->last.id, 0);
}

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void a_trace_is_kept_and_does_not_make_it_another_one(void **state)
{
	struct fixture *const f = *state;
	struct dead_record traced = torn_json;
	char *text;

	traced.traceparent = TRACEPARENT;
	assert_true(open_again(f));
	put(f, &traced);
	text = scratch_read(&f->scratch, "dead-letter.log", NULL);
	assert_non_null(strstr(
		text, "\"id\":18,\"traceparent\":\"" TRACEPARENT "\",\"reason\":\"not_json\","));
	free(text);
	assert_true(open_again(f));
	assert_int_equal(f->last.id, 18);
	assert_true(dead_letter_known(&f->dead, &torn_json));
}

static void it_is_on_the_disk_when_it_was_written(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	disk.syncs = 0;
	assert_true(dead_letter_write(&f->dead, &f->fail)); /* nothing waits: nothing to do */
	assert_int_equal(disk.syncs, 0);
	put(f, &torn_json);
	assert_int_equal(disk.syncs, 1);
	assert_int_equal(f->dead.file.synced, f->dead.file.size);
}

static void what_is_in_the_file_is_known_after_a_crash(void **state)
{
	struct fixture *const f = *state;

	struct dead_record other = torn_json;

	assert_true(open_again(f));
	assert_false(dead_letter_known(&f->dead, &torn_json));
	put(f, &torn_json);
	assert_true(open_again(f));
	assert_int_equal(f->count, 1);
	assert_int_equal(f->last.id, 18);
	assert_string_equal(f->source, torn_json.source);
	assert_true(dead_letter_known(&f->dead, &torn_json));
	other.offset++;
	assert_false(dead_letter_known(&f->dead, &other));
	other = torn_json;
	other.partition = 0;
	assert_false(dead_letter_known(&f->dead, &other));
}

/* The topic was made anew: the same offset is another record, and must not be lost. */
static void another_record_at_a_known_offset_is_not_known(void **state)
{
	struct fixture *const f = *state;
	struct dead_record other = torn_json;

	assert_true(open_again(f));
	put(f, &torn_json);
	assert_true(open_again(f));
	other.length--;
	assert_false(dead_letter_known(&f->dead, &other));
	other = torn_json;
	other.key = NULL;
	other.key_length = 0;
	assert_false(dead_letter_known(&f->dead, &other));
	other = torn_json;
	other.offset--; /* at an offset below the last one, too */
	assert_false(dead_letter_known(&f->dead, &other));
}

static void a_value_without_bound_is_kept_up_to_one(void **state)
{
	struct fixture *const f = *state;
	struct dead_record large = torn_json;
	char *const bytes = calloc(1, DEAD_VALUE_MAX + 1);

	assert_non_null(bytes);
	large.value = bytes;
	large.length = DEAD_VALUE_MAX + 1;
	assert_true(open_again(f));
	put(f, &large);
	assert_in_range(f->dead.file.size, 2 * DEAD_VALUE_MAX, 2 * DEAD_VALUE_MAX + 1024);
	assert_true(open_again(f));
	assert_true(dead_letter_known(&f->dead, &large));
	free(bytes);
}

static void a_torn_last_line_is_cut(void **state)
{
	struct fixture *const f = *state;
	size_t whole, length;
	char *text;

	assert_true(open_again(f));
	put(f, &torn_json);
	whole = (size_t)f->dead.file.size;
	put(f, &torn_json);
	text = scratch_read(&f->scratch, "dead-letter.log", &length);
	for (size_t kept = whole + 1; kept < length; kept++) {
		scratch_write(&f->scratch, "dead-letter.log", text, kept);
		assert_true(open_again(f));
		assert_int_equal(f->count, 1);
		assert_int_equal(f->dead.file.size, whole);
	}
	free(text);
}

static void a_bad_line_stops_the_start(void **state)
{
	static const char *const bad[] = { "x\n", "{}\n", "[1]\n",
		"{\"time\":\"2025-07-08T19:15:32.481Z\",\"partition\":2,\"offset\":3,"
		"\"reason\":\"not_json\"}\n",
		"{\"time\":\"2025-07-08T19:15:32.481Z\",\"partition\":0,\"offset\":3,"
		"\"source\":\"a\",\"reason\":\"not_json\"}\n" };
	struct fixture *const f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scratch_write(&f->scratch, "dead-letter.log", bad[i], strlen(bad[i]));
		assert_false(open_again(f));
		assert_int_equal(f->fail.kind, FAIL_FATAL);
		assert_non_null(strstr(f->fail.text, "line 1 at byte 0"));
	}
	scratch_write(&f->scratch, "dead-letter.log", "my diary", 8);
	assert_false(open_again(f));
	assert_non_null(strstr(f->fail.text, "left as it is"));
}

static void a_full_disk_keeps_it_waiting(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	assert_true(dead_letter_add(&f->dead, &torn_json, &f->fail));
	disk.room = 30;
	assert_false(dead_letter_write(&f->dead, &f->fail));
	assert_int_equal(f->fail.kind, FAIL_RETRY);
	disk_is_fine();
	assert_true(dead_letter_write(&f->dead, &f->fail));
	assert_true(open_again(f));
	assert_int_equal(f->count, 1);
}

/* A person repairs letters while the consumer runs: an editor, and `sed -i`, put a new file there.
 */
static void where_the_file_was_replaced_the_next_one_goes_to_the_new_one(void **state)
{
	struct fixture *const f = *state;
	size_t length;
	char *text;

	assert_true(open_again(f));
	put(f, &torn_json);
	text = scratch_read(&f->scratch, "dead-letter.log", &length);
	assert_int_equal(unlink(scratch_path(&f->scratch, "dead-letter.log")), 0);
	scratch_write(&f->scratch, "dead-letter.log", text, length);
	free(text);
	put(f, &torn_json);
	assert_true(open_again(f));
	assert_int_equal(f->count, 2);
	assert_int_equal(unlink(scratch_path(&f->scratch, "dead-letter.log")), 0);
	put(f, &torn_json); /* one that was moved away begins anew */
	assert_true(open_again(f));
	assert_int_equal(f->count, 1);
	assert_int_equal(unlink(scratch_path(&f->scratch, "dead-letter.log")), 0);
	scratch_write(&f->scratch, "dead-letter.log", "my diary\n", 9);
	assert_true(dead_letter_add(&f->dead, &torn_json, &f->fail));
	assert_false(dead_letter_write(&f->dead, &f->fail));
	assert_int_equal(f->fail.kind, FAIL_FATAL);
	assert_non_null(strstr(f->fail.text, "line 1 at byte 0"));
}

static void a_large_record_fits(void **state)
{
	struct fixture *const f = *state;
	struct dead_record large = torn_json;
	char *const value = calloc(1, 3000000);

	assert_non_null(value);
	large.value = value;
	large.length = 3000000;
	assert_true(open_again(f));
	put(f, &large);
	put(f, &torn_json);
	free(value);
	assert_true(open_again(f));
	assert_int_equal(f->count, 2);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_original_bytes_come_back_out_of_the_line),
		TEST(a_tombstone_without_a_key_or_a_name_says_so),
		TEST(a_trace_is_kept_and_does_not_make_it_another_one),
		TEST(it_is_on_the_disk_when_it_was_written),
		TEST(what_is_in_the_file_is_known_after_a_crash),
		TEST(another_record_at_a_known_offset_is_not_known),
		TEST(a_value_without_bound_is_kept_up_to_one),
		TEST(a_torn_last_line_is_cut),
		TEST(a_bad_line_stops_the_start),
		TEST(a_full_disk_keeps_it_waiting),
		TEST(where_the_file_was_replaced_the_next_one_goes_to_the_new_one),
		TEST(a_large_record_fits),
	};

	log_level_set(LOG_ERROR); /* each cut line would say so */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
