/* Reading the topic from end to end, to count it.
 *
 * Going well: ask where the partitions begin and end, read both from their first record, take
 * source, number and bytes of each record, until both ends are reached.
 * Going wrong:
 * - no broker answers, or none does any more: after 10 s it is a failure. A leader has just
 *   moved or died: the question is asked again until then;
 * - retention removes what we were about to read: reading goes on at the first record there is;
 * - the last offsets hold no record (a transaction's marker does): librdkafka tells the end. */
#include "metrics-consumer/topic_survey.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/client/headers.h"
#include "metrics-consumer/checksum.h"
#include "process/clock.h"

#define ANSWER_MS   10000 /* until it is a failure that nobody answers */
#define ASK_MS      1000  /* for one answer: the leader asked may be one no more */
#define LOOK_MS     100
#define BATCH       4096
#define MISSING_MAX 1048576

struct topic_survey {
	const struct kafka_settings *kafka;
	rd_kafka_t *client;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	bool started[EVENT_PARTITIONS];
	int64_t next[EVENT_PARTITIONS];
	struct sources *sources;
	struct sources *altered; /* numbers that came with different bytes */
	struct checksums of[SOURCES_MAX];
	int64_t first[SOURCES_MAX];            /* number of the record met first */
	unsigned char partitions[SOURCES_MAX]; /* a bit for each it was met on */
	struct event_reader *reader;
	struct event event;
	char *flat;
	size_t flat_room;
	struct topic_totals totals;
	_Atomic int64_t done;
	rd_kafka_message_t *batch[BATCH];
};

static const struct kafka_property defaults[] = {
	/* librdkafka before 2.2 pauses for a second when a queue is full: a long one costs 420 MB
	 * and reads 5,000,000 records in 7 s instead of 29. */
	{ "queued.min.messages", "500000" },
	{ "queued.max.messages.kbytes", "131072" },
	{ "fetch.message.max.bytes", "4194304" },
	{ "fetch.max.bytes", "16777216" },
	{ "fetch.wait.max.ms", "100" },
	{ "fetch.error.backoff.ms", "100" },
	{ NULL, NULL },
};
static const struct kafka_property fixed[] = {
	{ "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" },
	{ "auto.offset.reset", "earliest" },
	{ "check.crcs", "true" },
	{ "enable.partition.eof", "true" },
	{ NULL, NULL },
};

static bool open_client(struct topic_survey *s, struct fail *fail)
{
	rd_kafka_conf_t *const conf = kafka_conf(s->kafka, defaults, fixed, fail);
	char why[128];

	if (!conf)
		return false;
	/* Unknown before librdkafka 2.2: how soon it looks again at a queue that was full. */
	(void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "2", why, sizeof(why));
	s->client = kafka_client_new(RD_KAFKA_CONSUMER, conf, fail);
	if (!s->client ||
		!kafka_topic_check(s->client, s->kafka->topic, EVENT_PARTITIONS, ANSWER_MS, fail))
		return false;
	s->topic = rd_kafka_topic_new(s->client, s->kafka->topic, NULL);
	s->queue = rd_kafka_queue_new(s->client);
	return (s->topic && s->queue) || fail_set(fail, FAIL_FATAL, "out of memory");
}

bool topic_survey_open(
	struct topic_survey **survey, const struct kafka_settings *kafka, struct fail *fail)
{
	struct topic_survey *const s = calloc(1, sizeof(*s));

	*survey = s;
	if (!s)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	s->kafka = kafka;
	s->sources = sources_new(MISSING_MAX);
	s->altered = sources_new(MISSING_MAX);
	s->reader = event_reader_new();
	if (!s->sources || !s->altered || !s->reader)
		fail_set(fail, FAIL_FATAL, "out of memory");
	else if (open_client(s, fail) && topic_survey_ask(s, fail))
		return true;
	topic_survey_close(survey);
	return false;
}

void topic_survey_close(struct topic_survey **survey)
{
	struct topic_survey *const s = *survey;

	if (!s)
		return;
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		if (s->started[p])
			(void)rd_kafka_consume_stop(s->topic, p);
	}
	if (s->queue)
		rd_kafka_queue_destroy(s->queue);
	if (s->topic)
		rd_kafka_topic_destroy(s->topic);
	(void)kafka_client_destroy(&s->client);
	for (size_t i = 0; i < SOURCES_MAX; i++)
		checksums_free(&s->of[i]);
	sources_free(&s->sources);
	sources_free(&s->altered);
	if (s->reader)
		event_reader_free(&s->reader);
	free(s->flat);
	free(s);
	*survey = NULL;
}

bool topic_survey_ask(struct topic_survey *s, struct fail *fail)
{
	const int64_t until = clock_mono_ms() + ANSWER_MS;

	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		while (!kafka_partition_bounds(s->client, s->kafka->topic, p, ASK_MS,
			&s->totals.first[p], &s->totals.end[p], fail)) {
			if (clock_mono_ms() >= until)
				return fail_prefix(
					fail, "no broker answers for %d s", ANSWER_MS / 1000);
			*fail = (struct fail){ 0 };
			(void)poll(NULL, 0, LOOK_MS);
		}
	}
	return true;
}

static bool start(struct topic_survey *s, struct fail *fail)
{
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		if (s->started[p])
			continue;
		if (rd_kafka_consume_start_queue(
			    s->topic, p, RD_KAFKA_OFFSET_BEGINNING, s->queue) != 0)
			return fail_set(fail, FAIL_FATAL, "read partition %d: %s", (int)p,
				rd_kafka_err2str(rd_kafka_last_error()));
		s->started[p] = true;
		s->next[p] = s->totals.first[p];
	}
	return true;
}

/* The checksum of the bytes a journal line has: of the minified value where it has line breaks. */
static bool sum(struct topic_survey *s, const rd_kafka_message_t *record, uint64_t *checksum,
	struct fail *fail)
{
	const char *bytes = record->payload ? record->payload : "";
	size_t length = record->len;

	if ((memchr(bytes, '\n', length) || memchr(bytes, '\r', length)) &&
		event_decode(s->reader, bytes, length, &s->event) == EVENT_SOUND) {
		if (length > s->flat_room) {
			char *const grown = realloc(s->flat, length);

			if (!grown)
				return fail_set(fail, FAIL_FATAL, "out of memory");
			s->flat = grown;
			s->flat_room = length;
		}
		length = event_minify(bytes, length, s->flat);
		bytes = s->flat;
	}
	*checksum = checksum64(bytes, length);
	return true;
}

static bool note_altered(struct topic_survey *s, const struct source *source, int64_t id)
{
	struct source *const altered = sources_find(s->altered, source->name, source->length);

	if (altered)
		(void)sources_take(s->altered, altered, id);
	return altered != NULL;
}

static bool take_record(struct topic_survey *s, const rd_kafka_message_t *record, struct fail *fail)
{
	struct record_headers headers;
	const struct source *source;
	uint64_t checksum = 0;

	s->totals.records++;
	headers_read(record, &headers);
	if (headers.id == 0) {
		s->totals.nameless++;
		return true;
	}
	source = sources_find(s->sources, headers.source, strlen(headers.source));
	if (!source) {
		s->totals.untracked++;
		return true;
	}
	if (s->partitions[source->index] == 0)
		s->first[source->index] = headers.id;
	s->partitions[source->index] |= (unsigned char)(1u << record->partition);
	if (!sum(s, record, &checksum, fail))
		return false;
	switch (checksums_add(&s->of[source->index], headers.id, checksum)) {
	case CHECKSUMS_NEW:
		return true;
	case CHECKSUMS_SAME:
		s->totals.copies++;
		return true;
	case CHECKSUMS_OTHER:
		s->totals.copies++;
		return note_altered(s, source, headers.id) ||
		       fail_set(fail, FAIL_FATAL, "out of memory");
	case CHECKSUMS_FULL:
		s->totals.untracked++;
		return true;
	case CHECKSUMS_NO_MEMORY:
		break;
	}
	return fail_set(fail, FAIL_FATAL, "out of memory");
}

/* A record, an end, or an error: those of brokers that are away pass, or nothing comes any more. */
static bool take_message(struct topic_survey *s, const rd_kafka_message_t *message,
	int64_t *heard_ms, struct fail *fail)
{
	const int32_t p = message->partition;

	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && message->offset > s->next[p])
		s->next[p] = message->offset;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	*heard_ms = clock_mono_ms();
	if (message->offset < s->next[p])
		return true;
	s->next[p] = message->offset + 1;
	return take_record(s, message, fail);
}

static bool at_end(const struct topic_survey *s)
{
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		if (s->next[p] < s->totals.end[p])
			return false;
	}
	return true;
}

bool topic_survey_read(struct topic_survey *s, struct fail *fail)
{
	int64_t heard_ms = clock_mono_ms();
	bool good = start(s, fail);

	while (good && !at_end(s)) {
		const ssize_t count =
			rd_kafka_consume_batch_queue(s->queue, LOOK_MS, s->batch, BATCH);

		for (ssize_t i = 0; i < count; i++) {
			good = good && take_message(s, s->batch[i], &heard_ms, fail);
			rd_kafka_message_destroy(s->batch[i]);
		}
		atomic_store_explicit(&s->done, s->totals.records, memory_order_relaxed);
		if (good && clock_mono_ms() - heard_ms >= ANSWER_MS)
			good = fail_set(fail, FAIL_RETRY, "nothing came from a broker for %d s",
				ANSWER_MS / 1000);
	}
	return good;
}

int64_t topic_survey_done(const struct topic_survey *s)
{
	return atomic_load_explicit(&s->done, memory_order_relaxed);
}

int64_t topic_survey_all(const struct topic_survey *s)
{
	int64_t all = 0;

	for (int32_t p = 0; p < EVENT_PARTITIONS; p++)
		all += s->totals.end[p] - s->totals.first[p];
	return all;
}

const struct topic_totals *topic_survey_totals(const struct topic_survey *s)
{
	return &s->totals;
}

const struct sources *topic_survey_sources(const struct topic_survey *s)
{
	return s->sources;
}

const struct checksums *topic_survey_of(const struct topic_survey *s, const struct source *source)
{
	return &s->of[source->index];
}

void topic_survey_altered(const struct topic_survey *s, const struct source *source,
	checksums_told *tell, void *context)
{
	const struct source *const altered = sources_peek(s->altered, source->name, source->length);

	if (altered)
		source_each_known(altered, tell, context);
}

bool topic_survey_cut(const struct topic_survey *s, const struct source *source)
{
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (s->totals.first[p] > 0 &&
			(!source || (s->partitions[source->index] & 1u << p) != 0))
			return true;
	}
	return false;
}

int64_t topic_survey_first(const struct topic_survey *s, const struct source *source)
{
	return s->first[source->index];
}

const struct source *topic_survey_find(
	const struct topic_survey *s, const char *name, size_t length)
{
	return sources_peek(s->sources, name, length);
}
