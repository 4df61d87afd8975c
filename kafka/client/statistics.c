#include "kafka/client/statistics.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/metrics.h"

#define BROKERS_MAX 16 /* what more there are is not shown */
#define CLIENTS     2

enum broker_figure {
	UP,
	RTT,
	RTT_P99,
	IN_FLIGHT,
	WAITING,
	SENT,
	SENT_BYTES,
	RECEIVED,
	RECEIVED_BYTES,
	RETRIES,
	TIMEOUTS,
	SEND_ERRORS,
	RECEIVE_ERRORS,
	DISCONNECTS,
	BROKER_FIGURES,
};
static const struct {
	const char *member; /* of the broker in the JSON; NULL: not there as it is */
	const char *name;
	enum metrics_kind kind;
	const char *help;
} broker_figures[BROKER_FIGURES] = {
	[UP] = { NULL, "kafka_client_broker_up", METRICS_GAUGE,
		"1: there is a connection to the broker." },
	[RTT] = { NULL, "kafka_client_rtt_seconds", METRICS_GAUGE,
		"From a request to its answer, on the average of the last few seconds; a fetch "
		"waits "
		"at the broker for records." },
	[RTT_P99] = { NULL, "kafka_client_rtt_p99_seconds", METRICS_GAUGE,
		"The same, the 99th percentile." },
	[IN_FLIGHT] = { "waitresp_cnt", "kafka_client_requests_in_flight", METRICS_GAUGE,
		"Requests that wait for the broker's answer." },
	[WAITING] = { "outbuf_cnt", "kafka_client_requests_waiting", METRICS_GAUGE,
		"Requests that wait to be sent to the broker." },
	[SENT] = { "tx", "kafka_client_requests_total", METRICS_COUNTER, "Requests sent." },
	[SENT_BYTES] = { "txbytes", "kafka_client_tx_bytes_total", METRICS_COUNTER,
		"Bytes sent to the broker." },
	[RECEIVED] = { "rx", "kafka_client_responses_total", METRICS_COUNTER, "Answers received." },
	[RECEIVED_BYTES] = { "rxbytes", "kafka_client_rx_bytes_total", METRICS_COUNTER,
		"Bytes received from the broker." },
	[RETRIES] = { "txretries", "kafka_client_request_retries_total", METRICS_COUNTER,
		"Requests that were sent again." },
	[TIMEOUTS] = { "req_timeouts", "kafka_client_request_timeouts_total", METRICS_COUNTER,
		"Requests that were not answered in time." },
	[SEND_ERRORS] = { "txerrs", "kafka_client_request_errors_total", METRICS_COUNTER,
		"Requests that could not be sent." },
	[RECEIVE_ERRORS] = { "rxerrs", "kafka_client_response_errors_total", METRICS_COUNTER,
		"Answers that could not be read." },
	[DISCONNECTS] = { "disconnects", "kafka_client_disconnects_total", METRICS_COUNTER,
		"Connections that ended." },
};

enum client_figure { QUEUED, QUEUED_BYTES, CALLBACKS, FETCHED, FETCHED_BYTES, CLIENT_FIGURES };
static const struct {
	const char *name, *help;
} client_figures[CLIENT_FIGURES] = {
	[QUEUED] = { "kafka_client_queued_messages",
		"Messages of the producer that are not acknowledged." },
	[QUEUED_BYTES] = { "kafka_client_queued_bytes", "Their bytes." },
	[CALLBACKS] = { "kafka_client_queued_callbacks",
		"Reports and errors that were not taken yet." },
	[FETCHED] = { "kafka_client_fetched_messages",
		"Messages of the consumer that were fetched and not taken yet." },
	[FETCHED_BYTES] = { "kafka_client_fetched_bytes", "Their bytes." },
};

struct broker {
	int id;
	double figures[BROKER_FIGURES]; /* NAN: not known */
};

struct client {
	bool known;
	char name[128];   /* rd_kafka_name */
	int64_t heard_ms; /* monotonic */
	uint64_t figures[CLIENT_FIGURES];
	size_t broker_count;
	struct broker brokers[BROKERS_MAX];
};

static const char *const names[CLIENTS] = {
	[RD_KAFKA_PRODUCER] = "producer",
	[RD_KAFKA_CONSUMER] = "consumer",
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct client clients[CLIENTS]; /* under the lock */

/* A whole number of @object that is not below 0; otherwise 0. */
static uint64_t number_of(const json_t *object, const char *member)
{
	const json_int_t number = json_integer_value(json_object_get(object, member));

	return number > 0 ? (uint64_t)number : 0;
}

static void read_broker(struct broker *b, const json_t *from)
{
	const json_t *const rtt = json_object_get(from, "rtt"); /* of the last interval */
	const char *const state = json_string_value(json_object_get(from, "state"));
	const bool any = number_of(rtt, "cnt") > 0;

	b->id = (int)json_integer_value(json_object_get(from, "nodeid"));
	for (int i = 0; i < BROKER_FIGURES; i++) {
		if (broker_figures[i].member)
			b->figures[i] = (double)number_of(from, broker_figures[i].member);
	}
	b->figures[UP] = state && strcmp(state, "UP") == 0;
	b->figures[RTT] = any ? (double)number_of(rtt, "avg") / 1e6 : (double)NAN;
	b->figures[RTT_P99] = any ? (double)number_of(rtt, "p99") / 1e6 : (double)NAN;
}

/* Whether it is a broker of the cluster, and not one of its other connections: to an address of
 * KAFKA_BROKERS, which has no number, or to whoever is the coordinator. */
static bool is_broker(const struct client *c, const json_t *from)
{
	const json_t *const id = json_object_get(from, "nodeid");
	const char *const source = json_string_value(json_object_get(from, "source"));

	if (!json_is_integer(id) || json_integer_value(id) < 0 || c->broker_count == BROKERS_MAX ||
		(source && strcmp(source, "logical") == 0))
		return false;
	for (size_t i = 0; i < c->broker_count; i++) {
		if (c->brokers[i].id == json_integer_value(id))
			return false;
	}
	return true;
}

static void read_brokers(struct client *c, json_t *brokers)
{
	const char *name;
	json_t *from;

	json_object_foreach (brokers, name, from) {
		if (is_broker(c, from))
			read_broker(&c->brokers[c->broker_count++], from);
	}
}

static void read_fetched(struct client *c, json_t *topics)
{
	const char *name;
	json_t *topic, *partition;

	json_object_foreach (topics, name, topic) {
		json_object_foreach (json_object_get(topic, "partitions"), name, partition) {
			c->figures[FETCHED] += number_of(partition, "fetchq_cnt");
			c->figures[FETCHED_BYTES] += number_of(partition, "fetchq_size");
		}
	}
}

bool kafka_statistics_take(const char *json, size_t length)
{
	json_t *const from = json_loadb(json, length, 0, NULL);
	const char *const type = json_string_value(json_object_get(from, "type"));
	const json_t *const name = json_object_get(from, "name");
	struct client c = { .known = true, .heard_ms = clock_mono_ms() };
	int which = 0;

	while (type && which < CLIENTS && strcmp(type, names[which]) != 0)
		which++;
	if (!type || which == CLIENTS) {
		json_decref(from);
		return false;
	}
	(void)snprintf(c.name, sizeof(c.name), "%.127s",
		json_is_string(name) ? json_string_value(name) : "");
	c.figures[QUEUED] = number_of(from, "msg_cnt");
	c.figures[QUEUED_BYTES] = number_of(from, "msg_size");
	c.figures[CALLBACKS] = number_of(from, "replyq");
	read_brokers(&c, json_object_get(from, "brokers"));
	read_fetched(&c, json_object_get(from, "topics"));
	json_decref(from);
	pthread_mutex_lock(&lock);
	clients[which] = c;
	pthread_mutex_unlock(&lock);
	return true;
}

static int on_statistics(rd_kafka_t *client, char *json, size_t length, void *opaque)
{
	(void)opaque;
	if (!kafka_statistics_take(json, length))
		log_debug("kafka", "%s: statistics that are none", rd_kafka_name(client));
	return 0; /* librdkafka frees them */
}

void kafka_statistics_ask(rd_kafka_conf_t *conf, const struct settings_passed *passed)
{
	static const char name[] = "statistics.interval.ms";
	char why[128];

	rd_kafka_conf_set_stats_cb(conf, on_statistics);
	for (size_t i = 0; passed && i < passed->count; i++) {
		if (strcmp(passed->item[i].name, name) == 0)
			return;
	}
	if (rd_kafka_conf_set(conf, name, "5000", why, sizeof(why)) != RD_KAFKA_CONF_OK)
		assert(0 && "librdkafka knows its own property");
}

void kafka_statistics_forget(const char *name)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i].known && strcmp(clients[i].name, name) == 0)
			clients[i] = (struct client){ 0 };
	}
	pthread_mutex_unlock(&lock);
}

static void write_broker_figure(
	const struct client all[static CLIENTS], enum broker_figure figure, FILE *out)
{
	const char *const name = broker_figures[figure].name;
	char id[16];

	metrics_begin(out, name, broker_figures[figure].kind, broker_figures[figure].help);
	for (int i = 0; i < CLIENTS; i++) {
		for (size_t k = 0; k < all[i].broker_count; k++) {
			const struct broker *const b = &all[i].brokers[k];

			if (isnan(b->figures[figure]))
				continue;
			(void)snprintf(id, sizeof(id), "%d", b->id);
			metrics_real(out, name,
				METRICS_LABELS({ "client", names[i] }, { "broker", id }),
				b->figures[figure]);
		}
	}
}

static uint64_t count_up(const struct client *c)
{
	uint64_t up = 0;

	for (size_t i = 0; i < c->broker_count; i++)
		up += c->brokers[i].figures[UP] > 0;
	return up;
}

static void write_clients(const struct client all[static CLIENTS], FILE *out)
{
	static const struct metrics_label labels[CLIENTS][2] = { { { "client", "producer" } },
		{ { "client", "consumer" } } };
	const int64_t now = clock_mono_ms();

	metrics_begin(out, "kafka_client_statistics_age_seconds", METRICS_GAUGE,
		"How old what kafka_client_ tells is; a client tells it every few seconds.");
	for (int i = 0; i < CLIENTS; i++) {
		if (all[i].known)
			metrics_real(out, "kafka_client_statistics_age_seconds", labels[i],
				(double)(now - all[i].heard_ms) / 1000);
	}
	metrics_begin(out, "kafka_client_brokers_up", METRICS_GAUGE,
		"Brokers that there is a connection to.");
	for (int i = 0; i < CLIENTS; i++) {
		if (all[i].known)
			metrics_whole(out, "kafka_client_brokers_up", labels[i], count_up(&all[i]));
	}
	for (int f = 0; f < CLIENT_FIGURES; f++) {
		metrics_begin(out, client_figures[f].name, METRICS_GAUGE, client_figures[f].help);
		for (int i = 0; i < CLIENTS; i++) {
			if (all[i].known)
				metrics_whole(
					out, client_figures[f].name, labels[i], all[i].figures[f]);
		}
	}
}

void kafka_statistics_write(FILE *out)
{
	struct client all[CLIENTS];

	pthread_mutex_lock(&lock);
	memcpy(all, clients, sizeof(all));
	pthread_mutex_unlock(&lock);
	write_clients(all, out);
	for (int i = 0; i < BROKER_FIGURES; i++)
		write_broker_figure(all, (enum broker_figure)i, out);
}
