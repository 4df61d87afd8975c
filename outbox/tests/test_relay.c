/* The whole outbox on librdkafka's mock cluster: what is committed is in the partition, in
 * order, none left out, whatever the brokers answer. Copies are allowed: the reader drops
 * them. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "kafka/client/headers.h"
#include "outbox/fork.h"
#include "process/clock.h"

#define API_PRODUCE 0 /* Kafka protocol, "API keys" */
#define WAIT_MS     30000
#define BROKERS     2

struct fixture {
	char directory[64], path[128];
	rd_kafka_t *host; /* carries the mock cluster */
	rd_kafka_mock_cluster_t *cluster;
	struct outbox *outbox;
	struct outbox_options options;
	char source[ROWS_SOURCE_MAX];
};

struct wish {
	struct command command;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool answered, refused;
	unsigned count; /* rows to append */
};

static bool apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	const struct wish *const wish = (struct wish *)command;
	int64_t id;

	(void)service;
	for (unsigned i = 0; i < wish->count; i++) {
		struct event event = {
			.type = EVENT_STOCK_CHANGED, .sku = "A123", .count = tx->last + 1
		};

		if (!rows_append(tx, &event, &id, fail))
			return false;
	}
	return true;
}

static void on_answer(struct command *command, const struct fail *refused)
{
	struct wish *const wish = (struct wish *)command;

	pthread_mutex_lock(&wish->lock);
	wish->answered = true;
	wish->refused = refused != NULL;
	pthread_cond_signal(&wish->done);
	pthread_mutex_unlock(&wish->lock);
}

/* Commits @count events and returns when they are acknowledged to their caller. */
static void emit(struct fixture *f, unsigned count)
{
	struct wish wish = { .command = { .makes_event = true, .answer = on_answer },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.done = PTHREAD_COND_INITIALIZER,
		.count = count };

	assert_true(outbox_put(f->outbox, &wish.command));
	pthread_mutex_lock(&wish.lock);
	while (!wish.answered)
		pthread_cond_wait(&wish.done, &wish.lock);
	pthread_mutex_unlock(&wish.lock);
	assert_false(wish.refused);
}

static void start(struct fixture *f)
{
	struct fail fail = { 0 };
	struct outbox_status status;

	if (!outbox_open(&f->outbox, &f->options, &fail) ||
		!outbox_start(f->outbox, apply, NULL, &fail))
		fail_msg("%s", fail.text);
	outbox_status_read(f->outbox, &status);
	strcpy(f->source, status.source);
}

static void stop(struct fixture *f, int drain_ms)
{
	struct fail fail = { 0 };

	if (!outbox_stop(f->outbox, drain_ms, &fail))
		fail_msg("%s", fail.text);
	outbox_close(&f->outbox);
}

static bool published(struct fixture *f, int64_t id, int wait_ms)
{
	const int64_t until = clock_mono_ms() + wait_ms;
	struct outbox_status status;

	do {
		outbox_status_read(f->outbox, &status);
		if (status.published >= id)
			return true;
		(void)usleep(2000);
	} while (clock_mono_ms() < until);
	return false;
}

static int make(void **state, int partitions)
{
	static struct fixture f;
	char why[256];

	memset(&f, 0, sizeof(f));
	strcpy(f.directory, "/tmp/hw9-relay-XXXXXX");
	if (!mkdtemp(f.directory))
		return -1;
	(void)snprintf(f.path, sizeof(f.path), "%s/store.db", f.directory);
	f.host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
	f.cluster = f.host ? rd_kafka_mock_cluster_new(f.host, BROKERS) : NULL;
	if (!f.cluster || rd_kafka_mock_topic_create(f.cluster, "metrics", partitions, BROKERS))
		return -1;
	f.options = (struct outbox_options){ .service = "stock",
		.store = f.path,
		.partition = 1,
		.max_rows = 1000000,
		.keep_seconds = 30,
		.kafka = { .brokers = rd_kafka_mock_cluster_bootstraps(f.cluster),
			.topic = "metrics" } };
	start(&f);
	*state = &f;
	return 0;
}

static int setup(void **state)
{
	return make(state, 2);
}

static int setup_three_partitions(void **state)
{
	return make(state, 3);
}

static int teardown(void **state)
{
	struct fixture *const f = *state;
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[160];

	if (f->outbox)
		stop(f, 0);
	rd_kafka_mock_cluster_destroy(f->cluster);
	rd_kafka_destroy(f->host);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
		(void)unlink(name);
	}
	return rmdir(f->directory);
}

/* Changes the store while nobody has it. */
static void alter(struct fixture *f, const char *sql)
{
	struct fail fail = { 0 };
	struct db *db;

	if (!db_open(&db, f->path, DB_WRITER, &fail) || !db_script(db, sql, &fail))
		fail_msg("%s", fail.text);
	db_close(&db);
}

static void use_topic(struct fixture *f, const char *topic)
{
	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, topic, 2, BROKERS), 0);
	f->options.kafka.topic = topic;
}

/* Writes one record to partition 1 with a producer of its own. */
static void produce(struct fixture *f, const char *key, const void *value, size_t length,
	rd_kafka_headers_t *headers)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_t *producer;
	char why[256];

	rd_kafka_conf_set(conf, "bootstrap.servers", f->options.kafka.brokers, why, sizeof(why));
	producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	assert_non_null(producer);
	assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(f->options.kafka.topic),
				 RD_KAFKA_V_PARTITION(1), RD_KAFKA_V_KEY(key, strlen(key)),
				 RD_KAFKA_V_VALUE((void *)value, length),
				 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				 RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
		0);
	assert_int_equal(rd_kafka_flush(producer, WAIT_MS), 0);
	rd_kafka_destroy(producer);
}

static void produce_foreign(struct fixture *f, size_t length)
{
	char *const value = calloc(1, length);

	assert_non_null(value);
	produce(f, "someone", value, length, NULL);
	free(value);
}

static bool produce_row(void *context, const struct row *row)
{
	struct fixture *const f = context;

	produce(f, row->key, row->value, row->length,
		headers_new(f->source, row->id, event_type_name(row->type), row->at_ms));
	return true;
}

/* As the relay would write them. */
static void produce_rows(struct fixture *f, int64_t from, int64_t to)
{
	struct fail fail = { 0 };
	struct db *db;

	assert_true(db_open(&db, f->path, DB_WRITER, &fail));
	assert_true(rows_read(db, from, to - from + 1, produce_row, f, &fail));
	db_close(&db);
}

struct reading {
	int64_t highest; /* number */
	int64_t end;     /* offset behind the last record */
	unsigned records, copies, foreign;
	bool whole; /* each number first seen right behind the one before */
};

static void read_record(struct reading *reading, const rd_kafka_message_t *record)
{
	struct record_headers headers;
	char wanted[64];

	headers_read(record, &headers);
	reading->records++;
	reading->end = record->offset + 1;
	if (headers.id == 0) {
		reading->foreign++;
		return;
	}
	(void)snprintf(wanted, sizeof(wanted), "\"count\":%" PRId64 ",", headers.id);
	assert_non_null(memmem(record->payload, record->len, wanted, strlen(wanted)));
	assert_memory_equal(record->key, "A123", 4);
	assert_int_equal(strncmp(headers.source, "stock/", 6), 0);
	assert_true(headers.time_ms > 0);
	if (headers.id <= reading->highest) {
		reading->copies++;
		return;
	}
	reading->whole = reading->whole && headers.id == reading->highest + 1;
	reading->highest = headers.id;
}

/* Everything in @partition, as a reader would take it. */
static struct reading read_partition(struct fixture *f, int32_t partition)
{
	struct reading reading = { .whole = true };
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *const list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_t *consumer;
	char why[256];
	bool end = false;

	rd_kafka_conf_set(conf, "bootstrap.servers", f->options.kafka.brokers, why, sizeof(why));
	rd_kafka_conf_set(conf, "group.id", "test", why, sizeof(why));
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
	rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why));
	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	assert_non_null(consumer);
	rd_kafka_poll_set_consumer(consumer);
	rd_kafka_topic_partition_list_add(list, f->options.kafka.topic, partition)->offset =
		RD_KAFKA_OFFSET_BEGINNING;
	assert_int_equal(rd_kafka_assign(consumer, list), 0);
	for (const int64_t until = clock_mono_ms() + WAIT_MS; !end && clock_mono_ms() < until;) {
		rd_kafka_message_t *const record = rd_kafka_consumer_poll(consumer, 100);

		if (!record)
			continue;
		end = record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			read_record(&reading, record);
		rd_kafka_message_destroy(record);
	}
	assert_true(end);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
	return reading;
}

static void assert_all_there(struct fixture *f, int64_t count)
{
	const struct reading reading = read_partition(f, 1);

	assert_true(reading.whole);
	assert_int_equal(reading.highest, count);
	assert_int_equal(read_partition(f, 0).records, 0);
}

static void every_row_becomes_a_record_of_its_partition_in_order(void **state)
{
	struct fixture *const f = *state;

	emit(f, 1);
	emit(f, 3000);
	for (int i = 0; i < 50; i++)
		emit(f, 1);
	assert_true(published(f, 3051, WAIT_MS));
	assert_all_there(f, 3051);
	assert_int_equal(read_partition(f, 1).copies, 0);
}

/* A producer of its own sends a backlog, then another one what came meanwhile; neither leaves a row
 * out or sends one that the one before has sent. */
static void a_backlog_is_sent_once_and_in_order(void **state)
{
	struct fixture *const f = *state;
	struct reading reading;
	int64_t last;

	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	emit(f, 60000);
	for (last = 60010; last < 61010; last++)
		emit(f, 1);
	assert_true(published(f, last, WAIT_MS));
	reading = read_partition(f, 1); /* the mock cluster keeps the last 5 MB */
	assert_int_equal(reading.highest, last);
	assert_int_equal(reading.end, last);
	assert_int_equal(reading.copies, 0);
}

/* ATTACKS A1: the first request of a new producer is refused by a broker that no longer
 * leads; with several in flight the second one would be accepted. */
static void a_refused_first_request_loses_nothing(void **state)
{
	static const unsigned waiting[] = { 1, 20, 2000 };
	struct fixture *const f = *state;
	int64_t total = 0;

	for (size_t i = 0; i < 3; i++) {
		rd_kafka_mock_push_request_errors(
			f->cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
		emit(f, waiting[i]);
		emit(f, waiting[i]);
		total += (int64_t)2 * waiting[i];
		assert_true(published(f, total, WAIT_MS));
		stop(f, 0);
		start(f);
	}
	assert_true(published(f, total, WAIT_MS));
	assert_all_there(f, total);
}

/* Not UNKNOWN_PRODUCER_ID, which no broker since Kafka 2.5 gives (KIP-360): librdkafka then takes
 * a new epoch by itself, and younger rows may pass the refused one (docs/ATTACKS.md, A8). */
static void errors_in_the_middle_lose_nothing(void **state)
{
	static const rd_kafka_resp_err_t errors[] = { RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
		RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
		RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_INVALID_MSG };
	struct fixture *const f = *state;
	int64_t total = 0;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		for (int burst = 0; burst < 10; burst++) {
			if (burst == 3)
				rd_kafka_mock_push_request_errors(
					f->cluster, API_PRODUCE, 2, errors[i], errors[i]);
			emit(f, 20);
			total += 20;
		}
		assert_true(published(f, total, WAIT_MS));
	}
	assert_all_there(f, total);
}

/* ATTACKS A3. */
static void a_row_that_kafka_refuses_stays_first_and_is_named(void **state)
{
	struct fixture *const f = *state;
	char why[RELAY_WHY_MAX];
	const rd_kafka_resp_err_t no = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;

	emit(f, 5);
	assert_true(published(f, 5, WAIT_MS));
	rd_kafka_mock_push_request_errors(f->cluster, API_PRODUCE, 6, no, no, no, no, no, no);
	emit(f, 1);
	emit(f, 1);
	emit(f, 20);
	for (int i = 0; i < 500 && outbox_holds(f->outbox, why); i++)
		(void)usleep(10000);
	assert_non_null(strstr(why, "is refused"));
	assert_false(published(f, 6, 0));
	assert_int_equal(read_partition(f, 1).highest, 5); /* nothing overtook it */
	assert_true(published(f, 27, 2 * WAIT_MS));
	assert_all_there(f, 27);
	for (int i = 0; i < 500 && !outbox_holds(f->outbox, why); i++)
		(void)usleep(10000);
	assert_true(outbox_holds(f->outbox, why));
}

static void brokers_that_are_away_only_delay(void **state)
{
	struct fixture *const f = *state;

	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	for (int32_t broker = 1; broker <= BROKERS; broker++)
		rd_kafka_mock_broker_set_down(f->cluster, broker);
	for (int i = 0; i < 30; i++)
		emit(f, 10); /* still accepted */
	assert_false(published(f, 310, 1000));
	for (int32_t broker = 1; broker <= BROKERS; broker++)
		rd_kafka_mock_broker_set_up(f->cluster, broker);
	assert_true(published(f, 310, WAIT_MS));
	assert_all_there(f, 310);
}

static void a_new_leader_is_found(void **state)
{
	struct fixture *const f = *state;

	for (int i = 0; i < 40; i++) {
		if (i % 10 == 5)
			rd_kafka_mock_partition_set_leader(
				f->cluster, "metrics", 1, i % 20 == 5 ? 1 : 2);
		emit(f, 25);
	}
	assert_true(published(f, 1000, WAIT_MS));
	assert_all_there(f, 1000);
}

static void a_restart_sends_nothing_again(void **state)
{
	struct fixture *const f = *state;

	for (int i = 0; i < 5; i++) {
		emit(f, 100);
		stop(f, i % 2 ? WAIT_MS : 0); /* now and then before Kafka has everything */
		start(f);
	}
	assert_true(published(f, 500, WAIT_MS));
	assert_all_there(f, 500);
	assert_int_equal(read_partition(f, 1).copies, 0);
}

/* After a crash the store knows an older number, or none. */
static void what_was_written_is_read_and_not_sent_again(void **state)
{
	static const char *const known[] = {
		"UPDATE outbox_state SET acknowledged = 40, acknowledged_offset = 39",
		"UPDATE outbox_state SET acknowledged = 1, acknowledged_offset = 0",
		"UPDATE outbox_state SET acknowledged = 0, acknowledged_offset = -2", /* from 0 */
	};
	struct fixture *const f = *state;

	emit(f, 100);
	assert_true(published(f, 100, WAIT_MS));
	for (unsigned i = 0; i < 3; i++) {
		stop(f, 0);
		alter(f, known[i]);
		start(f);
		assert_true(published(f, 100, WAIT_MS));
	}
	assert_int_equal(read_partition(f, 1).records, 100);
	emit(f, 5);
	assert_true(published(f, 105, WAIT_MS));
	assert_all_there(f, 105);
	assert_int_equal(read_partition(f, 1).records, 105);
}

static void a_cut_log_gets_again_what_is_kept(void **state)
{
	struct fixture *const f = *state;

	emit(f, 100);
	assert_true(published(f, 100, WAIT_MS));
	stop(f, 0);
	alter(f, "UPDATE outbox_state SET acknowledged_offset = 5000;"
		 "DELETE FROM outbox WHERE id <= 30");
	start(f);
	emit(f, 5);
	assert_true(published(f, 105, WAIT_MS));
	assert_int_equal(read_partition(f, 1).records, 175);
	assert_all_there(f, 105);
	stop(f, WAIT_MS);
	start(f); /* the new place was stored: nothing is cut any more */
	emit(f, 1);
	assert_true(published(f, 106, WAIT_MS));
	assert_int_equal(read_partition(f, 1).records, 176);
}

/* ATTACKS B3, with nothing left to send: nobody else would notice. The brokers that come back are
 * others, which never had the records. */
static void what_brokers_lost_while_they_were_away_is_sent_again(void **state)
{
	struct fixture *const f = *state;
	rd_kafka_mock_cluster_t *const others = rd_kafka_mock_cluster_new(f->host, BROKERS);
	char all[400], why[RELAY_WHY_MAX];

	assert_int_equal(rd_kafka_mock_topic_create(others, "metrics", 2, BROKERS), 0);
	for (int32_t broker = 1; broker <= BROKERS; broker++)
		rd_kafka_mock_broker_set_down(others, broker);
	stop(f, 0);
	(void)snprintf(all, sizeof(all), "%s,%s", f->options.kafka.brokers,
		rd_kafka_mock_cluster_bootstraps(others));
	f->options.kafka.brokers = all;
	start(f);
	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	for (int32_t broker = 1; broker <= BROKERS; broker++)
		rd_kafka_mock_broker_set_down(f->cluster, broker);
	for (int i = 0; i < 3000 && outbox_holds(f->outbox, why); i++)
		(void)usleep(10000);
	assert_false(outbox_holds(f->outbox, why));
	for (int32_t broker = 1; broker <= BROKERS; broker++)
		rd_kafka_mock_broker_set_up(others, broker);
	f->options.kafka.brokers = rd_kafka_mock_cluster_bootstraps(others);
	for (int i = 0; i < 100 && read_partition(f, 1).highest < 10; i++)
		(void)usleep(100000);
	assert_all_there(f, 10);
	stop(f, 0);
	rd_kafka_mock_cluster_destroy(others);
}

/* The old offset is there and means something else. */
static void a_topic_made_anew_that_has_grown_gets_again_what_is_kept(void **state)
{
	struct fixture *const f = *state;

	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	stop(f, 0);
	use_topic(f, "again");
	for (int i = 0; i < 30; i++)
		produce_foreign(f, 20);
	start(f);
	assert_true(published(f, 10, WAIT_MS));
	emit(f, 5);
	assert_true(published(f, 15, WAIT_MS));
	assert_all_there(f, 15);
	assert_int_equal(read_partition(f, 1).records, 45);
}

/* What the relay says when it ends; nothing was written meanwhile. */
static void assert_ends_with(
	struct fixture *f, unsigned waiting, const char *said, unsigned records)
{
	struct fail fail = { 0 };
	char why[RELAY_WHY_MAX];

	start(f);
	if (waiting > 0)
		emit(f, waiting);
	for (int i = 0; i < 3000 && !outbox_ended(f->outbox); i++)
		(void)usleep(10000);
	assert_false(outbox_holds(f->outbox, why));
	assert_false(outbox_stop(f->outbox, 0, &fail));
	outbox_close(&f->outbox);
	assert_int_equal(fail_exit_status(&fail), 1);
	if (!strstr(fail.text, said) || !strstr(fail.text, "stock-service store fork"))
		fail_msg("%s", fail.text);
	assert_int_equal(read_partition(f, 1).records, records);
}

/* A store whose origin was never stored: it was killed at once, or is a backup from then. */
static void a_store_that_knows_nothing_of_kafka_reads_all_there_is(void **state)
{
	struct fixture *const f = *state;

	produce_foreign(f, 20);
	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	stop(f, 0);
	alter(f, "UPDATE outbox_state SET acknowledged = 0, acknowledged_offset = -1");
	start(f);
	emit(f, 1);
	assert_true(published(f, 11, WAIT_MS));
	assert_all_there(f, 11);
	assert_int_equal(read_partition(f, 1).copies, 0);
	stop(f, 0);
	alter(f, "UPDATE outbox_state SET last = 0, acknowledged = 0, acknowledged_offset = -1;"
		 "DELETE FROM outbox");
	assert_ends_with(f, 0, "and the store does not (partition 1, offset 1)", 12);
}

static bool make_no_tables(struct db *db, struct fail *fail)
{
	(void)db;
	(void)fail;
	return true;
}

static void a_fork_knows_what_was_sent_without_an_origin(void **state)
{
	struct fixture *const f = *state;
	struct fork_options options = { .make_tables = make_no_tables };
	struct fork_result result;
	struct fail fail = { 0 };

	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	stop(f, 0);
	alter(f, "UPDATE outbox_state SET acknowledged = 0, acknowledged_offset = -1");
	options.outbox = f->options;
	if (!outbox_fork(&options, &result, &fail))
		fail_msg("%s", fail.text);
	assert_int_equal(result.sent, 10);
	assert_int_equal(result.renumbered, 0);
}

static void a_restored_or_copied_store_sends_nothing(void **state)
{
	static const struct {
		const char *sql, *said;
	} cases[] = {
		{ "UPDATE outbox SET value = CAST('{\"count\":7,}' AS BLOB) WHERE id = 7",
			"event 7 of stock/" },
		{ "UPDATE outbox SET key = 'A124' WHERE id = 8", "event 8 of stock/" },
		{ "UPDATE outbox SET at_ms = at_ms + 1 WHERE id = 5",
			"with other bytes (partition 1, offset 4)" },
		{ "DELETE FROM outbox WHERE id > 6; UPDATE outbox_state SET last = 6",
			"and the store does not (partition 1, offset 6)" },
	};
	struct fixture *const f = *state;

	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	stop(f, 0);
	alter(f, "UPDATE outbox_state SET acknowledged = 5, acknowledged_offset = 4;"
		 "CREATE TABLE kept AS SELECT * FROM outbox");
	for (unsigned i = 0; i < 4; i++) {
		alter(f, cases[i].sql);
		assert_ends_with(f, i < 3 ? 1 : 0, cases[i].said, 10);
		alter(f, "DELETE FROM outbox; INSERT INTO outbox SELECT * FROM kept;"
			 "UPDATE outbox_state SET last = 10, acknowledged = 5,"
			 " acknowledged_offset = 4");
	}
	start(f); /* put right again, it goes on */
	emit(f, 1);
	assert_true(published(f, 11, WAIT_MS));
	assert_all_there(f, 11);
}

/* Both looked when the partition was empty; the other one wrote first. */
static void a_copy_that_wrote_first_is_noticed(void **state)
{
	struct fixture *const f = *state;
	struct fail fail = { 0 };
	char why[RELAY_WHY_MAX];

	for (int i = 0; i < 3000 && !outbox_holds(f->outbox, why); i++)
		(void)usleep(10000);
	produce(f, "A123", "{\"count\":1,}", 11,
		headers_new(f->source, 1, "stock_changed", 1752002132481));
	emit(f, 3);
	for (int i = 0; i < 3000 && !outbox_ended(f->outbox); i++)
		(void)usleep(10000);
	assert_false(outbox_stop(f->outbox, 0, &fail));
	outbox_close(&f->outbox);
	assert_non_null(strstr(fail.text, "with other bytes (partition 1, offset 0)"));
	assert_int_equal(read_partition(f, 1).records, 2); /* the row that found out */
}

/* None of our runs makes one. Another one's run may, or a log that is damaged. */
static void a_hole_in_the_partition_is_filled(void **state)
{
	struct fixture *const f = *state;

	emit(f, 10);
	assert_true(published(f, 10, WAIT_MS));
	stop(f, 0);
	use_topic(f, "holes");
	produce_rows(f, 1, 3);
	produce_foreign(f, 20);
	produce_rows(f, 2, 2); /* a copy */
	produce_rows(f, 6, 7);
	alter(f, "UPDATE outbox_state SET acknowledged = 2, acknowledged_offset = 1");
	start(f);
	assert_true(published(f, 10, WAIT_MS));
	assert_int_equal(read_partition(f, 1).records, 3 + 1 + 1 + 2 + 7);
	assert_int_equal(read_partition(f, 1).copies, 1 + 4); /* by highest number */
}

static void retention_may_remove_the_last_acknowledged_record(void **state)
{
	struct fixture *const f = *state;

	emit(f, 5);
	assert_true(published(f, 5, WAIT_MS));
	stop(f, 0);
	for (int i = 0; i < 12; i++) /* the mock keeps 5 MiB of a partition */
		produce_foreign(f, 900000);
	assert_int_equal(read_partition(f, 1).highest, 0);
	start(f);
	emit(f, 5);
	assert_true(published(f, 10, WAIT_MS));
	assert_int_equal(read_partition(f, 1).highest, 10);
	assert_int_equal(read_partition(f, 1).records - read_partition(f, 1).foreign, 5);
}

static void another_writer_in_the_partition_only_delays(void **state)
{
	struct fixture *const f = *state;
	int64_t total = 0;

	for (int i = 0; i < 20; i++) {
		produce_foreign(f, 20);
		emit(f, 5);
		total += 5;
		if (i % 4 == 3)
			assert_true(published(f, total, WAIT_MS));
	}
	assert_all_there(f, total);
	assert_true(read_partition(f, 1).foreign >= 20);
}

static void a_topic_with_another_number_of_partitions_is_not_written_to(void **state)
{
	struct fixture *const f = *state;
	char why[RELAY_WHY_MAX] = "";

	emit(f, 10);
	for (int i = 0; i < 1000 && !strstr(why, "partitions"); i++) {
		assert_false(outbox_holds(f->outbox, why));
		(void)usleep(10000);
	}
	assert_non_null(strstr(why, "has 3 partitions and must have 2"));
	for (int32_t partition = 0; partition < 3; partition++)
		assert_int_equal(read_partition(f, partition).records, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_row_becomes_a_record_of_its_partition_in_order),
		TEST(a_backlog_is_sent_once_and_in_order),
		TEST(a_refused_first_request_loses_nothing),
		TEST(errors_in_the_middle_lose_nothing),
		TEST(a_row_that_kafka_refuses_stays_first_and_is_named),
		TEST(brokers_that_are_away_only_delay),
		TEST(a_new_leader_is_found),
		TEST(a_restart_sends_nothing_again),
		TEST(what_was_written_is_read_and_not_sent_again),
		TEST(a_store_that_knows_nothing_of_kafka_reads_all_there_is),
		TEST(a_fork_knows_what_was_sent_without_an_origin),
		TEST(a_cut_log_gets_again_what_is_kept),
		TEST(what_brokers_lost_while_they_were_away_is_sent_again),
		TEST(a_topic_made_anew_that_has_grown_gets_again_what_is_kept),
		TEST(a_restored_or_copied_store_sends_nothing),
		TEST(a_copy_that_wrote_first_is_noticed),
		TEST(a_hole_in_the_partition_is_filled),
		TEST(retention_may_remove_the_last_acknowledged_record),
		TEST(another_writer_in_the_partition_only_delays),
		cmocka_unit_test_setup_teardown(
			a_topic_with_another_number_of_partitions_is_not_written_to,
			setup_three_partitions, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
