/* Reading partition 1: the position is in cart's own store, moved in the commit that holds the
 * levels read up to it, so a restart skips nothing and nothing read twice counts twice. No
 * group: nobody shares the partition, and nothing has to be balanced or committed to Kafka.
 *
 * Where the log does not have the position (it was cut, or made anew and is shorter), reading
 * starts again at the earliest record. Levels stay meanwhile: an older one cannot replace a
 * newer one of the same source; events of an older source show through until the newer one's
 * are reached. Not seen here yet: a topic that was made anew and has grown past the position. */
#include "cart/stock_levels.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cart/store.h"
#include "kafka/client/client.h"
#include "process/log.h"
#include "process/stop.h"

#define POLL_MS  200
#define RETRY_MS 1000

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
	int64_t offset;
	bool good;

	good = store_position(service_read_begin(l->service), &offset, &fail);
	service_read_end(l->service);
	if (!good) {
		log_repeating(&l->repeat, LOG_WARNING, "levels", "%s", fail.text);
		return false;
	}
	return assign(l, offset);
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
	level->count = l->event.count;
	level->price_cents = l->event.price_cents;
	l->found.count++;
}

static void take_error(struct stock_levels *l, const rd_kafka_message_t *record)
{
	if (record->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
		log_warning("levels", "the log does not have the position, reading from its start");
		l->found.count = 0;
		l->found.again = true;
		if (store_found(l))
			(void)assign(l, -1);
		l->found.again = false;
	} else {
		log_repeating(&l->repeat, LOG_WARNING, "levels", "read stock levels: %s",
			rd_kafka_message_errstr(record));
		(void)stop_wait(POLL_MS);
	}
}

/* One turn: waits for a record, takes what else is there, stores it. */
static void turn(struct stock_levels *l)
{
	int64_t before = -1;
	rd_kafka_message_t *record = rd_kafka_consumer_poll(l->consumer, POLL_MS);

	l->found.count = 0;
	l->found.next_offset = -1;
	for (; record && record->err == RD_KAFKA_RESP_ERR_NO_ERROR;
		record = rd_kafka_consumer_poll(l->consumer, 0)) {
		take_record(l, record);
		before = l->found.next_offset;
		rd_kafka_message_destroy(record);
		if (l->found.count == LEVELS_MAX) {
			record = NULL;
			break;
		}
	}
	if (before >= 0)
		(void)store_found(l);
	if (record) {
		take_error(l, record);
		rd_kafka_message_destroy(record);
	}
}

static void *run(void *context)
{
	struct stock_levels *const l = context;
	bool assigned = false;

	while (!atomic_load(&l->stopping)) {
		if (!assigned && !(assigned = assign_stored(l)))
			(void)stop_wait(RETRY_MS);
		else
			turn(l);
	}
	return NULL;
}

static bool open_consumer(struct stock_levels *l, struct fail *fail)
{
	rd_kafka_conf_t *const conf = kafka_conf(&l->kafka, defaults, fixed, fail);

	if (!conf)
		return false;
	l->consumer = kafka_client_new(RD_KAFKA_CONSUMER, conf, fail);
	if (!l->consumer)
		return false;
	(void)rd_kafka_poll_set_consumer(l->consumer);
	return true;
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
	if (l->consumer)
		rd_kafka_destroy(l->consumer);
	event_reader_free(&l->reader);
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->lock);
	free(l);
	*levels = NULL;
}
