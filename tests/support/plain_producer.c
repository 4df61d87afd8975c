/* A producer as a program without an outbox has it: librdkafka with the properties of its command
 * line and nothing else. It shows what our relay guards against, and writes rows by hand.
 *
 *   plain_producer [-o] [-s SOURCE] [-t MS] [-v VALUE] BROKERS TOPIC PARTITION [NAME=VALUE ...]
 *
 * It prints "ready" when it knows the topic, then obeys lines of standard input; "put FIRST LAST"
 * gives these rows to the producer. The value of a row is VALUE, a space and its number, or VALUE
 * alone where there is a SOURCE: then the row has the headers ce_source and ce_id. Rows are of the
 * time MS (since 1970), or of now. With -o, and a transactional.id, they are of a transaction that
 * stays open. When standard input ends it waits until each row is reported,
 * and prints a line for each in the order of the reports: "ROW OFFSET", or "ROW" and the name of
 * the error. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define WAIT_MS 10000

struct options {
	const char *source, *value, *brokers, *topic;
	int32_t partition;
	int64_t time_ms; /* 0: now */
	bool open;       /* a transaction, which is never ended */
};

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *report, void *opaque)
{
	const intptr_t row = (intptr_t)report->_private;

	(void)producer;
	(void)opaque;
	if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		printf("%" PRIdPTR " %" PRId64 "\n", row, report->offset);
	else
		printf("%" PRIdPTR " %s\n", row, rd_kafka_err2name(report->err));
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return true;
	fprintf(stderr, "plain_producer: %s\n", why);
	return false;
}

static bool set_all(rd_kafka_conf_t *conf, char **properties)
{
	for (; *properties; properties++) {
		char *const equals = strchr(*properties, '=');

		if (!equals) {
			fprintf(stderr, "plain_producer: %s is no NAME=VALUE\n", *properties);
			return false;
		}
		*equals = '\0';
		if (!set(conf, *properties, equals + 1))
			return false;
	}
	return true;
}

static rd_kafka_t *open_producer(const struct options *o, char **properties)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_t *producer = NULL;
	char why[256];

	if (set(conf, "bootstrap.servers", o->brokers) && set_all(conf, properties)) {
		rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
		producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
		if (!producer)
			fprintf(stderr, "plain_producer: %s\n", why);
	}
	if (!producer)
		rd_kafka_conf_destroy(conf);
	return producer;
}

/* So that the first rows do not wait for it and leave together. */
static bool ask_for_topic(rd_kafka_t *producer, const struct options *o)
{
	rd_kafka_topic_t *const topic = rd_kafka_topic_new(producer, o->topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error;

	if (!topic)
		return false;
	error = rd_kafka_metadata(producer, 0, topic, &metadata, WAIT_MS);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(metadata);
	else
		fprintf(stderr, "plain_producer: %s\n", rd_kafka_err2str(error));
	rd_kafka_topic_destroy(topic);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool succeeds(rd_kafka_error_t *error)
{
	if (!error)
		return true;
	fprintf(stderr, "plain_producer: %s\n", rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return false;
}

static bool begin(rd_kafka_t *producer, const struct options *o)
{
	return !o->open || (succeeds(rd_kafka_init_transactions(producer, 3 * WAIT_MS)) &&
				   succeeds(rd_kafka_begin_transaction(producer)));
}

static rd_kafka_headers_t *make_headers(const struct options *o, int64_t row)
{
	rd_kafka_headers_t *const headers = rd_kafka_headers_new(2);
	char id[24];

	(void)snprintf(id, sizeof(id), "%" PRId64, row);
	if (o->source && (rd_kafka_header_add(headers, "ce_source", -1, o->source, -1) ||
				 rd_kafka_header_add(headers, "ce_id", -1, id, -1))) {
		rd_kafka_headers_destroy(headers);
		return NULL;
	}
	return headers;
}

static bool put(rd_kafka_t *producer, const struct options *o, int64_t row)
{
	rd_kafka_headers_t *const headers = make_headers(o, row);
	rd_kafka_resp_err_t error;
	char value[1024];

	if (!headers)
		return false;
	if (o->source)
		(void)snprintf(value, sizeof(value), "%s", o->value);
	else
		(void)snprintf(value, sizeof(value), "%s %" PRId64, o->value, row);
	error = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(o->topic),
		RD_KAFKA_V_PARTITION(o->partition), RD_KAFKA_V_VALUE(value, strlen(value)),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_TIMESTAMP(o->time_ms), RD_KAFKA_V_OPAQUE((void *)(intptr_t)row),
		RD_KAFKA_V_END);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	rd_kafka_headers_destroy(headers);
	printf("%" PRId64 " %s\n", row, rd_kafka_err2name(error));
	return true;
}

static bool obey(rd_kafka_t *producer, const struct options *o)
{
	char line[64];
	int64_t first, last;

	printf("ready\n");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "put %" SCNd64 " %" SCNd64, &first, &last) != 2)
			return false;
		for (; first <= last; first++) {
			if (!put(producer, o, first))
				return false;
		}
	}
	while (rd_kafka_outq_len(producer) > 0)
		rd_kafka_flush(producer, WAIT_MS);
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .value = "" };
	rd_kafka_t *producer;
	bool good;
	int option;

	while ((option = getopt(argc, argv, "os:t:v:")) != -1) {
		if (option == 'o')
			o.open = true;
		else if (option == 's')
			o.source = optarg;
		else if (option == 't')
			o.time_ms = strtoll(optarg, NULL, 10);
		else if (option == 'v')
			o.value = optarg;
		else
			return 64;
	}
	if (argc - optind < 3) {
		fputs("usage: plain_producer [-o] [-s SOURCE] [-t MS] [-v VALUE] BROKERS TOPIC "
		      "PARTITION "
		      "[NAME=VALUE ...]\n",
			stderr);
		return 64;
	}
	o.brokers = argv[optind];
	o.topic = argv[optind + 1];
	o.partition = atoi(argv[optind + 2]);
	producer = open_producer(&o, argv + optind + 3);
	if (!producer)
		return 1;
	good = ask_for_topic(producer, &o) && begin(producer, &o) && obey(producer, &o);
	rd_kafka_destroy(producer);
	return good ? 0 : 1;
}
