/* How a client of librdkafka ends, or does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "kafka/client/client.h"

#define SLOW_SECONDS 4 /* kafka_client_destroy waits for 2 */

static atomic_int called;

/* The client does not end while this runs. */
static void be_slow(rd_kafka_t *client, rd_kafka_event_t *event, void *opaque)
{
	(void)client;
	(void)opaque;
	rd_kafka_event_destroy(event);
	if (atomic_fetch_add(&called, 1) == 0)
		(void)sleep(SLOW_SECONDS);
}

static rd_kafka_t *make_slow_client(void)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	struct fail fail = { 0 };
	char why[256];
	rd_kafka_t *client;

	assert_int_equal(rd_kafka_conf_set(conf, "statistics.interval.ms", "10", why, sizeof(why)),
		RD_KAFKA_CONF_OK);
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_STATS);
	rd_kafka_conf_set_background_event_cb(conf, be_slow);
	client = kafka_client_new(RD_KAFKA_PRODUCER, conf, &fail);
	assert_non_null(client);
	rd_kafka_queue_t *const background = rd_kafka_queue_get_background(client);
	rd_kafka_queue_t *const all = rd_kafka_queue_get_main(client);
	rd_kafka_queue_forward(all, background);
	rd_kafka_queue_destroy(all);
	rd_kafka_queue_destroy(background);
	return client;
}

static void a_client_that_ended_late_is_not_left_behind(void **state)
{
	rd_kafka_t *client = make_slow_client();

	(void)state;
	for (int i = 0; i < 1000 && atomic_load(&called) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(atomic_load(&called), 1);
	assert_false(kafka_client_destroy(&client));
	assert_null(client);
	assert_int_equal(kafka_clients_left(), 1);
	for (int i = 0; i < 1000 && kafka_clients_left() > 0; i++)
		(void)usleep(10000);
	assert_int_equal(kafka_clients_left(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_ended_late_is_not_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
