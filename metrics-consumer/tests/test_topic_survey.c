/* Reading the topic from end to end, on librdkafka's mock cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "metrics-consumer/tests/flow.h"
#include "metrics-consumer/topic_survey.h"

#define LIST_OFFSETS 2 /* the API's key, for the mock cluster */
#define EVENTS       10
#define TIMES        8 /* more often than librdkafka asks again by itself */

static int setup(void **state)
{
	struct flow *const f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	flow_start(f, EVENT_PARTITIONS);
	*state = f;
	for (int64_t id = 1; id <= EVENTS; id++) {
		flow_send_event(f, 0, id);
		flow_send_event(f, 1, id);
	}
	flow_flush(f);
	return 0;
}

static int teardown(void **state)
{
	flow_stop(*state);
	free(*state);
	return 0;
}

static void push_errors(struct flow *f, rd_kafka_resp_err_t error)
{
	for (int i = 0; i < TIMES; i++)
		rd_kafka_mock_push_request_errors(f->cluster, LIST_OFFSETS, 1, error);
}

/* verify ran right behind a broker's death, and gave up at the first answer. */
static void a_leader_that_has_just_moved_is_asked_again(void **state)
{
	struct flow *const f = *state;
	const struct kafka_settings kafka = { f->brokers, "metrics", NULL };
	struct topic_survey *survey = NULL;
	struct fail fail = { 0 };

	push_errors(f, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
	if (!topic_survey_open(&survey, &kafka, &fail))
		fail_msg("%s", fail.text);
	push_errors(f, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
	if (!topic_survey_ask(survey, &fail) || !topic_survey_read(survey, &fail))
		fail_msg("%s", fail.text);
	assert_int_equal(fail.kind, FAIL_NONE);
	assert_int_equal(topic_survey_totals(survey)->records, 2 * EVENTS);
	assert_int_equal(topic_survey_totals(survey)->copies, 0);
	topic_survey_close(&survey);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_leader_that_has_just_moved_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
