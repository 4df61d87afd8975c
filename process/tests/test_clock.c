#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "process/clock.h"

static void a_time_is_written_and_read_back(void **state)
{
	static const int64_t times[] = { 0, 1, 999, 1752002132481, 253402300799999, -1,
		951782400000 /* 2000-02-29 */ };
	char text[CLOCK_TEXT_MAX];
	int64_t back;

	(void)state;
	clock_text(1752002132481, text);
	assert_string_equal(text, "2025-07-08T19:15:32.481Z");
	clock_text_seconds(1752002132481, text);
	assert_string_equal(text, "2025-07-08T19:15:32Z");
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		clock_text(times[i], text);
		assert_true(clock_parse(text, strlen(text), &back));
		assert_int_equal(back, times[i]);
	}
}

/* Not a whole number of days, so that every hour, minute and second comes. */
static void every_fifth_day_of_all_years_is_read_back(void **state)
{
	const int64_t step = 5 * 86400000LL + 3607 * 1000 + 1;
	char text[CLOCK_TEXT_MAX];
	int64_t back;

	(void)state;
	for (int64_t ms = -62135596800000; ms <= 253402300799999; ms += step) {
		clock_text(ms, text);
		if (!clock_parse(text, strlen(text), &back) || back != ms)
			fail_msg("%s is read as %" PRId64 ", not %" PRId64, text, back, ms);
	}
}

static void what_is_not_a_time_in_utc_is_refused(void **state)
{
	static const char *const wrong[] = { "", "2025-07-08", "2025-07-08 19:15:32Z",
		"2025-07-08T19:15:32", "2025-07-08T19:15:32.Z", "2025-07-08T19:15:32+02:00",
		"2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
		"2025-01-32T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:60:00Z",
		"2025-01-01T00:00:60Z", "0000-01-01T00:00:00Z", "2025-01-01T00:00:00ZZ" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(clock_parse(wrong[i], strlen(wrong[i]), &ms));
	assert_true(clock_parse("2024-02-29T00:00:00.123456789+00:00", 35, &ms));
	assert_int_equal(ms, 1709164800123);
}

static void the_clock_stands_where_a_test_set_it(void **state)
{
	(void)state;
	clock_set(1752002132481);
	assert_int_equal(clock_wall_ms(), 1752002132481);
	clock_set(0);
	assert_true(clock_wall_ms() > 1752002132481);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_is_written_and_read_back),
		cmocka_unit_test(every_fifth_day_of_all_years_is_read_back),
		cmocka_unit_test(what_is_not_a_time_in_utc_is_refused),
		cmocka_unit_test(the_clock_stands_where_a_test_set_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
