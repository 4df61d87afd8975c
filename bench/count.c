/* count - the limit: a program on the same library that only counts the records of a topic.
 *
 * Both partitions go to one queue, as whole fetched batches, and a callback adds one; there is no
 * group, no offset is stored, no byte is looked at. At the ends of both it says how many there
 * were, and waits for its end: who measures it can look at it first. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTITIONS 2
#define WAIT_MS    1000
#define USAGE      64

struct counting {
	bool headers;
	int64_t records;
	int64_t last[PARTITIONS]; /* offsets */
	unsigned unfinished;      /* partitions */
};

static void on_record(rd_kafka_message_t *record, void *opaque)
{
	struct counting *const c = opaque;
	rd_kafka_headers_t *headers;

	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		fprintf(stderr, "count: %s\n", rd_kafka_message_errstr(record));
		exit(1);
	}
	if (c->headers)
		(void)rd_kafka_message_headers(record, &headers);
	c->records++;
	c->unfinished -= record->offset == c->last[record->partition];
}

static void set(rd_kafka_conf_t *conf, const char *setting)
{
	const char *const equals = strchr(setting, '=');
	char name[64], why[256];

	if (!equals || equals - setting >= (int)sizeof(name)) {
		fprintf(stderr, "count: a setting is NAME=VALUE, not %s\n", setting);
		exit(USAGE);
	}
	memcpy(name, setting, (size_t)(equals - setting));
	name[equals - setting] = '\0';
	if (rd_kafka_conf_set(conf, name, equals + 1, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
		fprintf(stderr, "count: %s\n", why);
		exit(USAGE);
	}
}

static rd_kafka_t *make_client(const char *brokers, int count, char **settings)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_t *client;
	char why[256];

	for (int i = 0; i < count; i++)
		set(conf, settings[i]);
	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)) !=
			RD_KAFKA_CONF_OK ||
		!(client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why)))) {
		fprintf(stderr, "count: %s\n", why);
		exit(1);
	}
	return client;
}

static void count(rd_kafka_t *client, const char *topic_name, struct counting *c)
{
	rd_kafka_topic_t *const topic = rd_kafka_topic_new(client, topic_name, NULL);
	rd_kafka_queue_t *const queue = rd_kafka_queue_new(client);

	for (int32_t i = 0; i < PARTITIONS; i++) {
		int64_t first, end;

		if (rd_kafka_query_watermark_offsets(
			    client, topic_name, i, &first, &end, WAIT_MS * 10) != 0) {
			fprintf(stderr, "count: the ends of %s are not known\n", topic_name);
			exit(1);
		}
		c->last[i] = end - 1;
		c->unfinished += end > first;
	}
	for (int32_t i = 0; i < PARTITIONS; i++) {
		if (rd_kafka_consume_start_queue(topic, i, RD_KAFKA_OFFSET_BEGINNING, queue) != 0) {
			fprintf(stderr, "count: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
			exit(1);
		}
	}
	while (c->unfinished > 0)
		(void)rd_kafka_consume_callback_queue(queue, WAIT_MS, on_record, c);
}

int main(int argc, char **argv)
{
	struct counting c = { 0 };

	if (argc > 1 && strcmp(argv[1], "--headers") == 0) {
		c.headers = true;
		argc--;
		argv++;
	}
	if (argc < 3) {
		fprintf(stderr,
			"usage: count [--headers] BROKERS TOPIC [NAME=VALUE...]   settings of "
			"librdkafka\n");
		return USAGE;
	}
	count(make_client(argv[1], argc - 3, argv + 3), argv[2], &c);
	printf("%" PRId64 "\n", c.records);
	fflush(stdout);
	pause(); /* a signal ends it, and with it what it holds */
}
