#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kafka/client/statistics.h"
#include "process/clock.h"

/* What counts of librdkafka's STATISTICS.md, and some that does not. */
#define PRODUCER(name)                                                                             \
	"{\"name\":\"" name "\",\"client_id\":\"hw9\",\"type\":\"producer\",\"replyq\":3,"         \
	"\"msg_cnt\":17,\"msg_size\":2890,\"msg_max\":100000,\"brokers\":{"                        \
	"\"a:1/bootstrap\":{\"name\":\"a:1/bootstrap\",\"nodeid\":-1,\"state\":\"UP\","            \
	"\"tx\":1000},"                                                                            \
	"\"GroupCoordinator\":{\"nodeid\":2,\"source\":\"logical\",\"state\":\"UP\",\"tx\":1000}," \
	"\"a:1/1\":{\"name\":\"a:1/1\",\"nodeid\":1,\"state\":\"UP\",\"outbuf_cnt\":2,"            \
	"\"waitresp_cnt\":1,\"tx\":50,\"txbytes\":5000,\"txerrs\":4,\"txretries\":5,"              \
	"\"req_timeouts\":6,\"rx\":49,\"rxbytes\":700,\"rxerrs\":7,\"disconnects\":8,"             \
	"\"rtt\":{\"min\":900,\"max\":3000,\"avg\":1500,\"p99\":2500,\"cnt\":12}},"                \
	"\"b:1/2\":{\"name\":\"b:1/2\",\"nodeid\":2,\"state\":\"TRY_CONNECT\",\"tx\":9,"           \
	"\"waitresp_cnt\":-1,\"rtt\":{\"avg\":0,\"p99\":0,\"cnt\":0}}},"                           \
	"\"topics\":{}}"
static const char consumer[] =
	"{\"name\":\"hw9#consumer-2\",\"type\":\"consumer\",\"brokers\":{},\"topics\":{"
	"\"metrics\":{\"partitions\":{\"0\":{\"fetchq_cnt\":5,\"fetchq_size\":850},"
	"\"1\":{\"fetchq_cnt\":7,\"fetchq_size\":1190},\"-1\":{\"fetchq_cnt\":0}}}}}";

static bool take(const char *json)
{
	return kafka_statistics_take(json, strlen(json));
}

static char *written(void)
{
	char *text;
	size_t length;
	FILE *const out = open_memstream(&text, &length);

	assert_non_null(out);
	kafka_statistics_write(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_written(const char *line, bool wanted)
{
	char *const text = written();

	if ((strstr(text, line) != NULL) != wanted)
		fail_msg("'%s' is %sin: %s", line, wanted ? "not " : "", text);
	free(text);
}

static int forget_all(void **state)
{
	(void)state;
	kafka_statistics_forget("hw9#producer-1");
	kafka_statistics_forget("hw9#producer-3");
	kafka_statistics_forget("hw9#consumer-2");
	clock_set(0);
	return 0;
}

static void each_broker_is_told_by_its_number(void **state)
{
	static const char *const lines[] = {
		"kafka_client_broker_up{client=\"producer\",broker=\"1\"} 1\n",
		"kafka_client_broker_up{client=\"producer\",broker=\"2\"} 0\n",
		"kafka_client_brokers_up{client=\"producer\"} 1\n",
		"kafka_client_rtt_seconds{client=\"producer\",broker=\"1\"} 0.0015\n",
		"kafka_client_rtt_p99_seconds{client=\"producer\",broker=\"1\"} 0.0025\n",
		"kafka_client_requests_in_flight{client=\"producer\",broker=\"1\"} 1\n",
		"kafka_client_requests_in_flight{client=\"producer\",broker=\"2\"} 0\n",
		"kafka_client_requests_waiting{client=\"producer\",broker=\"1\"} 2\n",
		"kafka_client_requests_total{client=\"producer\",broker=\"1\"} 50\n",
		"kafka_client_requests_total{client=\"producer\",broker=\"2\"} 9\n",
		"kafka_client_responses_total{client=\"producer\",broker=\"1\"} 49\n",
		"kafka_client_tx_bytes_total{client=\"producer\",broker=\"1\"} 5000\n",
		"kafka_client_rx_bytes_total{client=\"producer\",broker=\"1\"} 700\n",
		"kafka_client_request_errors_total{client=\"producer\",broker=\"1\"} 4\n",
		"kafka_client_request_retries_total{client=\"producer\",broker=\"1\"} 5\n",
		"kafka_client_request_timeouts_total{client=\"producer\",broker=\"1\"} 6\n",
		"kafka_client_response_errors_total{client=\"producer\",broker=\"1\"} 7\n",
		"kafka_client_disconnects_total{client=\"producer\",broker=\"1\"} 8\n",
		"kafka_client_queued_messages{client=\"producer\"} 17\n",
		"kafka_client_queued_bytes{client=\"producer\"} 2890\n",
		"kafka_client_queued_callbacks{client=\"producer\"} 3\n",
	};

	(void)state;
	assert_true(take(PRODUCER("hw9#producer-1")));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_written(lines[i], true);
	assert_written("broker=\"-1\"", false);
	/* There was no round trip to broker 2: not 0 seconds. */
	assert_written("kafka_client_rtt_seconds{client=\"producer\",broker=\"2\"}", false);
	assert_written("client=\"consumer\"", false);
}

static void what_was_fetched_is_added_up(void **state)
{
	(void)state;
	assert_true(take(consumer));
	assert_written("kafka_client_fetched_messages{client=\"consumer\"} 12\n", true);
	assert_written("kafka_client_fetched_bytes{client=\"consumer\"} 2040\n", true);
}

static void an_ended_client_is_forgotten_and_no_other(void **state)
{
	(void)state;
	assert_true(take(PRODUCER("hw9#producer-1")));
	assert_true(take(consumer));
	kafka_statistics_forget("hw9#consumer-9");
	assert_written("client=\"consumer\"", true);
	kafka_statistics_forget("hw9#consumer-2");
	assert_written("client=\"consumer\"", false);
	/* The next producer has spoken before the last one's end. */
	assert_true(take(PRODUCER("hw9#producer-3")));
	kafka_statistics_forget("hw9#producer-1");
	assert_written("kafka_client_queued_messages{client=\"producer\"} 17\n", true);
}

static void how_old_it_is_is_told(void **state)
{
	(void)state;
	clock_set(1000000);
	assert_true(take(consumer));
	clock_set(1002500);
	assert_written("kafka_client_statistics_age_seconds{client=\"consumer\"} 2.5\n", true);
}

static void what_is_something_else_changes_nothing(void **state)
{
	static const char *const others[] = { "", "{", "[]", "{}", "{\"type\":7}",
		"{\"type\":\"admin\"}", "\"producer\"" };

	(void)state;
	assert_true(take(consumer));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(take(others[i]));
	assert_written("kafka_client_fetched_messages{client=\"consumer\"} 12\n", true);
	/* Members of other kinds count for nothing, and a name without end is cut. */
	assert_true(
		take("{\"type\":\"producer\",\"brokers\":[1],\"topics\":\"x\",\"msg_cnt\":\"y\"}"));
	assert_true(take("{\"type\":\"producer\",\"brokers\":{\"a\":1,\"b\":{\"nodeid\":\"3\"}}}"));
	assert_written("kafka_client_queued_messages{client=\"producer\"} 0\n", true);
}

static void more_brokers_than_are_kept_are_left_out(void **state)
{
	char json[4096] = "{\"type\":\"producer\",\"name\":\"hw9#producer-1\",\"brokers\":{";
	char broker[80];

	(void)state;
	for (int id = 0; id < 40; id++) {
		(void)snprintf(broker, sizeof(broker),
			"%s\"h:1/%d\":{\"nodeid\":%d,\"state\":\"UP\"}", id > 0 ? "," : "", id, id);
		strcat(json, broker);
	}
	strcat(json, "}}");
	assert_true(take(json));
	assert_written("kafka_client_brokers_up{client=\"producer\"} 16\n", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_broker_is_told_by_its_number, forget_all),
		cmocka_unit_test_teardown(what_was_fetched_is_added_up, forget_all),
		cmocka_unit_test_teardown(an_ended_client_is_forgotten_and_no_other, forget_all),
		cmocka_unit_test_teardown(how_old_it_is_is_told, forget_all),
		cmocka_unit_test_teardown(what_is_something_else_changes_nothing, forget_all),
		cmocka_unit_test_teardown(more_brokers_than_are_kept_are_left_out, forget_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
