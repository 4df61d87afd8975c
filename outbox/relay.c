/* The relay: rows become records, in order, none left out, whatever is killed in between.
 *
 * What it keeps is a sentence about the partition: records are written at least once, in
 * gapless runs that never start too high; the reader drops the copies by number. A run is what
 * one producer writes. Why that is enough: let any number of such runs, of one history, stand
 * in the partition, interleaved as they like. A reader that drops the numbers it has sees each
 * number for the first time right behind the one before it: no run skips a number, and none
 * begins more than one above the highest that was there. So producers that were given up and
 * still write, late requests and stale leaders only add copies. It stands on four legs:
 *
 * 1. No gap inside a run. Rows are read in order and are given to one idempotent producer
 *    with one request in flight; a row is acknowledged when its report has no error, its number
 *    follows the last one, and its offset is that one's plus 1 (offsets are consecutive in a
 *    topic without transactions and compaction). Anything else ends the producer, and what it
 *    still reports counts for nothing. Nothing expires (message.timeout.ms=0), because an
 *    expired row would let younger ones pass. A broker that does not know a producer takes any
 *    first sequence number from it, so a second request could be accepted where the first was
 *    not, and librdkafka then reports the first as delivered, without an offset. Hence the
 *    first row of a producer, and the first after an hour of silence (the broker may have
 *    forgotten it), goes alone, and "delivered" without an offset is not believed.
 * 2. No run that starts too high. It begins behind the highest number that the partition was
 *    read to hold with none missing before it (resume.h), never behind one that is only hoped
 *    for.
 * 3. The highest number in the partition never falls. If Kafka loses what it acknowledged (the
 *    log is cut, the topic made anew), the number is taken back to the first row that is kept,
 *    and everything from there is sent again, with an alarm. Rows are kept longer than brokers
 *    take to flush.
 * 4. One number means one content. A row never changes, and every record of the own name that
 *    is read is compared with its row. Other bytes, or a number that this store has not given,
 *    mean that it was copied or restored: the relay writes nothing more, and the process ends
 *    and says what to do (`store fork`).
 *
 * Going well: ask what the partition holds, read the rows behind it, give them to the producer
 * in order, and take its reports.
 *
 * Going wrong, apart from the above:
 * - The brokers are away: the producer is kept and goes on by itself. When they are back its next
 *   report shows whether they lost something; where nothing is on its way, a new run looks.
 * - The offset of a report steps back: the log was cut. It jumps: somebody else writes, or a
 *   producer given up still did. Both end the producer, and the next run looks. Where the first
 *   report of a run jumps, nothing else is on its way: the relay looks at once, and keeps the
 *   producer where its row stands there. So two copies of a store notice each other, and a
 *   stranger's records only delay.
 * - There is a hole in the partition in front of us, which none of our runs makes: the run
 *   begins in front of it and fills it, with a warning.
 * - The partition looks cut: a broker that was paused may just not know better. It has to look
 *   so for CUT_SURE_MS.
 * - Kafka refuses a row (too large, not allowed): it stays first. It is sent alone, with a
 *   growing pause, and nothing overtakes it. */
#include "outbox/relay.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kafka/client/headers.h"
#include "outbox/resume.h"
#include "outbox/rows.h"
#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define READ_ROWS     1000    /* rows read in one go, so that readings are brief */
#define WINDOW_ROWS   20000   /* rows given to the producer and not acknowledged */
#define WINDOW_MS     600000  /* a window made smaller doubles after this */
#define SILENCE_MS    3600000 /* after this a broker may have forgotten a producer */
#define PAUSE_MIN_MS  100     /* before a new producer, doubled each time ... */
#define PAUSE_MAX_MS  10000   /* ... up to this */
#define TOPIC_WAIT_MS 1000
#define PATIENCE_MS   5000 /* rows that wait longer without an acknowledgement: not ready */
#define IDLE_MS       1000
#define LOOK_AGAIN_MS 100
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

static const struct kafka_property relay_defaults[] = {
	{ "linger.ms", "0" }, /* one request in flight makes its own batches */
	{ "queue.buffering.max.messages", "100000" },
	{ "queue.buffering.max.kbytes", "32768" },
	{ NULL, NULL },
};

enum relay_state { NO_PRODUCER, RUNNING, BROKEN };

struct relay {
	struct relay_options options;
	int wake; /* eventfd: rows, delivery reports, stop */
	pthread_t thread;
	atomic_bool stopping;

	/* The thread's own. */
	rd_kafka_t *producer;
	rd_kafka_queue_t *events;
	enum relay_state state;
	int64_t next;                 /* row to send next */
	int64_t last;                 /* highest row that may be sent: its commit is over */
	int64_t in_flight;            /* given to the producer, no report yet */
	int64_t run_last, run_offset; /* last acknowledged, or what the run begins behind */
	bool fresh;                   /* no report has come in this run */
	bool look;                    /* the first one jumped: the partition is to be read */
	int64_t cut_ms;               /* since when the partition looks cut; 0: it does not */
	bool alone;                   /* the row in flight goes alone */
	int64_t suspect;              /* row that was refused; 0: none */
	int64_t sent_ms;              /* when a row was sent last */
	int64_t pause_ms;
	int64_t gave_up_ms; /* when the producer said that it takes no more; 0: it works */
	bool brokers_away;
	int64_t asked_ms;
	int64_t window;    /* at most WINDOW_ROWS; smaller after a batch was too large */
	int64_t window_ms; /* when it changed last */
	char gave_up[RELAY_WHY_MAX];
	struct log_repeat broken, unread, unstarted, hole;
	struct fail ended;
	atomic_bool dead;

	/* For relay_holds. */
	pthread_mutex_t lock;
	char why[RELAY_WHY_MAX]; /* "" while all is well */
	int64_t acknowledged_ms; /* when a row was acknowledged, or nothing waited, last */
};

static void say(struct relay *r, const char *why)
{
	pthread_mutex_lock(&r->lock);
	(void)snprintf(r->why, sizeof(r->why), "%.*s", RELAY_WHY_MAX - 1, why);
	pthread_mutex_unlock(&r->lock);
}

static void note_progress(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->suspect == 0) { /* a new producer is no progress for a refused row */
		r->acknowledged_ms = clock_mono_ms();
		r->why[0] = '\0';
	}
	pthread_mutex_unlock(&r->lock);
}

bool relay_holds(struct relay *r, char why[RELAY_WHY_MAX])
{
	const struct progress_numbers n = progress_read(r->options.progress);
	const int64_t waiting = n.last - n.acknowledged;
	int64_t since;

	pthread_mutex_lock(&r->lock);
	(void)snprintf(why, RELAY_WHY_MAX, "%s", r->why);
	since = clock_mono_ms() - r->acknowledged_ms;
	pthread_mutex_unlock(&r->lock);
	if (!*why && waiting > 0 && since > PATIENCE_MS)
		(void)snprintf(why, RELAY_WHY_MAX,
			"no acknowledgement for %" PRId64 " s, %" PRId64 " events wait",
			since / 1000, waiting);
	return !*why;
}

/* The run cannot go on: its producer ends at the next turn. */
static void break_run(struct relay *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void break_run(struct relay *r, const char *format, ...)
{
	char why[RELAY_WHY_MAX];
	va_list args;

	if (r->state == BROKEN)
		return;
	va_start(args, format);
	if (vsnprintf(why, sizeof(why), format, args) < 0)
		*why = '\0';
	va_end(args);
	r->state = BROKEN;
	say(r, why);
	log_repeating(&r->broken, LOG_WARNING, "relay", "%s; a new producer starts", why);
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
static void shrink_window(struct relay *r)
{
	r->window = r->window > 4 ? r->window / 4 : 1;
	r->window_ms = clock_mono_ms();
}

static void grow_window(struct relay *r)
{
	if (r->window == WINDOW_ROWS || clock_mono_ms() - r->window_ms < WINDOW_MS)
		return;
	r->window = r->window * 2 < WINDOW_ROWS ? r->window * 2 : WINDOW_ROWS;
	r->window_ms = clock_mono_ms();
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *report, void *opaque)
{
	struct relay *const r = opaque;
	const int64_t id = (intptr_t)report->_private;

	(void)producer;
	r->in_flight--;
	if (r->state != RUNNING)
		return; /* of a run that has ended: not to be believed */
	if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (is_refusal(report->err) && (r->suspect == 0 || id < r->suspect))
			r->suspect = id;
		if (report->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
			shrink_window(r);
		break_run(r, "event %" PRId64 " is refused: %s", id, rd_kafka_err2str(report->err));
	} else if (report->offset < 0) {
		break_run(r, "event %" PRId64 " was reported without an offset", id);
	} else if (id != r->run_last + 1) {
		break_run(r, "event %" PRId64 " was reported behind %" PRId64, id, r->run_last);
	} else if (r->fresh && report->offset > r->run_offset + 1) {
		r->look = true;
	} else if (report->offset != r->run_offset + 1) {
		break_run(r,
			"event %" PRId64 " got offset %" PRId64 " behind %" PRId64
			": the log was cut, or somebody else writes to partition %" PRId32,
			id, report->offset, r->run_offset, r->options.partition);
	} else {
		r->run_last = id;
		r->run_offset = report->offset;
		r->alone = r->fresh = false;
		if (id >= r->suspect)
			r->suspect = 0;
		progress_acknowledge(r->options.progress, id, report->offset);
	}
}

/* The producer takes no more. The report of the row that caused it is still to come, and
 * says more. */
static void note_fatal(struct relay *r)
{
	(void)rd_kafka_fatal_error(r->producer, r->gave_up, sizeof(r->gave_up));
	if (r->gave_up_ms == 0)
		r->gave_up_ms = clock_mono_ms();
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
	struct relay *const r = opaque;

	(void)producer;
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		r->brokers_away = true;
	else if (error == RD_KAFKA_RESP_ERR__FATAL)
		note_fatal(r);
	else
		log_debug("relay", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

static bool open_producer(struct relay *r, struct fail *fail)
{
	rd_kafka_conf_t *const conf =
		kafka_conf(&r->options.kafka, relay_defaults, relay_fixed, fail);

	if (!conf)
		return false;
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);
	r->producer = kafka_client_new(RD_KAFKA_PRODUCER, conf, fail);
	if (!r->producer)
		return false;
	r->events = rd_kafka_queue_get_main(r->producer);
	rd_kafka_queue_io_event_enable(r->events, r->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
	return true;
}

/* What was not acknowledged is forgotten here; the outbox remembers it. A request on its way
 * may still be written: a copy, which the reader drops. */
static void close_producer(struct relay *r)
{
	if (!r->producer)
		return;
	r->state = BROKEN; /* reports from here on count for nothing */
	rd_kafka_purge(r->producer,
		RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_poll(r->producer, 0);
	rd_kafka_queue_io_event_enable(r->events, -1, NULL, 0);
	rd_kafka_queue_destroy(r->events);
	rd_kafka_destroy(r->producer);
	r->producer = NULL;
	r->state = NO_PRODUCER;
}

/* Kafka lost records that it had acknowledged. Everything that is kept is sent again. */
static bool rewind_to_kept(struct relay *r, struct resume_answer *a, struct fail *fail)
{
	const int64_t now = clock_mono_ms(), lost = a->reached;
	struct progress_numbers n;

	if (r->cut_ms == 0)
		r->cut_ms = now;
	if (now - r->cut_ms < CUT_SURE_MS)
		return fail_set(fail, FAIL_RETRY, "%s", a->text);
	r->cut_ms = 0;
	progress_rewind(r->options.progress, rows_origin(a->end));
	n = progress_read(r->options.progress);
	log_error("relay",
		"%s; sending events %" PRId64 " to %" PRId64
		" again, older ones are not kept and may be lost",
		a->text, n.acknowledged + 1, lost);
	r->options.rewound(r->options.rewound_context);
	a->reached = n.acknowledged;
	return true;
}

static bool stop_forked(const struct relay *r, const struct resume_answer *a, struct fail *fail)
{
	const char *const source = r->options.source;

	return fail_set(fail, FAIL_FATAL,
		"%s. Nothing is sent. Stop every process on this store, then run: %.*s-service "
		"store fork",
		a->text, (int)strcspn(source, "/"), source);
}

/* What the partition holds decides where the run begins. */
static bool find_start(struct relay *r, struct resume_answer *a, struct fail *fail)
{
	const struct resume_question question = { .kafka = r->options.kafka,
		.partition = r->options.partition,
		.source = r->options.source,
		.known = progress_read(r->options.progress),
		.db = r->options.db,
		.stopping = &r->stopping };

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
			r->options.partition, a->beyond, a->reached + 1);
	progress_acknowledge(r->options.progress, a->reached, a->offset);
	return true;
}

static void begin_behind(struct relay *r, const struct resume_answer *a)
{
	/* The pause before a new producer shrinks only when there was progress. */
	if (a->reached > r->run_last)
		r->pause_ms = PAUSE_MIN_MS;
	if (r->suspect <= a->reached)
		r->suspect = 0;
	r->run_last = a->reached;
	r->run_offset = a->end - 1;
	r->next = a->reached + 1;
	r->look = false;
}

/* The run's first row, which went alone, was written behind something else. */
static bool look_again(struct relay *r, struct fail *fail)
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
static bool start_run(struct relay *r, struct fail *fail)
{
	struct resume_answer answer;

	if (!r->producer && !open_producer(r, fail))
		return false;
	if (!kafka_topic_check(
		    r->producer, r->options.kafka.topic, EVENT_PARTITIONS, TOPIC_WAIT_MS, fail) ||
		!find_start(r, &answer, fail))
		return false;
	r->state = RUNNING;
	begin_behind(r, &answer);
	r->fresh = r->alone = true;
	r->in_flight = r->gave_up_ms = 0;
	r->brokers_away = false;
	note_progress(r);
	log_info("relay",
		"producer starts partition=%" PRId32 " behind=%" PRId64 " end=%" PRId64
		" read=%" PRId64,
		r->options.partition, answer.reached, answer.end, answer.read);
	return true;
}

/* Gives one row to the producer; false where it has to wait. */
static bool send_row(void *context, const struct row *row)
{
	struct relay *const r = context;
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t error;

	if (row->id > r->last)
		return false;
	if (row->id != r->next) /* rows that are not acknowledged are never deleted */
		return fail_set(&r->ended, FAIL_FATAL,
			"the outbox has event %" PRId64 " and not %" PRId64
			", which Kafka has not acknowledged",
			row->id, r->next);
	if (r->in_flight > 0 && (r->alone || r->next == r->suspect))
		return false;
	headers = headers_new(r->options.source, row->id, event_type_name(row->type), row->at_ms);
	if (!headers)
		return false;
	error = rd_kafka_producev(r->producer, RD_KAFKA_V_TOPIC(r->options.kafka.topic),
		RD_KAFKA_V_PARTITION(r->options.partition),
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
	r->sent_ms = clock_mono_ms();
	r->in_flight++;
	if (r->next++ == r->suspect)
		r->alone = true;
	return !r->alone && r->in_flight < r->window;
}

/* Sends what there is, as far as the window goes. False where the store cannot be read. */
static bool send_rows(struct relay *r, struct fail *fail)
{
	/* Rows can be read a moment before their commit returns; they are not ours yet. */
	r->last = progress_read(r->options.progress).last;
	grow_window(r);

	if (r->in_flight == 0 && clock_mono_ms() - r->sent_ms > SILENCE_MS)
		r->alone = true;
	while (r->next <= r->last && r->state == RUNNING && !r->look && r->in_flight < r->window &&
		!(r->alone && r->in_flight > 0)) {
		const int64_t before = r->next;

		if (!rows_read(r->options.db, r->next, READ_ROWS, send_row, r, fail))
			return false;
		if (r->ended.kind != FAIL_NONE) {
			*fail = r->ended;
			return false;
		}
		rd_kafka_poll(r->producer, 0);
		if (r->next == before)
			break;
	}
	return true;
}

static void wait_for_news(struct relay *r, int wait_ms)
{
	struct pollfd on = { .fd = r->wake, .events = POLLIN };
	uint64_t count;

	if (poll(&on, 1, wait_ms) > 0)
		(void)!read(r->wake, &count, sizeof(count));
}

/* Between two producers; new rows do not shorten it. */
static void pause_for(struct relay *r, int64_t pause_ms)
{
	const int64_t until = clock_mono_ms() + pause_ms;

	for (int64_t left = pause_ms; left > 0 && !atomic_load(&r->stopping);
		left = until - clock_mono_ms())
		wait_for_news(r, (int)left);
}

/* With nothing on its way no report can say that the brokers are back, nor that they lost what
 * they had not flushed. */
static void ask_for_brokers(struct relay *r)
{
	const int64_t now = clock_mono_ms();
	struct fail fail = { 0 };

	if (!r->brokers_away || now - r->asked_ms < IDLE_MS)
		return;
	if (kafka_topic_check(r->producer, r->options.kafka.topic, EVENT_PARTITIONS,
		    TOPIC_WAIT_MS / 4, &fail)) {
		r->brokers_away = false;
		if (r->in_flight == 0)
			break_run(r, "the brokers were away: what they have is read again");
		else
			note_progress(r);
	} else if (fail.kind == FAIL_REFUSE) {
		break_run(r, "%s", fail.text);
	} else {
		say(r, fail.text);
	}
	r->asked_ms = clock_mono_ms();
}

/* One turn of a run. */
static bool turn(struct relay *r, struct fail *fail)
{
	const int64_t before = r->run_last;
	struct progress_numbers n;

	rd_kafka_poll(r->producer, 0);
	if (r->gave_up_ms != 0 &&
		(r->in_flight == 0 || clock_mono_ms() - r->gave_up_ms > PATIENCE_MS))
		break_run(r, "the producer gave up: %s", r->gave_up);
	if (r->state == RUNNING && r->gave_up_ms == 0 &&
		!(r->look ? look_again(r, fail) : send_rows(r, fail))) {
		if (fail->kind != FAIL_RETRY)
			return false;
		log_repeating(&r->unread, LOG_WARNING, "relay", "%s", fail->text);
		fail->kind = FAIL_NONE;
	}
	if (r->state == RUNNING)
		ask_for_brokers(r);
	if (r->state == BROKEN) {
		close_producer(r);
		pause_for(r, r->pause_ms);
		r->pause_ms = r->pause_ms * 2 < PAUSE_MAX_MS ? r->pause_ms * 2 : PAUSE_MAX_MS;
		return true;
	}
	n = progress_read(r->options.progress);
	if (r->run_last != before || n.acknowledged == n.last) {
		r->brokers_away = r->brokers_away && r->run_last == before;
		if (!r->brokers_away)
			note_progress(r);
	}
	if (r->run_last != before && r->suspect == 0)
		r->pause_ms = PAUSE_MIN_MS;
	wait_for_news(r, r->look ? LOOK_AGAIN_MS : IDLE_MS);
	return true;
}

/* The thread ends and the process with it. */
static void give_up(struct relay *r, const struct fail *fail)
{
	r->ended = *fail;
	say(r, fail->text);
	atomic_store(&r->dead, true);
	stop_request();
}

static void *run(void *context)
{
	struct relay *const r = context;

	while (!atomic_load(&r->stopping) && !atomic_load(&r->dead)) {
		struct fail fail = { 0 };

		if (r->state == RUNNING) {
			if (!turn(r, &fail))
				give_up(r, &fail);
			continue;
		}
		if (start_run(r, &fail))
			continue;
		if (fail.kind == FAIL_FATAL) {
			give_up(r, &fail);
			continue;
		}
		if (atomic_load(&r->stopping))
			break;
		say(r, fail.text);
		log_repeating(&r->unstarted, LOG_WARNING, "relay", "%s", fail.text);
		if (r->producer)
			rd_kafka_poll(r->producer, 0);
		pause_for(r, IDLE_MS);
	}
	close_producer(r);
	return NULL;
}

bool relay_start(struct relay **relay, const struct relay_options *options, struct fail *fail)
{
	struct relay *const r = calloc(1, sizeof(*r));

	*relay = NULL;
	if (!r)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	r->options = *options;
	r->pause_ms = PAUSE_MIN_MS;
	r->window = WINDOW_ROWS;
	strcpy(r->why, "no broker has answered yet");
	r->acknowledged_ms = clock_mono_ms();
	pthread_mutex_init(&r->lock, NULL);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake < 0) {
		fail_errno(fail, FAIL_FATAL, errno, "eventfd");
		goto undo;
	}
	if (!thread_start(&r->thread, "outbox-relay", run, r, fail))
		goto undo;
	*relay = r;
	return true;

undo:
	if (r->wake >= 0)
		close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return false;
}

void relay_wake(struct relay *r)
{
	/* A full eventfd is readable already. */
	(void)!write(r->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
}

bool relay_ended(struct relay *r)
{
	return atomic_load(&r->dead);
}

bool relay_stop(struct relay *r, int drain_ms, struct fail *fail)
{
	const int64_t until = clock_mono_ms() + drain_ms;

	while (clock_mono_ms() < until && !atomic_load(&r->dead)) {
		const struct progress_numbers n = progress_read(r->options.progress);

		if (n.acknowledged >= n.last)
			break;
		(void)usleep(5000);
	}
	atomic_store(&r->stopping, true);
	relay_wake(r);
	pthread_join(r->thread, NULL);
	say(r, "the service stops");
	if (r->ended.kind == FAIL_NONE)
		return true;
	*fail = r->ended;
	return false;
}

void relay_free(struct relay **relay)
{
	struct relay *const r = *relay;

	if (!r)
		return;
	close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	*relay = NULL;
}
