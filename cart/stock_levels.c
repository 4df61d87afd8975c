/* Reading partition 1: the position is in cart's own store, moved in the commit that holds the
 * levels read up to it, so a restart skips nothing and nothing read twice counts twice. No
 * group: nobody shares the partition, and nothing has to be balanced or committed to Kafka.
 *
 * Where it starts again, the record in front of the position is read first and compared with
 * what was read there before. Reading starts at the earliest record again, once,
 * - where another record is there, or none: the topic was made anew, or cut;
 * - where numbers of stock are left out: what filled the hole may have come before it.
 * Where the topic goes while it is read, another client waits for it (kafka_loses_client).
 * Levels stay meanwhile: an older event cannot replace a newer one of the same source, and what a
 * source that was replaced had said by then is over. */
#include "cart/stock_levels.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cart/store.h"
#include "kafka/client/client.h"
#include "kafka/client/statistics.h"
#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define POLL_MS  200
#define RETRY_MS 1000
#define ASK_MS   500
#define AGAIN_MS 60000 /* at most so often a hole is a reason to read all again */

static const struct kafka_property defaults[] = {
	/* librdkafka before 2.2 pauses for up to a second when a queue is full: long enough not
	 * to fill between two fetches. */
	{ "queued.min.messages", "100000" },
	{ "queued.max.messages.kbytes", "16384" },
	{ "fetch.message.max.bytes", "1048576" },
	{ NULL, NULL },
};
static const struct kafka_property fixed[] = {
	{ "group.id", "cart-stock-levels" }, /* librdkafka wants one; nothing is stored in it */
	{ "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" },
	{ "auto.offset.reset", "error" },
	{ "check.crcs", "true" },
	{ NULL, NULL },
};

struct stock_levels {
	struct service *service;
	struct kafka_settings kafka;
	pthread_t thread;
	atomic_bool stopping;
	rd_kafka_t *consumer;
	struct event_reader *reader;
	struct event event;
	struct learn_levels found; /* the thread's own, but while it is in the queue */
	struct stock_view view;    /* where it was assigned */
	bool assigned;
	bool gone;        /* the topic was not there for a moment: only a new client reads on */
	int64_t again_ms; /* when all was read again last; 0: never */
	bool unsure;      /* the record at the anchor is still to be compared */
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool waiting, refused;
	struct log_repeat repeat;
};

static void on_answer(struct command *command, const struct fail *refused)
{
	struct stock_levels *const l =
		(struct stock_levels *)((char *)command - offsetof(struct stock_levels, found));

	pthread_mutex_lock(&l->lock);
	l->waiting = false;
	l->refused = refused != NULL;
	pthread_cond_signal(&l->answered);
	pthread_mutex_unlock(&l->lock);
}

/* Hands the levels to the writer and waits until they are stored. A writer that is busy or
 * whose disk is full is asked again; false only at stop. */
static bool store_found(struct stock_levels *l)
{
	while (!atomic_load(&l->stopping)) {
		bool refused;

		rd_kafka_poll(l->consumer, 0); /* its statistics, which would pile up */
		l->waiting = true;
		if (!service_put(l->service, &l->found.cart.asked.command)) {
			(void)stop_wait(POLL_MS);
			continue;
		}
		pthread_mutex_lock(&l->lock);
		while (l->waiting)
			pthread_cond_wait(&l->answered, &l->lock);
		refused = l->refused;
		pthread_mutex_unlock(&l->lock);
		if (!refused)
			return true;
		(void)stop_wait(RETRY_MS);
	}
	return false;
}

static bool assign(struct stock_levels *l, int64_t offset)
{
	rd_kafka_topic_partition_list_t *const list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t error;

	rd_kafka_topic_partition_list_add(
		list, l->kafka.topic, event_partition(EVENT_STOCK_CHANGED))
		->offset = offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : offset;
	error = rd_kafka_assign(l->consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		log_repeating(&l->repeat, LOG_WARNING, "levels", "read stock levels: %s",
			rd_kafka_err2str(error));
	return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Starts where the store says. */
static bool assign_stored(struct stock_levels *l)
{
	struct fail fail = { 0 };
	bool good;

	good = store_view(service_read_begin(l->service), &l->view, &fail);
	service_read_end(l->service);
	if (!good) {
		log_repeating(&l->repeat, LOG_WARNING, "levels", "%s", fail.text);
		return false;
	}
	l->unsure = l->view.anchor_offset >= 0;
	return assign(l, l->unsure ? l->view.anchor_offset : l->view.next_offset);
}

static void read_again(struct stock_levels *l, const char *why)
{
	log_warning("levels", "partition 1 is read from its start again: %s", why);
	l->found.count = 0;
	l->found.again = true;
	l->again_ms = clock_mono_ms();
	if (store_found(l))
		l->assigned = false;
	l->found.again = false;
}

/* False where the record at the anchor is not the one that was read there. */
static bool is_expected(struct stock_levels *l, const rd_kafka_message_t *record)
{
	struct record_headers headers;

	if (!l->unsure)
		return true;
	l->unsure = false;
	if (record->offset != l->view.anchor_offset) /* retention removed it */
		return true;
	headers_read(record, &headers);
	return headers.id == l->view.anchor_id && strcmp(headers.source, l->view.source) == 0;
}

static void take_record(struct stock_levels *l, const rd_kafka_message_t *record)
{
	struct level *const level = &l->found.levels[l->found.count];
	struct record_headers headers;

	l->found.next_offset = record->offset + 1;
	headers_read(record, &headers);
	/* Records of others, without a number, or of other kinds are no levels; the consumer
	 * shows them. */
	if (strncmp(headers.source, "stock/", 6) != 0 || !record->payload ||
		event_decode(l->reader, record->payload, record->len, &l->event) != EVENT_SOUND ||
		event_partition(l->event.type) != event_partition(EVENT_STOCK_CHANGED) ||
		!event_name_valid(l->event.sku, strlen(l->event.sku)) ||
		l->event.count > EVENT_LEVEL_MAX || l->event.price_cents > EVENT_CENTS_MAX)
		return;
	strcpy(level->sku, l->event.sku);
	strcpy(level->source, headers.source);
	level->event_id = headers.id;
	level->offset = record->offset;
	level->time_ms = rd_kafka_message_timestamp(record, NULL);
	level->count = l->event.count;
	level->price_cents = l->event.price_cents;
	l->found.count++;
}

static void take_error(struct stock_levels *l, const rd_kafka_message_t *record)
{
	if (record->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
		read_again(l, "Kafka does not have the position");
	} else {
		log_repeating(&l->repeat, LOG_WARNING, "levels", "read stock levels: %s",
			rd_kafka_message_errstr(record));
		l->gone = l->gone || kafka_loses_client(record->err);
		(void)stop_wait(POLL_MS);
	}
}

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
	struct stock_levels *const l = opaque;

	(void)client;
	(void)reason;
	l->gone = l->gone || kafka_loses_client((rd_kafka_resp_err_t)error);
}

static bool open_consumer(struct stock_levels *l, struct fail *fail)
{
	rd_kafka_conf_t *const conf = kafka_conf(&l->kafka, defaults, fixed, fail);

	if (!conf)
		return false;
	rd_kafka_conf_set_opaque(conf, l);
	rd_kafka_conf_set_error_cb(conf, on_error);
	kafka_statistics_ask(conf, l->kafka.passed);
	l->consumer = kafka_client_new(RD_KAFKA_CONSUMER, conf, fail);
	return l->consumer != NULL;
}

/* With another client, once the topic is there. A wrong number of partitions stops the relay; here
 * it does not matter. */
static void begin_anew(struct stock_levels *l)
{
	struct fail fail = { 0 };

	(void)kafka_client_destroy(&l->consumer);
	l->assigned = false;
	if (!open_consumer(l, &fail)) {
		log_repeating(&l->repeat, LOG_WARNING, "levels", "%s", fail.text);
		(void)stop_wait(RETRY_MS);
		return;
	}
	l->gone = false;
	while (!atomic_load(&l->stopping) &&
		!kafka_topic_check(l->consumer, l->kafka.topic, EVENT_PARTITIONS, ASK_MS, &fail) &&
		fail.kind != FAIL_REFUSE) {
		log_repeating(
			&l->repeat, LOG_WARNING, "levels", "waiting for Kafka: %s", fail.text);
		fail = (struct fail){ 0 };
		rd_kafka_poll(l->consumer, 0);
		(void)stop_wait(RETRY_MS);
	}
}

/* One turn: waits for a record, takes what else is there, stores it. */
static void turn(struct stock_levels *l)
{
	rd_kafka_message_t *record = rd_kafka_consumer_poll(l->consumer, POLL_MS);
	bool expected = true;

	rd_kafka_poll(l->consumer, 0);
	l->found.count = 0;
	l->found.next_offset = -1;
	l->found.believe = l->again_ms != 0 && clock_mono_ms() - l->again_ms < AGAIN_MS;
	while (record && record->err == RD_KAFKA_RESP_ERR_NO_ERROR && expected &&
		!atomic_load(&l->stopping)) {
		expected = is_expected(l, record);
		if (expected)
			take_record(l, record);
		rd_kafka_message_destroy(record);
		record = expected && l->found.count < LEVELS_MAX
				 ? rd_kafka_consumer_poll(l->consumer, 0)
				 : NULL;
	}
	if (!expected)
		read_again(l, "another record is where the last one was read");
	else if (l->found.next_offset >= 0 && store_found(l) && l->found.jumped)
		read_again(l, "numbers of stock are left out");
	if (record && record->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		take_error(l, record);
	if (record)
		rd_kafka_message_destroy(record);
}

static void *run(void *context)
{
	struct stock_levels *const l = context;

	while (!atomic_load(&l->stopping)) {
		if (l->gone)
			begin_anew(l);
		else if (!l->assigned && !(l->assigned = assign_stored(l)))
			(void)stop_wait(RETRY_MS);
		else
			turn(l);
	}
	return NULL;
}

bool stock_levels_start(struct stock_levels **levels, struct service *service, struct fail *fail)
{
	struct stock_levels *l = calloc(1, sizeof(*l));

	*levels = NULL;
	if (!l)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->answered, NULL);
	l->service = service;
	l->kafka = service_kafka(service);
	l->found.cart.kind = CART_LEARN_LEVELS;
	l->found.cart.asked.command.answer = on_answer;
	l->reader = event_reader_new();
	if (!l->reader)
		fail_set(fail, FAIL_FATAL, "out of memory");
	if (!l->reader || !open_consumer(l, fail) ||
		!thread_start(&l->thread, "stock-levels", run, l, fail)) {
		stock_levels_free(&l);
		return false;
	}
	*levels = l;
	return true;
}

void stock_levels_stop(struct stock_levels *l)
{
	atomic_store(&l->stopping, true);
	pthread_join(l->thread, NULL);
}

void stock_levels_free(struct stock_levels **levels)
{
	struct stock_levels *const l = *levels;

	if (!l)
		return;
	if (!kafka_client_destroy(&l->consumer)) {
		*levels = NULL; /* it may still use the rest, which is left to it */
		return;
	}
	event_reader_free(&l->reader);
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->lock);
	free(l);
	*levels = NULL;
}
