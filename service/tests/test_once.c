/* How long an answer is kept: ONCE_KEEP_MS, and among the last ONCE_KEEP_ROWS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/once.h"
#include "tests/support/store_fixture.h"

static bool nothing(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	(void)service;
	(void)tx;
	(void)command;
	(void)fail;
	return true;
}

static int open_store(void **state)
{
	static struct store_fixture f;

	*state = &f;
	return store_fixture_open(&f, "stock", once_make_tables, nothing) ? 0 : -1;
}

static int remove_store(void **state)
{
	return store_fixture_remove(*state) ? 0 : -1;
}

static struct once key(unsigned number)
{
	struct once once = { .asked = "PUT /stocks/A123 1 1", .status = 201, .body = "{}" };

	(void)snprintf(once.key, sizeof(once.key), "key-%u", number);
	return once;
}

static void keep(struct store_fixture *f, unsigned first, unsigned count, int64_t at_ms)
{
	struct outbox_tx tx = { .db = f->fault.real, .at_ms = at_ms };
	struct fail fail = { 0 };

	assert_true(db_begin(tx.db, &fail));
	for (unsigned i = 0; i < count; i++) {
		const struct once once = key(first + i);

		assert_true(once_keep(&tx, &once, &fail));
	}
	assert_true(db_commit(tx.db, &fail));
}

static enum once_verdict find(struct store_fixture *f, unsigned number, int64_t at_ms)
{
	struct outbox_tx tx = { .db = f->fault.real, .at_ms = at_ms };
	struct once once = key(number);
	struct fail fail = { 0 };

	once.status = 0;
	assert_true(once_find(&tx, &once, &fail));
	assert_int_equal(once.status, once.verdict == ONCE_DONE ? 201 : 0);
	return once.verdict;
}

static void an_answer_is_kept_for_a_day(void **state)
{
	const int64_t now = 2 * ONCE_KEEP_MS;

	keep(*state, 1, 1, now);
	assert_int_equal(find(*state, 1, now + ONCE_KEEP_MS - 1), ONCE_DONE);
	assert_int_equal(find(*state, 1, now + ONCE_KEEP_MS), ONCE_NEW);
	assert_int_equal(find(*state, 2, now), ONCE_NEW);
	keep(*state, 1, 1, now + ONCE_KEEP_MS); /* the key may be used again */
	assert_int_equal(find(*state, 1, now + ONCE_KEEP_MS), ONCE_DONE);
}

static void old_answers_go_as_new_ones_come(void **state)
{
	const int64_t now = 2 * ONCE_KEEP_MS;

	keep(*state, 1, 10, now);
	keep(*state, 11, 5, now + ONCE_KEEP_MS);
	assert_int_equal(store_fixture_number(*state, "SELECT count(*) FROM once"), 5);
}

static void the_last_hundred_thousand_are_kept(void **state)
{
	const int64_t now = 2 * ONCE_KEEP_MS;

	keep(*state, 1, ONCE_KEEP_ROWS + 7, now);
	assert_int_equal(store_fixture_number(*state, "SELECT count(*) FROM once"), ONCE_KEEP_ROWS);
	assert_int_equal(find(*state, 7, now), ONCE_NEW);
	assert_int_equal(find(*state, 8, now), ONCE_DONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, remove_store)
	const struct CMUnitTest tests[] = {
		TEST(an_answer_is_kept_for_a_day),
		TEST(old_answers_go_as_new_ones_come),
		TEST(the_last_hundred_thousand_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
