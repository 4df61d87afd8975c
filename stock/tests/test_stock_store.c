/* The store of stock on a real SQLite file: what is put is found, and says its event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "outbox/fork.h"
#include "process/random.h"
#include "stock/simulator.h"
#include "stock/store.h"
#include "tests/support/store_fixture.h"

#define STEPS_MAX 50

static int setup(void **state)
{
	static struct store_fixture f;

	*state = &f;
	return store_fixture_open(&f, "stock", store_make_tables, store_apply) ? 0 : -1;
}

static int teardown(void **state)
{
	return store_fixture_remove(*state) ? 0 : -1;
}

static struct stock_command put(
	struct store_fixture *f, const char *sku, int64_t price_cents, int64_t count)
{
	struct stock_command asked = { .asked_count = count, .asked_price_cents = price_cents };
	struct fail fail = { 0 };

	strcpy(asked.sku, sku);
	assert_true(store_fixture_ask(f, &asked.asked.command, &fail));
	return asked;
}

static void a_new_sku_is_created_and_a_known_one_changed(void **state)
{
	struct store_fixture *const f = *state;
	struct stock_command answer = put(f, "A123", 1250, 100);
	struct fail fail = { 0 };
	struct sku sku;
	bool found;

	assert_int_equal(answer.result, STOCK_CREATED);
	assert_int_equal(answer.event_id, 1);
	store_fixture_last_event(f, "{\"type\":\"sku_created\",\"service\":\"stock\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":"
				    "{\"sku\":\"A123\",\"price\":12.5,\"count\":100}}");
	answer = put(f, "A123", 1250, 12);
	assert_int_equal(answer.result, STOCK_CHANGED);
	assert_int_equal(answer.event_id, 2);
	store_fixture_last_event(f, "{\"type\":\"stock_changed\",\"service\":\"stock\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":"
				    "{\"sku\":\"A123\",\"count\":12,\"price\":12.5}}");
	assert_true(store_find(&f->fault.db, "A123", &sku, &found, &fail));
	assert_true(found);
	assert_int_equal(sku.count, 12);
	assert_int_equal(sku.event_id, 2);
	assert_true(store_find(&f->fault.db, "B7", &sku, &found, &fail));
	assert_false(found);
}

static struct stock_command change(struct store_fixture *f, struct stock_command asked)
{
	struct fail fail = { 0 };

	asked.kind = STOCK_CHANGE;
	strcpy(asked.sku, "A123");
	assert_true(store_fixture_ask(f, &asked.asked.command, &fail));
	return asked;
}

static void a_change_leaves_what_it_does_not_name(void **state)
{
	struct store_fixture *const f = *state;
	struct stock_command answer;

	put(f, "A123", 1250, 100);
	answer = change(f, (struct stock_command){ .has_count = true, .asked_count = 7 });
	assert_int_equal(answer.result, STOCK_CHANGED);
	assert_int_equal(answer.price_cents, 1250);
	answer = change(f, (struct stock_command){ .has_price = true, .asked_price_cents = 5 });
	assert_int_equal(answer.count, 7);
	answer = change(f, (struct stock_command){ .has_delta = true, .delta = -3 });
	assert_int_equal(answer.count, 4);
	assert_int_equal(answer.price_cents, 5);
	assert_int_equal(answer.event_id, 4);
	store_fixture_last_event(f, "{\"type\":\"stock_changed\",\"service\":\"stock\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":"
				    "{\"sku\":\"A123\",\"count\":4,\"price\":0.05}}");
}

static void what_cannot_be_changed_is_no_event(void **state)
{
	static const struct {
		int64_t delta;
		enum stock_result result;
	} steps[] = { { -101, STOCK_OUT_OF_RANGE }, { -100, STOCK_CHANGED },
		{ -1, STOCK_OUT_OF_RANGE }, { EVENT_LEVEL_MAX, STOCK_CHANGED },
		{ 1, STOCK_OUT_OF_RANGE }, { -EVENT_LEVEL_MAX, STOCK_CHANGED } };
	struct store_fixture *const f = *state;
	struct stock_command answer = { .has_count = true };
	int64_t events = 1;

	assert_int_equal(change(f, answer).result, STOCK_UNKNOWN);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), 0);
	put(f, "A123", 1250, 100);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		answer = change(
			f, (struct stock_command){ .has_delta = true, .delta = steps[i].delta });
		assert_int_equal(answer.result, steps[i].result);
		events += answer.result == STOCK_CHANGED;
		assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), events);
		assert_int_equal(answer.count, store_fixture_number(f, "SELECT count FROM stock"));
	}
	answer = change(f, (struct stock_command){ .has_delta = true,
				   .delta = -1,
				   .has_price = true,
				   .asked_price_cents = 5 });
	assert_int_equal(answer.result, STOCK_OUT_OF_RANGE);
	assert_int_equal(answer.price_cents, 1250); /* what it is, not what was asked for */
}

static void remember(void *context, const struct sku *sku)
{
	strcat(context, sku->sku);
	strcat(context, " ");
}

static void a_list_goes_on_behind_a_sku(void **state)
{
	struct store_fixture *const f = *state;
	struct fail fail = { 0 };
	char seen[256] = "";

	put(f, "b", 1, 1);
	put(f, "a", 1, 1);
	put(f, "c", 1, 1);
	assert_true(store_list(&f->fault.db, "", 2, remember, seen, &fail));
	assert_string_equal(seen, "a b ");
	assert_true(store_list(&f->fault.db, "b", 2, remember, seen, &fail));
	assert_string_equal(seen, "a b c ");
}

static void putting_a_sku_is_all_or_nothing(void **state)
{
	struct store_fixture *const f = *state;
	bool done = false;

	for (int nth = 0; !done; nth++) {
		struct stock_command asked = {
			.asked_count = 1, .asked_price_cents = 1, .sku = "A123"
		};
		struct fail fail = { 0 };

		assert_in_range(nth, 0, STEPS_MAX);
		fault_at(&f->fault, nth, FAIL_RETRY);
		done = store_fixture_ask(f, &asked.asked.command, &fail);
		fault_off(&f->fault);
		assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM stock"), done);
		assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), done);
	}
}

/* A kill at any step leaves the old store or the new one: name, numbers and SKUs together. */
static void a_fork_is_all_or_nothing(void **state)
{
	static const enum fail_kind kinds[] = { FAIL_RETRY, FAIL_UNSURE };
	struct store_fixture *const f = *state;
	const struct fork_options options = { .outbox = { .service = "stock" },
		.make_tables = store_make_tables,
		.renumber = store_renumber };

	put(f, "a", 1, 1);
	put(f, "b", 1, 1);
	put(f, "c", 1, 1);
	put(f, "a", 1, 2);
	for (int64_t sent = 2, last = 4; last > 0; sent = 1, last = last > 2 ? 2 : last - 1) {
		bool done = false;

		for (int nth = 0; !done; nth++) {
			struct fork_result result;
			struct rows_state before, after;
			struct fail fail = { 0 };

			assert_in_range(nth, 0, STEPS_MAX);
			assert_true(rows_open(f->fault.real, "stock", &before, &fail));
			assert_int_equal(before.last, last);
			fault_at(&f->fault, nth, kinds[last == 4 ? 0 : 1]);
			done = fork_commit(
				&f->fault.db, &options, &before, sent, 100, &result, &fail);
			fault_off(&f->fault);
			assert_true(rows_open(f->fault.real, "stock", &after, &fail));
			if (strcmp(after.source, before.source) == 0) {
				assert_false(done);
				assert_memory_equal(&after, &before, sizeof(before));
				continue;
			}
			assert_true(done || fail.kind == FAIL_UNSURE);
			done = true;
			assert_string_equal(result.before, before.source);
			assert_string_equal(result.after, after.source);
			assert_int_equal(result.renumbered, last - sent);
			assert_int_equal(after.last, last - sent);
			assert_int_equal(after.first, after.last > 0 ? 1 : 0);
			assert_int_equal(after.acknowledged, 0);
			assert_int_equal(after.acknowledged_offset, rows_origin(100));
		}
		assert_int_equal(
			store_fixture_number(f, "SELECT count(*) FROM outbox"), last - sent);
		if (last == 4) { /* a was 4, b 2, c 3 */
			assert_int_equal(
				store_fixture_number(f,
					"SELECT sum(event_id * (sku = 'a') * 100 + event_id *"
					" (sku = 'b') * 10 + event_id * (sku = 'c')) FROM stock"),
				201);
			assert_int_equal(store_fixture_number(f, "SELECT min(id) FROM outbox"), 1);
		}
	}
}

static void the_simulator_asks_for_what_a_request_could_ask_for(void **state)
{
	struct stock_command asked;
	unsigned deltas = 0, deletions = 0;
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		memset(&asked, 0, sizeof(asked));
		stock_simulate(NULL, &asked.asked.command, random_next(&seed));
		assert_true(event_name_valid(asked.sku, strlen(asked.sku)));
		assert_in_range(asked.asked_count, 0, EVENT_LEVEL_MAX);
		assert_in_range(asked.asked_price_cents, 0, EVENT_CENTS_MAX);
		assert_false(asked.has_delta && asked.has_count);
		assert_int_equal(asked.kind == STOCK_CHANGE, asked.has_delta || asked.has_count);
		assert_int_equal(asked.has_delta, asked.delta != 0);
		assert_in_range(asked.delta + SIMULATED_DELTA, 0, 2 * SIMULATED_DELTA);
		deltas += asked.has_delta;
		deletions += asked.has_count;
	}
	assert_in_range(deltas, 100 * (DELTA_PERCENT - 1), 100 * (DELTA_PERCENT + 1));
	assert_in_range(deletions, 100 * (DELETE_PERCENT - 1), 100 * (DELETE_PERCENT + 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_new_sku_is_created_and_a_known_one_changed),
		TEST(a_change_leaves_what_it_does_not_name),
		TEST(what_cannot_be_changed_is_no_event),
		TEST(a_list_goes_on_behind_a_sku),
		TEST(putting_a_sku_is_all_or_nothing),
		TEST(a_fork_is_all_or_nothing),
		TEST(the_simulator_asks_for_what_a_request_could_ask_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
