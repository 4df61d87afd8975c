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

#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/checksum.h"
#include "metrics-consumer/tests/disk.h"
#include "metrics-consumer/tests/scratch.h"

#define NAME "metrics.log.checkpoint"

struct fixture {
	struct scratch scratch;
	char path[PATH_MAX]; /* of the journal */
	struct checkpoint read;
	struct fail fail;
};

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	scratch_make(&f->scratch);
	strcpy(f->path, scratch_path(&f->scratch, "metrics.log"));
	disk_is_fine();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	disk_is_fine();
	checkpoint_clear(&f->read);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static bool put(struct fixture *f, int64_t position)
{
	struct checkpoint c = { .journal = "0123456789abcdef",
		.number = 7,
		.position = position,
		.deleted = 3,
		.time_ms = 1752002132481,
		.tail = 0xfedcba9876543210,
		.begins = true,
		.state = json_pack("{s:[iii]}", "known", 1, 2, 3) };
	bool written;

	f->fail = (struct fail){ 0 };
	written = checkpoint_write(f->path, &c, &f->fail);
	checkpoint_clear(&c);
	return written;
}

static bool get(struct fixture *f, bool *there)
{
	checkpoint_clear(&f->read);
	f->fail = (struct fail){ 0 };
	return checkpoint_read(f->path, &f->read, there, &f->fail);
}

static void what_is_written_is_read_back(void **state)
{
	struct fixture *const f = *state;
	json_t *known;
	bool there = true;

	assert_true(get(f, &there));
	assert_false(there);
	assert_true(put(f, 5));
	assert_true(put(f, 123456789012));
	assert_true(get(f, &there));
	assert_true(there);
	assert_string_equal(f->read.journal, "0123456789abcdef");
	assert_int_equal(f->read.number, 7);
	assert_int_equal(f->read.position, 123456789012);
	assert_int_equal(f->read.deleted, 3);
	assert_int_equal(f->read.time_ms, 1752002132481);
	assert_true(f->read.tail == 0xfedcba9876543210);
	assert_true(f->read.begins);
	known = json_object_get(f->read.state, "known");
	assert_int_equal(json_integer_value(json_array_get(known, 2)), 3);
}

/* Any byte that changed, and any byte that is missing. */
static void a_damaged_one_is_refused_by_name(void **state)
{
	struct fixture *const f = *state;
	size_t length;
	char *bytes;
	bool there;

	assert_true(put(f, 5));
	bytes = scratch_read(&f->scratch, NAME, &length);
	for (size_t i = 0; i < length; i++) {
		bytes[i] ^= 1;
		scratch_write(&f->scratch, NAME, bytes, length);
		assert_false(get(f, &there));
		assert_int_equal(f->fail.kind, FAIL_REFUSE);
		assert_non_null(strstr(f->fail.text, NAME));
		assert_non_null(strstr(f->fail.text, "delete it"));
		bytes[i] ^= 1;
		scratch_write(&f->scratch, NAME, bytes, i);
		assert_false(get(f, &there));
	}
	free(bytes);
}

static void what_is_sound_json_but_no_checkpoint_is_refused(void **state)
{
	static const struct {
		const char *document, *text;
	} wrong[] = {
		{ "{}", "version" },
		{ "[]", "version" },
		{ "no json", "version" },
		{ "{\"version\":2}", "version" },
		{ "{\"version\":1}", "no checkpoint" },
		{ "{\"version\":1,\"journal\":\"0123456789abcdef\",\"number\":0,\"position\":0,"
		  "\"begins\":"
		  "false,\"tail\":\"0123456789abcdef\",\"deleted\":0,\"time\":\"2025-07-08T19:15:"
		  "32Z\","
		  "\"state\":{}}",
			"no checkpoint" },
		{ "{\"version\":1,\"journal\":\"../../etc/"
		  "passwd\",\"number\":1,\"position\":0,\"begins\":"
		  "false,\"tail\":\"0123456789abcdef\",\"deleted\":0,\"time\":\"2025-07-08T19:15:"
		  "32Z\","
		  "\"state\":{}}",
			"no checkpoint" },
	};
	struct fixture *const f = *state;
	char bytes[1024];
	bool there;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *const text = wrong[i].document;
		const int length = snprintf(bytes, sizeof(bytes), "%s\nxxh3=%016llx\n", text,
			(unsigned long long)checksum64(text, strlen(text)));

		scratch_write(&f->scratch, NAME, bytes, (size_t)length);
		assert_false(get(f, &there));
		assert_int_equal(f->fail.kind, FAIL_REFUSE);
		assert_non_null(strstr(f->fail.text, wrong[i].text));
	}
}

/* Whichever call fails, and however: the old one is there, or the new one, and no third file. */
static void whatever_fails_the_old_one_stays(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO };
	struct fixture *const f = *state;
	bool there, written = false;

	for (size_t e = 0; e < 3; e++) {
		for (int call = 1; !written; call++) {
			disk_is_fine();
			assert_true(put(f, 1));
			disk.calls = 0;
			disk.fail_at = call;
			disk.fail_error = errors[e];
			written = put(f, 2);
			assert_int_equal(disk.calls >= call, !written);
			assert_true(get(f, &there) && there);
			if (f->read.position == 1) {
				assert_false(written);
				assert_int_equal(
					access(scratch_path(&f->scratch, NAME ".tmp"), F_OK), -1);
			}
		}
		written = false;
	}
	disk_is_fine();
	disk.room = 10;
	assert_false(put(f, 3));
	assert_int_equal(f->fail.kind, FAIL_RETRY);
	disk.room = 10;
	disk.write_error = EIO;
	assert_false(put(f, 3));
	assert_int_equal(f->fail.kind, FAIL_FATAL);
}

/* A state larger than what is written at once. */
static void a_large_one_comes_back(void **state)
{
	struct fixture *const f = *state;
	struct checkpoint c = { .journal = "0123456789abcdef", .number = 1, .state = json_array() };
	bool there;

	for (int i = 0; i < 100000; i++)
		assert_int_equal(json_array_append_new(c.state, json_integer(i)), 0);
	disk.write_most = 1000;
	assert_true(checkpoint_write(f->path, &c, &f->fail));
	checkpoint_clear(&c);
	assert_true(get(f, &there) && there);
	assert_int_equal(json_array_size(f->read.state), 100000);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back),
		TEST(a_damaged_one_is_refused_by_name),
		TEST(what_is_sound_json_but_no_checkpoint_is_refused),
		TEST(whatever_fails_the_old_one_stays),
		TEST(a_large_one_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
