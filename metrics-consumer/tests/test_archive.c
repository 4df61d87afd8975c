#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/archive.h"
#include "metrics-consumer/tests/book.h"
#include "process/clock.h"
#include "process/log.h"

/* Each file has @lines lines; the last one is active. */
static void write_files(struct book *b, int files, int64_t lines)
{
	assert_true(book_open(b));
	for (int i = 1; i <= files; i++) {
		assert_true(book_write(b, lines));
		if (i < files)
			assert_true(book_rotate(b));
	}
}

static bool round_over(struct book *b, bool compress, int64_t deleted)
{
	const atomic_bool stop = false;

	book_close(b); /* its own thread would do the same */
	return archive_round(scratch_path(&b->scratch, "metrics.log"), compress, deleted,
		b->journal.number, &stop, &b->fail);
}

static void wait_until(struct book *b, const char *name, bool there)
{
	const int64_t until = clock_mono_ms() + 20000;

	while (book_has(b, name) != there) {
		assert_true(clock_mono_ms() < until);
		usleep(2000);
	}
}

static void a_compressed_file_holds_the_same(void **state)
{
	struct book *const b = *state;

	write_files(b, 3, 20000); /* more than is compressed at once */
	assert_true(round_over(b, true, 0));
	for (int i = 1; i <= 2; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "metrics.log.%06d", i);
		assert_false(book_has(b, name));
		strcat(name, ".zst");
		assert_true(book_has(b, name));
		strcat(name, ".tmp");
		assert_false(book_has(b, name));
	}
	book_assert_whole(b, 60000);
	assert_true(book_open(b)); /* the checkpoint's file is there, compressed */
	book_assert_whole(b, 60000);
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log.checkpoint")), 0);
	assert_true(book_open(b));
	assert_int_equal(b->read, 60000);
}

/* Killed behind each step of it, by what is then there. */
static void a_half_compressed_file_is_done_again(void **state)
{
	struct book *const b = *state;
	char *plain;
	size_t length;

	write_files(b, 2, 100);
	plain = scratch_read(&b->scratch, "metrics.log.000001", &length);
	book_close(b);
	scratch_write(&b->scratch, "metrics.log.000001.zst.tmp", "half", 4);
	assert_true(round_over(b, true, 0));
	book_assert_whole(b, 200);
	assert_false(book_has(b, "metrics.log.000001.zst.tmp"));
	scratch_write(&b->scratch, "metrics.log.000001", plain, length); /* not yet removed */
	free(plain);
	book_assert_whole(b, 200);
	assert_true(book_open(b));
	assert_true(round_over(b, true, 0));
	assert_false(book_has(b, "metrics.log.000001"));
	book_assert_whole(b, 200);
}

static void without_compression_only_leftovers_go(void **state)
{
	struct book *const b = *state;

	write_files(b, 2, 10);
	scratch_write(&b->scratch, "metrics.log.000001.zst.tmp", "half", 4);
	assert_true(round_over(b, false, 0));
	assert_false(book_has(b, "metrics.log.000001.zst.tmp"));
	assert_true(book_has(b, "metrics.log.000001"));
}

static void removed_are_those_up_to_the_number_and_no_others(void **state)
{
	struct book *const b = *state;

	write_files(b, 5, 10);
	assert_true(round_over(b, true, 0));
	scratch_write(&b->scratch, "metrics.log.000002.zst.tmp", "half", 4);
	scratch_write(&b->scratch, "metrics.log.cut.000001", "cut", 3);
	scratch_write(&b->scratch, "metrics.log.old", "mine", 4);
	assert_true(round_over(b, true, 2));
	assert_false(book_has(b, "metrics.log.000001.zst"));
	assert_false(book_has(b, "metrics.log.000002.zst"));
	assert_false(book_has(b, "metrics.log.000002.zst.tmp"));
	assert_true(book_has(b, "metrics.log.000003.zst"));
	assert_true(book_has(b, "metrics.log.cut.000001"));
	assert_true(book_has(b, "metrics.log.old"));
	assert_true(book_has(b, "metrics.log"));
}

static void a_stop_leaves_the_file_plain(void **state)
{
	struct book *const b = *state;
	const atomic_bool stop = true;

	write_files(b, 2, 10);
	book_close(b);
	assert_true(archive_round(scratch_path(&b->scratch, "metrics.log"), true, 1,
		b->journal.number, &stop, &b->fail));
	assert_true(book_has(b, "metrics.log.000001"));
	assert_false(book_has(b, "metrics.log.000001.zst.tmp"));
}

/* A file that grows was not rotated by us: it would lose its end. */
static void an_active_file_is_never_compressed(void **state)
{
	struct book *const b = *state;

	write_files(b, 2, 10);
	scratch_write(&b->scratch, "metrics.log.000002", BOOK_LINE("1"), strlen(BOOK_LINE("1")));
	assert_true(round_over(b, true, 0));
	assert_true(book_has(b, "metrics.log.000002"));
}

/* The whole way: settings, rotation, thread, checkpoint, and the next start. */
static void the_journal_keeps_as_many_as_it_is_told(void **state)
{
	struct book *const b = *state;

	b->settings = (struct journal_settings){ .keep_files = 2, .compress = true };
	write_files(b, 6, 10);
	assert_int_equal(b->journal.deleted, 3);
	wait_until(b, "metrics.log.000003.zst", false);
	wait_until(b, "metrics.log.000003", false);
	wait_until(b, "metrics.log.000005.zst", true);
	wait_until(b, "metrics.log.000005", false);
	assert_true(book_has(b, "metrics.log.000004.zst"));
	assert_true(book_open(b));
	assert_int_equal(b->journal.deleted, 3);
	assert_int_equal(b->next[0], 61);
	/* Killed between checkpoint and removal: the next start removes it. */
	scratch_write(&b->scratch, "metrics.log.000003", BOOK_LINE("30"), strlen(BOOK_LINE("30")));
	assert_true(book_open(b));
	wait_until(b, "metrics.log.000003", false);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, book_setup, book_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_compressed_file_holds_the_same),
		TEST(a_half_compressed_file_is_done_again),
		TEST(without_compression_only_leftovers_go),
		TEST(removed_are_those_up_to_the_number_and_no_others),
		TEST(a_stop_leaves_the_file_plain),
		TEST(an_active_file_is_never_compressed),
		TEST(the_journal_keeps_as_many_as_it_is_told),
	};

	log_level_set(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
