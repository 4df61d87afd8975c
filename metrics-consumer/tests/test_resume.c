/* Where reading begins again: what Kafka says, and what becomes of the position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "metrics-consumer/resume.h"
#include "metrics-consumer/topic.h"

#define NOW 1000000 /* monotonic ms of a start */

struct partition {
	struct resume resume;
	struct progress progress;
};

/* A consumer that starts with its last line at @line, or -1, and goes on at @next. */
static int setup(void **state)
{
	struct partition *const p = calloc(1, sizeof(*p));

	*state = p;
	return p ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void start(struct partition *p, int64_t line, int64_t next)
{
	p->progress.anchor[1] = (struct anchor){ .offset = line, .id = 7, .source = "stock/b" };
	p->progress.next[1] = next;
	resume_init(&p->resume, 1);
	assert_true(resume_is_due(&p->resume, NOW));
	resume_begin(&p->resume, &p->progress, NOW);
}

/* Begins again as the consumer does once it may, and tells where. */
static int64_t again(struct partition *p, int64_t now_ms)
{
	assert_true(resume_is_due(&p->resume, now_ms));
	resume_begin(&p->resume, &p->progress, now_ms);
	assert_false(resume_is_due(&p->resume, now_ms));
	return resume_position(&p->resume, &p->progress);
}

static bool takes(struct partition *p, int64_t offset, bool is_anchor)
{
	const bool taken = resume_takes(&p->resume, &p->progress, offset, is_anchor);

	if (taken)
		p->progress.next[1] = offset + 1;
	return taken;
}

static void without_a_line_reading_begins_at_the_position(void **state)
{
	struct partition *const p = *state;

	start(p, -1, TOPIC_EARLIEST);
	assert_int_equal(resume_position(&p->resume, &p->progress), TOPIC_EARLIEST);
	assert_true(takes(p, 5, false));
	assert_true(takes(p, 6, false));
	assert_int_equal(p->progress.counts.ever.replaced + p->progress.counts.ever.holes, 0);
}

static void what_is_behind_the_last_line_and_was_placed_is_skipped(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13); /* 11 and 12 were no lines */
	assert_int_equal(resume_position(&p->resume, &p->progress), 10);
	assert_true(resume_wants_anchor(&p->resume, &p->progress, 10));
	assert_false(takes(p, 10, true));
	assert_false(resume_wants_anchor(&p->resume, &p->progress, 10));
	assert_false(takes(p, 11, false));
	assert_false(takes(p, 12, false));
	assert_true(takes(p, 13, false));
}

static void another_record_in_its_place_means_reading_everything(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13);
	assert_false(takes(p, 10, false));
	assert_false(takes(p, 13, false)); /* of the batch that is under way */
	assert_true(p->resume.replaced);
	assert_int_equal(p->progress.counts.ever.replaced, 1);
	assert_int_equal(again(p, NOW), TOPIC_EARLIEST);
	assert_true(takes(p, 0, false));
	assert_true(takes(p, 1, false));
	assert_int_equal(p->progress.counts.ever.replaced, 1);
}

static void an_offset_that_is_not_there_is_believed_the_second_time(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13);
	resume_lost(&p->resume, &p->progress, NOW);
	resume_lost(&p->resume, &p->progress, NOW); /* of the same question */
	assert_false(resume_is_due(&p->resume, NOW + 500));
	assert_int_equal(again(p, NOW + 1000), 10);
	assert_int_equal(p->progress.counts.ever.holes, 0);
	resume_lost(&p->resume, &p->progress, NOW + 1000);
	assert_int_equal(again(p, NOW + 1000), TOPIC_EARLIEST);
	assert_int_equal(p->progress.counts.ever.holes, 1);
}

/* A broker that was paused takes itself for the leader for a moment. */
static void an_offset_that_is_there_the_second_time_costs_nothing(void **state)
{
	struct partition *const p = *state;

	for (int i = 0; i < 3; i++) {
		start(p, 10, 13);
		resume_lost(&p->resume, &p->progress, NOW);
		assert_int_equal(again(p, NOW + 1000), 10);
		assert_false(takes(p, 10, true));
		assert_true(takes(p, 13, false));
		resume_lost(&p->resume, &p->progress, NOW); /* a doubt of its own */
		assert_int_equal(again(p, NOW + 1000), 10);
	}
	assert_int_equal(p->progress.counts.ever.holes + p->progress.counts.ever.replaced, 0);
}

static void lose(struct partition *p)
{
	resume_lost(&p->resume, &p->progress, NOW);
	(void)again(p, NOW + 1000);
	resume_lost(&p->resume, &p->progress, NOW + 1000);
	assert_int_equal(again(p, NOW + 1000), TOPIC_EARLIEST);
}

static void where_retention_took_the_last_line_reading_goes_on_at_the_position(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13);
	lose(p);
	p->resume.end = 20;
	assert_false(takes(p, 12, false));
	assert_true(takes(p, 13, false));
	assert_int_equal(p->progress.counts.ever.replaced, 0);
	resume_check(&p->resume);
	assert_int_equal(again(p, NOW), 14); /* not where there is nothing any more */
}

static void where_retention_took_more_reading_goes_on_at_the_earliest(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13);
	lose(p);
	p->resume.end = 20;
	assert_true(takes(p, 15, false));
	assert_true(resume_believes_hole(&p->resume, &p->progress, 15, 99, NOW));
	assert_int_equal(p->progress.counts.ever.replaced, 0);
}

static void a_log_that_ends_before_us_is_read_from_its_beginning(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13);
	lose(p);
	p->resume.end = 5;
	assert_false(takes(p, 0, false));
	assert_true(p->resume.replaced);
	assert_int_equal(again(p, NOW), TOPIC_EARLIEST);
	assert_true(takes(p, 0, false));
}

static void an_offset_with_others_around_it_is_asked_for_again_but_not_for_ever(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 13);
	for (int i = 0; i < 3; i++) {
		lose(p);
		p->resume.end = 50;
		assert_false(takes(p, 0, false));
		assert_int_equal(p->progress.counts.ever.replaced, 0);
		assert_int_equal(again(p, NOW), 10);
	}
	lose(p);
	p->resume.end = 50;
	assert_false(takes(p, 0, false));
	assert_int_equal(p->progress.counts.ever.replaced, 1);
	assert_int_equal(again(p, NOW), TOPIC_EARLIEST);
}

static void a_partition_that_ends_at_the_last_line_is_waited_for_and_then_another(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 11);
	resume_look(&p->resume, &p->progress, -1, NOW + 60000);
	resume_look(&p->resume, &p->progress, 11, NOW + 60000); /* it comes */
	resume_look(&p->resume, &p->progress, 10, NOW + 9000);
	assert_false(p->resume.again);
	resume_look(&p->resume, &p->progress, 10, NOW + 10000);
	assert_true(p->resume.replaced);
	assert_int_equal(again(p, NOW), TOPIC_EARLIEST);
}

static void passed_over_numbers_are_believed_when_the_record_comes_again(void **state)
{
	struct partition *const p = *state;

	start(p, 10, 11);
	assert_false(takes(p, 10, true));
	assert_true(takes(p, 11, false));
	assert_true(resume_takes(&p->resume, &p->progress, 12, false));
	assert_false(resume_believes_hole(&p->resume, &p->progress, 12, 9, NOW));
	assert_false(takes(p, 13, false));
	assert_int_equal(again(p, NOW), 10);
	assert_false(takes(p, 10, true));
	assert_false(takes(p, 11, false));
	assert_true(resume_takes(&p->resume, &p->progress, 12, false));
	assert_true(resume_believes_hole(&p->resume, &p->progress, 12, 9, NOW + 5000));
	assert_int_equal(p->progress.counts.second_reads, 1);
}

static void a_forger_of_numbers_does_not_hold_us_up(void **state)
{
	struct partition *const p = *state;
	int64_t seconds = 0;

	start(p, 10, 11);
	assert_false(takes(p, 10, true));
	for (int64_t offset = 11; offset < 10011; offset++) {
		const int64_t now_ms = NOW + offset; /* one each ms */

		assert_true(resume_takes(&p->resume, &p->progress, offset, false));
		if (!resume_believes_hole(&p->resume, &p->progress, offset, 5 * offset, now_ms)) {
			seconds++;
			assert_int_equal(again(p, now_ms), 10);
			assert_false(takes(p, 10, true));
			assert_true(resume_takes(&p->resume, &p->progress, offset, false));
			assert_true(resume_believes_hole(
				&p->resume, &p->progress, offset, 5 * offset, now_ms));
		}
		p->progress.next[1] = offset + 1;
	}
	assert_int_equal(seconds, 10);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_line_reading_begins_at_the_position),
		TEST(what_is_behind_the_last_line_and_was_placed_is_skipped),
		TEST(another_record_in_its_place_means_reading_everything),
		TEST(an_offset_that_is_not_there_is_believed_the_second_time),
		TEST(an_offset_that_is_there_the_second_time_costs_nothing),
		TEST(where_retention_took_the_last_line_reading_goes_on_at_the_position),
		TEST(where_retention_took_more_reading_goes_on_at_the_earliest),
		TEST(a_log_that_ends_before_us_is_read_from_its_beginning),
		TEST(an_offset_with_others_around_it_is_asked_for_again_but_not_for_ever),
		TEST(a_partition_that_ends_at_the_last_line_is_waited_for_and_then_another),
		TEST(passed_over_numbers_are_believed_when_the_record_comes_again),
		TEST(a_forger_of_numbers_does_not_hold_us_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
