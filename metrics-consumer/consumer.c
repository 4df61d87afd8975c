/* From partition to journal.
 *
 * A turn, going well: place each record of the batch (place.c) as soon as it is decoded (decode.c);
 * take the next batch, which is decoded meanwhile;
 * write and sync the dead letters, then write the lines, all with one write; publish the counts;
 * copy the lines to standard output; sync the journal if it is due; and once that is done, tell the
 * group's coordinator. A dead letter is on the disk before any line behind it, so the journal alone
 * is the position: a process that is killed anywhere reads on behind its last line, and drops what
 * it knows.
 *
 * Going wrong:
 * - the topic is not there, no broker answers, or it has another number of partitions: nothing
 *   is assigned; it is asked again, and /readyz says why;
 * - the topic goes while it is read: the run ends as at a stop, and begins again with another
 *   client (topic_is_gone), which waits for the topic and compares what it finds;
 * - the disk is full: the turn stands still where it is, keeps what it took, and tries again
 *   each second; librdkafka's queue fills and fetching stops by itself;
 * - any other write error, or any failed sync: the process ends, and its next start finds out
 *   what the disk really has;
 * - Kafka no longer has our offset, or has another record there, or numbers are missing: reading
 *   begins again, in the order of resume.c;
 * - the group's coordinator knows more than the journal: that is said, and the journal decides;
 * - the coordinator does not answer: nothing waits for it. */
#include "metrics-consumer/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/reopen.h"
#include "process/stop.h"

#define ASK_MS         500   /* longest wait for an answer about the topic */
#define ASK_AGAIN_MS   500   /* between two questions */
#define ASK_SLOWLY_MS  10000 /* the same where a person has to change something */
#define ROOM_MS        1000  /* between two tries on a full disk */
#define LOOK_MS        1000  /* an idle consumer looks around this often */
#define GROUP_MS       5000  /* nothing is committed before the group was asked, or this */
#define COMMIT_MS      1000  /* between two commits */
#define COMMIT_LAST_MS 2000  /* longest wait for the last one */
#define TROUBLE_MS     10000 /* after an error that did not come again a partition is well */
#define NOT_TOLD       (-2)  /* no position at all */

_Static_assert(TOPIC_BATCH_MAX <= DECODE_MAX, "a batch can be decoded");

struct consumer {
	const struct consumer_parts *with;
	struct progress done;                /* of all that is in the files */
	int64_t safe[EVENT_PARTITIONS];      /* everything before is on the disk */
	int64_t safe_line[EVENT_PARTITIONS]; /* the last line there, or -1 */
	int64_t committed[EVENT_PARTITIONS]; /* what the coordinator was told */
	int64_t commit_at, look_at;          /* monotonic ms of the last one */
	int64_t from[EVENT_PARTITIONS], from_line[EVENT_PARTITIONS]; /* at the start */
	int64_t asked_at;  /* where the group is; 0: answered, or no longer waited for */
	bool reopen;       /* wished, and not yet done */
	int64_t reopen_at; /* monotonic ms; not before */
	bool abandoned;    /* stopped while the disk was full: what was placed is read again */
	char trouble[EVENT_PARTITIONS][HEALTH_TEXT_MAX]; /* what a partition's last error said */
	int64_t trouble_at[EVENT_PARTITIONS]; /* and when: one that does not come again is over */
	struct log_repeat full, put_off, erring;
	struct decoder *decoder;
	size_t count; /* records that were taken and are not placed; they are being decoded */
	rd_kafka_message_t *batch[TOPIC_BATCH_MAX];
	struct decoded decoded[TOPIC_BATCH_MAX];
};

static bool write_files(struct consumer *c, struct fail *fail)
{
	struct place *const place = c->with->place;

	return dead_letter_write(c->with->dead, fail) &&
	       journal_write(c->with->journal, place->lines, place->length, fail);
}

static void note_safe(struct consumer *c)
{
	memcpy(c->safe, c->done.next, sizeof(c->safe));
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		c->safe_line[p] = c->done.anchor[p].offset;
	page_synced(c->with->page, c->with->journal, &c->done.counts);
	if (c->with->place->length == 0) { /* all that was placed is written */
		line_spans_end(c->with->place->spans);
		page_journaled(c->with->page, c->with->place->sources);
	}
}

static bool sync_journal(struct consumer *c, struct fail *fail)
{
	struct journal *const journal = c->with->journal;

	if (journal->file.unsynced_since != 0 && !journal_sync(journal, fail))
		return false;
	c->reopen = reopen_requested() || c->reopen;
	/* Before anybody is told that the journal has these lines. */
	if (!c->reopen && journal_is_deleted(journal))
		return fail_set(fail, FAIL_FATAL,
			"%s was deleted while it was written to: its lines are gone",
			journal->file.path);
	note_safe(c);
	return true;
}

typedef bool consumer_step(struct consumer *c, struct fail *fail);

/* Does @step; where the disk is full, waits for room and tries again. Abandons the turn when a stop
 * is wished. */
static bool do_when_there_is_room(struct consumer *c, consumer_step *step, struct fail *fail)
{
	bool waited = false;

	while (!step(c, fail)) {
		if (fail->kind != FAIL_RETRY)
			return false;
		topic_serve(c->with->topic);
		page_say(c->with->page, PAGE_JOURNAL, fail->text);
		log_repeating(&c->full, LOG_ERROR, "journal",
			"nothing is taken until there is room: %s", fail->text);
		*fail = (struct fail){ 0 };
		if (!sync_journal(c, fail))
			return false;
		waited = true;
		c->abandoned = stop_wait(ROOM_MS);
		if (c->abandoned)
			return true;
	}
	if (waited) {
		page_say(c->with->page, PAGE_JOURNAL, NULL);
		log_info("journal", "there is room again");
	}
	return true;
}

/* Brings what was placed into the files, and shows it. */
static bool store(struct consumer *c, struct fail *fail)
{
	struct place *const place = c->with->place;

	if (!do_when_there_is_room(c, write_files, fail))
		return false;
	if (c->abandoned)
		return true;
	if (c->with->printer && place->length > 0)
		printer_put(c->with->printer, place->lines, place->length);
	place_written(place);
	c->done = place->progress;
	return true;
}

/* What librdkafka says where our offset is not in the log, or is in another one. */
static bool is_lost(rd_kafka_resp_err_t error)
{
#if RD_KAFKA_VERSION >= 0x020100ff
	if (error == RD_KAFKA_RESP_ERR__LOG_TRUNCATION)
		return true;
#endif
	return error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
}

typedef bool journal_step(struct journal *journal, json_t *state, struct fail *fail);

/* Does @step with what is known of the lines that were written, which is all that was placed.
 * FAIL_RETRY: not now. */
static bool do_step(struct consumer *c, journal_step *step, struct fail *fail)
{
	if (!step(c->with->journal, place_save(c->with->place), fail))
		return false;
	note_safe(c);
	return true;
}

/* Begins a new file or makes a checkpoint where one is due; what cannot be done now comes later. */
static bool look_after_journal(struct consumer *c, struct fail *fail)
{
	struct journal *const journal = c->with->journal;
	journal_step *step = NULL;

	c->reopen = reopen_requested() || c->reopen;
	if (c->reopen && clock_mono_ms() >= c->reopen_at)
		step = journal_reopen;
	else if (journal_rotate_is_due(journal))
		step = journal_rotate;
	else if (journal_checkpoint_is_due(journal))
		step = journal_checkpoint;
	if (!step)
		return true;
	if (do_step(c, step, fail)) {
		c->reopen = c->reopen && step != journal_reopen;
		return true;
	}
	if (fail->kind != FAIL_RETRY)
		return false;
	if (step == journal_reopen)
		c->reopen_at = clock_mono_ms() + JOURNAL_AGAIN_MS;
	log_repeating(&c->put_off, LOG_ERROR, "journal", "tried again later: %s", fail->text);
	*fail = (struct fail){ 0 };
	return true;
}

static bool make_checkpoint(struct consumer *c, struct fail *fail)
{
	return do_step(c, journal_checkpoint, fail);
}

/* An error in the place of a record. */
static void note_error(struct consumer *c, const rd_kafka_message_t *record)
{
	const int32_t p = record->partition;
	struct place *const place = c->with->place;

	if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return;
	log_repeating(&c->erring, LOG_WARNING, "consumer", "%s: %s partition=%" PRId32,
		rd_kafka_err2name(record->err), rd_kafka_message_errstr(record), p);
	if (p < 0 || p >= EVENT_PARTITIONS)
		return;
	c->trouble_at[p] = clock_mono_ms();
	if (is_lost(record->err)) {
		resume_lost(&place->resume[p], &place->progress, c->trouble_at[p]);
		return;
	}
	if (kafka_says_no_topic(record->err)) /* the one that comes may be another */
		resume_check(&place->resume[p]);
	(void)snprintf(c->trouble[p], sizeof(c->trouble[p]), "partition %" PRId32 ": %s", p,
		rd_kafka_err2str(record->err));
}

/* Places one record, writing first where its line would not fit. */
static bool take_record(struct consumer *c, const rd_kafka_message_t *record,
	const struct decoded *decoded, int64_t now_ms, struct fail *fail)
{
	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		note_error(c, record);
		return true;
	}
	c->trouble[record->partition][0] = '\0';
	if (c->with->place->resume[record->partition].state == RESUME_LOOKING)
		c->with->place->resume[record->partition].end =
			topic_end(c->with->topic, record->partition);
	if (!place_has_room(c->with->place, record) && !store(c, fail))
		return false;
	return c->abandoned || place_record(c->with->place, record, decoded, now_ms, fail);
}

/* What is next in each partition; and since when Kafka has it, where it was taken already. */
static void note_next(struct consumer *c)
{
	struct lag_next *const next = c->done.counts.next;
	int left = EVENT_PARTITIONS;

	for (int p = 0; p < EVENT_PARTITIONS; p++)
		next[p] = (struct lag_next){ .offset = c->done.next[p] };
	for (size_t i = 0; i < c->count && left > 0; i++) {
		const rd_kafka_message_t *const record = c->batch[i];
		rd_kafka_timestamp_type_t type;

		if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
			next[record->partition].taken_ms != 0)
			continue;
		next[record->partition].taken_ms = rd_kafka_message_timestamp(record, &type);
		left--;
	}
}

static void publish(struct consumer *c)
{
	note_next(c);
	c->done.counts.sync_us = c->with->journal->sync_us;
	counters_publish(c->with->counters, &c->done.counts);
}

/* What was taken and not placed is read again. */
static void drop_batch(struct consumer *c)
{
	for (size_t i = 0; i < c->count; i++) {
		decoder_reach(c->decoder, i);
		rd_kafka_message_destroy(c->batch[i]);
	}
	c->count = 0;
}

/* The positions where reading goes on, or would have to begin. */
static void positions(const struct consumer *c, int64_t from[static EVENT_PARTITIONS])
{
	const struct place *const place = c->with->place;

	for (int p = 0; p < EVENT_PARTITIONS; p++)
		from[p] = resume_position(&place->resume[p], &place->progress);
}

/* Reading of a partition begins again, the other one goes on where it is. */
static bool begin_again(struct consumer *c, struct fail *fail)
{
	struct place *const place = c->with->place;
	const int64_t now = clock_mono_ms();
	int64_t from[EVENT_PARTITIONS];
	struct fail why = { 0 };
	bool any = false, doubted = false, replaced = false;

	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		any = any || resume_is_due(&place->resume[p], now);
		doubted = doubted || place->resume[p].doubts > 0;
	}
	if (!any)
		return true;
	/* Whoever told us what to doubt may have been no leader any more. */
	if (doubted && !topic_check(c->with->topic, ASK_MS, &why))
		return true;
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		replaced = replaced || place->resume[p].replaced;
		place->resume[p].replaced = false;
	}
	c->done = place->progress;
	/* Before anything else is written: lines whose offsets go back are sound only behind one.
	 */
	if (replaced && (!do_when_there_is_room(c, make_checkpoint, fail) || c->abandoned))
		return c->abandoned;
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (resume_is_due(&place->resume[p], now))
			resume_begin(&place->resume[p], &place->progress, now);
	}
	drop_batch(c); /* it is of where reading was */
	positions(c, from);
	return topic_assign(c->with->topic, from, fail);
}

/* What the group was told last decides nothing, but what it knows and the journal does not, a
 * journal knew that is not this one as it is now. */
static void hear_group(struct consumer *c)
{
	int64_t next[EVENT_PARTITIONS], line[EVENT_PARTITIONS];
	struct counts *const counts = &c->with->place->progress.counts;

	if (c->asked_at == 0)
		return;
	if (!topic_group_answer(c->with->topic, next, line)) {
		if (clock_mono_ms() - c->asked_at > GROUP_MS)
			c->asked_at = 0;
		return;
	}
	c->asked_at = 0;
	log_info("consumer",
		"the group was heard: it was told %" PRId64 " in partition 0, %" PRId64
		" in partition 1 (-1: nothing)",
		next[0], next[1]);
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		/* Behind the last line there may have been copies, which the journal does not tell.
		 */
		if (next[p] <= 0 || /* it was told nothing, or nothing is all there was */
			(line[p] >= 0 ? line[p] <= c->from_line[p] : next[p] <= c->from[p]))
			continue;
		counts->group_ahead = c->done.counts.group_ahead = true;
		log_error("consumer",
			"the group is ahead of this journal: the journal was restored or cut, or "
			"another one uses this GROUP_ID, or its offsets were reset; the journal "
			"decides partition=%" PRId32 " group=%" PRId64 " journal=%" PRId64,
			p, next[p], c->from[p]);
	}
}

/* Says how Kafka does, once a look. */
static void look_around(struct consumer *c)
{
	const int64_t now = clock_mono_ms();
	const char *why = NULL;
	struct fail fail = { 0 };
	bool away, back;

	if (now - c->look_at < LOOK_MS)
		return;
	c->look_at = now;
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (now - c->trouble_at[p] > TROUBLE_MS)
			c->trouble[p][0] = '\0';
		if (c->trouble[p][0] != '\0')
			why = c->trouble[p];
	}
	away = topic_is_away(c->with->topic);
	back = away && topic_check(c->with->topic, ASK_MS, &fail);
	if (away && !back)
		why = fail.text;
	if (back)
		log_info("consumer", "brokers are back, the last line's record is compared again");
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (back) /* what comes back may have lost its last seconds */
			resume_check(&c->with->place->resume[p]);
		resume_look(&c->with->place->resume[p], &c->with->place->progress,
			topic_end(c->with->topic, p), now);
	}
	page_say(c->with->page, PAGE_KAFKA, why);
	if (c->with->journal->file.unsynced_since == 0 && c->with->place->length == 0)
		page_journaled(c->with->page, c->with->place->sources);
}

static void tell_nothing(struct consumer *c)
{
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		c->committed[p] = NOT_TOLD;
}

static bool commit_is_due(struct consumer *c)
{
	if (topic_commit_failed(c->with->topic))
		tell_nothing(c);
	return c->asked_at == 0 && memcmp(c->safe, c->committed, sizeof(c->safe)) != 0;
}

static void commit(struct consumer *c)
{
	if (!topic_commit(c->with->topic, c->safe, c->safe_line, journal_id(c->with->journal),
		    c->with->journal->file.synced))
		return;
	memcpy(c->committed, c->safe, sizeof(c->committed));
	c->commit_at = clock_mono_ms();
}

static bool place_batch(struct consumer *c, struct fail *fail)
{
	const int64_t now_ms = clock_wall_ms();
	bool good = true;

	for (size_t i = 0; i < c->count; i++) {
		decoder_reach(c->decoder, i);
		good = good &&
		       (c->abandoned || take_record(c, c->batch[i], &c->decoded[i], now_ms, fail));
		rd_kafka_message_destroy(c->batch[i]); /* its bytes were copied */
	}
	c->count = 0;
	return good;
}

static void take_batch(struct consumer *c)
{
	c->count = topic_take(c->with->topic, c->batch);
	decoder_begin(c->decoder, c->batch, c->count, c->decoded);
}

static bool turn(struct consumer *c, struct fail *fail)
{
	if (!place_batch(c, fail))
		return false;
	if (!c->abandoned)
		take_batch(c); /* is decoded while this one is written */
	if (!c->abandoned && !store(c, fail))
		return false;
	publish(c);
	if (c->abandoned)
		return true;
	if (journal_sync_wait(c->with->journal, c->with->sync_ms) <= 0 && !sync_journal(c, fail))
		return false;
	hear_group(c);
	if (commit_is_due(c) && clock_mono_ms() - c->commit_at >= COMMIT_MS)
		commit(c);
	look_around(c);
	return look_after_journal(c, fail) && begin_again(c, fail);
}

/* How long an idle consumer may wait: until the next sync or commit, or reading begins again. */
static int idle_ms(const struct consumer *c)
{
	const int sync_ms = journal_sync_wait(c->with->journal, c->with->sync_ms);
	int64_t wait_ms = sync_ms >= 0 && sync_ms < LOOK_MS ? sync_ms : LOOK_MS;

	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		const struct resume *const r = &c->with->place->resume[p];
		const int64_t left = r->again ? r->not_before - clock_mono_ms() : wait_ms;

		if (left < wait_ms)
			wait_ms = left > 0 ? left : 1;
	}
	return (int)wait_ms;
}

/* Asks for the topic until it is there as it has to be. False: a stop was wished first. */
static bool wait_for_topic(struct consumer *c)
{
	struct log_repeat repeat = { 0 };
	char last[FAIL_TEXT_MAX] = "";

	while (!stop_requested()) {
		struct fail why = { 0 };

		if (topic_check(c->with->topic, ASK_MS, &why)) {
			page_say(c->with->page, PAGE_KAFKA, NULL);
			return true;
		}
		if (strcmp(last, why.text) != 0)
			repeat = (struct log_repeat){ 0 };
		memcpy(last, why.text, sizeof(last));
		page_say(c->with->page, PAGE_KAFKA, why.text);
		log_repeating(&repeat, why.kind == FAIL_REFUSE ? LOG_ERROR : LOG_WARNING,
			"consumer", "waiting for Kafka: %s", why.text);
		(void)stop_wait(why.kind == FAIL_REFUSE ? ASK_SLOWLY_MS : ASK_AGAIN_MS);
	}
	return false;
}

/* The next start has nothing to read. Where there is no room it has a little. */
static bool last_checkpoint(struct consumer *c, struct fail *fail)
{
	if (make_checkpoint(c, fail))
		return true;
	if (fail->kind != FAIL_RETRY)
		return false;
	log_warning("journal", "stops without a checkpoint: %s", fail->text);
	*fail = (struct fail){ 0 };
	return true;
}

static void start_reading(struct consumer *c)
{
	memcpy(c->from, c->done.next, sizeof(c->from));
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		c->from_line[p] = c->done.anchor[p].offset;
	log_info("consumer",
		"reads partition 0 from %" PRId64 ", partition 1 from %" PRId64
		" (-1: the earliest record)",
		c->from[0], c->from[1]);
	topic_ask_group(c->with->topic);
	c->asked_at = clock_mono_ms();
}

static bool run(struct consumer *c, struct fail *fail)
{
	int64_t from[EVENT_PARTITIONS];

	page_say(c->with->page, PAGE_JOURNAL, NULL);
	if (!look_after_journal(c, fail))
		return false;
	publish(c);
	if (!wait_for_topic(c))
		return true;
	start_reading(c);
	if (!begin_again(c, fail))
		return false;
	while (!stop_requested() && !topic_is_gone(c->with->topic)) {
		if (!turn(c, fail))
			return false;
		positions(c, from);
		if (c->count == 0)
			topic_wait(c->with->topic, from, idle_ms(c));
	}
	if (!sync_journal(c, fail))
		return false;
	if (!c->abandoned && !last_checkpoint(c, fail))
		return false;
	if (commit_is_due(c)) {
		topic_commit_finish(c->with->topic, COMMIT_LAST_MS / 2); /* an earlier one */
		commit(c);
		topic_commit_finish(c->with->topic, COMMIT_LAST_MS / 2);
	}
	return true;
}

bool consumer_run(const struct consumer_parts *parts, struct fail *fail)
{
	struct consumer *const c = calloc(1, sizeof(*c));
	bool done;

	if (!c)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	c->with = parts;
	c->done = parts->place->progress;
	note_safe(c);
	tell_nothing(c);
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++)
		resume_restart(&parts->place->resume[p]);
	done = decoder_start(&c->decoder, fail) && run(c, fail);
	drop_batch(c);
	decoder_stop(&c->decoder);
	free(c);
	return done;
}
