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
 * A backlog (Kafka was away) is sent by a run of its own, whose producer waits for full requests;
 * it is over with the last row that waited when it began.
 *
 * Going wrong, apart from the above:
 * - The brokers are away: the producer is kept and goes on by itself. When they are back its next
 *   report shows whether they lost something; where nothing is on its way, a new run looks.
 * - Brokers that stayed have lost something (the only one in sync lost power, or somebody made the
 *   topic anew), and nothing is on its way: the partition's end is looked at every LOOK_MS.
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

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "outbox/row_spans.h"
#include "outbox/run.h"
#include "process/clock.h"
#include "process/stop.h"

#define PATIENCE_MS   5000 /* rows that wait longer without an acknowledgement: not ready */
#define IDLE_MS       1000
#define LOOK_MS       10000 /* how often a run with nothing to send looks at the partition's end */
#define LOOK_AGAIN_MS 100

struct relay {
	struct relay_options options;
	int wake; /* eventfd: rows, delivery reports, stop */
	pthread_t thread;
	atomic_bool stopping, dead;

	/* The thread's own. */
	struct run run;
	int64_t asked_ms;  /* whether the brokers are back */
	int64_t looked_ms; /* at the partition's end, or at a report */
	struct log_repeat unread, unstarted;
	struct fail ended;

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
	if (r->run.suspect == 0) { /* a new producer is no progress for a refused row */
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

static void ask_for_brokers(struct relay *r)
{
	struct fail fail = { 0 };

	if (!r->run.brokers_away || clock_mono_ms() - r->asked_ms < IDLE_MS)
		return;
	if (!run_ask_brokers(&r->run, &fail))
		say(r, fail.text);
	else if (r->run.state == RUN_GOES)
		note_progress(r);
	r->asked_ms = clock_mono_ms();
}

static void look_at_end(struct relay *r)
{
	if (r->run.in_flight > 0 || r->run.look || r->run.brokers_away ||
		clock_mono_ms() - r->looked_ms < LOOK_MS)
		return;
	run_look_at_end(&r->run);
	r->looked_ms = clock_mono_ms();
}

/* A broken run ends, and the next one waits longer than this one did. */
static void end_run(struct relay *r)
{
	struct run *const run = &r->run;

	say(r, run->why);
	run_end(run);
	pause_for(r, run->pause_ms);
	run->pause_ms = run->pause_ms * 2 < RUN_PAUSE_MAX_MS ? run->pause_ms * 2 : RUN_PAUSE_MAX_MS;
}

/* One turn of a run. */
static bool turn(struct relay *r, struct fail *fail)
{
	struct run *const run = &r->run;
	const int64_t before = run->acknowledged;
	struct progress_numbers n;

	if (!run_go_on(run, fail)) {
		if (fail->kind != FAIL_RETRY)
			return false;
		log_repeating(&r->unread, LOG_WARNING, "relay", "%s", fail->text);
		fail->kind = FAIL_NONE;
	}
	if (run->state == RUN_OVER) {
		run_end(run);
		return true;
	}
	if (run->acknowledged != before)
		r->looked_ms = clock_mono_ms();
	if (run->state == RUN_GOES)
		ask_for_brokers(r);
	if (run->state == RUN_GOES)
		look_at_end(r);
	if (run->state == RUN_BROKEN) {
		end_run(r);
		return true;
	}
	n = progress_read(r->options.progress);
	if (run->acknowledged != before || n.acknowledged == n.last) {
		run->brokers_away = run->brokers_away && run->acknowledged == before;
		if (!run->brokers_away)
			note_progress(r);
	}
	if (run->acknowledged != before && run->suspect == 0)
		run->pause_ms = RUN_PAUSE_MIN_MS;
	wait_for_news(r, run->look ? LOOK_AGAIN_MS : IDLE_MS);
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

		if (r->run.state == RUN_GOES) {
			if (!turn(r, &fail))
				give_up(r, &fail);
			continue;
		}
		if (run_begin(&r->run, &fail)) {
			r->looked_ms = clock_mono_ms();
			note_progress(r);
			continue;
		}
		if (fail.kind == FAIL_FATAL) {
			give_up(r, &fail);
			continue;
		}
		if (atomic_load(&r->stopping))
			break;
		say(r, fail.text);
		log_repeating(&r->unstarted, LOG_WARNING, "relay", "%s", fail.text);
		if (r->run.producer)
			rd_kafka_poll(r->run.producer, 0);
		pause_for(r, IDLE_MS);
	}
	run_end(&r->run);
	return NULL;
}

bool relay_start(struct relay **relay, const struct relay_options *options, struct fail *fail)
{
	struct relay *const r = calloc(1, sizeof(*r));

	*relay = NULL;
	if (!r)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	r->options = *options;
	strcpy(r->why, "no broker has answered yet");
	r->acknowledged_ms = clock_mono_ms();
	pthread_mutex_init(&r->lock, NULL);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake < 0) {
		fail_errno(fail, FAIL_FATAL, errno, "eventfd");
		goto undo;
	}
	run_init(&r->run, &r->options, &r->stopping, r->wake);
	if (!row_spans_open(&r->run.spans, &r->options, fail) ||
		!thread_start(&r->thread, "outbox-relay", run, r, fail))
		goto undo;
	*relay = r;
	return true;

undo:
	row_spans_close(&r->run.spans);
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
	row_spans_close(&r->run.spans);
	close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	*relay = NULL;
}
