/* Fills the topic with events as the services write them, for measuring: `fill_topic BROKERS TOPIC
 * COUNT`. Half of them are of cart/fill on partition 0, half of stock/fill on partition 1. */
#include <assert.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/event.h"
#include "kafka/client/headers.h"

static int64_t failed;

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *record, void *opaque)
{
	(void)client;
	(void)opaque;
	failed += record->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return;
	fprintf(stderr, "fill_topic: %s\n", why);
	exit(1);
}

static rd_kafka_t *make_client(const char *brokers)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_t *client;
	char why[256];

	set(conf, "bootstrap.servers", brokers);
	set(conf, "enable.idempotence", "true");
	set(conf, "linger.ms", "20");
	set(conf, "queue.buffering.max.messages", "200000");
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!client) {
		fprintf(stderr, "fill_topic: %s\n", why);
		exit(1);
	}
	return client;
}

static void put(rd_kafka_t *client, const char *topic, enum event_type type, int64_t id)
{
	struct event event = { .type = type,
		.at_ms = 1752002132000 + id,
		.count = 1 + id % 50,
		.price_cents = 1250 + id % 1000 };
	char json[EVENT_JSON_MAX];
	rd_kafka_resp_err_t error;
	size_t length;

	(void)snprintf(event.sku, sizeof(event.sku), "sku-%03d", (int)(id % 1000));
	if (type == EVENT_CART_ITEM_ADDED)
		(void)snprintf(
			event.cart_id, sizeof(event.cart_id), "cart-%05d", (int)(id % 50000));
	length = event_encode(&event, json);
	do {
		rd_kafka_headers_t *const headers =
			headers_new(type == EVENT_CART_ITEM_ADDED ? "cart/fill" : "stock/fill", id,
				event_type_name(type), event.at_ms);

		assert(headers);
		error = rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic),
			RD_KAFKA_V_PARTITION(event_partition(type)),
			RD_KAFKA_V_KEY(event_key(&event), 8), RD_KAFKA_V_VALUE(json, length),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
			RD_KAFKA_V_END);
		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			rd_kafka_headers_destroy(headers);
		(void)rd_kafka_poll(client, error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 100 : 0);
	} while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
	failed += error != RD_KAFKA_RESP_ERR_NO_ERROR;
}

int main(int argc, char **argv)
{
	const int64_t count = argc == 4 ? strtoll(argv[3], NULL, 10) : 0;
	rd_kafka_t *client;

	if (count <= 0) {
		fprintf(stderr, "usage: fill_topic BROKERS TOPIC COUNT\n");
		return 2;
	}
	client = make_client(argv[1]);
	for (int64_t i = 0; i < count; i++)
		put(client, argv[2], i % 2 == 0 ? EVENT_CART_ITEM_ADDED : EVENT_STOCK_CHANGED,
			i / 2 + 1);
	if (rd_kafka_flush(client, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR)
		failed += rd_kafka_outq_len(client);
	rd_kafka_destroy(client);
	printf("%" PRId64 " events written, %" PRId64 " failed\n", count - failed, failed);
	return failed == 0 ? 0 : 1;
}
