/* The store of cart on a real SQLite file: what fits is added, what does not is refused, and
 * both are events; what cart knows of stock never goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cart/store.h"
#include "tests/support/store_fixture.h"

#define STEPS_MAX 60
#define SOURCE    "stock/00000001"

static int setup(void **state)
{
	static struct store_fixture f;

	*state = &f;
	return store_fixture_open(&f, "cart", store_make_tables, store_apply) ? 0 : -1;
}

static int teardown(void **state)
{
	return store_fixture_remove(*state) ? 0 : -1;
}

/* Whether the partition has to be read again. */
static bool learn_at(struct store_fixture *f, int64_t time_ms, const char *source, const char *sku,
	int64_t id, int64_t count)
{
	static struct learn_levels asked;
	struct fail fail = { 0 };

	memset(&asked, 0, sizeof(asked));
	asked.cart.kind = CART_LEARN_LEVELS;
	asked.count = 1;
	asked.next_offset = id;
	asked.levels[0] = (struct level){ .event_id = id,
		.offset = id - 1,
		.time_ms = time_ms,
		.count = count,
		.price_cents = 1250 };
	strcpy(asked.levels[0].sku, sku);
	strcpy(asked.levels[0].source, source);
	assert_true(store_fixture_ask(f, &asked.cart.asked.command, &fail));
	return asked.jumped;
}

static bool learn(
	struct store_fixture *f, const char *source, const char *sku, int64_t id, int64_t count)
{
	return learn_at(f, 0, source, sku, id, count);
}

static struct stock_view view_of(struct store_fixture *f)
{
	struct stock_view view = { 0 };
	struct fail fail = { 0 };

	assert_true(store_view(&f->fault.db, &view, &fail));
	return view;
}

static struct add_item wish(int64_t count)
{
	return (struct add_item){ .cart = { .asked.command = { .makes_event = true },
					  .kind = CART_ADD_ITEM },
		.cart_id = "xyz123",
		.sku = "A123",
		.count = count };
}

static struct add_item add(struct store_fixture *f, int64_t count)
{
	struct add_item item = wish(count);
	struct fail fail = { 0 };

	assert_true(store_fixture_ask(f, &item.cart.asked.command, &fail));
	return item;
}

static int64_t level_of(struct store_fixture *f)
{
	return store_fixture_number(f, "SELECT coalesce(max(count), -1) FROM stock_levels");
}

static void what_fits_is_added_and_what_does_not_is_refused(void **state)
{
	struct store_fixture *const f = *state;
	struct add_item item;

	learn(f, SOURCE, "A123", 1, 6);
	item = add(f, 2);
	assert_int_equal(item.result, ADD_DONE);
	assert_int_equal(item.in_cart, 2);
	assert_int_equal(item.event_id, 1);
	store_fixture_last_event(f, "{\"type\":\"cart_item_added\",\"service\":\"cart\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{"
				    "\"cartId\":\"xyz123\",\"sku\":\"A123\",\"count\":2,"
				    "\"status\":\"success\"}}");
	item = add(f, 5); /* 2 are in the cart, 6 in stock */
	assert_int_equal(item.result, ADD_NOT_ENOUGH_STOCK);
	assert_int_equal(item.in_cart, 2);
	store_fixture_last_event(f, "{\"type\":\"cart_item_failed\",\"service\":\"cart\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{"
				    "\"cartId\":\"xyz123\",\"sku\":\"A123\",\"count\":5,"
				    "\"status\":\"failed\",\"reason\":\"not enough stock\"}}");
	item = add(f, 4); /* exactly what there is */
	assert_int_equal(item.result, ADD_DONE);
	assert_int_equal(item.in_cart, 6);
}

static void an_unknown_sku_is_asked_for_before_anything_is_decided(void **state)
{
	struct store_fixture *const f = *state;
	struct add_item item = add(f, 1);
	struct fail fail = { 0 };

	assert_int_equal(item.result, ADD_ASK_STOCK);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), 0);
	item.asked = true; /* stock said: there is none */
	assert_true(store_fixture_ask(f, &item.cart.asked.command, &fail));
	assert_int_equal(item.result, ADD_UNKNOWN_SKU);
	assert_int_equal(item.event_id, 1);
	item = wish(1);
	item.asked = item.known = true; /* stock said: seven */
	item.level = (struct level){ .sku = "A123", .source = SOURCE, .event_id = 3, .count = 7 };
	assert_true(store_fixture_ask(f, &item.cart.asked.command, &fail));
	assert_int_equal(item.result, ADD_DONE);
	assert_int_equal(level_of(f), 7);
}

/* ATTACKS D5. */
static void an_older_event_does_not_set_a_level_back(void **state)
{
	struct store_fixture *const f = *state;

	learn(f, SOURCE, "A123", 5, 50);
	learn(f, SOURCE, "A123", 3, 30); /* a copy of an older event */
	assert_int_equal(level_of(f), 50);
	learn(f, SOURCE, "A123", 6, 60);
	assert_int_equal(level_of(f), 60);
}

static void a_new_stock_store_empties_the_view_of_the_old_one(void **state)
{
	struct store_fixture *const f = *state;

	learn(f, SOURCE, "A123", 5, 50);
	learn(f, SOURCE, "B7", 6, 70);
	learn(f, "stock/00000002", "A123", 1, 10); /* numbers start anew */
	assert_int_equal(level_of(f), 10);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM stock_levels"), 1);
}

static void what_still_comes_of_the_old_store_is_ignored(void **state)
{
	struct store_fixture *const f = *state;

	learn(f, SOURCE, "A123", 5, 50);
	learn(f, "stock/00000002", "A123", 1, 10);
	learn(f, SOURCE, "B7", 9, 90); /* a late copy, or the partition is read again */
	assert_int_equal(level_of(f), 10);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM stock_levels"), 1);
	assert_int_equal(view_of(f).highest, 1);
}

/* stock was asked, its store was made anew, and the partition told the level, all within a second.
 */
static void an_answer_of_the_old_store_does_not_replace_the_new_level(void **state)
{
	struct store_fixture *const f = *state;
	struct add_item item = add(f, 20);
	struct fail fail = { 0 };

	assert_int_equal(item.result, ADD_ASK_STOCK);
	learn(f, "stock/00000002", "A123", 1, 10);
	item.asked = item.known = true;
	item.level = (struct level){ .sku = "A123", .source = SOURCE, .event_id = 3, .count = 70 };
	assert_true(store_fixture_ask(f, &item.cart.asked.command, &fail));
	assert_int_equal(item.result, ADD_NOT_ENOUGH_STOCK);
	assert_int_equal(level_of(f), 10);
	item.level = (struct level){
		.sku = "A123", .source = "stock/00000002", .event_id = 2, .count = 20
	};
	assert_true(store_fixture_ask(f, &item.cart.asked.command, &fail));
	assert_int_equal(item.result, ADD_DONE); /* the partition is a little behind */
}

/* ATTACKS D8. */
static void an_old_store_that_is_back_counts_again(void **state)
{
	static const char other[] = "stock/00000002";
	struct store_fixture *const f = *state;

	learn_at(f, 0, SOURCE, "A123", 5, 50);
	learn_at(f, 1000, other, "A123", 1, 10);
	learn_at(f, 60999, SOURCE, "A123", 6, 60); /* a process that was about to end? */
	assert_int_equal(level_of(f), 10);
	learn_at(f, 90000, SOURCE, "A123", 5, 50); /* a copy says nothing new */
	assert_int_equal(level_of(f), 10);
	learn_at(f, 61000, SOURCE, "B7", 7, 70);
	assert_int_equal(level_of(f), 70);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM stock_levels"), 1);
	assert_string_equal(view_of(f).source, SOURCE);
	assert_int_equal(view_of(f).highest, 7);
	learn_at(f, 1000, other, "A123", 1, 10); /* the partition is read again */
	learn_at(f, 62000, other, "A123", 2, 20);
	assert_string_equal(view_of(f).source, SOURCE);
	learn_at(f, 121000, other, "A123", 3, 30); /* and the other way round */
	assert_int_equal(level_of(f), 30);
}

static void a_hole_is_read_again_once_and_then_believed(void **state)
{
	struct store_fixture *const f = *state;

	learn(f, SOURCE, "A123", 5, 50); /* the first one of a source may have any number */
	assert_false(learn(f, SOURCE, "A123", 6, 60));
	assert_true(learn(f, SOURCE, "A123", 9, 90));
	assert_int_equal(level_of(f), 60);
	assert_int_equal(view_of(f).next_offset, -1);
	assert_false(learn(f, SOURCE, "A123", 5, 50));
	assert_false(learn(f, SOURCE, "A123", 9, 90));
	assert_int_equal(level_of(f), 90);
	assert_int_equal(view_of(f).highest, 9);
	assert_true(learn(f, SOURCE, "A123", 12, 120)); /* the next one */
}

static void the_position_is_kept_with_the_levels(void **state)
{
	struct store_fixture *const f = *state;

	assert_int_equal(view_of(f).next_offset, -1);
	assert_int_equal(view_of(f).anchor_offset, -1);
	learn(f, SOURCE, "A123", 5, 50);
	assert_int_equal(view_of(f).next_offset, 5);
	assert_int_equal(view_of(f).anchor_offset, 4);
	assert_int_equal(view_of(f).anchor_id, 5);
}

static struct removal take_out(struct store_fixture *f, const char *sku)
{
	struct removal asked = { .cart.kind = CART_REMOVE, .cart_id = "xyz123" };
	struct fail fail = { 0 };

	strcpy(asked.sku, sku);
	assert_true(store_fixture_ask(f, &asked.cart.asked.command, &fail));
	return asked;
}

static void what_is_taken_out_is_an_event_and_what_was_not_there_is_none(void **state)
{
	struct store_fixture *const f = *state;
	struct removal gone;

	learn(f, SOURCE, "A123", 1, 9);
	add(f, 2);
	add(f, 3);
	assert_int_equal(take_out(f, "B7").removed, 0);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), 2);
	gone = take_out(f, "A123");
	assert_int_equal(gone.removed, 5);
	assert_int_equal(gone.event_id, 3);
	store_fixture_last_event(f, "{\"type\":\"cart_item_removed\",\"service\":\"cart\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{"
				    "\"cartId\":\"xyz123\",\"sku\":\"A123\",\"count\":5}}");
	assert_int_equal(take_out(f, "A123").removed, 0);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM cart_items"), 0);
	assert_int_equal(add(f, 9).result, ADD_DONE); /* there is room for it again */
}

static void a_cart_is_cleared_in_one_event_and_others_stay(void **state)
{
	struct store_fixture *const f = *state;
	struct add_item other = wish(1);
	struct fail fail = { 0 };

	learn(f, SOURCE, "A123", 1, 9);
	learn(f, SOURCE, "B7", 2, 9);
	add(f, 2);
	strcpy(other.sku, "B7");
	assert_true(store_fixture_ask(f, &other.cart.asked.command, &fail));
	strcpy(other.cart_id, "another");
	assert_true(store_fixture_ask(f, &other.cart.asked.command, &fail));
	assert_int_equal(take_out(f, "").removed, 2);
	store_fixture_last_event(f, "{\"type\":\"cart_cleared\",\"service\":\"cart\","
				    "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{"
				    "\"cartId\":\"xyz123\",\"items\":2}}");
	assert_int_equal(take_out(f, "").removed, 0);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), 4);
	assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM cart_items"), 1);
}

static void taking_out_is_all_or_nothing(void **state)
{
	struct store_fixture *const f = *state;

	learn(f, SOURCE, "A123", 1, 9);
	for (int all = 0; all < 2; all++) {
		const int64_t events = 2 * all + 1;
		bool done = false;

		add(f, 2);
		for (int nth = 0; !done; nth++) {
			struct removal asked = { .cart.kind = CART_REMOVE, .cart_id = "xyz123" };
			struct fail fail = { 0 };

			assert_in_range(nth, 0, STEPS_MAX);
			strcpy(asked.sku, all ? "" : "A123");
			fault_at(&f->fault, nth, FAIL_RETRY);
			done = store_fixture_ask(f, &asked.cart.asked.command, &fail);
			fault_off(&f->fault);
			assert_int_equal(
				store_fixture_number(f, "SELECT count(*) FROM cart_items"), !done);
			assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"),
				events + done);
		}
	}
}

/* Whichever step breaks, cart and outbox agree: both know the item, or neither. */
static void adding_an_item_is_all_or_nothing(void **state)
{
	struct store_fixture *const f = *state;
	bool done = false;

	learn(f, SOURCE, "A123", 1, 6);
	for (int nth = 0; !done; nth++) {
		struct add_item item = wish(2);
		struct fail fail = { 0 };

		assert_in_range(nth, 0, STEPS_MAX);
		fault_at(&f->fault, nth, FAIL_RETRY);
		done = store_fixture_ask(f, &item.cart.asked.command, &fail);
		fault_off(&f->fault);
		assert_int_equal(
			store_fixture_number(f, "SELECT coalesce(sum(count), 0) FROM cart_items"),
			done ? 2 : 0);
		assert_int_equal(store_fixture_number(f, "SELECT count(*) FROM outbox"), done);
		assert_true(done || fail.kind == FAIL_RETRY);
	}
}

static void learning_is_all_or_nothing(void **state)
{
	struct store_fixture *const f = *state;
	static struct learn_levels asked;
	bool done = false;

	asked.cart.kind = CART_LEARN_LEVELS;
	asked.count = 2;
	asked.next_offset = 9;
	asked.levels[0] = (struct level){ .sku = "A", .source = SOURCE, .event_id = 1 };
	asked.levels[1] = (struct level){ .sku = "B", .source = SOURCE, .event_id = 2 };
	for (int nth = 0; !done; nth++) {
		struct fail fail = { 0 };

		assert_in_range(nth, 0, STEPS_MAX);
		fault_at(&f->fault, nth, FAIL_RETRY);
		done = store_fixture_ask(f, &asked.cart.asked.command, &fail);
		fault_off(&f->fault);
		assert_int_equal(
			store_fixture_number(f, "SELECT count(*) FROM stock_levels"), done ? 2 : 0);
		assert_int_equal(store_fixture_number(f, "SELECT next_offset FROM stock_view"),
			done ? 9 : -1);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_fits_is_added_and_what_does_not_is_refused),
		TEST(an_unknown_sku_is_asked_for_before_anything_is_decided),
		TEST(an_older_event_does_not_set_a_level_back),
		TEST(a_new_stock_store_empties_the_view_of_the_old_one),
		TEST(what_still_comes_of_the_old_store_is_ignored),
		TEST(an_answer_of_the_old_store_does_not_replace_the_new_level),
		TEST(an_old_store_that_is_back_counts_again),
		TEST(a_hole_is_read_again_once_and_then_believed),
		TEST(the_position_is_kept_with_the_levels),
		TEST(adding_an_item_is_all_or_nothing),
		TEST(what_is_taken_out_is_an_event_and_what_was_not_there_is_none),
		TEST(a_cart_is_cleared_in_one_event_and_others_stay),
		TEST(taking_out_is_all_or_nothing),
		TEST(learning_is_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
