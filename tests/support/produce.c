/* Writes numbered events onto a topic, with the headers that name them, in one go:
 * `produce BROKERS TOPIC PARTITION SOURCE FIRST LAST`. kcat gives each record of a file the same
 * headers, and takes half a second for each file. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "kafka/client/headers.h"
#include "process/clock.h"

#define FLUSH_MS 30000

static const char value[] = "{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":"
			    "\"2025-07-08T19:15:32Z\",\"payload\":{\"cartId\":\"xyz123\",\"sku\":"
			    "\"A123\",\"count\":2,\"status\":\"success\"}}";
static bool failed;

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *record, void *opaque)
{
	(void)client;
	(void)opaque;
	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		failed = true;
}

static bool put(
	rd_kafka_t *client, const char *topic, int32_t partition, const char *source, int64_t id)
{
	rd_kafka_headers_t *const headers =
		headers_new(source, id, "cart_item_added", clock_wall_ms());
	rd_kafka_resp_err_t error;

	if (!headers)
		return false;
	for (;;) {
		error = rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic),
			RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY("xyz123", 6),
			RD_KAFKA_V_VALUE((void *)(intptr_t)value, sizeof(value) - 1),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
			RD_KAFKA_V_END);
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			return true;
		if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
			rd_kafka_headers_destroy(headers);
			return false;
		}
		rd_kafka_poll(client, 100);
	}
}

int main(int argc, char **argv)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_t *client;
	char why[256];
	bool good = true;

	if (argc != 7) {
		fputs("usage: produce BROKERS TOPIC PARTITION SOURCE FIRST LAST\n", stderr);
		return 64;
	}
	if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof(why)) !=
			RD_KAFKA_CONF_OK ||
		rd_kafka_conf_set(conf, "max.in.flight", "1", why, sizeof(why)) !=
			RD_KAFKA_CONF_OK) {
		fprintf(stderr, "produce: %s\n", why);
		return 1;
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!client) {
		fprintf(stderr, "produce: %s\n", why);
		return 1;
	}
	for (int64_t id = atoll(argv[5]); good && id <= atoll(argv[6]); id++)
		good = put(client, argv[2], atoi(argv[3]), argv[4], id);
	good = rd_kafka_flush(client, FLUSH_MS) == RD_KAFKA_RESP_ERR_NO_ERROR && good && !failed;
	rd_kafka_destroy(client);
	if (!good)
		fputs("produce: not all was written\n", stderr);
	return good ? 0 : 1;
}
