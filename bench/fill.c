/* fill - writes events onto a topic as the services would, made from a seed, for measuring.
 *
 * The simulators' mix without what is rare: half of the events are cart's, on partition 0, one wish
 * in eight refused; half are stock's, on partition 1, the first of each SKU created it. Ids are as
 * long as those of shops (a UUID for a cart), which makes 164 bytes on average. The same options
 * make the same bytes. Every record is waited for, and has to get the offset behind the one before
 * it; with
 * --print each is shown as `PARTITION OFFSET VALUE`, which is what a consumer must find. */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "process/random.h"

#define BEGIN_MS  1752002132000 /* when the first event happened; then one each ms */
#define CARTS     1000
#define SKUS      100
#define TOO_MANY  500
#define COUNT_MAX 1000000000
#define FLUSH_MS  120000
#define USAGE     64

struct filling {
	const char *brokers, *topic, *codec;
	int64_t count;
	uint64_t seed;
	bool headers, print;
	char carts[CARTS][EVENT_NAME_MAX];
	bool created[SKUS];
	int64_t next[EVENT_PARTITIONS]; /* the offset that the next report must have */
	int64_t failed, bytes;
};

static void name_carts(struct filling *f)
{
	for (size_t i = 0; i < CARTS; i++) {
		const uint64_t high = random_next(&f->seed), low = random_next(&f->seed);

		(void)snprintf(f->carts[i], sizeof(f->carts[i]),
			"%08x-%04x-4%03x-a%03x-%012" PRIx64, (unsigned)(high >> 32),
			(unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
			(unsigned)(low >> 52), low & 0xffffffffffff);
	}
}

static void name_sku(struct event *event, uint64_t random)
{
	(void)snprintf(event->sku, sizeof(event->sku), "sku-%03u-30x40", (unsigned)(random % SKUS));
}

static void wish(struct filling *f, struct event *event, uint64_t random)
{
	const bool refused = (random >> 40) % 8 == 0;

	event->type = refused ? EVENT_CART_ITEM_FAILED : EVENT_CART_ITEM_ADDED;
	event->count = refused ? TOO_MANY : 1 + (int64_t)((random >> 48) % 4);
	memcpy(event->cart_id, f->carts[random % CARTS], EVENT_NAME_MAX);
	name_sku(event, random >> 16);
	if (refused)
		(void)snprintf(event->reason, sizeof(event->reason), "not enough stock");
}

static void put_level(struct filling *f, struct event *event, uint64_t random)
{
	const unsigned sku = (unsigned)(random % SKUS);

	event->type = f->created[sku] ? EVENT_STOCK_CHANGED : EVENT_SKU_CREATED;
	f->created[sku] = true;
	event->price_cents = 50 + sku * 25;
	event->count = (int64_t)(random >> 32) % 200;
	name_sku(event, sku);
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *record, void *opaque)
{
	struct filling *const f = opaque;

	(void)client;
	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
		record->offset != f->next[record->partition]) {
		if (f->failed++ == 0)
			fprintf(stderr, "fill: partition %d offset %" PRId64 ": %s\n",
				record->partition, record->offset,
				record->err ? rd_kafka_err2str(record->err) : "not the next one");
		return;
	}
	f->next[record->partition]++;
	f->bytes += (int64_t)record->len;
	if (f->print)
		(void)printf("%d %" PRId64 " %.*s\n", record->partition, record->offset,
			(int)record->len, (const char *)record->payload);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return;
	fprintf(stderr, "fill: %s\n", why);
	exit(1);
}

static rd_kafka_t *make_client(struct filling *f)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_t *client;
	char why[256];

	set(conf, "bootstrap.servers", f->brokers);
	set(conf, "enable.idempotence", "true");
	set(conf, "linger.ms", "20");
	set(conf, "queue.buffering.max.messages", "200000");
	set(conf, "compression.codec", f->codec);
	rd_kafka_conf_set_opaque(conf, f);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!client) {
		fprintf(stderr, "fill: %s\n", why);
		exit(1);
	}
	return client;
}

/* False: Kafka's library does not take it, and never will. */
static bool put(struct filling *f, rd_kafka_t *client, const struct event *event, int64_t id)
{
	const char *const key = event_key(event);
	char json[EVENT_JSON_MAX];
	const size_t length = event_encode(event, json);
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_resp_err_t error;

	if (f->headers) {
		headers = headers_new(event->type == EVENT_CART_ITEM_ADDED ||
						      event->type == EVENT_CART_ITEM_FAILED
					      ? "cart/5f2c9e1b"
					      : "stock/8a41d07c",
			id, event_type_name(event->type), event->at_ms);
		assert(headers);
	}
	for (;;) {
		error = rd_kafka_producev(client, RD_KAFKA_V_TOPIC(f->topic),
			RD_KAFKA_V_PARTITION(event_partition(event->type)),
			RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE(json, length),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
			RD_KAFKA_V_END);
		if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		(void)rd_kafka_poll(client, 100);
	}
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	fprintf(stderr, "fill: %s\n", rd_kafka_err2str(error));
	if (headers)
		rd_kafka_headers_destroy(headers);
	return false;
}

static bool fill(struct filling *f)
{
	rd_kafka_t *const client = make_client(f);
	struct event event = { 0 };
	bool done = true;

	name_carts(f);
	for (int64_t i = 0; i < f->count && done && f->failed == 0; i++) {
		const uint64_t random = random_next(&f->seed);

		event.at_ms = BEGIN_MS + i / 2;
		if (i % 2 == 0)
			wish(f, &event, random);
		else
			put_level(f, &event, random);
		done = put(f, client, &event, i / 2 + 1);
		if (i % 1000 == 0)
			(void)rd_kafka_poll(client, 0);
	}
	if (rd_kafka_flush(client, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fprintf(stderr, "fill: %d records are not there after %d s\n",
			rd_kafka_outq_len(client), FLUSH_MS / 1000);
	rd_kafka_destroy(client);
	return done && f->failed == 0 && f->next[0] + f->next[1] == f->count;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: fill --brokers LIST --topic NAME --count N [--seed N] [--print]\n"
		"            [--headers on|off] [--codec none|lz4|zstd|gzip|snappy]\n"
		"N events on a topic that is empty; exit status 0: all of them are there\n");
	exit(USAGE);
}

static int64_t number(const char *text, int64_t smallest)
{
	char *end;
	const int64_t value = strtoll(text, &end, 10);

	if (end == text || *end != '\0' || value < smallest || value > COUNT_MAX)
		usage();
	return value;
}

static void read_options(struct filling *f, int argc, char **argv)
{
	static const struct option options[] = { { "brokers", required_argument, NULL, 'b' },
		{ "topic", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 's' },
		{ "headers", required_argument, NULL, 'h' },
		{ "codec", required_argument, NULL, 'c' }, { "print", no_argument, NULL, 'p' },
		{ 0 } };

	for (int each; (each = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (each) {
		case 'b':
			f->brokers = optarg;
			break;
		case 't':
			f->topic = optarg;
			break;
		case 'n':
			f->count = number(optarg, 1);
			break;
		case 's':
			f->seed = (uint64_t)number(optarg, 0);
			break;
		case 'h':
			if (strcmp(optarg, "on") != 0 && strcmp(optarg, "off") != 0)
				usage();
			f->headers = strcmp(optarg, "on") == 0;
			break;
		case 'c':
			f->codec = optarg;
			break;
		case 'p':
			f->print = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || !f->brokers || !f->topic || f->count == 0)
		usage();
}

int main(int argc, char **argv)
{
	static struct filling f = { .codec = "none", .seed = 1, .headers = true };
	bool done;

	read_options(&f, argc, argv);
	done = fill(&f);
	fprintf(stderr,
		"fill: %" PRId64 " events on partition 0, %" PRId64
		" on partition 1, %.1f bytes on "
		"average\n",
		f.next[0], f.next[1],
		(double)f.bytes / (double)(f.next[0] + f.next[1] > 0 ? f.next[0] + f.next[1] : 1));
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "fill: what was written could not be printed\n");
		return 1;
	}
	return done ? 0 : 1;
}
