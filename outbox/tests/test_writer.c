/* The writer's turns, called one by one, on a real SQLite file behind a countdown of faults.
 * The service is the smallest one: its state is the sum of what its commands add. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "outbox/writer.h"
#include "process/clock.h"
#include "tests/support/fault_db.h"

#define STEPS_MAX 50
#define START     1752002132481

struct wish {
	struct command command;
	int64_t amount;
	int answers;
	enum fail_kind refused;
};

struct fixture {
	char directory[64], path[128];
	struct fault_db fault;
	struct queue queue;
	struct progress progress;
	struct writer writer;
};

static struct fixture *slow; /* its disk takes 10 s, in which Kafka acknowledges two rows */

static bool apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	const struct wish *const wish = (struct wish *)command;
	const struct db_value amount = db_whole(wish->amount);
	struct event event = { .type = EVENT_STOCK_CHANGED, .sku = "A123", .count = wish->amount };
	int64_t id;

	(void)service;
	tx->refused = tx->full;
	if (tx->refused)
		return true;
	if (slow) {
		clock_set(clock_wall_ms() + 10000);
		progress_acknowledge(&slow->progress, 2, 1);
	}
	return db_query(
		       tx->db, "UPDATE sum SET total = total + ?1", &amount, 1, NULL, NULL, fail) &&
	       rows_append(tx, &event, &id, fail);
}

static void on_answer(struct command *command, const struct fail *refused)
{
	struct wish *const wish = (struct wish *)command;

	wish->answers++;
	wish->refused = refused ? refused->kind : FAIL_NONE;
}

static bool take_number(void *context, const struct db_value *columns)
{
	*(int64_t *)context = columns[0].whole;
	return true;
}

static int64_t ask(struct fixture *f, const char *sql)
{
	struct fail fail = { 0 };
	int64_t number = -1;

	assert_true(db_query(f->fault.real, sql, NULL, 0, take_number, &number, &fail));
	return number;
}

static void open_store(struct fixture *f)
{
	struct fail fail = { 0 };
	struct db *real;

	memset(&f->writer, 0, sizeof(f->writer));
	assert_true(db_open(&real, f->path, DB_WRITER, &fail));
	fault_db_init(&f->fault, real);
	assert_true(rows_open(&f->fault.db, "stock", &f->writer.state, &fail));
	assert_true(db_script(&f->fault.db,
		"CREATE TABLE IF NOT EXISTS sum (total INTEGER);"
		"INSERT INTO sum SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM sum)",
		&fail));
	assert_true(queue_init(&f->queue, &fail));
	progress_init(&f->progress,
		&(struct progress_numbers){ f->writer.state.last, f->writer.state.acknowledged,
			f->writer.state.acknowledged_offset, rows_first(&f->writer.state), 0, 0 });
	f->writer.db = &f->fault.db;
	f->writer.queue = &f->queue;
	f->writer.apply = apply;
	f->writer.progress = &f->progress;
	f->writer.max_rows = 1000;
	f->writer.keep_ms = 30000;
}

static void close_store(struct fixture *f)
{
	struct db *db = &f->fault.db;

	db_close(&db);
	progress_fini(&f->progress);
	queue_fini(&f->queue);
}

static int setup(void **state)
{
	static struct fixture f;

	strcpy(f.directory, "/tmp/hw9-writer-XXXXXX");
	if (!mkdtemp(f.directory))
		return -1;
	(void)snprintf(f.path, sizeof(f.path), "%s/store.db", f.directory);
	clock_set(START);
	open_store(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[160];

	clock_set(0);
	close_store(f);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
		(void)unlink(name);
	}
	return rmdir(f->directory);
}

static void wish_for(struct fixture *f, struct wish *wish, int64_t amount)
{
	*wish = (struct wish){ .command = { .makes_event = true, .answer = on_answer },
		.amount = amount };
	assert_true(queue_put(&f->queue, &wish->command));
}

static bool turn(struct fixture *f, struct fail *fail)
{
	*fail = (struct fail){ 0 };
	return writer_turn(&f->writer, 0, fail);
}

static void everything_that_waits_is_one_commit(void **state)
{
	struct fixture *const f = *state;
	struct wish wishes[20];
	struct fail fail;

	for (int i = 0; i < 20; i++)
		wish_for(f, &wishes[i], i);
	assert_true(turn(f, &fail));
	for (int i = 0; i < 20; i++) {
		assert_int_equal(wishes[i].answers, 1);
		assert_int_equal(wishes[i].refused, FAIL_NONE);
	}
	assert_int_equal(ask(f, "SELECT total FROM sum"), 190);
	assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), 20);
	assert_int_equal(ask(f, "SELECT last FROM outbox_state"), 20);
	assert_int_equal(progress_read(&f->progress).last, 20);
}

/* Whichever step breaks, state and outbox agree: both know the wish, or neither; and after a
 * fault the same wish succeeds, with a number that follows. */
static void a_fault_at_any_step_keeps_all_or_nothing(void **state)
{
	static const enum fail_kind kinds[] = { FAIL_RETRY, FAIL_FATAL, FAIL_UNSURE };
	struct fixture *const f = *state;
	int64_t known = 0;

	for (size_t k = 0; k < 3; k++) {
		bool done = false;

		for (int nth = 0; !done; nth++) {
			struct wish wish;
			struct fail fail;

			assert_in_range(nth, 0, STEPS_MAX);
			wish_for(f, &wish, 1);
			fault_at(&f->fault, nth, kinds[k]);
			done = turn(f, &fail);
			fault_off(&f->fault);

			assert_int_equal(wish.answers, 1);
			assert_int_equal(wish.refused, done ? FAIL_NONE : kinds[k]);
			close_store(f); /* a fresh start reads what is true */
			open_store(f);
			if (done || kinds[k] == FAIL_UNSURE)
				known = ask(f, "SELECT total FROM sum");
			assert_int_equal(ask(f, "SELECT total FROM sum"), known);
			assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), known);
			assert_int_equal(f->writer.state.last, known);
		}
	}
	assert_in_range(known, 3, STEPS_MAX);
}

static void a_full_outbox_refuses_events_until_kafka_has_taken_some(void **state)
{
	struct fixture *const f = *state;
	struct wish wishes[3];
	struct fail fail;

	f->writer.max_rows = 2;
	for (int i = 0; i < 3; i++)
		wish_for(f, &wishes[i], 1);
	assert_true(turn(f, &fail));
	assert_int_equal(wishes[1].refused, FAIL_NONE);
	assert_int_equal(wishes[2].refused, FAIL_RETRY);
	assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), 2);
	progress_acknowledge(&f->progress, 1, 0);
	wish_for(f, &wishes[2], 1);
	assert_true(turn(f, &fail));
	assert_int_equal(wishes[2].refused, FAIL_NONE);
	assert_int_equal(ask(f, "SELECT max(id) FROM outbox"), 3);
}

/* Kafka was read, and has what it acknowledged. */
static void see_again(struct fixture *f)
{
	const struct progress_numbers n = progress_read(&f->progress);

	progress_acknowledge(&f->progress, n.acknowledged, n.acknowledged_offset);
}

static void acknowledged_rows_stay_for_a_while_and_the_last_one_for_ever(void **state)
{
	struct fixture *const f = *state;
	struct wish wishes[5];
	struct fail fail;

	for (int i = 0; i < 5; i++)
		wish_for(f, &wishes[i], 1);
	assert_true(turn(f, &fail));
	progress_acknowledge(&f->progress, 3, 102);
	clock_set(START + 2000);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT acknowledged FROM outbox_state"), 3);
	assert_int_equal(ask(f, "SELECT acknowledged_offset FROM outbox_state"), 102);
	assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 1);
	clock_set(START + 2000 + 29000);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 1);
	/* ATTACKS B9: the brokers may have been away all the time, and have flushed nothing. */
	clock_set(START + 2000 + 31000);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 1);
	progress_acknowledge(&f->progress, 5, 104);
	for (int64_t s = 34; s < 100; s++) {
		clock_set(START + s * 1000);
		assert_true(turn(f, &fail));
		assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 4);
	}
	assert_int_equal(writer_wait_ms(&f->writer), -1); /* idle costs nothing */
	see_again(f);
	assert_int_equal(writer_wait_ms(&f->writer), 1000);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 5);
	assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), 1);
	assert_int_equal(writer_wait_ms(&f->writer), -1);
}

/* Their time begins when Kafka acknowledged them, not when the turn began. */
static void a_slow_disk_takes_nothing_from_the_time_rows_are_kept(void **state)
{
	struct fixture *const f = *state;
	struct wish wishes[3];
	struct fail fail;

	wish_for(f, &wishes[0], 1);
	wish_for(f, &wishes[1], 1);
	assert_true(turn(f, &fail));
	clock_set(START + 1000);
	wish_for(f, &wishes[2], 1);
	slow = f;
	assert_true(turn(f, &fail)); /* to second 11 */
	slow = NULL;
	clock_set(START + 40000);
	see_again(f);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 1);
	clock_set(START + 42000);
	see_again(f);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), 2);
}

/* Kafka lost them: the number goes back, and they stay for their time once they are there again.
 * Whether or not a turn of the writer fell in between. */
static void rows_that_are_sent_again_stay_for_a_while_again(void **state)
{
	struct fixture *const f = *state;
	struct wish wishes[3];
	struct fail fail;
	int64_t s = 0, last = 0;

	for (int seen = 0; seen < 2; seen++) {
		for (int i = 0; i < 3; i++)
			wish_for(f, &wishes[i], 1);
		last += 3;
		clock_set(START + ++s * 1000);
		assert_true(turn(f, &fail));
		progress_acknowledge(&f->progress, last, 100 + last);
		clock_set(START + ++s * 1000);
		assert_true(turn(f, &fail));
		clock_set(START + (s += 29) * 1000);
		progress_rewind(&f->progress, rows_origin(50));
		assert_int_equal(progress_read(&f->progress).acknowledged, seen ? 3 : 0);
		if (seen) {
			assert_int_equal(writer_wait_ms(&f->writer), 1000); /* to be stored */
			assert_true(turn(f, &fail));
			assert_int_equal(ask(f, "SELECT acknowledged FROM outbox_state"), 3);
			assert_int_equal(ask(f, "SELECT acknowledged_offset FROM outbox_state"),
				rows_origin(50));
		}
		progress_acknowledge(&f->progress, last, 50 + last);
		for (int i = 0; i < 29; i++) {
			clock_set(START + ++s * 1000);
			assert_true(turn(f, &fail));
			assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), 3);
		}
		assert_int_equal(ask(f, "SELECT acknowledged_offset FROM outbox_state"), 50 + last);
		clock_set(START + (s += 3) * 1000);
		see_again(f);
		assert_true(turn(f, &fail));
		clock_set(START + (s += 3) * 1000);
		assert_true(turn(f, &fail));
		assert_int_equal(ask(f, "SELECT min(id) FROM outbox"), last);
		assert_int_equal(writer_wait_ms(&f->writer), -1);
	}
}

/* A kill at any step of storing it leaves the old number or the new one, and all the rows. */
static void a_number_that_goes_back_is_stored_or_not(void **state)
{
	static const enum fail_kind kinds[] = { FAIL_RETRY, FAIL_FATAL, FAIL_UNSURE };
	struct fixture *const f = *state;

	for (size_t k = 0; k < 3; k++) {
		bool done = false;

		for (int nth = 0; !done; nth++) {
			struct wish wish;
			struct fail fail;
			int64_t last, rows;

			assert_in_range(nth, 0, STEPS_MAX);
			wish_for(f, &wish, 1);
			assert_true(turn(f, &fail));
			last = progress_read(&f->progress).last;
			progress_acknowledge(&f->progress, last, 100);
			clock_set(clock_wall_ms() + 40000);
			assert_true(turn(f, &fail)); /* the first one marks */
			clock_set(clock_wall_ms() + 2000);
			assert_true(turn(f, &fail));
			rows = ask(f, "SELECT count(*) FROM outbox");
			progress_rewind(&f->progress, rows_origin(7));
			clock_set(clock_wall_ms() + 40000);
			fault_at(&f->fault, nth, kinds[k]);
			done = turn(f, &fail);
			fault_off(&f->fault);

			close_store(f);
			open_store(f);
			if (done || f->writer.state.acknowledged_offset == rows_origin(7))
				assert_int_equal(f->writer.state.acknowledged, last - rows);
			else
				assert_int_equal(f->writer.state.acknowledged, last);
			assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), rows);
			assert_int_equal(ask(f, "SELECT max(id) FROM outbox"), last);
		}
	}
}

/* The writer has read how far Kafka is, and the relay takes it back before the rows go. */
static void rows_that_wait_again_are_not_deleted(void **state)
{
	struct fixture *const f = *state;
	struct progress_numbers before;

	progress_commit(&f->progress, 10);
	progress_acknowledge(&f->progress, 10, 9);
	before = progress_read(&f->progress);
	assert_true(progress_forget(&f->progress, before.rewinds, 4));
	progress_rewind(&f->progress, rows_origin(50));
	assert_int_equal(progress_read(&f->progress).acknowledged, 4);
	assert_false(progress_forget(&f->progress, before.rewinds, 8));
	assert_int_equal(progress_read(&f->progress).first, 5);
}

/* A service that is fast for long must not keep rows faster than it deletes them. */
static void what_one_commit_cannot_delete_the_next_one_does_at_once(void **state)
{
	enum { WISHES = 12000 };
	struct fixture *const f = *state;
	static struct wish wishes[WISHES];
	struct fail fail;

	f->writer.max_rows = 2 * WISHES;
	for (int i = 0; i < WISHES; i++) {
		wish_for(f, &wishes[i], 1);
		if (i % WRITER_BATCH_MAX == WRITER_BATCH_MAX - 1 || i == WISHES - 1)
			assert_true(turn(f, &fail));
	}
	progress_acknowledge(&f->progress, WISHES, WISHES - 1);
	clock_set(START + 1000);
	assert_true(turn(f, &fail));
	clock_set(START + 32000);
	see_again(f);
	for (int turns = 0; turns < 3; turns++) { /* without a second passing */
		assert_true(turn(f, &fail));
		assert_int_equal(writer_wait_ms(&f->writer), turns < 2 ? 0 : -1);
	}
	assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), 1);
}

/* A disk that is full, or a store that is busy, is tried again, but not without a pause. */
static void what_could_not_be_deleted_waits_for_its_turn(void **state)
{
	enum { WISHES = WRITER_FORGET_MAX + 10 };
	struct fixture *const f = *state;
	static struct wish wishes[WISHES];
	struct fail fail;

	f->writer.max_rows = WISHES;
	for (int i = 0; i < WISHES; i++) {
		wish_for(f, &wishes[i], 1);
		if (i % WRITER_BATCH_MAX == WRITER_BATCH_MAX - 1 || i == WISHES - 1)
			assert_true(turn(f, &fail));
	}
	progress_acknowledge(&f->progress, WISHES, WISHES - 1);
	clock_set(START + 1000);
	assert_true(turn(f, &fail));
	clock_set(START + 32000);
	see_again(f);
	for (int nth = 0; nth < 3; nth++) { /* begin, delete, commit */
		fault_at(&f->fault, nth, FAIL_RETRY);
		assert_false(turn(f, &fail));
		fault_off(&f->fault);
		assert_int_equal(writer_wait_ms(&f->writer), 1000);
		clock_set(START + 32000 + (nth + 1) * 1000);
	}
	assert_true(turn(f, &fail));
	assert_int_equal(writer_wait_ms(&f->writer), 0);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT count(*) FROM outbox"), 1);
}

static void numbers_go_on_after_a_restart(void **state)
{
	struct fixture *const f = *state;
	struct wish wish;
	struct fail fail;

	wish_for(f, &wish, 1);
	assert_true(turn(f, &fail));
	progress_acknowledge(&f->progress, 1, 0);
	assert_true(writer_finish(&f->writer, &fail));
	close_store(f);
	open_store(f);
	assert_int_equal(f->writer.state.acknowledged, 1);
	assert_int_equal(ask(f, "SELECT acknowledged_offset FROM outbox_state"), 0);
	wish_for(f, &wish, 1);
	assert_true(turn(f, &fail));
	assert_int_equal(ask(f, "SELECT max(id) FROM outbox"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			everything_that_waits_is_one_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_fault_at_any_step_keeps_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_full_outbox_refuses_events_until_kafka_has_taken_some, setup, teardown),
		cmocka_unit_test_setup_teardown(
			acknowledged_rows_stay_for_a_while_and_the_last_one_for_ever, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_one_commit_cannot_delete_the_next_one_does_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_could_not_be_deleted_waits_for_its_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_slow_disk_takes_nothing_from_the_time_rows_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_go_on_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rows_that_are_sent_again_stay_for_a_while_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_number_that_goes_back_is_stored_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rows_that_wait_again_are_not_deleted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
