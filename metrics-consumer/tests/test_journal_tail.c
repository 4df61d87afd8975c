/* Following the journal in the process that writes it: only what is synced, over rotations. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/journal_tail.h"
#include "metrics-consumer/tests/scratch.h"

static struct scratch scratch;
static struct journal_tail tail;
static int fds[8], fd_count;

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	journal_tail_init(&tail);
	fd_count = 0;
	return 0;
}

static int clean(void **state)
{
	(void)state;
	journal_tail_fini(&tail);
	while (fd_count > 0)
		close(fds[--fd_count]);
	scratch_remove(&scratch);
	return 0;
}

/* A file of the journal with this in it. */
static int file_of(const char *name, const char *text)
{
	const int fd =
		open(scratch_path(&scratch, name), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fds[fd_count++] = fd;
	return fd;
}

static void tell(int fd, int64_t number, int64_t end)
{
	journal_tail_tell(&tail, "0123456789abcdef", fd, number, end);
}

static void assert_next(enum journal_tail_result wanted)
{
	struct fail fail = { 0 };
	const char *line;
	size_t length;

	assert_int_equal(journal_tail_next(&tail, &line, &length, &fail), wanted);
}

static void assert_line(const char *wanted)
{
	struct fail fail = { 0 };
	const char *line;
	size_t length;

	assert_int_equal(journal_tail_next(&tail, &line, &length, &fail), JOURNAL_TAIL_LINE);
	assert_int_equal(length, strlen(wanted));
	assert_memory_equal(line, wanted, length);
}

static void a_line_is_shown_when_it_is_synced_and_not_before(void **state)
{
	const int fd = file_of("P", "one\ntwo\nthree\n");
	struct journal_place place;

	(void)state;
	journal_tail_follow(&tail, true);
	assert_next(JOURNAL_TAIL_END); /* nothing is known yet */
	tell(fd, 1, 4);
	assert_int_equal(journal_tail_behind(&tail), 4);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("one");
	assert_next(JOURNAL_TAIL_END);
	tell(fd, 1, 8);
	assert_line("two");
	assert_next(JOURNAL_TAIL_END);
	journal_tail_place(&tail, &place);
	assert_string_equal(place.journal, "0123456789abcdef");
	assert_int_equal(place.number, 1);
	assert_int_equal(place.position, 8);
	assert_int_equal(journal_tail_behind(&tail), 0);
	assert_true(journal_tail_is_whole(&tail));
}

static void a_rotated_file_is_read_to_its_end_even_when_it_is_gone(void **state)
{
	const int first = file_of("P", "one\ntwo\n");

	(void)state;
	journal_tail_follow(&tail, true);
	tell(first, 1, 4);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("one");
	unlink(scratch_path(&scratch, "P"));
	tell(file_of("P", "three\n"), 2, 6);
	assert_line("two");
	assert_line("three");
	assert_next(JOURNAL_TAIL_END);
}

static void files_that_pass_too_fast_are_passed_over_and_that_is_said(void **state)
{
	(void)state;
	journal_tail_follow(&tail, true);
	tell(file_of("P.1", "one\n"), 1, 4);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("one");
	tell(file_of("P.2", "two\n"), 2, 4);
	tell(file_of("P.3", "three\n"), 3, 6);
	assert_int_equal(tail.count, JOURNAL_TAIL_FILES);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("three");
	assert_false(journal_tail_is_whole(&tail));
}

static void while_nobody_follows_only_the_newest_file_is_kept_open(void **state)
{
	(void)state;
	tell(file_of("P.1", "one\n"), 1, 4);
	tell(file_of("P.2", "two\n"), 2, 4);
	assert_int_equal(tail.count, 1);
	journal_tail_follow(&tail, true);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("two");
	journal_tail_follow(&tail, false);
	tell(file_of("P.3", "three\n"), 3, 6);
	journal_tail_follow(&tail, true);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("three");
}

static void whoever_follows_again_in_the_same_file_goes_on_where_he_was(void **state)
{
	const int fd = file_of("P", "one\ntwo\n");

	(void)state;
	journal_tail_follow(&tail, true);
	tell(fd, 1, 4);
	assert_next(JOURNAL_TAIL_ANEW);
	assert_line("one");
	journal_tail_follow(&tail, false);
	tell(fd, 1, 8);
	journal_tail_follow(&tail, true);
	assert_line("two");
}

static void *ask_for_places(void *context)
{
	const atomic_bool *const done = context;
	struct journal_place place;

	do {
		journal_tail_place(&tail, &place);
		assert_true(strcmp(place.journal, "") == 0 ||
			    strcmp(place.journal, "0123456789abcdef") == 0);
	} while (!atomic_load(done));
	return NULL;
}

/* Somebody watches while the journal is opened: ThreadSanitizer sees what the two share. */
static void the_journal_gets_its_name_while_it_is_asked_for(void **state)
{
	atomic_bool done = false;
	pthread_t asking;

	(void)state;
	assert_int_equal(pthread_create(&asking, NULL, ask_for_places, &done), 0);
	tell(file_of("P", "one\n"), 1, 4);
	atomic_store(&done, true);
	assert_int_equal(pthread_join(asking, NULL), 0);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, make, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(a_line_is_shown_when_it_is_synced_and_not_before),
		CLAIM(a_rotated_file_is_read_to_its_end_even_when_it_is_gone),
		CLAIM(files_that_pass_too_fast_are_passed_over_and_that_is_said),
		CLAIM(while_nobody_follows_only_the_newest_file_is_kept_open),
		CLAIM(whoever_follows_again_in_the_same_file_goes_on_where_he_was),
		CLAIM(the_journal_gets_its_name_while_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
