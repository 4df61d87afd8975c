/* The files beside a journal: which there are, in what order, and their lines. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/journal_walk.h"
#include "metrics-consumer/tests/scratch.h"

#define LINE " partition=0 offset=17 source=cart/a id=18 delay_ms=3 {}\n"

struct fixture {
	struct scratch scratch;
	char journal[PATH_MAX];
	struct journal_files files;
	struct fail fail;
};

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_make(&f->scratch);
	strcpy(f->journal, scratch_path(&f->scratch, "metrics.log"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	journal_files_free(&f->files);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
	scratch_write(&f->scratch, name, text, strlen(text));
}

static size_t put_zst(struct fixture *f, const char *name, const void *bytes, size_t length)
{
	const size_t room = ZSTD_compressBound(length);
	char *const out = malloc(room);
	ZSTD_CCtx *const context = ZSTD_createCCtx();
	size_t size;

	assert_non_null(out);
	assert_non_null(context);
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
	size = ZSTD_compress2(context, out, room, bytes, length);
	assert_false(ZSTD_isError(size));
	(void)ZSTD_freeCCtx(context);
	scratch_write(&f->scratch, name, out, size);
	free(out);
	return size;
}

static void put_hour(struct fixture *f, const char *name, int hour)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "2025-07-08T%02d:15:32.000Z" LINE, hour);
	if (strstr(name, ".zst"))
		(void)put_zst(f, name, line, strlen(line));
	else
		put(f, name, line);
}

/* The names of the list behind `metrics.log`. */
static void assert_files(struct fixture *f, const char *wanted)
{
	char names[1024] = "";

	journal_files_free(&f->files);
	assert_true(journal_files_list(f->journal, &f->files, &f->fail));
	for (size_t i = 0; i < f->files.count; i++) {
		const char *const path = f->files.list[i].path;

		assert_memory_equal(path, f->journal, strlen(f->journal));
		strcat(strcat(names, i > 0 ? " " : ""), path + strlen(f->journal));
	}
	assert_string_equal(names, wanted);
}

static void a_journal_that_is_alone_has_none(void **state)
{
	struct fixture *const f = *state;

	assert_files(f, "");
	put_hour(f, "metrics.log", 1);
	put_hour(f, "metrics.log2", 1);
	put_hour(f, "other.log.000001", 1);
	assert_files(f, "");
	assert_int_equal(f->files.strangers, 0);
}

static void numbered_ones_come_in_the_order_of_their_numbers(void **state)
{
	struct fixture *const f = *state;

	put_hour(f, "metrics.log.1000000", 1);
	put_hour(f, "metrics.log.000010.zst", 5);
	put_hour(f, "metrics.log.000009", 6);
	put_hour(f, "metrics.log.999999", 2);
	put(f, "metrics.log.000011", ""); /* an empty one is one still */
	assert_files(f, ".000009 .000010.zst .000011 .999999 .1000000");
	assert_int_equal(f->files.list[1].number, 10);
	assert_true(f->files.list[1].compressed);
	assert_int_equal(f->files.list[4].number, 1000000);
	assert_false(f->files.list[4].compressed);
	assert_int_equal(f->files.list[2].size, 0);
}

static void the_plain_one_counts_where_both_are_there(void **state)
{
	struct fixture *const f = *state;

	put_hour(f, "metrics.log.000001", 1);
	put(f, "metrics.log.000001.zst", "half");
	put_hour(f, "metrics.log.000002.zst", 2);
	put_hour(f, "metrics.log.old", 3);
	put_hour(f, "metrics.log.old.1", 4);
	put_hour(f, "metrics.log.old.zst", 3);
	assert_files(f, ".000001 .000002.zst .old .old.1");
}

static void others_are_placed_by_the_time_of_their_first_line(void **state)
{
	struct fixture *const f = *state;

	put_hour(f, "metrics.log.000001", 2);
	put_hour(f, "metrics.log.000002.zst", 4);
	put_hour(f, "metrics.log.000003", 6);
	put_hour(f, "metrics.log.1", 5);
	put_hour(f, "metrics.log.z", 3);
	put_hour(f, "metrics.log.a.zst", 7);
	put_hour(f, "metrics.log.first", 1);
	put_hour(f, "metrics.log.0000004", 8); /* not as we write a number */
	assert_files(f, ".first .000001 .z .000002.zst .1 .000003 .a.zst .0000004");
	assert_int_equal(f->files.list[7].number, 0);
}

static void what_holds_no_lines_is_not_one(void **state)
{
	struct fixture *const f = *state;
	char link[PATH_MAX];

	put(f, "metrics.log.dead", "{\"time\":\"2025-07-08T19:15:32.481Z\"}\n");
	put(f, "metrics.log.gz", "\x1f\x8b");
	put(f, "metrics.log.torn", "2025-07-08T19:15:32.000Z partition=0 offset=17 source=-");
	put_hour(f, "metrics.log.checkpoint", 1);
	put_hour(f, "metrics.log.checkpoint.tmp", 1);
	put_hour(f, "metrics.log.000001.zst.tmp", 1);
	put_hour(f, "metrics.log.cut.000001", 1);
	put_hour(f, "metrics.log.", 1);
	put_hour(f, "metrics.log", 1);
	strcpy(link, scratch_path(&f->scratch, "metrics.log.current"));
	assert_int_equal(symlink(f->journal, link), 0);
	assert_files(f, "");
	assert_int_equal(f->files.strangers, 3);
}

static void a_long_first_line_is_known_by_its_beginning(void **state)
{
	struct fixture *const f = *state;
	char *const line = malloc(100001);

	assert_non_null(line);
	memset(line, 'x', 100000);
	memcpy(line, "2025-07-08T02:15:32.000Z" LINE, strlen("2025-07-08T02:15:32.000Z" LINE) - 3);
	line[99999] = '\n';
	line[100000] = '\0';
	put(f, "metrics.log.long", line);
	free(line);
	assert_files(f, ".long");
}

#define MANY 200000

static char *many_lines(size_t *length)
{
	FILE *out;
	char *text;

	out = open_memstream(&text, length);
	assert_non_null(out);
	for (int i = 0; i < MANY; i++)
		fprintf(out, "2025-07-08T02:15:32.%03dZ" LINE, i % 1000);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Counts them; -1 on failure. Lines in front of the damage come before it is found. */
static int read_all(struct fixture *f, size_t index, bool sound)
{
	struct file_lines lines;
	enum file_lines_result result;
	const char *line;
	size_t length;
	int count = 0;

	f->fail = (struct fail){ 0 };
	if (!journal_file_open(&lines, &f->files.list[index], &f->fail))
		return -1;
	while ((result = file_lines_next(&lines, &line, &length, &f->fail)) == FILE_LINES_LINE) {
		char wanted[128];

		(void)snprintf(
			wanted, sizeof(wanted), "2025-07-08T02:15:32.%03dZ" LINE, count % 1000);
		if (sound) {
			assert_int_equal(length + 1, strlen(wanted));
			assert_memory_equal(line, wanted, length);
		}
		count++;
	}
	if (result == FILE_LINES_END)
		assert_int_equal(journal_file_position(&lines), f->files.list[index].size);
	journal_file_close(&lines);
	return result == FILE_LINES_FAILED ? -1 : count;
}

static void lines_come_alike_from_plain_and_compressed_files(void **state)
{
	struct fixture *const f = *state;
	size_t length;
	char *const text = many_lines(&length);

	scratch_write(&f->scratch, "metrics.log.000001", text, length);
	(void)put_zst(f, "metrics.log.000002.zst", text, length);
	(void)put_zst(f, "metrics.log.000003.zst", "", 0);
	free(text);
	assert_files(f, ".000001 .000002.zst .000003.zst");
	assert_int_equal(read_all(f, 0, true), MANY);
	assert_int_equal(read_all(f, 1, true), MANY);
	assert_int_equal(read_all(f, 2, true), 0);
}

/* As `cat a.zst b.zst` makes them. */
static void frames_behind_each_other_are_one_file(void **state)
{
	struct fixture *const f = *state;
	size_t length, size;
	char *const text = many_lines(&length);
	char *packed, *twice;

	(void)put_zst(f, "metrics.log.000001.zst", text, length);
	free(text);
	packed = scratch_read(&f->scratch, "metrics.log.000001.zst", &size);
	twice = malloc(2 * size);
	assert_non_null(twice);
	memcpy(twice, packed, size);
	memcpy(twice + size, packed, size);
	scratch_write(&f->scratch, "metrics.log.000001.zst", twice, 2 * size);
	free(packed);
	free(twice);
	assert_files(f, ".000001.zst");
	assert_int_equal(read_all(f, 0, true), 2 * MANY);
}

static void a_cut_file_is_a_failure_that_names_it(void **state)
{
	struct fixture *const f = *state;
	size_t length, size;
	char *const text = many_lines(&length), *packed, wanted[128];

	size = put_zst(f, "metrics.log.000001.zst", text, length);
	free(text);
	packed = scratch_read(&f->scratch, "metrics.log.000001.zst", NULL);
	const size_t cuts[] = { 0, 3, size / 2, size - 1 };

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		scratch_write(&f->scratch, "metrics.log.000001.zst", packed, cuts[i]);
		assert_files(f, ".000001.zst");
		assert_int_equal(read_all(f, 0, true), -1);
		(void)snprintf(wanted, sizeof(wanted),
			"metrics.log.000001.zst: the compressed data is cut off at byte %zu",
			cuts[i]);
		if (!strstr(f->fail.text, wanted))
			fail_msg("no '%s' in '%s'", wanted, f->fail.text);
	}
	free(packed);
}

static void a_damaged_file_is_a_failure_that_names_it(void **state)
{
	struct fixture *const f = *state;
	size_t length, size;
	char *const text = many_lines(&length), *packed;

	(void)put_zst(f, "metrics.log.000001.zst", text, length);
	free(text);
	packed = scratch_read(&f->scratch, "metrics.log.000001.zst", &size);
	memset(packed + size / 2, 0xff, 64);
	scratch_write(&f->scratch, "metrics.log.000001.zst", packed, size);
	assert_files(f, ".000001.zst");
	assert_int_equal(read_all(f, 0, false), -1);
	assert_non_null(strstr(f->fail.text,
		"metrics.log.000001.zst: the compressed data is damaged before byte "));
	scratch_write(&f->scratch, "metrics.log.000001.zst", "no zstd at all", 14);
	assert_int_equal(read_all(f, 0, false), -1);
	assert_non_null(strstr(f->fail.text, "Unknown frame descriptor"));
	free(packed);
}

static void a_file_that_went_away_is_worth_another_look(void **state)
{
	struct fixture *const f = *state;

	put_hour(f, "metrics.log.000001", 1);
	assert_files(f, ".000001");
	assert_int_equal(unlink(f->files.list[0].path), 0);
	assert_int_equal(read_all(f, 0, true), -1);
	assert_int_equal(f->fail.kind, FAIL_RETRY);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
	struct fixture *const f = *state;

	assert_false(journal_files_list("/nowhere/metrics.log", &f->files, &f->fail));
	assert_non_null(strstr(f->fail.text, "open directory /nowhere"));
}

/* A file with one line, of this second. */
static void put_line(struct fixture *f, const char *name, int second)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "2025-07-08T19:15:%02d.481Z" LINE, second);
	put(f, name, line);
}

static void move(struct fixture *f, const char *from, const char *to)
{
	char path[PATH_MAX];

	strcpy(path, scratch_path(&f->scratch, from));
	assert_int_equal(rename(path, scratch_path(&f->scratch, to)), 0);
}

static void assert_walks_to(struct fixture *f, struct journal_walk *walk, int second)
{
	const char *line;
	size_t length;
	char want[20];

	if (journal_walk_next(walk, &line, &length, &f->fail) != FILE_LINES_LINE)
		fail_msg("no line of second %d: %s", second, f->fail.text);
	(void)snprintf(want, sizeof(want), "2025-07-08T19:15:%02d", second);
	assert_memory_equal(line, want, 19);
}

static void a_walk_misses_nothing_that_is_rotated_before_it_comes_there(void **state)
{
	struct fixture *const f = *state;
	struct journal_walk walk;
	const char *line;
	size_t length;

	put_line(f, "metrics.log.000001", 1);
	put_line(f, "metrics.log", 2);
	assert_true(journal_walk_open(&walk, f->journal, &f->fail));
	assert_walks_to(f, &walk, 1);
	move(f, "metrics.log", "metrics.log.000002");
	put_line(f, "metrics.log.000003", 3);
	put_line(f, "metrics.log", 4);
	for (int second = 2; second <= 4; second++)
		assert_walks_to(f, &walk, second);
	assert_int_equal(journal_walk_next(&walk, &line, &length, &f->fail), FILE_LINES_END);
	journal_walk_close(&walk);
}

/* What was removed before the walk began is no reason to end it, nor is a number never used. */
static void a_walk_ends_where_retention_removed_what_it_had_not_read(void **state)
{
	static const struct {
		const char *before, *later; /* what the checkpoint says */
		const char *removed;
	} tries[] = {
		{ "{\"deleted\":2}\n", "{\"deleted\":3}\n", "metrics.log.000003" },
		{ "{\"deleted\":2}\n", "{\"deleted\":6}\n", "metrics.log.000006" },
		/* the first one may go, and is open */
		{ "{\"deleted\":5}\n", "{\"deleted\":5}\n", "metrics.log.000005" },
	};

	for (int i = 0; i < 3; i++) {
		struct fixture *const f = *state;
		struct journal_walk walk;
		const char *line;
		size_t length;

		put(f, "metrics.log.checkpoint", tries[i].before);
		put_line(f, "metrics.log.000003", 3);
		put_line(f, "metrics.log.000005", 5);
		put_line(f, "metrics.log.000006", 6);
		put_line(f, "metrics.log", 7);
		assert_true(journal_walk_open(&walk, f->journal, &f->fail));
		assert_walks_to(f, &walk, 3);
		put(f, "metrics.log.checkpoint", tries[i].later);
		assert_int_equal(unlink(scratch_path(&f->scratch, tries[i].removed)), 0);
		if (i == 0) {
			for (int second = 5; second <= 7; second++)
				assert_walks_to(f, &walk, second);
		} else {
			assert_int_equal(journal_walk_next(&walk, &line, &length, &f->fail),
				FILE_LINES_FAILED);
			assert_int_equal(f->fail.kind, FAIL_RETRY);
		}
		journal_walk_close(&walk);
	}
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_walk_misses_nothing_that_is_rotated_before_it_comes_there),
		TEST(a_walk_ends_where_retention_removed_what_it_had_not_read),
		TEST(a_journal_that_is_alone_has_none),
		TEST(numbered_ones_come_in_the_order_of_their_numbers),
		TEST(the_plain_one_counts_where_both_are_there),
		TEST(others_are_placed_by_the_time_of_their_first_line),
		TEST(what_holds_no_lines_is_not_one),
		TEST(a_long_first_line_is_known_by_its_beginning),
		TEST(lines_come_alike_from_plain_and_compressed_files),
		TEST(frames_behind_each_other_are_one_file),
		TEST(a_cut_file_is_a_failure_that_names_it),
		TEST(a_damaged_file_is_a_failure_that_names_it),
		TEST(a_file_that_went_away_is_worth_another_look),
		TEST(a_directory_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
