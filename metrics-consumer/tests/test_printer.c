#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/printer.h"
#include "metrics-consumer/tests/scratch.h"
#include "process/clock.h"
#include "process/log.h"

#define LINE_LENGTH 100
#define BATCH       1000 /* lines */

struct fixture {
	int pipe[2];
	struct printer *printer;
	struct fail fail;
	uint64_t put;
};

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	if (!f || pipe(f->pipe) != 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	printer_stop(&f->printer, 0);
	close(f->pipe[0]);
	close(f->pipe[1]);
	free(f);
	return 0;
}

/* Numbered lines of one length. */
static void put_batch(struct fixture *f)
{
	static char lines[BATCH * LINE_LENGTH + 1];

	for (int i = 0; i < BATCH; i++)
		(void)snprintf(lines + i * LINE_LENGTH, LINE_LENGTH + 1, "%0*llu\n",
			LINE_LENGTH - 1, (unsigned long long)f->put++);
	printer_put(f->printer, lines, BATCH * LINE_LENGTH);
}

/* Reads what is in the pipe, and checks that it is whole lines that rise. */
static uint64_t read_lines(struct fixture *f, size_t bytes_most)
{
	static char line[LINE_LENGTH];
	struct pollfd on = { .fd = f->pipe[0], .events = POLLIN };
	uint64_t lines = 0;
	long long last = -1;

	for (size_t bytes = 0; bytes < bytes_most; bytes += LINE_LENGTH, lines++) {
		for (size_t there = 0; there < LINE_LENGTH;) {
			ssize_t got;

			if (poll(&on, 1, 1000) == 0) {
				assert_int_equal(there, 0);
				return lines;
			}
			got = read(f->pipe[0], line + there, LINE_LENGTH - there);
			assert_true(got >= 0);
			if (got == 0) {
				assert_int_equal(there, 0);
				return lines;
			}
			there += (size_t)got;
		}
		assert_int_equal(line[LINE_LENGTH - 1], '\n');
		assert_true(atoll(line) > last);
		last = atoll(line);
	}
	return lines;
}

static void a_reader_gets_every_line(void **state)
{
	struct fixture *const f = *state;

	assert_true(printer_start(&f->printer, f->pipe[1], &f->fail));
	for (int i = 0; i < 100; i++) {
		put_batch(f);
		assert_int_equal(read_lines(f, BATCH * LINE_LENGTH), BATCH);
	}
	assert_int_equal(printer_dropped(f->printer), 0);
}

static void a_slow_reader_holds_nobody_up_and_misses_whole_lines(void **state)
{
	struct fixture *const f = *state;
	const int64_t begin = clock_mono_ms();
	uint64_t dropped;

	assert_true(printer_start(&f->printer, f->pipe[1], &f->fail));
	for (int i = 0; i < 100; i++) /* 10 MB */
		put_batch(f);
	assert_true(clock_mono_ms() - begin < 5000);
	dropped = printer_dropped(f->printer);
	assert_true(dropped > 0);
	assert_int_equal(read_lines(f, (size_t)-1) + dropped, f->put);
	put_batch(f); /* and there is room again */
	assert_int_equal(read_lines(f, BATCH * LINE_LENGTH), BATCH);
	assert_int_equal(printer_dropped(f->printer), dropped);
}

static void what_waits_is_written_before_the_end(void **state)
{
	struct fixture *const f = *state;
	struct scratch scratch;
	char *text;
	size_t length;
	int fd;

	scratch_make(&scratch);
	fd = open(scratch_path(&scratch, "out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(printer_start(&f->printer, fd, &f->fail));
	for (int i = 0; i < 30; i++)
		put_batch(f);
	printer_stop(&f->printer, 10000);
	assert_null(f->printer);
	text = scratch_read(&scratch, "out", &length);
	assert_int_equal(length, 30 * BATCH * LINE_LENGTH);
	free(text);
	close(fd);
	scratch_remove(&scratch);
}

static void a_reader_that_stopped_does_not_hold_up_the_end(void **state)
{
	struct fixture *const f = *state;
	const int64_t begin = clock_mono_ms();

	assert_true(printer_start(&f->printer, f->pipe[1], &f->fail));
	for (int i = 0; i < 30; i++)
		put_batch(f);
	printer_stop(&f->printer, 200);
	assert_in_range(clock_mono_ms() - begin, 100, 3000);
}

/* A terminal says that it can be written, and then blocks. */
static void a_terminal_that_nobody_reads_does_not_hold_up_the_end(void **state)
{
	struct fixture *const f = *state;
	const int master = posix_openpt(O_RDWR | O_NOCTTY);
	int terminal;
	int64_t began;

	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	assert_true(printer_start(&f->printer, terminal, &f->fail));
	for (int i = 0; i < 10; i++)
		put_batch(f);
	began = clock_mono_ms();
	printer_stop(&f->printer, 100);
	assert_true(clock_mono_ms() - began < 10000);
	assert_null(f->printer);
	close(master); /* which wakes the thread; the terminal is still its */
}

static void a_reader_that_is_gone_is_no_error(void **state)
{
	struct fixture *const f = *state;

	(void)signal(SIGPIPE, SIG_IGN); /* as stop_on_signals does */
	close(f->pipe[0]);
	f->pipe[0] = -1;
	assert_true(printer_start(&f->printer, f->pipe[1], &f->fail));
	for (int i = 0; i < 100; i++)
		put_batch(f);
	assert_true(printer_dropped(f->printer) > 0);
	printer_stop(&f->printer, 1000);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reader_gets_every_line),
		TEST(a_slow_reader_holds_nobody_up_and_misses_whole_lines),
		TEST(what_waits_is_written_before_the_end),
		TEST(a_reader_that_stopped_does_not_hold_up_the_end),
		TEST(a_reader_that_is_gone_is_no_error),
		TEST(a_terminal_that_nobody_reads_does_not_hold_up_the_end),
	};

	log_level_set(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
