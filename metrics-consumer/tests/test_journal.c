#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/event.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/tests/disk.h"
#include "metrics-consumer/tests/scratch.h"
#include "process/log.h"

#define HEAD  "2025-07-08T19:15:32.481Z partition=0 offset="
#define TAIL  " source=cart/a id=1 delay_ms=3 {\"type\":\"x\"}"
#define LINE1 HEAD "1" TAIL "\n"
#define LINE2 HEAD "2" TAIL "\n"
#define LINE3 HEAD "3" TAIL "\n"

struct fixture {
	struct scratch scratch;
	struct journal journal;
	struct fail fail;
	int64_t next[EVENT_PARTITIONS];
	int64_t offsets[8]; /* of the lines seen */
	size_t count;
	size_t longest;
	pid_t child; /* 0: none */
};

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	scratch_make(&f->scratch);
	f->journal.file.fd = f->journal.directory = -1;
	disk_is_fine();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	disk_is_fine();
	if (f->child > 0 && kill(f->child, SIGKILL) == 0)
		(void)waitpid(f->child, NULL, 0);
	journal_close(&f->journal);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static bool see(void *context, const struct line *line)
{
	struct fixture *const f = context;

	if (f->count < 8)
		f->offsets[f->count] = line->offset;
	f->count++;
	if (line->length > f->longest)
		f->longest = line->length;
	return line->offset != 666;
}

static bool restore(void *context, const json_t *state, struct fail *fail)
{
	(void)context;
	(void)state;
	(void)fail;
	return true;
}

static bool open_again(struct fixture *f)
{
	const char *const path = scratch_path(&f->scratch, "metrics.log");
	const struct journal_settings settings = { 0 };
	const struct journal_reader reader = { restore, see, f, f->next };

	journal_close(&f->journal);
	f->count = 0;
	f->fail = (struct fail){ 0 };
	return journal_lock(&f->journal, path, &f->fail) &&
	       journal_open(&f->journal, path, &settings, &reader, &f->fail);
}

static void assert_file(struct fixture *f, const char *want)
{
	char *const bytes = scratch_read(&f->scratch, "metrics.log", NULL);

	assert_string_equal(bytes, want);
	free(bytes);
}

static bool append(struct fixture *f, const char *lines)
{
	f->fail = (struct fail){ 0 };
	return journal_write(&f->journal, lines, strlen(lines), &f->fail);
}

static void what_was_written_is_seen_again_and_appended_to(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	assert_int_equal(f->count, 0);
	assert_int_equal(journal_sync_wait(&f->journal, 100), -1);
	assert_true(append(f, LINE1 LINE2));
	assert_in_range(journal_sync_wait(&f->journal, 60000), 1, 60000);
	assert_int_equal(journal_sync_wait(&f->journal, 0), 0);
	assert_true(journal_sync(&f->journal, &f->fail));
	assert_int_equal(journal_sync_wait(&f->journal, 0), -1);
	assert_int_equal(f->journal.file.synced, strlen(LINE1 LINE2));

	assert_true(open_again(f));
	assert_int_equal(f->count, 2);
	assert_int_equal(f->offsets[1], 2);
	assert_true(append(f, LINE3));
	assert_file(f, LINE1 LINE2 LINE3);
}

/* Wherever a kill broke the last line off, also where the disk kept zeros in its place. */
static void a_torn_last_line_is_cut(void **state)
{
	struct fixture *const f = *state;
	char bytes[sizeof(LINE1 LINE2)];

	for (size_t kept = 1; kept < strlen(LINE2); kept++) {
		for (int zeros = 0; zeros < 2; zeros++) {
			memcpy(bytes, LINE1 LINE2, sizeof(bytes));
			if (zeros == 1)
				memset(bytes + strlen(LINE1), 0, kept);
			scratch_write(&f->scratch, "metrics.log", bytes, strlen(LINE1) + kept);
			assert_true(open_again(f));
			assert_int_equal(f->count, 1);
			assert_true(append(f, LINE3));
			assert_file(f, LINE1 LINE3);
		}
	}
	scratch_write(&f->scratch, "metrics.log", LINE1, strlen(LINE1) - 1);
	assert_true(open_again(f)); /* torn, and the first of all */
	assert_file(f, "");
}

static void a_bad_line_in_the_middle_stops_the_start_and_nothing_changes(void **state)
{
	static const char *const bad[] = { "what is this\n", "\n", HEAD "x" TAIL "\n",
		HEAD "666" TAIL "\n" };
	struct fixture *const f = *state;
	char bytes[1024], where[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const int length = snprintf(
			bytes, sizeof(bytes), "%s%s%s%s", LINE1, bad[i], LINE2, "2025-torn");

		scratch_write(&f->scratch, "metrics.log", bytes, (size_t)length);
		assert_false(open_again(f));
		assert_int_equal(f->fail.kind, FAIL_FATAL);
		(void)snprintf(where, sizeof(where), "line 2 at byte %zu", strlen(LINE1));
		assert_non_null(strstr(f->fail.text, where));
		assert_file(f, bytes);
	}
}

static void a_file_that_is_no_journal_is_left_as_it_is(void **state)
{
	struct fixture *const f = *state;

	scratch_write(&f->scratch, "metrics.log", "my diary", 8);
	assert_false(open_again(f));
	assert_non_null(strstr(f->fail.text, "left as it is"));
	assert_file(f, "my diary");
}

static void lines_longer_than_a_piece_and_across_pieces_are_read(void **state)
{
	struct fixture *const f = *state;
	const size_t longest = 3000000;
	char *const bytes = malloc(longest + 5000 * sizeof(LINE1));
	size_t length = 0;

	assert_non_null(bytes);
	for (int i = 0; i < 4000; i++, length += strlen(LINE1))
		memcpy(bytes + length, LINE1, strlen(LINE1));
	memcpy(bytes + length, LINE1, strlen(LINE1) - 1);
	memset(bytes + length + strlen(LINE1) - 1, ' ', longest);
	length += strlen(LINE1) - 1 + longest;
	bytes[length++] = '\n';
	memcpy(bytes + length, LINE2, strlen(LINE2));
	length += strlen(LINE2);
	scratch_write(&f->scratch, "metrics.log", bytes, length);
	free(bytes);
	assert_true(open_again(f));
	assert_int_equal(f->count, 4002);
	assert_true(f->longest > longest);
	assert_int_equal(f->journal.file.size, length);
}

static void only_one_process_owns_a_journal_and_its_death_frees_it(void **state)
{
	struct fixture *const f = *state;
	const char *const path = scratch_path(&f->scratch, "metrics.log");
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	f->child = fork();
	assert_true(f->child >= 0);
	if (f->child == 0) {
		if (!journal_lock(&f->journal, path, &f->fail) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(journal_lock(&f->journal, path, &f->fail));
	assert_int_equal(f->fail.kind, FAIL_OWNED);
	assert_int_equal(kill(f->child, SIGKILL), 0);
	assert_int_equal(waitpid(f->child, NULL, 0), f->child);
	f->child = 0;
	assert_true(open_again(f));
	close(ready[0]);
	close(ready[1]);
}

static void a_write_in_small_pieces_comes_out_whole(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	disk.write_most = 3;
	assert_true(append(f, LINE1 LINE2));
	assert_file(f, LINE1 LINE2);
}

/* However much fits before the disk is full, the file is as before, and the same again fits
 * once there is room. */
static void a_full_disk_leaves_no_half_line(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	assert_true(append(f, LINE1));
	for (size_t room = 0; room < strlen(LINE2 LINE3); room++) {
		disk.room = room;
		disk.write_error = room % 2 == 0 ? ENOSPC : EDQUOT;
		assert_false(append(f, LINE2 LINE3));
		assert_int_equal(f->fail.kind, FAIL_RETRY);
		assert_file(f, LINE1);
	}
	disk_is_fine();
	assert_true(append(f, LINE2 LINE3));
	assert_file(f, LINE1 LINE2 LINE3);
}

static void a_really_full_disk_is_the_same(void **state)
{
	struct fixture *const f = *state;
	struct scratch small;
	char filler[65536];

	if (!scratch_make_small(&small, 65536)) {
		print_message("skipped: this process may not mount a tmpfs\n");
		skip();
	}
	scratch_remove(&f->scratch);
	f->scratch = small;
	assert_true(open_again(f));
	assert_true(append(f, LINE1));
	memset(filler, 'x', sizeof(filler));
	filler[sizeof(filler) - 1] = '\n';
	assert_false(journal_write(&f->journal, filler, sizeof(filler), &f->fail));
	assert_int_equal(f->fail.kind, FAIL_RETRY);
	assert_file(f, LINE1);
	assert_true(append(f, LINE2));
	assert_true(journal_sync(&f->journal, &f->fail));
	assert_file(f, LINE1 LINE2);
}

static void any_other_write_error_ends_it(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	disk.room = 20;
	disk.write_error = EIO;
	assert_false(append(f, LINE1));
	assert_int_equal(f->fail.kind, FAIL_FATAL);
	assert_true(f->journal.file.broken);
	disk_is_fine();
	assert_true(open_again(f)); /* and the next start finds out */
	assert_file(f, "");
}

static void a_failed_sync_ends_it_whatever_the_error(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };
	struct fixture *const f = *state;

	for (size_t i = 0; i < 3; i++) {
		assert_true(open_again(f));
		assert_true(append(f, LINE1));
		disk.sync_error = errors[i];
		disk.syncs = 0;
		assert_false(journal_sync(&f->journal, &f->fail));
		assert_int_equal(f->fail.kind, FAIL_FATAL);
		assert_true(f->journal.file.broken);
		assert_int_equal(disk.syncs, 1);
		disk_is_fine();
	}
}

/* Two megabytes of lines, of which the kernel is asked to begin with the first. */
static bool append_much(struct fixture *f)
{
	const size_t length = strlen(LINE1);
	const size_t count = 2 * 1048576 / length;
	char *const lines = malloc(count * length);
	bool done;

	assert_non_null(lines);
	for (size_t i = 0; i < count; i++)
		memcpy(lines + i * length, LINE1, length);
	done = journal_write(&f->journal, lines, count * length, &f->fail);
	free(lines);
	return done;
}

/* It may have dropped the pages, and told nobody else. */
static void lines_that_the_kernel_cannot_begin_to_sync_end_it_like_a_failed_sync(void **state)
{
	struct fixture *const f = *state;

	assert_true(open_again(f));
	disk.starts = 0;
	assert_true(append(f, LINE1)); /* too few to begin with */
	assert_int_equal(disk.starts, 0);
	assert_true(append_much(f));
	assert_int_equal(disk.starts, 1);
	disk.sync_error = ENOSYS; /* there is no such thing here: the sync does it all */
	assert_true(append_much(f));
	disk.sync_error = ENOSPC;
	assert_false(append_much(f));
	assert_int_equal(f->fail.kind, FAIL_FATAL);
	assert_true(f->journal.file.broken);
	disk_is_fine();
}

static void only_a_regular_file_is_a_journal(void **state)
{
	struct fixture *const f = *state;

	assert_int_equal(mkfifo(scratch_path(&f->scratch, "metrics.log"), 0600), 0);
	assert_false(open_again(f));
	assert_non_null(strstr(f->fail.text, "regular"));
	assert_false(journal_lock(&f->journal, "/nowhere/at/all/metrics.log", &f->fail));
	assert_int_equal(f->fail.kind, FAIL_FATAL);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_seen_again_and_appended_to),
		TEST(a_torn_last_line_is_cut),
		TEST(a_bad_line_in_the_middle_stops_the_start_and_nothing_changes),
		TEST(a_file_that_is_no_journal_is_left_as_it_is),
		TEST(lines_longer_than_a_piece_and_across_pieces_are_read),
		TEST(only_one_process_owns_a_journal_and_its_death_frees_it),
		TEST(a_write_in_small_pieces_comes_out_whole),
		TEST(a_full_disk_leaves_no_half_line),
		TEST(a_really_full_disk_is_the_same),
		TEST(any_other_write_error_ends_it),
		TEST(a_failed_sync_ends_it_whatever_the_error),
		TEST(lines_that_the_kernel_cannot_begin_to_sync_end_it_like_a_failed_sync),
		TEST(only_a_regular_file_is_a_journal),
	};

	log_level_set(LOG_ERROR); /* each cut line would say so */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
