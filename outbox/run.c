/* A run, from the question where it begins to the report that does not fit. The story is at the top
 * of relay.c. */
#include "outbox/run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kafka/client/headers.h"
#include "kafka/client/statistics.h"
#include "outbox/resume.h"
#include "outbox/row_spans.h"
#include "outbox/rows.h"
#include "process/clock.h"

#define READ_ROWS     1000    /* rows read in one go, so that readings are brief */
#define WINDOW_ROWS   20000   /* rows given to the producer and not acknowledged */
#define AHEAD_ROWS    1000    /* so many have to wait before any is given behind a request */
#define BACKLOG_ROWS  50000   /* so many are worth a producer that waits for full requests */
#define WINDOW_MS     600000  /* a window made smaller doubles after this */
#define SILENCE_MS    3600000 /* after this a broker may have forgotten a producer */
#define TOPIC_WAIT_MS 1000
#define BACK_WAIT_MS  250  /* the same while rows may be on their way */
#define PATIENCE_MS   5000 /* for reports of a producer that takes no more */
#define LEFT_MAX      16   /* clients of librdkafka that do not end, until the process does */
#define CUT_SURE_MS   2500 /* a cut log is believed when it has looked so for this long */

const struct kafka_property relay_fixed[] = {
	{ "enable.idempotence", "true" },
	{ "acks", "all" },
	{ "request.required.acks", "all" },
	{ "max.in.flight.requests.per.connection", "1" },
	{ "max.in.flight", "1" },
	{ "enable.gapless.guarantee", "true" },
	{ "message.timeout.ms", "0" },
	{ "delivery.timeout.ms", "0" },
	{ "transactional.id", NULL },
	{ "delivery.report.only.error", "false" },
	{ NULL, NULL },
};

/* One request in flight makes its own batches. But messages that have lingered, or are enough for a
 * request, and may not be sent yet make librdkafka's thread look for their turn without a pause. So
 * a producer for a backlog waits for full requests, and has one on its way and one but for a row:
 * the report of the first one lets that row in, and the next one goes. */
#define LINGER_MS          "0"
#define LINGER_BACKLOG_MS  "50"
#define REQUEST_ROWS       "10000"
#define REQUEST_BACKLOG    "1500"
#define REQUEST_ROWS_NAMED "batch.num.messages"

void run_init(
	struct run *r, const struct relay_options *options, const atomic_bool *stopping, int wake)
{
	*r = (struct run){ .options = options,
		.stopping = stopping,
		.wake = wake,
		.window = WINDOW_ROWS,
		.pause_ms = RUN_PAUSE_MIN_MS };
}

/* The run cannot go on: its producer ends at the next turn. */
static void break_run(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void break_run(struct run *r, const char *format, ...)
{
	va_list args;

	if (r->state == RUN_BROKEN)
		return;
	r->state = RUN_BROKEN;
	va_start(args, format);
	if (vsnprintf(r->why, sizeof(r->why), format, args) < 0)
		r->why[0] = '\0';
	va_end(args);
	log_repeating(&r->broken, LOG_WARNING, "relay", "%s; a new producer starts", r->why);
}

/* Errors of the row itself, which trying again alone may or may not cure. */
static bool is_refusal(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	       error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
	       error == RD_KAFKA_RESP_ERR_INVALID_RECORD ||
	       error == RD_KAFKA_RESP_ERR_POLICY_VIOLATION ||
	       error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

/* Kafka's limit is for a batch, and librdkafka does not split one: fewer rows at a time make
 * smaller batches. A row that is too large by itself stays first. */
static void shrink_window(struct run *r)
{
	r->window = r->window > 4 ? r->window / 4 : 1;
	r->window_ms = clock_mono_ms();
}

static void grow_window(struct run *r)
{
	if (r->window == WINDOW_ROWS || clock_mono_ms() - r->window_ms < WINDOW_MS)
		return;
	r->window = r->window * 2 < WINDOW_ROWS ? r->window * 2 : WINDOW_ROWS;
	r->window_ms = clock_mono_ms();
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *report, void *opaque)
{
	struct run *const r = opaque;
	const int64_t id = (intptr_t)report->_private;

	(void)producer;
	r->in_flight--;
	if (r->state != RUN_GOES)
		return; /* of a run that has ended: not to be believed */
	if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (is_refusal(report->err) && (r->suspect == 0 || id < r->suspect))
			r->suspect = id;
		if (report->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
			shrink_window(r);
		break_run(r, "event %" PRId64 " is refused: %s", id, rd_kafka_err2str(report->err));
	} else if (report->offset < 0) {
		break_run(r, "event %" PRId64 " was reported without an offset", id);
	} else if (id != r->acknowledged + 1) {
		break_run(r, "event %" PRId64 " was reported behind %" PRId64, id, r->acknowledged);
	} else if (r->fresh && report->offset > r->offset + 1) {
		r->look = true;
	} else if (report->offset != r->offset + 1) {
		break_run(r,
			"event %" PRId64 " got offset %" PRId64 " behind %" PRId64
			": the log was cut, or somebody else writes to partition %" PRId32,
			id, report->offset, r->offset, r->options->partition);
	} else {
		r->acknowledged = id;
		r->offset = report->offset;
		r->alone = r->fresh = false;
		if (id >= r->suspect)
			r->suspect = 0;
		progress_acknowledge(r->options->progress, id, report->offset);
		row_spans_acknowledge(r->spans, id, report->offset);
	}
}

/* The producer takes no more. The report of the row that caused it is still to come, and
 * says more. */
static void note_fatal(struct run *r)
{
	(void)rd_kafka_fatal_error(r->producer, r->gave_up, sizeof(r->gave_up));
	if (r->gave_up_ms == 0)
		r->gave_up_ms = clock_mono_ms();
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
	struct run *const r = opaque;

	(void)producer;
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		r->brokers_away = true;
	else if (error == RD_KAFKA_RESP_ERR__FATAL)
		note_fatal(r);
	else
		log_debug("relay", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

static bool is_backlog(const struct run *r, int64_t waiting)
{
	return waiting >= BACKLOG_ROWS && r->window == WINDOW_ROWS && r->suspect == 0;
}

static int64_t almost_two_requests(const rd_kafka_conf_t *conf)
{
	const int64_t rows = 2 * kafka_conf_number(conf, REQUEST_ROWS_NAMED) - 1;

	return rows < WINDOW_ROWS ? rows : WINDOW_ROWS;
}

/* How many rows may be on their way. */
static int64_t window_of(const struct run *r)
{
	return r->window < r->room ? r->window : r->room;
}

static bool open_producer(struct run *r, struct fail *fail)
{
	const struct progress_numbers n = progress_read(r->options->progress);
	const bool backlog = is_backlog(r, n.last - n.acknowledged);
	const struct kafka_property defaults[] = {
		{ "linger.ms", backlog ? LINGER_BACKLOG_MS : LINGER_MS },
		{ REQUEST_ROWS_NAMED, backlog ? REQUEST_BACKLOG : REQUEST_ROWS },
		{ "queue.buffering.max.messages", "100000" },
		{ "queue.buffering.max.kbytes", "32768" },
		{ NULL, NULL },
	};
	rd_kafka_conf_t *const conf = kafka_conf(&r->options->kafka, defaults, relay_fixed, fail);

	r->backlog = backlog ? n.last : 0;
	if (!conf)
		return false;
	r->room = backlog ? almost_two_requests(conf) : WINDOW_ROWS;
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);
	kafka_statistics_ask(conf, r->options->kafka.passed);
	r->producer = kafka_client_new(RD_KAFKA_PRODUCER, conf, fail);
	if (!r->producer)
		return false;
	r->events = rd_kafka_queue_get_main(r->producer);
	rd_kafka_queue_io_event_enable(r->events, r->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
	return true;
}

/* Kafka lost records that it had acknowledged. Everything that is kept is sent again. */
static bool rewind_to_kept(struct run *r, struct resume_answer *a, struct fail *fail)
{
	const int64_t now = clock_mono_ms(), lost = a->reached;
	struct progress_numbers n;

	if (r->cut_ms == 0)
		r->cut_ms = now;
	if (now - r->cut_ms < CUT_SURE_MS)
		return fail_set(fail, FAIL_RETRY, "%s", a->text);
	r->cut_ms = 0;
	progress_rewind(r->options->progress, rows_origin(a->end));
	n = progress_read(r->options->progress);
	log_error("relay",
		"%s; sending events %" PRId64 " to %" PRId64
		" again, older ones are not kept and may be lost",
		a->text, n.acknowledged + 1, lost);
	r->options->rewound(r->options->rewound_context);
	a->reached = n.acknowledged;
	return true;
}

static bool stop_forked(const struct run *r, const struct resume_answer *a, struct fail *fail)
{
	const char *const source = r->options->source;

	return fail_set(fail, FAIL_FATAL,
		"%s. Nothing is sent. Stop every process on this store, then run: %.*s-service "
		"store fork",
		a->text, (int)strcspn(source, "/"), source);
}

/* What the partition holds decides where the run begins. */
static bool find_start(struct run *r, struct resume_answer *a, struct fail *fail)
{
	const struct resume_question question = { .kafka = r->options->kafka,
		.partition = r->options->partition,
		.source = r->options->source,
		.known = progress_read(r->options->progress),
		.db = r->options->db,
		.stopping = r->stopping };

	if (!resume_ask(r->producer, &question, a, fail))
		return false;
	switch (a->verdict) {
	case RESUME_FORKED:
		return stop_forked(r, a, fail);
	case RESUME_CUT:
		return rewind_to_kept(r, a, fail);
	case RESUME_GO:
		break;
	}
	r->cut_ms = 0;
	if (a->beyond > 0)
		log_repeating(&r->hole, LOG_WARNING, "relay",
			"partition %" PRId32 " holds event %" PRId64 " but not %" PRId64
			": sending from there again",
			r->options->partition, a->beyond, a->reached + 1);
	progress_acknowledge(r->options->progress, a->reached, a->offset);
	return true;
}

static void begin_behind(struct run *r, const struct resume_answer *a)
{
	/* The pause before a new producer shrinks only when there was progress. */
	if (a->reached > r->acknowledged)
		r->pause_ms = RUN_PAUSE_MIN_MS;
	if (r->suspect <= a->reached)
		r->suspect = 0;
	row_spans_acknowledge(r->spans, a->reached, -1);
	r->acknowledged = a->reached;
	r->offset = a->end - 1;
	r->next = a->reached + 1;
	r->look = false;
}

/* The run's first row, which went alone, was written behind something else. */
static bool look_again(struct run *r, struct fail *fail)
{
	const int64_t id = r->next - 1;
	struct resume_answer answer;

	if (!find_start(r, &answer, fail))
		return false;
	begin_behind(r, &answer);
	r->fresh = r->alone = false;
	if (answer.reached < id)
		break_run(r, "event %" PRId64 " was reported, and is not in the partition", id);
	return true;
}

/* A topic with another number of partitions is not written to. The check also fetches the
 * metadata that the first produce would otherwise wait for. */
bool run_begin(struct run *r, struct fail *fail)
{
	struct resume_answer answer;

	if (kafka_clients_left() > LEFT_MAX)
		return fail_set(fail, FAIL_FATAL, "%d clients of librdkafka do not end", LEFT_MAX);
	if (!r->producer && !open_producer(r, fail))
		return false;
	if (!kafka_topic_check(
		    r->producer, r->options->kafka.topic, EVENT_PARTITIONS, TOPIC_WAIT_MS, fail) ||
		!find_start(r, &answer, fail))
		return false;
	r->state = RUN_GOES;
	begin_behind(r, &answer);
	r->fresh = r->alone = true;
	r->in_flight = r->gave_up_ms = 0;
	r->brokers_away = false;
	log_info("relay",
		"producer starts partition=%" PRId32 " behind=%" PRId64 " end=%" PRId64
		" read=%" PRId64 " backlog=%" PRId64,
		r->options->partition, answer.reached, answer.end, answer.read,
		r->backlog > answer.reached ? r->backlog - answer.reached : 0);
	return true;
}

/* Gives one row to the producer; false where it has to wait. */
static bool send_row(void *context, const struct row *row)
{
	struct run *const r = context;
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t error;
	char traceparent[TRACEPARENT_MAX];

	if (row->id > r->last)
		return false;
	if (row->id != r->next) /* rows that are not acknowledged are never deleted */
		return fail_set(&r->fatal, FAIL_FATAL,
			"the outbox has event %" PRId64 " and not %" PRId64
			", which Kafka has not acknowledged",
			row->id, r->next);
	if (r->in_flight > 0 && (r->alone || r->next == r->suspect))
		return false;
	headers = headers_new(r->options->source, row->id, event_type_name(row->type), row->at_ms);
	if (!headers)
		return false;
	if (row->trace && !headers_add_trace(headers, row_spans_name(r->spans, row, traceparent),
				  row->tracestate)) {
		rd_kafka_headers_destroy(headers);
		return false;
	}
	error = rd_kafka_producev(r->producer, RD_KAFKA_V_TOPIC(r->options->kafka.topic),
		RD_KAFKA_V_PARTITION(r->options->partition),
		RD_KAFKA_V_KEY(row->key, strlen(row->key)),
		RD_KAFKA_V_VALUE((void *)row->value, row->length),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_OPAQUE((void *)(intptr_t)row->id), RD_KAFKA_V_END);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_headers_destroy(headers); /* taken only where it succeeds */
		if (error == RD_KAFKA_RESP_ERR__FATAL)
			note_fatal(r);
		else if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break_run(r, "produce event %" PRId64 ": %s", row->id,
				rd_kafka_err2str(error));
		return false;
	}
	if (row->trace)
		row_spans_begin(r->spans, row);
	r->sent_ms = clock_mono_ms();
	r->in_flight++;
	if (r->next++ == r->suspect)
		r->alone = true;
	return !r->alone && r->in_flight < window_of(r);
}

/* The producer is made for a backlog, and this is sent; or it is not, and there is one. */
static bool is_over(const struct run *r)
{
	return r->backlog > 0 ? r->next > r->backlog : is_backlog(r, r->last - r->next);
}

/* While a request is on its way, a message that may not be sent yet makes librdkafka's thread
 * look for its turn without a pause: 70 % of a core at 1,000 events a second. So few rows are kept
 * here until it is acknowledged, and then go in one request. Many are worth it, since the next
 * request is then ready when the last one is acknowledged. */
static bool is_to_wait(const struct run *r)
{
	return r->in_flight > 0 && r->last - r->next < AHEAD_ROWS;
}

/* Sends what there is, as far as the window goes. False where the store cannot be read. */
static bool send_rows(struct run *r, struct fail *fail)
{
	/* Rows can be read a moment before their commit returns; they are not ours yet. */
	r->last = progress_read(r->options->progress).last;
	grow_window(r);

	if (r->in_flight == 0 && clock_mono_ms() - r->sent_ms > SILENCE_MS)
		r->alone = true;
	if (!r->alone && is_over(r)) {
		if (r->in_flight == 0)
			r->state = RUN_OVER;
		return true;
	}
	if (is_to_wait(r))
		return true;
	while (r->next <= r->last && r->state == RUN_GOES && !r->look &&
		r->in_flight < window_of(r) && !(r->alone && r->in_flight > 0)) {
		const int64_t before = r->next;

		if (!rows_read(r->options->db, r->next, READ_ROWS, send_row, r, fail))
			return false;
		if (r->fatal.kind != FAIL_NONE) {
			*fail = r->fatal;
			return false;
		}
		rd_kafka_poll(r->producer, 0);
		if (r->next == before)
			break;
	}
	return true;
}

bool run_go_on(struct run *r, struct fail *fail)
{
	rd_kafka_poll(r->producer, 0);
	if (r->gave_up_ms != 0 &&
		(r->in_flight == 0 || clock_mono_ms() - r->gave_up_ms > PATIENCE_MS))
		break_run(r, "the producer gave up: %s", r->gave_up);
	if (r->state != RUN_GOES || r->gave_up_ms != 0)
		return true;
	return r->look ? look_again(r, fail) : send_rows(r, fail);
}

bool run_ask_brokers(struct run *r, struct fail *fail)
{
	const bool back = kafka_topic_check(
		r->producer, r->options->kafka.topic, EVENT_PARTITIONS, BACK_WAIT_MS, fail);

	if (!back && fail->kind == FAIL_REFUSE)
		break_run(r, "%s", fail->text);
	if (!back)
		return false;
	r->brokers_away = false;
	if (r->in_flight == 0)
		break_run(r, "the brokers were away: what they have is read again");
	return true;
}

void run_look_at_end(struct run *r)
{
	const char *const topic = r->options->kafka.topic;
	struct fail fail = { 0 };
	int64_t first, end;

	if (kafka_partition_bounds(
		    r->producer, topic, r->options->partition, BACK_WAIT_MS, &first, &end, &fail) &&
		end <= r->offset)
		break_run(r,
			"partition %" PRId32 " ends at offset %" PRId64
			", and had a record at offset %" PRId64,
			r->options->partition, end, r->offset);
}

void run_end(struct run *r)
{
	/* A request on its way may still be written: a copy, which the reader drops. */
	if (!r->producer)
		return;
	r->state = RUN_BROKEN; /* reports from here on count for nothing */
	row_spans_fail(r->spans);
	rd_kafka_purge(r->producer,
		RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_poll(r->producer, 0);
	rd_kafka_queue_io_event_enable(r->events, -1, NULL, 0);
	rd_kafka_queue_destroy(r->events);
	(void)kafka_client_destroy(&r->producer);
	r->state = RUN_NONE;
}
