/* New files for the journal, and a kill or a failure at each step of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/tests/book.h"
#include "metrics-consumer/tests/disk.h"
#include "process/clock.h"
#include "process/log.h"

static void lines_go_on_in_a_new_file(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	for (int i = 0; i < 3; i++) {
		assert_true(book_write(b, 5));
		assert_true(book_rotate(b));
	}
	assert_true(book_write(b, 2));
	book_assert_whole(b, 17);
	assert_true(book_has(b, "metrics.log.000003"));
	assert_false(book_has(b, "metrics.log.000004"));
	assert_true(book_open(b));
	assert_int_equal(b->read, 2);
	assert_int_equal(b->journal.number, 4);
	book_assert_whole(b, 17);
}

static void size_and_age_make_it_due(void **state)
{
	struct book *const b = *state;

	clock_set(BOOK_TIME);
	b->settings = (struct journal_settings){ .rotate_bytes = 4096, .rotate_ms = 60000 };
	assert_true(book_open(b));
	clock_set(BOOK_TIME + 120000);
	assert_false(journal_rotate_is_due(&b->journal)); /* empty */
	assert_true(book_write(b, 1));
	assert_false(journal_rotate_is_due(&b->journal));
	clock_set(BOOK_TIME + 180000);
	assert_true(journal_rotate_is_due(&b->journal));
	assert_true(book_rotate(b));
	assert_false(journal_rotate_is_due(&b->journal));
	while (b->journal.file.size < 4096) {
		assert_false(journal_rotate_is_due(&b->journal));
		assert_true(book_write(b, 1));
	}
	assert_true(journal_rotate_is_due(&b->journal));
	/* A start knows the age from the first line, which is of offset 2. */
	b->settings.rotate_bytes = 0;
	assert_true(book_open(b));
	clock_set(BOOK_TIME + 2 + 59999);
	assert_false(journal_rotate_is_due(&b->journal));
	clock_set(BOOK_TIME + 2 + 60000);
	assert_true(journal_rotate_is_due(&b->journal));
	clock_set(0);
}

/* --- killed and failed anywhere ------------------------------------------------------------ */

/* A story with a new file in it; @synced says how many lines are surely on the disk. What fails
 * with FAIL_RETRY is done without. */
static bool live(struct book *b, bool by_hand, int64_t *synced)
{
	char moved[PATH_MAX];

	if (!book_write(b, 4) || (!book_checkpoint(b) && b->fail.kind != FAIL_RETRY))
		return false;
	*synced = b->journal.file.synced > 0 ? b->next[0] - 1 : *synced;
	if (!book_write(b, 3))
		return false;
	strcpy(moved, scratch_path(&b->scratch, "metrics.log.by-hand"));
	if (by_hand && rename(scratch_path(&b->scratch, "metrics.log"), moved) != 0)
		return false;
	if (by_hand ? !book_reopen(b) : !book_rotate(b)) {
		if (b->fail.kind != FAIL_RETRY)
			return false;
	} else {
		*synced = b->next[0] - 1;
	}
	return book_write(b, 3) && (book_checkpoint(b) || b->fail.kind == FAIL_RETRY);
}

/* The next start. A file that was moved by hand before anything else began has to be put back. */
static void start_again(struct book *b, bool by_hand)
{
	disk_is_fine();
	if (!book_open(b)) {
		book_assert_fail(b, FAIL_FATAL, "is gone");
		assert_true(by_hand);
		book_move(b, "metrics.log.by-hand", "metrics.log");
		assert_true(book_open(b));
	}
}

static void assert_nothing_lost(struct book *b, int64_t synced)
{
	assert_true(b->next[0] - 1 >= synced);
	book_assert_whole(b, b->next[0] - 1);
	assert_true(book_write(b, 2));
	assert_true(book_rotate(b));
	assert_true(book_write(b, 2));
	book_assert_whole(b, b->next[0] - 1);
}

static int run_child(struct book *b, int kill_at, bool by_hand, int64_t *synced)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (!book_open(b))
			_exit(1);
		disk.calls = 0;
		disk.kill_at = kill_at;
		_exit(live(b, by_hand, synced) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The process dies before each call in turn that changes something. */
static void kill_everywhere(bool by_hand)
{
	int64_t *const synced = mmap(
		NULL, sizeof(*synced), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = DISK_KILLED, call;
	void *state;

	assert_true(synced != MAP_FAILED);
	for (call = 1; status == DISK_KILLED; call++) {
		assert_int_equal(book_setup(&state), 0);
		*synced = 0;
		assert_true(book_open(state) && book_checkpoint(state));
		book_close(state);
		status = run_child(state, call, by_hand, synced);
		start_again(state, by_hand);
		assert_nothing_lost(state, *synced);
		book_teardown(&state);
	}
	assert_int_equal(status, 0);
	assert_in_range(call, 20, 200);
	munmap(synced, sizeof(*synced));
}

static void killed_in_a_rotation_nothing_is_lost_or_repeated(void **state)
{
	(void)state;
	kill_everywhere(false);
}

static void killed_in_a_reopening_nothing_is_lost_or_repeated(void **state)
{
	(void)state;
	kill_everywhere(true);
}

/* Each call in turn fails; the process goes on, or ends and starts again. */
static void fail_everywhere(bool by_hand, int error)
{
	bool failed = true;
	void *state;

	for (int call = 1; failed; call++) {
		struct book *b;
		int64_t synced = 0;

		assert_int_equal(book_setup(&state), 0);
		b = state;
		assert_true(book_open(b) && book_checkpoint(b));
		disk.calls = 0;
		disk.fail_at = call;
		disk.fail_error = error;
		if (!live(b, by_hand, &synced))
			start_again(b, by_hand);
		failed = disk.calls == 0 || disk.calls >= call; /* 0: it started again */
		disk_is_fine();
		if (by_hand && !book_has(b, "metrics.log"))
			assert_true(book_reopen(b));
		assert_nothing_lost(b, synced);
		assert_true(book_open(b));
		book_assert_whole(b, b->next[0] - 1);
		book_teardown(&state);
	}
}

static void a_full_disk_at_any_step_loses_and_repeats_nothing(void **state)
{
	(void)state;
	fail_everywhere(false, ENOSPC);
	fail_everywhere(true, ENOSPC);
}

/* Put off, or done but for its last checkpoint; then lines are written, old files compressed, and
 * it is killed. A full disk ends nobody, unless a sync says so. */
static void put_off_and_killed(bool by_hand)
{
	const atomic_bool stop = false;
	bool failed = true;
	void *state;

	for (int call = 1; failed; call++) {
		struct book *b;

		assert_int_equal(book_setup(&state), 0);
		b = state;
		assert_true(book_open(b) && book_write(b, 5) && book_checkpoint(b));
		assert_true(book_write(b, 3));
		if (by_hand)
			book_move(b, "metrics.log", "metrics.log.by-hand");
		disk.calls = 0;
		disk.fail_at = call;
		disk.fail_error = ENOSPC;
		const bool goes_on =
			(by_hand ? book_reopen(b) : book_rotate(b)) || b->fail.kind == FAIL_RETRY;

		assert_true(goes_on || disk.sync_failed);
		failed = disk.calls >= call;
		disk_is_fine();
		if (goes_on)
			assert_true(book_write(b, 2));
		const int64_t last = b->next[0] - 1;

		book_close(b);
		if (!by_hand)
			assert_true(archive_round(scratch_path(&b->scratch, "metrics.log"), true, 0,
				b->journal.number, &stop, &b->fail));
		start_again(b, by_hand);
		book_assert_whole(b, last);
		book_teardown(&state);
	}
}

static void put_off_and_killed_it_loses_and_repeats_nothing(void **state)
{
	(void)state;
	put_off_and_killed(false);
	put_off_and_killed(true);
}

static void an_error_at_any_step_loses_and_repeats_nothing(void **state)
{
	(void)state;
	fail_everywhere(false, EIO);
	fail_everywhere(true, EIO);
}

/* --- names and hands ----------------------------------------------------------------------- */

static void a_name_that_is_taken_is_not_replaced(void **state)
{
	static const char *const taken[] = { "metrics.log.000001", "metrics.log.000001.zst" };
	struct book *const b = *state;

	for (size_t i = 0; i < 2; i++) {
		assert_true(book_open(b));
		scratch_write(&b->scratch, taken[i], "mine", 4);
		assert_true(book_write(b, 5));
		assert_false(book_rotate(b));
		book_assert_fail(b, FAIL_RETRY, "put off");
		b->settings.rotate_bytes = 1; /* and not tried at once */
		assert_false(journal_rotate_is_due(&b->journal));
		assert_true(book_write(b, 5) && book_checkpoint(b));
		book_close(b);
		/* A start cannot tell whose it is, and says so. */
		assert_false(book_open(b));
		book_assert_fail(b, FAIL_FATAL, "move it away");
		assert_int_equal(unlink(scratch_path(&b->scratch, taken[i])), 0);
		assert_true(book_open(b));
		book_assert_whole(b, 10 * (int64_t)(i + 1));
	}
}

/* mv P P.000001 by hand, before a restart: lines behind the checkpoint are in it. */
static void moved_by_hand_to_the_next_name_it_is_read_on(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_write(b, 5) && book_checkpoint(b) && book_write(b, 5));
	book_close(b);
	book_move(b, "metrics.log", "metrics.log.000001");
	assert_true(book_open(b));
	assert_int_equal(b->journal.number, 2);
	book_assert_whole(b, 10);
	assert_true(book_write(b, 5));
	assert_true(book_open(b));
	book_assert_whole(b, 15);
}

/* cp P P.000001: the copy is nobody's rotated file. */
static void a_copy_under_the_next_name_stops_the_start(void **state)
{
	struct book *const b = *state;
	char *journal;
	size_t length;

	assert_true(book_open(b));
	assert_true(book_checkpoint(b));
	for (int i = 0; i < 2; i++) { /* before and behind a checkpoint with lines */
		assert_true(book_write(b, 5));
		book_close(b);
		journal = scratch_read(&b->scratch, "metrics.log", &length);
		scratch_write(&b->scratch, "metrics.log.000001", journal, length);
		free(journal);
		assert_false(book_open(b));
		book_assert_fail(b, FAIL_FATAL, "move it away");
		assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log.000001")), 0);
		assert_true(book_open(b));
		assert_true(book_checkpoint(b));
	}
	book_assert_whole(b, 10);
}

static void a_rotated_file_that_was_changed_stops_the_start(void **state)
{
	struct book *const b = *state;
	char *rotated;
	size_t length;

	assert_true(book_open(b));
	assert_true(book_write(b, 5) && book_checkpoint(b));
	book_close(b);
	book_move(
		b, "metrics.log", "metrics.log.000001"); /* as a kill after the rename leaves it */
	rotated = scratch_read(&b->scratch, "metrics.log.000001", &length);
	scratch_write(&b->scratch, "metrics.log.000001", rotated, length - 1);
	assert_false(book_open(b));
	book_assert_fail(b, FAIL_FATAL, "is not the file of the checkpoint");
	assert_false(book_has(b, "metrics.log"));
	scratch_write(&b->scratch, "metrics.log.000001", rotated, length);
	free(rotated);
	assert_true(book_open(b));
	book_assert_whole(b, 5);
}

static void where_nobody_moved_it_there_is_nothing_to_reopen(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_write(b, 5) && book_reopen(b) && book_write(b, 5));
	assert_int_equal(b->journal.number, 1);
	book_assert_whole(b, 10);
}

/* logrotate's `create` makes an empty one; anything else is not ours. */
static void an_empty_file_in_its_place_is_taken_and_no_other(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_write(b, 5));
	book_move(b, "metrics.log", "metrics.log.1");
	scratch_write(&b->scratch, "metrics.log", "mine", 4);
	assert_false(book_reopen(b));
	book_assert_fail(b, FAIL_RETRY, "not our file");
	assert_true(book_write(b, 5));
	scratch_write(&b->scratch, "metrics.log", "", 0);
	assert_true(book_reopen(b));
	assert_true(book_write(b, 5));
	book_assert_whole(b, 15);
	assert_true(book_open(b));
	book_assert_whole(b, 15);
}

/* A rotation finds it gone, without a signal. */
static void a_rotation_after_a_move_begins_a_new_file(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_write(b, 5));
	book_move(b, "metrics.log", "metrics.log.1");
	assert_true(book_rotate(b));
	assert_true(book_write(b, 5));
	assert_false(book_has(b, "metrics.log.000001"));
	book_assert_whole(b, 10);
}

static void a_deleted_file_keeps_what_is_known(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_write(b, 5));
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log")), 0);
	assert_true(book_reopen(b));
	assert_true(book_write(b, 5));
	assert_true(book_open(b));
	assert_int_equal(b->next[0], 11);
	assert_int_equal(b->read, 5);
}

/* copytruncate, or another program that writes: found at the next sync, and the start says it. */
static void cut_while_it_runs_it_ends(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_write(b, 5) && book_checkpoint(b));
	assert_int_equal(truncate(scratch_path(&b->scratch, "metrics.log"), 0), 0);
	assert_true(book_write(b, 1));
	assert_false(journal_sync(&b->journal, &b->fail));
	book_assert_fail(b, FAIL_FATAL, "copytruncate");
	assert_false(book_open(b));
	book_assert_fail(b, FAIL_FATAL, "copytruncate");
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, book_setup, book_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_go_on_in_a_new_file),
		TEST(size_and_age_make_it_due),
		cmocka_unit_test(killed_in_a_rotation_nothing_is_lost_or_repeated),
		cmocka_unit_test(killed_in_a_reopening_nothing_is_lost_or_repeated),
		cmocka_unit_test(a_full_disk_at_any_step_loses_and_repeats_nothing),
		cmocka_unit_test(put_off_and_killed_it_loses_and_repeats_nothing),
		cmocka_unit_test(an_error_at_any_step_loses_and_repeats_nothing),
		TEST(a_name_that_is_taken_is_not_replaced),
		TEST(moved_by_hand_to_the_next_name_it_is_read_on),
		TEST(a_copy_under_the_next_name_stops_the_start),
		TEST(a_rotated_file_that_was_changed_stops_the_start),
		TEST(where_nobody_moved_it_there_is_nothing_to_reopen),
		TEST(an_empty_file_in_its_place_is_taken_and_no_other),
		TEST(a_rotation_after_a_move_begins_a_new_file),
		TEST(a_deleted_file_keeps_what_is_known),
		TEST(cut_while_it_runs_it_ends),
	};

	log_level_set(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
