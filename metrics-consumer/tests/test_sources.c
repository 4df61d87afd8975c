#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/sources.h"

#define IDS 4000

static int setup(void **state)
{
	struct sources *const s = sources_new(SOURCES_MISSING_MAX);

	*state = s;
	return s ? 0 : -1;
}

static int teardown(void **state)
{
	struct sources *s = *state;

	sources_free(&s);
	return 0;
}

static enum source_verdict take(struct sources *s, const char *name, int64_t id)
{
	struct source *const source = sources_find(s, name, strlen(name));

	assert_non_null(source);
	return sources_take(s, source, id);
}

static void numbers_in_order_are_new_and_again_are_copies(void **state)
{
	for (int64_t id = 1; id <= 100; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_NEW);
	for (int64_t id = 1; id <= 100; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_COPY);
	assert_int_equal(take(*state, "cart/b", 1), SOURCE_NEW);
	assert_int_equal(sources_count(*state), 2);
}

static void a_source_first_seen_at_5_misses_1_to_4(void **state)
{
	assert_int_equal(take(*state, "cart/a", 5), SOURCE_NEW);
	assert_int_equal(source_known(sources_at(*state, 0), 1, 5), 1);
	for (int64_t id = 1; id <= 4; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_LATE);
	for (int64_t id = 1; id <= 5; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_COPY);
	assert_int_equal(sources_at(*state, 0)->count, 0);
}

/* ATTACKS A5: 1..99, 151..200, 100..150. */
static void a_run_that_comes_late_is_not_taken_for_copies(void **state)
{
	for (int64_t id = 1; id <= 99; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_NEW);
	for (int64_t id = 151; id <= 200; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_NEW);
	for (int64_t id = 100; id <= 150; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_LATE);
	assert_int_equal(take(*state, "cart/a", 120), SOURCE_COPY);
	assert_int_equal(take(*state, "cart/a", 201), SOURCE_NEW);
}

static void a_forged_number_does_not_silence_a_source(void **state)
{
	assert_int_equal(take(*state, "cart/a", 1), SOURCE_NEW);
	assert_int_equal(take(*state, "cart/a", INT64_MAX), SOURCE_NEW);
	for (int64_t id = 2; id <= 50; id++)
		assert_int_equal(take(*state, "cart/a", id), SOURCE_LATE);
	assert_int_equal(take(*state, "cart/a", 2), SOURCE_COPY);
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A run of numbers that are known, or that are not, ends where the next one begins. */
static void assert_run(const struct source *s, const bool *seen, int64_t first)
{
	int64_t last = first + 99;

	assert_int_equal(source_knows(s, first, &last), seen[first]);
	assert_in_range(last, first, first + 99);
	for (int64_t id = first; id <= last && id <= s->highest; id++)
		assert_int_equal(seen[id], seen[first]);
	if (last < first + 99 && last < s->highest)
		assert_int_not_equal(seen[last + 1], seen[first]);
}

/* Against one bit for each number, over orders from nearly sorted to wild. */
static void any_order_gives_what_one_bit_a_number_gives(void **state)
{
	(void)state;
	for (unsigned spread = 1; spread <= IDS / 4; spread *= 4) {
		struct sources *s = sources_new(SOURCES_MISSING_MAX);
		bool seen[IDS + 1] = { false };
		int64_t highest = 0, known = 0;
		unsigned seed = spread;

		assert_non_null(s);
		for (int i = 0; i < 20000; i++) {
			const int64_t id = 1 + (i / 8 + (int)(next_random(&seed) % spread)) % IDS;
			const enum source_verdict want = seen[id]       ? SOURCE_COPY
							 : id > highest ? SOURCE_NEW
									: SOURCE_LATE;

			assert_int_equal(take(s, "cart/a", id), want);
			known += !seen[id];
			seen[id] = true;
			highest = id > highest ? id : highest;
		}
		assert_int_equal(sources_merged(s), 0);
		assert_int_equal(source_known(sources_at(s, 0), 1, IDS), known);
		for (int64_t first = 1; first < IDS; first += 37) {
			int64_t count = 0;

			for (int64_t id = first; id < first + 100 && id <= IDS; id++)
				count += seen[id];
			assert_int_equal(source_known(sources_at(s, 0), first, first + 99), count);
			assert_run(sources_at(s, 0), seen, first);
		}
		sources_free(&s);
	}
}

static void beyond_the_bound_a_copy_may_pass_but_no_event_is_lost(void **state)
{
	static const size_t bounds[] = { 2, 3, 8 };

	(void)state;
	for (size_t b = 0; b < 3; b++) {
		struct sources *s = sources_new(bounds[b]);
		bool seen[IDS + 1] = { false };
		unsigned seed = (unsigned)b + 7;

		assert_non_null(s);
		for (int i = 0; i < 20000; i++) {
			const int64_t id = 1 + next_random(&seed) % IDS;

			if (!seen[id])
				assert_int_not_equal(take(s, "cart/a", id), SOURCE_COPY);
			seen[id] = true;
			assert_true(sources_at(s, 0)->count <= bounds[b]);
		}
		assert_true(sources_merged(s) > 0);
		sources_free(&s);
	}
}

/* The source with most of them pays, not one that is missing a few. */
static void many_ranges_of_many_sources_are_bounded_together(void **state)
{
	struct sources *s = sources_new(8);
	size_t ranges = 0;
	char name[32];

	(void)state;
	assert_non_null(s);
	(void)take(s, "cart/a", 2);
	(void)take(s, "cart/a", 4);
	(void)take(s, "cart/a", 7);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "cart/%d", i);
		for (int64_t id = 2; id <= 16; id += 2)
			assert_int_equal(take(s, name, id), SOURCE_NEW);
		assert_int_equal(take(s, name, 15), SOURCE_LATE);
	}
	for (size_t i = 0; i < sources_count(s); i++)
		ranges += sources_at(s, i)->count;
	assert_true(ranges <= 8 * SOURCES_MISSING_ALL);
	assert_true(sources_merged(s) > 0);
	assert_int_equal(sources_at(s, 0)->count, 3);
	sources_free(&s);
}

static void a_source_beyond_the_bound_is_not_kept(void **state)
{
	char name[32];

	for (int i = 0; i < SOURCES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "cart/%d", i);
		assert_int_equal(take(*state, name, 1), SOURCE_NEW);
	}
	assert_null(sources_find(*state, "cart/more", 9));
	for (int i = 0; i < SOURCES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "cart/%d", i);
		assert_int_equal(take(*state, name, 1), SOURCE_COPY);
	}
}

static void note(struct sources *s, const char *name, int64_t id)
{
	struct source *const source = sources_find(s, name, strlen(name));

	assert_non_null(source);
	(void)sources_take(s, source, id);
	sources_note(s, source, id, (uint32_t)id * 2654435761u);
}

static bool remembers(struct sources *s, const char *name, int64_t id)
{
	const struct source *const source = sources_find(s, name, strlen(name));
	uint32_t checksum;

	if (!source_checksum(source, id, &checksum))
		return false;
	assert_int_equal(checksum, (uint32_t)id * 2654435761u);
	return true;
}

static void the_recent_checksums_are_remembered_and_no_others(void **state)
{
	const int64_t last = 3 * SOURCES_RECENT_MAX + 17;

	assert_false(remembers(*state, "cart/a", 1));
	for (int64_t id = 1; id <= last; id++) {
		note(*state, "cart/a", id);
		if (id == 100)
			assert_true(sources_at(*state, 0)->recent_room < 1024);
	}
	for (int64_t id = 1; id <= last + 10; id++)
		assert_int_equal(remembers(*state, "cart/a", id),
			id > last - SOURCES_RECENT_MAX && id <= last);
}

static void making_room_keeps_what_was_there(void **state)
{
	note(*state, "cart/a", 128);
	note(*state, "cart/a", 5);
	note(*state, "cart/a", 5 + 64);
	assert_true(sources_at(*state, 0)->recent_room > 64);
	assert_true(remembers(*state, "cart/a", 128));
	assert_true(remembers(*state, "cart/a", 5));
	assert_true(remembers(*state, "cart/a", 5 + 64));
}

static void a_forged_number_does_not_make_checksums_forgotten(void **state)
{
	for (int64_t id = 1; id <= 1000; id++)
		note(*state, "cart/a", id);
	note(*state, "cart/a", 999999999999999999);
	for (int64_t id = 1001; id <= 2000; id++)
		note(*state, "cart/a", id);
	assert_true(remembers(*state, "cart/a", 999999999999999999));
	for (int64_t id = 1; id <= 2000; id++)
		assert_true(remembers(*state, "cart/a", id));
}

static void beyond_the_bound_the_source_heard_of_longest_ago_is_forgotten(void **state)
{
	const int most = SOURCES_RECENT_ALL / SOURCES_RECENT_MAX;
	char name[32];

	for (int i = 0; i <= most; i++) {
		(void)snprintf(name, sizeof(name), "cart/%d", i);
		for (int64_t id = 1; id <= SOURCES_RECENT_MAX; id++)
			note(*state, name, id);
		if (i == 2) /* is heard of again */
			note(*state, "cart/0", SOURCES_RECENT_MAX + 1);
	}
	assert_int_equal(sources_forgotten(*state), 1);
	for (int i = 0; i <= most; i++) {
		(void)snprintf(name, sizeof(name), "cart/%d", i);
		assert_int_equal(remembers(*state, name, SOURCES_RECENT_MAX), i != 1);
	}
	note(*state, "cart/1", SOURCES_RECENT_MAX + 1);
	assert_true(remembers(*state, "cart/1", SOURCES_RECENT_MAX + 1));
}

static void missing_numbers_are_counted_until_they_are_filled(void **state)
{
	struct sources *few = sources_new(2);

	(void)take(*state, "cart/a", 1);
	(void)take(*state, "cart/a", 10);
	(void)take(*state, "cart/b", 3);
	assert_int_equal(sources_missing(*state), 8 + 2);
	(void)take(*state, "cart/a", 5);
	(void)take(*state, "cart/a", 5);
	(void)take(*state, "cart/b", 1);
	assert_int_equal(sources_missing(*state), 7 + 1);
	assert_non_null(few);
	(void)take(few, "cart/a", 3);
	(void)take(few, "cart/a", 6);
	assert_int_equal(sources_missing(few), 4);
	(void)take(few, "cart/a", 8); /* 3 counts as missing again: 1 to 5, 7 */
	assert_int_equal(sources_missing(few), 6);
	sources_free(&few);
}

static void what_is_restored_is_what_was_known(void **state)
{
	const struct source_range ranges[] = { { 1, 4 }, { 6, 6 }, { 8, 11 }, { 13, 20 },
		{ 22, 22 }, { 24, 24 } };
	struct source *const s = sources_find(*state, "cart/a", 6);

	assert_true(sources_restore(*state, s, 25, ranges, 6));
	assert_int_equal(sources_missing(*state), 4 + 1 + 4 + 8 + 1 + 1);
	assert_int_equal(take(*state, "cart/a", 7), SOURCE_COPY);
	assert_int_equal(take(*state, "cart/a", 25), SOURCE_COPY);
	assert_int_equal(take(*state, "cart/a", 15), SOURCE_LATE);
	assert_int_equal(take(*state, "cart/a", 26), SOURCE_NEW);
}

static void ranges_that_cannot_be_are_not_restored(void **state)
{
	static const struct source_range wrong[][2] = { { { 0, 2 }, { 4, 5 } },
		{ { 3, 2 }, { 4, 5 } }, { { 1, 2 }, { 3, 4 } }, { { 1, 5 }, { 4, 7 } },
		{ { 6, 7 }, { 1, 2 } }, { { 1, 2 }, { 9, 10 } }, { { 1, 2 }, { 9, 11 } } };
	char name[32];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		(void)snprintf(name, sizeof(name), "cart/%zu", i);
		assert_false(sources_restore(
			*state, sources_find(*state, name, strlen(name)), 10, wrong[i], 2));
	}
	assert_false(sources_restore(*state, sources_find(*state, "x", 1), 0, wrong[0], 0));
	assert_int_equal(sources_missing(*state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			numbers_in_order_are_new_and_again_are_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_source_first_seen_at_5_misses_1_to_4, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_run_that_comes_late_is_not_taken_for_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_forged_number_does_not_silence_a_source, setup, teardown),
		cmocka_unit_test(any_order_gives_what_one_bit_a_number_gives),
		cmocka_unit_test(many_ranges_of_many_sources_are_bounded_together),
		cmocka_unit_test(beyond_the_bound_a_copy_may_pass_but_no_event_is_lost),
		cmocka_unit_test_setup_teardown(
			a_source_beyond_the_bound_is_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_recent_checksums_are_remembered_and_no_others, setup, teardown),
		cmocka_unit_test_setup_teardown(making_room_keeps_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_forged_number_does_not_make_checksums_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(
			beyond_the_bound_the_source_heard_of_longest_ago_is_forgotten, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			missing_numbers_are_counted_until_they_are_filled, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_restored_is_what_was_known, setup, teardown),
		cmocka_unit_test_setup_teardown(
			ranges_that_cannot_be_are_not_restored, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
