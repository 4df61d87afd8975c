/* Going well: ask for the partition's bounds, read from the last acknowledged record to the end
 * as it was then, and count up from the acknowledged number as far as no number is missing.
 * Records of others and of other sources are passed over, copies are compared and change
 * nothing.
 *
 * Going wrong:
 * - Nobody answers, or an answer is late: the question is asked again. A broker that lags
 *   behind may show an end too low: reading goes on until the end that was asked for, and the
 *   relay believes a cut only when it has seen it for a while.
 * - The end is at or before the last acknowledged record, or another record stands in its
 *   place: the log was cut, or the topic made anew.
 * - Retention has removed the last acknowledged record: what is left is compared. A number
 *   behind a gap does not count, even if the gap may be retention's: sending the rows of the
 *   gap again is a copy at worst.
 * - A record of the own source with other bytes than its row, or with a number this store has
 *   not given yet: the store was copied, or restored from a backup. */
#include "outbox/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kafka/client/headers.h"
#include "outbox/rows.h"
#include "process/clock.h"
#include "process/progress_bar.h"

#define ASK_MS    1000 /* for one bound */
#define READ_MS   5000 /* longest wait for the next record */
#define READ_MAX  500  /* records taken in one go */
#define LOOK_MS   100  /* how often a stop is noticed */
#define LOOK_READ 1000 /* records between two looks at the progress */

static const struct kafka_property read_defaults[] = {
	{ "fetch.wait.max.ms", "10" }, /* the end is known: nothing is waited for */
	{ "fetch.error.backoff.ms", "50" },
	{ "queued.min.messages", "100000" },
	{ "queued.max.messages.kbytes", "16384" },
	{ "fetch.message.max.bytes", "1048576" },
	{ NULL, NULL },
};
static const struct kafka_property read_fixed[] = {
	{ "group.id", NULL }, /* no group: nothing is shared, nothing is stored */
	{ "enable.auto.commit", "false" },
	{ "auto.offset.reset", "error" },
	{ "enable.partition.eof", "true" },
	{ "check.crcs", "true" },
	{ NULL, NULL },
};

struct resume {
	const struct resume_question *question;
	struct resume_answer *answer;
	int64_t from, anchor; /* anchor: the offset that must hold the known number; -1: none */
	bool begun;           /* a record was read */
	bool done;
	struct fail *fail;
};

/* The first sign of a fork is the one that is told. */
static void find_fork(struct resume *r, int64_t id, int64_t offset, const char *what)
{
	const struct resume_question *const q = r->question;

	if (r->answer->verdict != RESUME_FORKED)
		(void)snprintf(r->answer->text, sizeof(r->answer->text),
			"the topic holds event %" PRId64 " of %s %s (partition %" PRId32
			", offset %" PRId64
			"): this store was copied or restored from a backup, or another process "
			"writes under its name",
			id, q->source, what, q->partition, offset);
	r->answer->verdict = RESUME_FORKED;
	r->done = r->done || !q->to_the_end;
}

static void find_cut(struct resume *r, const char *what)
{
	const struct progress_numbers *const known = &r->question->known;
	char wanted[80];

	if (known->acknowledged_offset >= 0)
		(void)snprintf(wanted, sizeof(wanted),
			"event %" PRId64 " was acknowledged at offset %" PRId64,
			known->acknowledged, known->acknowledged_offset);
	else
		(void)snprintf(wanted, sizeof(wanted), "records reached up to offset %" PRId64,
			rows_behind(known->acknowledged_offset));
	r->answer->verdict = RESUME_CUT;
	r->done = true;
	(void)snprintf(r->answer->text, sizeof(r->answer->text),
		"the log of partition %" PRId32 " was cut, or the topic made anew: %s, and %s",
		r->question->partition, wanted, what);
}

struct comparing {
	int64_t id;
	const rd_kafka_message_t *record;
	int64_t time_ms;
	bool there, same;
};

static bool compare_row(void *context, const struct row *row)
{
	struct comparing *const c = context;
	const size_t key = strlen(row->key);

	c->there = row->id == c->id;
	c->same = c->there && c->record->len == row->length && c->record->key_len == key &&
		  memcmp(c->record->payload, row->value, row->length) == 0 &&
		  memcmp(c->record->key, row->key, key) == 0 && c->time_ms == row->at_ms;
	return false;
}

/* A record of the own source. */
static bool take_own(
	struct resume *r, const rd_kafka_message_t *record, const struct record_headers *headers)
{
	struct comparing c = { .id = headers->id, .record = record, .time_ms = headers->time_ms };
	struct resume_answer *const a = r->answer;

	if (headers->id > r->question->known.last) {
		find_fork(r, headers->id, record->offset, "and the store does not");
		return true;
	}
	if (!rows_read(r->question->db, headers->id, 1, compare_row, &c, r->fail))
		return false;
	if (c.there && !c.same) { /* a row that is deleted cannot be compared */
		find_fork(r, headers->id, record->offset, "with other bytes");
		if (headers->id > a->reached && (a->taken == 0 || headers->id < a->taken))
			a->taken = headers->id; /* the reader takes the first one it sees */
	} else if (headers->id == a->reached + 1 && headers->id != a->taken) {
		a->reached = headers->id;
		a->offset = record->offset;
		a->beyond = a->beyond > a->reached ? a->beyond : 0;
	} else if (headers->id > a->reached) {
		a->beyond = headers->id > a->beyond ? headers->id : a->beyond;
		a->again++;
	}
	return true;
}

static bool take_record(struct resume *r, const rd_kafka_message_t *record)
{
	const struct resume_question *const q = r->question;
	struct record_headers headers;
	bool own;

	if (record->offset >= r->answer->end) { /* came after the question */
		r->done = true;
		return true;
	}
	r->answer->read++;
	headers_read(record, &headers);
	own = strcmp(headers.source, q->source) == 0;
	if (!r->begun && r->anchor >= 0 &&
		(record->offset != r->anchor || !own || headers.id != q->known.acknowledged)) {
		find_cut(r, "another record stands there");
		return true;
	}
	r->begun = true;
	if (own && !take_own(r, record, &headers))
		return false;
	r->done = r->done || record->offset + 1 >= r->answer->end;
	return true;
}

static bool take(struct resume *r, const rd_kafka_message_t *message)
{
	switch (message->err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return r->done || take_record(r, message);
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		if (message->offset < r->answer->end)
			return true; /* of a leader that does not know its own end yet */
		if (!r->begun && r->anchor >= 0 && !r->done)
			find_cut(r, "no record stands there");
		r->done = true;
		return true;
	default:
		return fail_set(r->fail, FAIL_RETRY, "read partition %" PRId32 ": %s",
			r->question->partition, rd_kafka_message_errstr(message));
	}
}

static void show_progress(const struct resume *r)
{
	const int64_t read = r->answer->read;

	if (r->question->bar && read > 0 && read % LOOK_READ == 0 &&
		progress_bar_is_due(r->question->bar))
		progress_bar_draw(r->question->bar, (double)read,
			(double)(r->answer->end - r->from), "of the partition is read");
}

static bool read_forward(struct resume *r, rd_kafka_topic_t *topic)
{
	const struct resume_question *const q = r->question;
	int64_t news_ms = clock_mono_ms();
	bool good = true;

	while (good && !r->done) {
		rd_kafka_message_t *const message = rd_kafka_consume(topic, q->partition, LOOK_MS);
		const int64_t read = r->answer->read;

		if (message) {
			good = take(r, message);
			rd_kafka_message_destroy(message);
		}
		if (r->answer->read != read) {
			news_ms = clock_mono_ms();
			show_progress(r);
		}
		if (q->stopping && atomic_load(q->stopping))
			return fail_set(r->fail, FAIL_RETRY, "the service stops");
		if (good && !r->done && clock_mono_ms() - news_ms > READ_MS)
			return fail_set(r->fail, FAIL_RETRY,
				"read partition %" PRId32 ": nothing came for %d ms", q->partition,
				READ_MS);
	}
	return good;
}

static bool read_partition(struct resume *r)
{
	const struct resume_question *const q = r->question;
	rd_kafka_conf_t *const conf = kafka_conf(&q->kafka, read_defaults, read_fixed, r->fail);
	rd_kafka_t *consumer = conf ? kafka_client_new(RD_KAFKA_CONSUMER, conf, r->fail) : NULL;
	rd_kafka_topic_t *topic = NULL;
	bool good = false;

	if (!consumer)
		return false;
	topic = rd_kafka_topic_new(consumer, q->kafka.topic, NULL);
	if (!topic || rd_kafka_consume_start(topic, q->partition, r->from) != 0) {
		fail_set(r->fail, FAIL_RETRY, "read topic %s: %s", q->kafka.topic,
			rd_kafka_err2str(rd_kafka_last_error()));
		goto close;
	}
	good = read_forward(r, topic);
	(void)rd_kafka_consume_stop(topic, q->partition);
close:
	if (topic)
		rd_kafka_topic_destroy(topic);
	(void)kafka_client_destroy(&consumer);
	return good;
}

bool resume_ask(rd_kafka_t *client, const struct resume_question *q, struct resume_answer *answer,
	struct fail *fail)
{
	const struct progress_numbers *const known = &q->known;
	struct resume r = { .question = q, .answer = answer, .anchor = -1, .fail = fail };
	int64_t first;

	*answer = (struct resume_answer){ .verdict = RESUME_GO,
		.reached = known->acknowledged,
		.offset = known->acknowledged_offset };
	if (!kafka_partition_bounds(
		    client, q->kafka.topic, q->partition, ASK_MS, &first, &answer->end, fail))
		return false;
	if (known->acknowledged_offset == ROWS_NOWHERE) { /* records begin behind what is there */
		answer->offset = rows_origin(answer->end);
		return true;
	}
	r.from = rows_behind(known->acknowledged_offset);
	if (known->acknowledged_offset >= 0)
		r.from--; /* the acknowledged record itself */
	if (known->acknowledged_offset >= first)
		r.anchor = known->acknowledged_offset;
	if (answer->end < rows_behind(known->acknowledged_offset)) {
		char what[64];

		(void)snprintf(what, sizeof(what), "it ends at offset %" PRId64, answer->end);
		find_cut(&r, what);
		return true;
	}
	if (r.from < first)
		r.from = first;
	return r.from >= answer->end || read_partition(&r);
}
