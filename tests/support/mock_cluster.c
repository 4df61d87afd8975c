/* A Kafka of two brokers inside this process: librdkafka's mock cluster, for tests that are no
 * C. `mock_cluster PARTITIONS` makes the topic metrics, prints its bootstrap servers, then obeys
 * lines of standard input and answers each with one line, "done ..." or "failed":
 *
 *   down BROKER, up BROKER   the broker (1 or 2) drops its connections and takes no new ones, or
 *                            is back on the same port
 *   leader PARTITION BROKER
 *   ends                     the offset behind the last record of each partition
 *   topic NAME               makes one more topic, with as many partitions
 *   put TOPIC PARTITION SOURCE ID KEY VALUE MS
 *                            writes a record of the time MS (0: now) as one batch; key and value as
 *                            x and hex digits, "-" for none; SOURCE "-" is one without headers
 *   read TOPIC PARTITION     "done N" and N lines "OFFSET SOURCE ID VALUE", from the first record
 *
 * It ends with its standard input, so it never outlives the test that started it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define BROKERS 2
#define TOPIC   "metrics"
#define ASK_MS  5000

struct kafka {
	rd_kafka_t *host; /* carries the cluster */
	rd_kafka_mock_cluster_t *cluster;
	rd_kafka_t *client;
	rd_kafka_t *reader; /* from the first "read" on */
	int partitions;
};

static bool open_kafka(struct kafka *k)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	char why[256];

	k->host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, why, sizeof(why));
	k->cluster = k->host ? rd_kafka_mock_cluster_new(k->host, BROKERS) : NULL;
	if (!k->cluster || rd_kafka_mock_topic_create(k->cluster, TOPIC, k->partitions, BROKERS) !=
				   RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	/* As kafka/topic assigns them: partition 0 to broker 1, partition 1 to broker 2. */
	for (int partition = 0; partition < k->partitions; partition++)
		rd_kafka_mock_partition_set_leader(
			k->cluster, TOPIC, partition, 1 + partition % BROKERS);
	(void)rd_kafka_conf_set(conf, "bootstrap.servers",
		rd_kafka_mock_cluster_bootstraps(k->cluster), why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "linger.ms", "0", why, sizeof(why));
	k->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	return k->client != NULL;
}

static void close_kafka(struct kafka *k)
{
	if (k->reader)
		rd_kafka_destroy(k->reader);
	if (k->client)
		rd_kafka_destroy(k->client);
	if (k->cluster)
		rd_kafka_mock_cluster_destroy(k->cluster);
	if (k->host)
		rd_kafka_destroy(k->host);
}

static bool print_ends(struct kafka *k)
{
	int64_t first, end[8];

	for (int p = 0; p < k->partitions; p++) {
		if (rd_kafka_query_watermark_offsets(k->client, TOPIC, p, &first, &end[p],
			    ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
			return false;
	}
	printf("done");
	for (int p = 0; p < k->partitions; p++)
		printf(" %" PRId64, end[p]);
	printf("\n");
	return true;
}

/* Turns x and hex digits into bytes in their place; "-" is NULL. */
static void *unhex(char *text, size_t *length)
{
	unsigned byte;

	*length = 0;
	if (strcmp(text, "-") == 0)
		return NULL;
	for (const char *at = text + 1; sscanf(at, "%2x", &byte) == 1; at += 2)
		text[(*length)++] = (char)byte;
	return text;
}

/* librdkafka would wait a second before it asks about a topic that is new to it. */
static bool learn(rd_kafka_t *client, const char *name)
{
	rd_kafka_topic_t *const topic = rd_kafka_topic_new(client, name, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	const bool good = topic && rd_kafka_metadata(client, 0, topic, &metadata, ASK_MS) ==
					   RD_KAFKA_RESP_ERR_NO_ERROR;

	if (metadata)
		rd_kafka_metadata_destroy(metadata);
	if (topic)
		rd_kafka_topic_destroy(topic);
	return good;
}

static bool put_record(struct kafka *k, char *words)
{
	const char *const topic = strtok(words, " "), *const partition = strtok(NULL, " ");
	const char *const source = strtok(NULL, " "), *const id = strtok(NULL, " ");
	char *const key_hex = strtok(NULL, " "), *const value_hex = strtok(NULL, " ");
	const char *const time_ms = strtok(NULL, " \n");
	size_t key_length, length;
	void *key, *value;
	rd_kafka_headers_t *headers;

	if (!topic || !partition || !source || !id || !key_hex || !value_hex || !time_ms ||
		!learn(k->client, topic))
		return false;
	headers = rd_kafka_headers_new(2);
	key = unhex(key_hex, &key_length);
	value = unhex(value_hex, &length);
	if (strcmp(source, "-") != 0) {
		(void)rd_kafka_header_add(headers, "ce_source", -1, source, -1);
		(void)rd_kafka_header_add(headers, "ce_id", -1, id, -1);
	}
	if (rd_kafka_producev(k->client, RD_KAFKA_V_TOPIC(topic),
		    RD_KAFKA_V_PARTITION(atoi(partition)), RD_KAFKA_V_KEY(key, key_length),
		    RD_KAFKA_V_VALUE(value, length), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_TIMESTAMP(atoll(time_ms)),
		    RD_KAFKA_V_END) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_headers_destroy(headers);
		return false;
	}
	if (rd_kafka_flush(k->client, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	printf("done\n");
	return true;
}

static bool open_reader(struct kafka *k)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	char why[256];

	if (k->reader)
		return true;
	(void)rd_kafka_conf_set(conf, "bootstrap.servers",
		rd_kafka_mock_cluster_bootstraps(k->cluster), why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", why, sizeof(why));
	(void)rd_kafka_conf_set(
		conf, "topic.metadata.refresh.fast.interval.ms", "10", why, sizeof(why));
	k->reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (k->reader)
		rd_kafka_poll_set_consumer(k->reader);
	return k->reader != NULL;
}

static const char *header(const rd_kafka_message_t *record, const char *name, size_t *length)
{
	rd_kafka_headers_t *headers;
	const void *value = "-";

	*length = 1;
	if (rd_kafka_message_headers(record, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
		(void)rd_kafka_header_get_last(headers, name, &value, length);
	return value;
}

static void print_record(FILE *out, const rd_kafka_message_t *record)
{
	size_t source_length, id_length;
	const char *const source = header(record, "ce_source", &source_length);
	const char *const id = header(record, "ce_id", &id_length);

	fprintf(out, "%" PRId64 " %.*s %.*s ", record->offset, (int)source_length, source,
		(int)id_length, id);
	for (size_t i = 0; i < record->len; i++)
		fprintf(out, "%02x", ((const unsigned char *)record->payload)[i]);
	fprintf(out, "\n");
}

/* Reads until the partition's end; how many, -1 where it is not reached. */
static int take_records(struct kafka *k, FILE *out)
{
	for (int count = 0;;) {
		rd_kafka_message_t *const record = rd_kafka_consumer_poll(k->reader, ASK_MS);
		const rd_kafka_resp_err_t error =
			record ? record->err : RD_KAFKA_RESP_ERR__TIMED_OUT;

		if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
			print_record(out, record);
			count++;
		}
		if (record)
			rd_kafka_message_destroy(record);
		if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			return count;
		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			return -1;
	}
}

static bool print_records(struct kafka *k, const char *topic, int partition)
{
	rd_kafka_topic_partition_list_t *const from = rd_kafka_topic_partition_list_new(1);
	char *text = NULL;
	size_t length = 0;
	FILE *const out = open_memstream(&text, &length);
	int count = -1;

	rd_kafka_topic_partition_list_add(from, topic, partition)->offset =
		RD_KAFKA_OFFSET_BEGINNING;
	if (out && open_reader(k) && learn(k->reader, topic) &&
		rd_kafka_assign(k->reader, from) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		count = take_records(k, out);
		(void)rd_kafka_assign(k->reader, NULL);
	}
	rd_kafka_topic_partition_list_destroy(from);
	if (out)
		(void)fclose(out);
	if (count >= 0)
		printf("done %d\n%s", count, text);
	free(text);
	return count >= 0;
}

static bool obey(struct kafka *k, char *line)
{
	rd_kafka_resp_err_t error;
	char name[250];
	int a, b;

	if (strcmp(line, "ends\n") == 0)
		return print_ends(k);
	if (strncmp(line, "put ", 4) == 0)
		return put_record(k, line + 4);
	if (sscanf(line, "read %249s %d", name, &a) == 2)
		return print_records(k, name, a);
	if (sscanf(line, "down %d", &a) == 1)
		error = rd_kafka_mock_broker_set_down(k->cluster, a);
	else if (sscanf(line, "up %d", &a) == 1)
		error = rd_kafka_mock_broker_set_up(k->cluster, a);
	else if (sscanf(line, "leader %d %d", &a, &b) == 2)
		error = rd_kafka_mock_partition_set_leader(k->cluster, TOPIC, a, b);
	else if (sscanf(line, "topic %249s", name) == 1)
		error = rd_kafka_mock_topic_create(k->cluster, name, k->partitions, BROKERS);
	else
		return false;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		printf("done\n");
	return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

int main(int argc, char **argv)
{
	struct kafka kafka = { .partitions = argc == 2 ? atoi(argv[1]) : 0 };
	char *line = NULL;
	size_t room = 0;

	if (kafka.partitions < 1 || kafka.partitions > 8) {
		fputs("usage: mock_cluster PARTITIONS   (1 to 8)\n", stderr);
		return 64;
	}
	if (!open_kafka(&kafka)) {
		fputs("mock_cluster: cannot start\n", stderr);
		close_kafka(&kafka);
		return 1;
	}
	printf("%s\n", rd_kafka_mock_cluster_bootstraps(kafka.cluster));
	(void)fflush(stdout);
	while (getline(&line, &room, stdin) > 0) {
		if (!obey(&kafka, line))
			printf("failed\n");
		(void)fflush(stdout);
	}
	free(line);
	close_kafka(&kafka);
	return 0;
}
