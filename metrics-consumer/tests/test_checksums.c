/* Checksums by number: runs, copies, and what differs. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/checksums.h"

static void add(struct checksums *c, int64_t first, int64_t last)
{
	for (int64_t id = first; id <= last; id++)
		assert_int_equal(checksums_add(c, id, (uint64_t)id * 7), CHECKSUMS_NEW);
}

static void numbers_in_any_order_are_known_once(void **state)
{
	struct checksums c = { 0 };

	(void)state;
	assert_int_equal(checksums_highest(&c), 0);
	add(&c, 100, 300);
	add(&c, 1, 50);
	add(&c, 400, 400);
	add(&c, 301, 399);
	add(&c, 51, 99);
	assert_int_equal(c.total, 400);
	assert_int_equal(checksums_highest(&c), 400);
	for (int64_t id = 1; id <= 400; id++) {
		assert_int_equal(checksums_add(&c, id, (uint64_t)id * 7), CHECKSUMS_SAME);
		assert_int_equal(checksums_add(&c, id, (uint64_t)id * 7 + 1), CHECKSUMS_OTHER);
	}
	assert_int_equal(c.total, 400);
	checksums_free(&c);
}

static void numbers_that_rise_are_one_run(void **state)
{
	struct checksums c = { 0 };

	(void)state;
	add(&c, 5, 100000);
	assert_int_equal(c.count, 1);
	checksums_free(&c);
}

static void tell(void *context, int64_t id)
{
	char *const text = context;

	(void)snprintf(text + strlen(text), 64, " %" PRId64, id);
}

static void what_both_have_and_differs_is_told_in_order(void **state)
{
	struct checksums one = { 0 }, other = { 0 };
	char told[256] = "";

	(void)state;
	add(&one, 1, 10);
	add(&one, 20, 30);
	add(&one, 41, 50);
	add(&other, 5, 9);
	assert_int_equal(checksums_add(&other, 10, 1), CHECKSUMS_NEW);
	assert_int_equal(checksums_add(&other, 15, 1), CHECKSUMS_NEW);
	add(&other, 19, 24);
	assert_int_equal(checksums_add(&other, 25, 1), CHECKSUMS_NEW);
	add(&other, 26, 44);
	assert_int_equal(checksums_add(&other, 45, 1), CHECKSUMS_NEW);
	assert_int_equal(checksums_add(&other, 60, 1), CHECKSUMS_NEW);
	checksums_compare(&one, &other, tell, told);
	assert_string_equal(told, " 10 25 45");
	told[0] = '\0';
	checksums_compare(&other, &one, tell, told);
	assert_string_equal(told, " 10 25 45");
	checksums_free(&one);
	checksums_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_in_any_order_are_known_once),
		cmocka_unit_test(numbers_that_rise_are_one_run),
		cmocka_unit_test(what_both_have_and_differs_is_told_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
