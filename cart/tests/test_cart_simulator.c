/* What simulated shoppers wish for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cart/simulator.h"
#include "process/random.h"

#define WISHES 100000
#define STOCK  199 /* of each SKU, the most that stock's simulator gives */

static int64_t carts[SIMULATED_CARTS][SIMULATED_SKUS];

static bool is_remembered(const struct shoppers *s, const struct wish *wish)
{
	for (size_t i = 0; i < SIMULATED_MEMORY && i < s->count; i++) {
		if (s->added[i].cart == wish->cart &&
			(wish->what == WISH_CLEAR || s->added[i].sku == wish->sku))
			return true;
	}
	return false;
}

static void most_wishes_are_additions_and_the_others_take_back_late_ones(void **state)
{
	struct shoppers shoppers = { 0 };
	unsigned counts[3] = { 0 }, too_many = 0;
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < WISHES; i++) {
		const struct wish wish = shoppers_next(&shoppers, random_next(&seed));

		assert_in_range(wish.cart, 0, SIMULATED_CARTS - 1);
		assert_in_range(wish.sku, 0, SIMULATED_SKUS - 1);
		counts[wish.what]++;
		if (wish.what != WISH_ADD)
			assert_true(is_remembered(&shoppers, &wish));
		else if (wish.count > STOCK)
			too_many++;
		else
			assert_in_range(wish.count, 1, 4);
	}
	assert_in_range(counts[WISH_REMOVE], WISHES / 100 * (REMOVE_PERCENT - 1),
		WISHES / 100 * (REMOVE_PERCENT + 1));
	assert_in_range(counts[WISH_CLEAR], WISHES / 100 * (CLEAR_PERCENT - 1),
		WISHES / 100 * (CLEAR_PERCENT + 1));
	assert_in_range(too_many, counts[WISH_ADD] / 9, counts[WISH_ADD] / 7);
}

static void a_seed_makes_the_same_wishes(void **state)
{
	struct shoppers one = { 0 }, other = { 0 };
	uint64_t seed = 7, again = 7;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		const struct wish a = shoppers_next(&one, random_next(&seed));
		const struct wish b = shoppers_next(&other, random_next(&again));

		assert_true(a.what == b.what && a.cart == b.cart && a.sku == b.sku &&
			    a.count == b.count);
	}
}

/* Of the last wishes as many are refused as of the first ones, and what is taken back was there. */
static void carts_do_not_grow_until_nothing_fits(void **state)
{
	struct shoppers shoppers = { 0 };
	unsigned removals = 0, removed = 0, wished = 0, refused = 0;
	uint64_t seed = 1;

	(void)state;
	memset(carts, 0, sizeof(carts));
	for (unsigned i = 0; i < 200 * WISHES; i++) {
		const struct wish wish = shoppers_next(&shoppers, random_next(&seed));
		int64_t *const held = &carts[wish.cart][wish.sku];

		if (wish.what == WISH_CLEAR) {
			memset(carts[wish.cart], 0, sizeof(carts[0]));
		} else if (wish.what == WISH_REMOVE) {
			removals++;
			removed += *held > 0;
			*held = 0;
		} else if (i >= 199 * WISHES) {
			wished++;
			refused += *held + wish.count > STOCK;
		}
		if (wish.what == WISH_ADD && *held + wish.count <= STOCK)
			*held += wish.count;
	}
	assert_in_range(refused, wished / 9, wished / 7); /* the one in eight */
	assert_in_range(removed, removals / 2, removals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_wishes_are_additions_and_the_others_take_back_late_ones),
		cmocka_unit_test(a_seed_makes_the_same_wishes),
		cmocka_unit_test(carts_do_not_grow_until_nothing_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
