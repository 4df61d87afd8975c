#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metrics-consumer/counters.h"
#include "metrics-consumer/lag.h"
#include "process/clock.h"

#define WALL 1764140000000 /* any; the marks know nothing of it */

static void assert_lag(struct lag *lag, int64_t offset, int64_t taken_ms, int64_t now_ms,
	int64_t messages, int64_t waited_ms)
{
	const struct lag_next next = { offset, taken_ms };
	int64_t found, waited;

	assert_true(lag_read(lag, &next, WALL + now_ms, now_ms, &found, &waited));
	assert_int_equal(found, messages);
	assert_int_equal(waited, waited_ms);
}

static void assert_unknown(struct lag *lag, int64_t offset, int64_t now_ms)
{
	const struct lag_next next = { offset, 0 };
	int64_t found, waited;

	assert_false(lag_read(lag, &next, WALL + now_ms, now_ms, &found, &waited));
}

static void nothing_is_known_before_an_answer(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	assert_unknown(&lag, 0, 1000);
	lag_heard(&lag, 0, 0, 1000);
	assert_lag(&lag, 0, 0, 1000, 0, 0);
}

static void a_record_waits_since_the_end_was_seen_behind_it(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	lag_heard(&lag, 0, 10, 1000);
	lag_heard(&lag, 0, 10, 2000);
	lag_heard(&lag, 0, 15, 3000);
	lag_heard(&lag, 0, 20, 4000);
	assert_lag(&lag, 5, 0, 4500, 15, 3500);
	assert_lag(&lag, 10, 0, 4500, 10, 1500); /* offset 10 came between 2000 and 3000 */
	assert_lag(&lag, 14, 0, 4500, 6, 1500);
	assert_lag(&lag, 15, 0, 4500, 5, 500);
	assert_lag(&lag, 20, 0, 4500, 0, 0);
}

static void a_fetched_record_waits_since_kafka_has_it(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	lag_heard(&lag, 0, 100, 1000);
	assert_lag(&lag, 40, WALL - 7000, 1500, 60, 8500);
	assert_lag(&lag, 40, WALL + 9000, 1500, 60, 0); /* Kafka's clock is ahead of ours */
	assert_lag(&lag, 100, WALL - 7000, 1500, 0, 0);
}

static void an_idle_partition_does_not_wait(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	for (int64_t now = 1000; now < 600000; now += 1000)
		lag_heard(&lag, 0, 10, now);
	assert_lag(&lag, 10, 0, 600000, 0, 0);
	lag_heard(&lag, 0, 11, 600500); /* and one that comes then has not waited for ten minutes */
	assert_lag(&lag, 10, 0, 601000, 1, 500);
}

static void a_leader_that_is_away_makes_it_unknown(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	lag_heard(&lag, 0, 10, 1000);
	lag_lost(&lag);
	assert_unknown(&lag, 4, 1500);
	lag_heard(&lag, 0, 12, 9000); /* what waited meanwhile still does */
	assert_lag(&lag, 4, 0, 9000, 8, 8000);
}

static void an_old_answer_is_none(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	lag_heard(&lag, 0, 10, 1000);
	assert_lag(&lag, 10, 0, 1000 + LAG_STALE_MS, 0, 0);
	assert_unknown(&lag, 10, 1001 + LAG_STALE_MS);
}

static void a_journal_without_a_position_lacks_what_there_is(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	lag_heard(&lag, 30, 50, 1000);
	assert_lag(&lag, -1, 0, 1000, 20, 0);
}

static void a_topic_that_is_made_anew_begins_anew(void **state)
{
	struct lag lag = { 0 };

	(void)state;
	lag_heard(&lag, 0, 1000, 1000);
	lag_heard(&lag, 0, 3, 5000);
	assert_lag(&lag, 0, 0, 5500, 3, 500);
	assert_lag(&lag, 1000, 0, 5500, 0, 0); /* until reading has begun again */
}

/* A day at a record a second, nothing of it journaled: the memory stays, and it is exact within a
 * thirtieth. */
static void a_long_wait_is_known_in_little_memory(void **state)
{
	struct lag lag = { 0 };
	int64_t now = 0;

	(void)state;
	for (int64_t end = 1; end <= 86400; end++)
		lag_heard(&lag, 0, end, now = end * 1000);
	assert_lag(&lag, 0, 0, now, 86400, now - 1000);
	for (int64_t offset = 100; offset < 86400; offset += 777) {
		const struct lag_next next = { offset, 0 };
		const int64_t waited = now - (offset + 1) * 1000;
		int64_t found, told;

		assert_true(lag_read(&lag, &next, WALL + now, now, &found, &told));
		assert_int_equal(found, 86400 - offset);
		assert_true(told <= waited);
		assert_true(told >= waited - 86400000 / 30 - 1000);
	}
}

static void counters_tell_it_to_whoever_asks(void **state)
{
	struct counters counters;
	struct counts counts = { 0 };

	(void)state;
	counters_init(&counters);
	clock_set(WALL);
	counters_read(&counters, &counts);
	assert_int_equal(counts.lag[0], -1);
	counters_hear_end(&counters, 1, 0, 12);
	counts = (struct counts){ .next = { { .offset = 5 }, { .offset = 8 } } };
	counters_publish(&counters, &counts);
	clock_set(WALL + 3000);
	counters_read(&counters, &counts);
	assert_int_equal(counts.lag[0], -1);
	assert_int_equal(counts.lag_ms[0], -1);
	assert_int_equal(counts.lag[1], 4);
	assert_int_equal(counts.lag_ms[1], 3000);
	counters_lose_end(&counters, 1);
	counters_read(&counters, &counts);
	assert_int_equal(counts.lag[1], -1);
	clock_set(0);
	counters_fini(&counters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_an_answer),
		cmocka_unit_test(a_record_waits_since_the_end_was_seen_behind_it),
		cmocka_unit_test(a_fetched_record_waits_since_kafka_has_it),
		cmocka_unit_test(an_idle_partition_does_not_wait),
		cmocka_unit_test(a_leader_that_is_away_makes_it_unknown),
		cmocka_unit_test(an_old_answer_is_none),
		cmocka_unit_test(a_journal_without_a_position_lacks_what_there_is),
		cmocka_unit_test(a_topic_that_is_made_anew_begins_anew),
		cmocka_unit_test(a_long_wait_is_known_in_little_memory),
		cmocka_unit_test(counters_tell_it_to_whoever_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
