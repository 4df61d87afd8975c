/* A Kafka of two brokers inside this process: librdkafka's mock cluster, for tests that are no
 * C. `mock_cluster PARTITIONS` makes the topic metrics, prints its bootstrap servers, then obeys
 * lines of standard input and answers each with one line, "done ..." or "failed":
 *
 *   down BROKER, up BROKER   the broker (1 or 2) drops its connections and takes no new ones, or
 *                            is back on the same port
 *   leader PARTITION BROKER
 *   ends                     the offset behind the last record of each partition
 *
 * It ends with its standard input, so it never outlives the test that started it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define BROKERS 2
#define TOPIC   "metrics"
#define ASK_MS  5000

struct kafka {
	rd_kafka_t *host; /* carries the cluster */
	rd_kafka_mock_cluster_t *cluster;
	rd_kafka_t *client;
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
	k->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	return k->client != NULL;
}

static void close_kafka(struct kafka *k)
{
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

static bool obey(struct kafka *k, const char *line)
{
	rd_kafka_resp_err_t error;
	int a, b;

	if (strcmp(line, "ends\n") == 0)
		return print_ends(k);
	if (sscanf(line, "down %d", &a) == 1)
		error = rd_kafka_mock_broker_set_down(k->cluster, a);
	else if (sscanf(line, "up %d", &a) == 1)
		error = rd_kafka_mock_broker_set_up(k->cluster, a);
	else if (sscanf(line, "leader %d %d", &a, &b) == 2)
		error = rd_kafka_mock_partition_set_leader(k->cluster, TOPIC, a, b);
	else
		return false;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		printf("done\n");
	return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

int main(int argc, char **argv)
{
	struct kafka kafka = { .partitions = argc == 2 ? atoi(argv[1]) : 0 };
	char line[64];

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
	while (fgets(line, sizeof(line), stdin)) {
		if (!obey(&kafka, line))
			printf("failed\n");
		(void)fflush(stdout);
	}
	close_kafka(&kafka);
	return 0;
}
