/* The one writer, going well: take what waits, apply each command (state and outbox row
 * together), commit once, wake the relay, hand every caller its result. One sync serves as
 * many callers as have gathered meanwhile.
 *
 * Going wrong: nothing of the batch is kept and every caller learns why. Busy and full are
 * survived. Any other failed COMMIT may have reached the disk: the callers are told "unknown"
 * and the process ends, because only a fresh start can read what is true.
 *
 * Tidying: rows are kept until Kafka, keep_ms after it acknowledged them, acknowledges another
 * one or is read and has them still. keep_ms is longer than the brokers' flush interval, so a
 * power cut of both costs nothing, however long it lasts: brokers that are not there flush
 * nothing. The last acknowledged row stays, and its offset with it: resuming starts there. Where
 * Kafka lost acknowledged records, the relay takes the number back: what is kept then waits again,
 * and stays for keep_ms after its new acknowledgement. Relay and writer agree by progress_forget on
 * what is still kept. */
#include "outbox/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define TIDY_EVERY_MS 1000
#define PAUSE_US      4000 /* a checkpoint takes some */
#define PAUSE_EACH_US 50

const struct histogram_scale writer_scale = { .first = 100, .per_second = 1000000, .bounds = 16 };

/* Remembers how far Kafka is now, so that a later turn knows what was acknowledged by then. */
static void mark(struct writer *w, int64_t now, int64_t acknowledged)
{
	const int64_t apart = w->keep_ms / (WRITER_MARKS / 2);

	if (w->mark_count > 0 && (w->marks[w->mark_count - 1].id == acknowledged ||
					 now - w->marks[w->mark_count - 1].at_ms < apart))
		return;
	if (w->mark_count == WRITER_MARKS) { /* the two oldest become one, kept the longer */
		memmove(&w->marks[0], &w->marks[1], sizeof(w->marks) - sizeof(w->marks[0]));
		w->mark_count--;
	}
	w->marks[w->mark_count].at_ms = now;
	w->marks[w->mark_count++].id = acknowledged;
}

/* The highest row that Kafka still had keep_ms after its acknowledgement, and is not the last
 * acknowledged one. */
static int64_t forgettable(const struct writer *w, const struct progress_numbers *reached)
{
	int64_t up_to = 0;

	for (size_t i = 0; i < w->mark_count && reached->seen_ms - w->marks[i].at_ms >= w->keep_ms;
		i++)
		up_to = w->marks[i].id;
	return up_to < reached->acknowledged ? up_to : reached->acknowledged - 1;
}

/* The newest of the old marks stands for all of them. */
static void drop_marks(struct writer *w, int64_t seen_ms)
{
	size_t old = 0;

	while (old < w->mark_count && seen_ms - w->marks[old].at_ms >= w->keep_ms)
		old++;
	if (old <= 1)
		return;
	memmove(&w->marks[0], &w->marks[old - 1], (w->mark_count - old + 1) * sizeof(w->marks[0]));
	w->mark_count -= old - 1;
}

static bool tidy_is_due(const struct writer *w, int64_t now)
{
	return w->behind || now - w->tidied_ms >= TIDY_EVERY_MS;
}

static bool is_stored(const struct rows_state *state, const struct progress_numbers *reached)
{
	return state->acknowledged == reached->acknowledged &&
	       state->acknowledged_offset == reached->acknowledged_offset;
}

/* Inside a transaction: stores how far Kafka is and deletes what is old. *next is the state
 * after the commit. */
static bool tidy(struct writer *w, struct rows_state *next, struct fail *fail)
{
	const struct progress_numbers reached = progress_read(w->progress);
	const int64_t now = clock_mono_ms(); /* behind what was acknowledged by then */
	int64_t up_to;

	w->tidied_ms = now;
	w->behind = false;
	if (reached.rewinds != w->rewinds)
		w->mark_count = 0; /* what was acknowledged then is not any more */
	w->rewinds = reached.rewinds;
	mark(w, now, reached.acknowledged);
	if (!is_stored(next, &reached)) {
		if (!rows_set_acknowledged(
			    w->db, reached.acknowledged, reached.acknowledged_offset, fail))
			return fail_prefix(fail, "tidy");
		next->acknowledged = reached.acknowledged;
		next->acknowledged_offset = reached.acknowledged_offset;
	}
	up_to = forgettable(w, &reached);
	drop_marks(w, reached.seen_ms);
	if (next->first == 0 || up_to < next->first)
		return true;
	if (up_to - next->first >= WRITER_FORGET_MAX) {
		up_to = next->first + WRITER_FORGET_MAX - 1;
		w->behind = true;
	}
	if (!progress_forget(w->progress, reached.rewinds, up_to))
		return true;
	if (!rows_forget(w->db, up_to, fail))
		return fail_prefix(fail, "tidy");
	next->first = up_to + 1;
	return true;
}

static bool is_tidy(const struct writer *w)
{
	const struct progress_numbers reached = progress_read(w->progress);

	return is_stored(&w->state, &reached) && reached.acknowledged == w->state.last &&
	       (w->state.first == 0 || forgettable(w, &reached) < w->state.first);
}

int writer_wait_ms(const struct writer *w)
{
	return is_tidy(w) ? -1 : w->behind ? 0 : TIDY_EVERY_MS;
}

static void answer_all(struct command **batch, size_t count, const struct fail *refused)
{
	for (size_t i = 0; i < count; i++) {
		if (batch[i])
			batch[i]->answer(batch[i], refused);
	}
}

/* Everything between begin and commit. Commands refused by the bound are answered and taken
 * out of the batch. */
static bool fill(struct writer *w, size_t count, struct outbox_tx *tx, struct rows_state *next,
	int64_t now, struct fail *fail)
{
	const int64_t acknowledged = progress_read(w->progress).acknowledged;
	struct fail full = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct command *const command = w->batch[i];

		tx->full = command->makes_event && tx->last - acknowledged >= w->max_rows;
		tx->refused = false;
		if (!w->apply(w->service, tx, command, fail))
			return false;
		if (!tx->refused)
			continue;
		w->batch[i] = NULL;
		fail_set(&full, FAIL_RETRY, "%" PRId64 " events wait for Kafka", w->max_rows);
		command->answer(command, &full);
	}
	if (tx->last != next->last && !rows_set_last(tx, fail))
		return fail_prefix(fail, "store the sequence number");
	if (next->first == 0 && tx->last > next->last)
		next->first = next->last + 1;
	next->last = tx->last;
	return !tidy_is_due(w, now) || tidy(w, next, fail);
}

static bool commit(struct writer *w, struct fail *fail)
{
	const int64_t began_us = clock_mono_us();
	const bool done = db_commit(w->db, fail);

	histogram_add_shared(&w->commit_us, &writer_scale, (uint64_t)(clock_mono_us() - began_us));
	return done;
}

/* Who asks meanwhile waits for it; the more do, the longer each of them waits anyway, and the more
 * they gain from fewer syncs. */
static void checkpoint(struct writer *w, size_t asked)
{
	const int pause_us = PAUSE_US + (int)asked * PAUSE_EACH_US;
	struct fail fail = { 0 };
	int64_t took_us;

	if (!db_checkpoint(w->db, pause_us, &took_us, &fail))
		log_repeating(
			&w->not_moved, LOG_WARNING, "writer", "tried again later: %s", fail.text);
	if (took_us > 0)
		histogram_add_shared(&w->checkpoint_us, &writer_scale, (uint64_t)took_us);
}

/* Nothing was deleted. */
static void keep_rows(struct writer *w)
{
	progress_keep(w->progress, rows_first(&w->state));
}

bool writer_turn(struct writer *w, int wait_ms, struct fail *fail)
{
	const size_t count = queue_take(w->queue, w->batch, WRITER_BATCH_MAX, wait_ms);
	const int64_t now = clock_mono_ms();
	struct rows_state next = w->state;
	struct outbox_tx tx = { .db = w->db,
		.last = w->state.last,
		.at_ms = clock_wall_ms(),
		.source = w->state.source };

	if (count == 0 && (is_tidy(w) || !tidy_is_due(w, now)))
		return true;
	if (!db_begin(w->db, fail))
		goto refuse;
	if (!fill(w, count, &tx, &next, now, fail))
		goto undo;
	if (!commit(w, fail)) /* ends the transaction either way */
		goto refuse;

	if (next.last > w->state.last) {
		progress_commit(w->progress, next.last);
		if (w->committed)
			w->committed(w->committed_context);
	}
	w->state = next;
	answer_all(w->batch, count, NULL);
	checkpoint(w, count);
	return true;

undo:
	db_rollback(w->db);
refuse:
	keep_rows(w);
	w->behind = false; /* a full disk is tried again after a pause */
	fail_prefix(fail, "write a batch of %zu", count);
	answer_all(w->batch, count, fail);
	return false;
}

static void *run(void *context)
{
	struct writer *const w = context;
	struct log_repeat repeat = { 0 };

	while (!queue_ended(w->queue)) {
		struct fail fail = { 0 };

		if (writer_turn(w, writer_wait_ms(w), &fail))
			continue;
		if (fail.kind == FAIL_RETRY) {
			log_repeating(&repeat, LOG_WARNING, "writer", "%s", fail.text);
			continue;
		}
		w->ended = fail;
		queue_close(w->queue);
		stop_request();
		break;
	}
	/* After a failure that ends the process: whoever waits still gets an answer. */
	while (!queue_ended(w->queue)) {
		const size_t count = queue_take(w->queue, w->batch, WRITER_BATCH_MAX, 0);

		answer_all(w->batch, count, &w->ended);
	}
	return NULL;
}

bool writer_start(struct writer *w, struct fail *fail)
{
	assert(w->apply && w->max_rows > 0);
	return thread_start(&w->thread, "outbox-writer", run, w, fail);
}

void writer_join(struct writer *w)
{
	pthread_join(w->thread, NULL);
}

bool writer_finish(struct writer *w, struct fail *fail)
{
	struct rows_state next = w->state;

	if (!db_begin(w->db, fail))
		return false;
	if (!tidy(w, &next, fail)) {
		db_rollback(w->db);
		keep_rows(w);
		return false;
	}
	if (!db_commit(w->db, fail)) {
		keep_rows(w);
		return false;
	}
	w->state = next;
	return true;
}
