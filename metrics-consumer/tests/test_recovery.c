/* What a start makes of the files it finds. */
#include <setjmp.h>
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

#include "metrics-consumer/tests/book.h"
#include "metrics-consumer/tests/disk.h"
#include "process/log.h"

/* Ten lines, a checkpoint, ten lines; as a kill leaves it. */
static void write_book(struct book *b)
{
	assert_true(book_open(b));
	assert_true(book_write(b, 10));
	assert_true(book_checkpoint(b));
	assert_true(book_write(b, 10));
	book_close(b);
}

/* Everything in the directory that a start could change, to be freed. */
static char *remember(struct book *b)
{
	char *const journal = scratch_read(&b->scratch, "metrics.log", NULL);
	char *const checkpoint = scratch_read(&b->scratch, "metrics.log.checkpoint", NULL);
	char *both = NULL;

	assert_true(asprintf(&both, "%s|%s", journal, checkpoint) > 0);
	free(journal);
	free(checkpoint);
	return both;
}

/* The start is refused with @text, and nothing changed. */
static void assert_refused(struct book *b, enum fail_kind kind, const char *text)
{
	char *const before = remember(b);
	char *after;

	assert_false(book_open(b));
	book_assert_fail(b, kind, text);
	after = remember(b);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void append(struct book *b, const char *bytes, size_t length)
{
	FILE *const file = fopen(scratch_path(&b->scratch, "metrics.log"), "ab");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void only_lines_behind_the_checkpoint_are_read(void **state)
{
	struct book *const b = *state;
	char id[CHECKPOINT_ID_MAX];

	write_book(b);
	assert_true(book_open(b));
	assert_int_equal(b->read, 10);
	book_assert_whole(b, 20);
	strcpy(id, journal_id(&b->journal));
	assert_int_equal(strlen(id), 16);
	assert_true(book_checkpoint(b));
	assert_true(book_open(b));
	assert_int_equal(b->read, 0);
	assert_string_equal(journal_id(&b->journal), id);
	assert_true(book_write(b, 5));
	book_assert_whole(b, 25);
}

static void a_checkpoint_is_due_where_there_is_something_new(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(journal_checkpoint_is_due(&b->journal)); /* the first one */
	assert_true(book_checkpoint(b));
	assert_false(journal_checkpoint_is_due(&b->journal));
	assert_true(book_write(b, 1));
	assert_false(journal_checkpoint_is_due(&b->journal));
	b->journal.checkpoint_at -= JOURNAL_CHECKPOINT_MS;
	assert_true(journal_checkpoint_is_due(&b->journal));
	assert_true(book_open(b));
	assert_true(journal_checkpoint_is_due(&b->journal));
}

static void without_a_checkpoint_everything_is_read(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	for (int i = 0; i < 3; i++)
		assert_true(book_write(b, 5) && book_rotate(b));
	assert_true(book_write(b, 5));
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log.checkpoint")), 0);
	assert_true(book_open(b));
	assert_int_equal(b->read, 20);
	assert_int_equal(b->journal.number, 4);
	book_assert_whole(b, 20);
	/* A topic that was made anew: offsets go back. */
	append(b, BOOK_LINE("3"), strlen(BOOK_LINE("3")));
	assert_int_equal(b->journal.saved_number, 0);
	assert_true(book_open(b));
	assert_int_equal(b->next[0], 4);
}

static void without_a_checkpoint_damage_stops_the_start(void **state)
{
	struct book *const b = *state;

	write_book(b);
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log.checkpoint")), 0);
	append(b, "what is this\n" BOOK_LINE("21"), 13 + strlen(BOOK_LINE("21")));
	assert_refused(b, FAIL_FATAL, "line 21 at byte");
}

static void a_torn_last_line_is_cut_and_not_kept(void **state)
{
	struct book *const b = *state;
	char zeros[3000] = { 0 };

	write_book(b);
	append(b, BOOK_HEAD, strlen(BOOK_HEAD));
	assert_true(book_open(b));
	book_assert_whole(b, 20);
	append(b, zeros, sizeof(zeros));
	assert_true(book_open(b));
	book_assert_whole(b, 20);
	assert_false(book_has(b, "metrics.log.cut.000001"));
}

/* ATTACKS C2: behind the bytes that were synced anything may stand. */
static void what_power_loss_left_is_cut_and_kept(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} left[] = {
#define BYTES(text) { text, sizeof(text) - 1 }
		BYTES("\0\0\0\0\0\0\0\0" BOOK_LINE("23") BOOK_LINE("24")),
		BYTES("2025-07-08T19:15\0\0\0\0\n" BOOK_LINE("23")),
		BYTES("\n\n"),
		BYTES(BOOK_LINE("20")),                    /* there already */
		BYTES(BOOK_LINE("3") BOOK_LINE("21")),     /* an old block of the disk */
		BYTES("garbage\n" BOOK_LINE("21") "2025"), /* and torn */
		BYTES("2025-07-08T19:15:32.481Z partition=7 offset=1 source=- id=- delay_ms=3 "
		      "{}\n"),
#undef BYTES
	};
	struct book *const b = *state;
	char name[64], *kept;
	size_t length;

	write_book(b);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		append(b, left[i].bytes, left[i].length);
		assert_true(book_open(b));
		book_assert_whole(b, 20);
		(void)snprintf(name, sizeof(name), "metrics.log.cut.%06zu", i + 1);
		kept = scratch_read(&b->scratch, name, &length);
		assert_int_equal(length, left[i].length);
		assert_memory_equal(kept, left[i].bytes, length);
		free(kept);
	}
	assert_true(book_write(b, 5));
	book_assert_whole(b, 25);
}

/* Starts in a child that dies before its @kill_at th call that changes something. False: it did. */
static bool start_and_die(struct book *b, int kill_at)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		disk.calls = 0;
		disk.kill_at = kill_at;
		_exit(book_open(b) && (!journal_rotate_is_due(&b->journal) || book_rotate(b)) ? 0
											      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DISK_KILLED);
	return WEXITSTATUS(status) == 0;
}

static void killed_in_a_recovery_the_next_one_does_it_again(void **state)
{
	static const char left[] = "garbage\n" BOOK_LINE("21");
	bool lived = false;
	void *one;
	int call;

	(void)state;
	for (call = 1; !lived; call++) {
		assert_int_equal(book_setup(&one), 0);
		write_book(one);
		append(one, left, sizeof(left) - 1);
		lived = start_and_die(one, call);
		assert_true(book_open(one));
		book_assert_whole(one, 20);
		assert_true(book_has(one, "metrics.log.cut.000001"));
		book_teardown(&one);
	}
	assert_in_range(call, 5, 50);
}

/* Whether the file is gone, bad or sound; asked once more, it is done. */
static void killed_in_a_new_journal_it_is_asked_for_again(void **state)
{
	bool lived;
	void *one;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		lived = false;
		for (int call = 1; !lived; call++) {
			struct book *b;

			assert_int_equal(book_setup(&one), 0);
			b = one;
			write_book(b);
			if (kind == 1) /* otherwise the ten lines behind it are found */
				assert_true(book_open(b) && book_checkpoint(b));
			book_close(b);
			if (kind == 0)
				book_move(b, "metrics.log", "metrics.log.0");
			else if (kind == 1)
				scratch_write(&b->scratch, "metrics.log", "2025 bad", 8);
			b->settings.begin_anew = true;
			lived = start_and_die(b, call);
			assert_true(book_open(b));
			assert_int_equal(b->next[0], 21);
			assert_true(book_write(b, 5));
			assert_true(book_checkpoint(b)); /* as the consumer does at its start */
			b->settings.begin_anew = false;
			assert_true(book_open(b));
			assert_int_equal(b->next[0], 26);
			assert_int_equal(b->count, 25);
			if (kind != 1)
				book_assert_whole(b, 25);
			book_teardown(&one);
		}
	}
}

static void what_cannot_be_kept_is_not_cut(void **state)
{
	struct book *const b = *state;

	write_book(b);
	append(b, "garbage\n" BOOK_LINE("21"), 8 + strlen(BOOK_LINE("21")));
	disk.room = 5;
	assert_refused(b, FAIL_RETRY, "keep what has to be cut off");
	assert_false(book_has(b, "metrics.log.cut.000001"));
	disk_is_fine();
	assert_true(book_open(b));
	book_assert_whole(b, 20);
	assert_true(book_has(b, "metrics.log.cut.000001"));
}

static void a_journal_that_is_gone_or_another_one_stops_the_start(void **state)
{
	struct book *const b = *state;
	char *journal;
	size_t length;

	write_book(b);
	journal = scratch_read(&b->scratch, "metrics.log", &length);

	book_move(b, "metrics.log", "elsewhere");
	assert_refused(b, FAIL_FATAL, "is gone");
	assert_false(book_has(b, "metrics.log"));
	scratch_write(&b->scratch, "metrics.log", journal, length / 3);
	assert_refused(b, FAIL_FATAL, "fewer than");
	scratch_write(&b->scratch, "metrics.log", "", 0); /* copytruncate */
	assert_refused(b, FAIL_FATAL, "copytruncate");
	journal[length / 2 - 20] ^= 1; /* before the checkpoint's position */
	scratch_write(&b->scratch, "metrics.log", journal, length);
	assert_refused(b, FAIL_FATAL, "was edited before byte");
	assert_int_equal(chmod(scratch_path(&b->scratch, "metrics.log"), 0), 0);
	if (geteuid() != 0)
		assert_refused(b, FAIL_FATAL, "metrics.log");
	free(journal);

	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log")), 0);
	book_move(b, "elsewhere", "metrics.log");
	assert_true(book_open(b));
	book_assert_whole(b, 20);
}

/* A file that has no line yet fits any checkpoint of it. */
static void an_old_file_in_the_place_of_a_new_one_stops_the_start(void **state)
{
	struct book *const b = *state;
	char *old;
	size_t length;

	write_book(b);
	assert_true(book_open(b) && book_rotate(b));
	book_close(b);
	old = scratch_read(&b->scratch, "metrics.log.000001", &length);
	scratch_write(&b->scratch, "metrics.log", old, length);
	free(old);
	assert_refused(b, FAIL_FATAL, "older than its checkpoint");
	assert_false(book_has(b, "metrics.log.cut.000001"));
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log")), 0);
	scratch_write(&b->scratch, "metrics.log", "", 0);
	assert_true(book_open(b));
	book_assert_whole(b, 20);
}

/* From a backup, say, while the journal went on: what is in the files behind it would be unknown,
 * and come twice. */
static void a_checkpoint_older_than_the_journal_stops_the_start(void **state)
{
	struct book *const b = *state;
	char *old;
	size_t length;

	write_book(b);
	old = scratch_read(&b->scratch, "metrics.log.checkpoint", &length);
	for (int i = 0; i < 3; i++) {
		assert_true(book_open(b) && book_rotate(b));
		assert_true(book_write(b, 10) && book_checkpoint(b));
	}
	book_close(b);
	scratch_write(&b->scratch, "metrics.log.checkpoint", old, length);
	for (int gone = 0; gone < 2; gone++) {
		b->settings.begin_anew = false;
		assert_refused(b, FAIL_REFUSE, "is older than the journal");
		b->settings.begin_anew = true;
		assert_refused(b, FAIL_REFUSE, "is older than the journal");
		assert_false(book_has(b, "metrics.log.000004"));
		/* once more where retention removed its file */
		(void)unlink(scratch_path(&b->scratch, "metrics.log.000001"));
	}
	free(old);
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log.checkpoint")), 0);
	b->settings.begin_anew = false;
	assert_true(book_open(b));
	assert_int_equal(b->next[0], 51);
	assert_int_equal(b->read, 30);
}

static void a_damaged_checkpoint_stops_the_start(void **state)
{
	struct book *const b = *state;

	write_book(b);
	scratch_write(&b->scratch, "metrics.log.checkpoint", "{}", 2);
	assert_refused(b, FAIL_REFUSE, "metrics.log.checkpoint is damaged");
}

static void a_foreign_file_is_left_as_it_is(void **state)
{
	struct book *const b = *state;

	assert_true(book_open(b));
	assert_true(book_checkpoint(b));
	scratch_write(&b->scratch, "metrics.log", "my\ndiary\n", 9);
	assert_refused(b, FAIL_FATAL, "left as it is");
}

static void left_temporary_files_are_removed(void **state)
{
	struct book *const b = *state;

	write_book(b);
	scratch_write(&b->scratch, "metrics.log.checkpoint.tmp", "half", 4);
	assert_true(book_open(b));
	assert_false(book_has(b, "metrics.log.checkpoint.tmp"));
}

/* --new-journal */
static void a_new_journal_keeps_numbers_and_positions(void **state)
{
	struct book *const b = *state;

	write_book(b); /* ten lines are behind the checkpoint */
	book_move(b, "metrics.log", "metrics.log.old");
	assert_refused(b, FAIL_FATAL, "moved to");
	assert_non_null(strstr(b->fail.text, "metrics.log.old?"));
	b->settings.begin_anew = true;
	assert_true(book_open(b));
	assert_int_equal(b->journal.number, 2);
	assert_int_equal(b->next[0], 21);
	assert_true(book_checkpoint(b)); /* as the consumer does at its start */
	assert_true(book_write(b, 5));
	b->settings.begin_anew = false;
	assert_true(book_open(b));
	book_assert_whole(b, 25);
}

/* Nowhere to be found, its lines behind the checkpoint come again. */
static void a_new_journal_begins_where_the_old_one_is_nowhere(void **state)
{
	struct book *const b = *state;

	write_book(b);
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log")), 0);
	b->settings.begin_anew = true;
	assert_true(book_open(b));
	assert_int_equal(b->next[0], 11);
	assert_true(book_checkpoint(b)); /* as the consumer does at its start */
	b->settings.begin_anew = false;
	assert_true(book_write(b, 5));
	assert_true(book_open(b));
	assert_int_equal(b->read, 5);
	assert_int_equal(b->next[0], 16);
}

static void a_new_journal_moves_a_bad_one_aside(void **state)
{
	struct book *const b = *state;

	write_book(b);
	assert_true(book_open(b) && book_checkpoint(b));
	scratch_write(&b->scratch, "metrics.log", "2025 is edited", 14);
	b->settings.begin_anew = true;
	assert_true(book_open(b));
	assert_true(book_has(b, "metrics.log.000001"));
	assert_int_equal(b->journal.number, 2);
	assert_int_equal(b->next[0], 21);
	assert_int_equal(b->journal.file.size, 0);
	assert_true(book_checkpoint(b)); /* as the consumer does at its start */
	b->settings.begin_anew = false;
	assert_true(book_open(b));
	assert_int_equal(b->next[0], 21);
}

static void a_new_journal_rotates_a_sound_one(void **state)
{
	struct book *const b = *state;

	write_book(b);
	b->settings.begin_anew = true;
	assert_true(book_open(b));
	assert_true(journal_rotate_is_due(&b->journal));
	assert_true(book_rotate(b));
	assert_false(journal_rotate_is_due(&b->journal));
	assert_true(book_has(b, "metrics.log.000001"));
	book_assert_whole(b, 20);
}

static void a_new_journal_without_a_checkpoint_is_refused(void **state)
{
	struct book *const b = *state;

	write_book(b);
	assert_int_equal(unlink(scratch_path(&b->scratch, "metrics.log.checkpoint")), 0);
	b->settings.begin_anew = true;
	assert_refused(b, FAIL_REFUSE, "--new-journal");
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, book_setup, book_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_lines_behind_the_checkpoint_are_read),
		TEST(a_checkpoint_is_due_where_there_is_something_new),
		TEST(without_a_checkpoint_everything_is_read),
		TEST(without_a_checkpoint_damage_stops_the_start),
		TEST(a_torn_last_line_is_cut_and_not_kept),
		TEST(what_power_loss_left_is_cut_and_kept),
		cmocka_unit_test(killed_in_a_recovery_the_next_one_does_it_again),
		cmocka_unit_test(killed_in_a_new_journal_it_is_asked_for_again),
		TEST(what_cannot_be_kept_is_not_cut),
		TEST(a_journal_that_is_gone_or_another_one_stops_the_start),
		TEST(an_old_file_in_the_place_of_a_new_one_stops_the_start),
		TEST(a_checkpoint_older_than_the_journal_stops_the_start),
		TEST(a_damaged_checkpoint_stops_the_start),
		TEST(a_foreign_file_is_left_as_it_is),
		TEST(left_temporary_files_are_removed),
		TEST(a_new_journal_keeps_numbers_and_positions),
		TEST(a_new_journal_begins_where_the_old_one_is_nowhere),
		TEST(a_new_journal_moves_a_bad_one_aside),
		TEST(a_new_journal_rotates_a_sound_one),
		TEST(a_new_journal_without_a_checkpoint_is_refused),
	};

	log_level_set(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
