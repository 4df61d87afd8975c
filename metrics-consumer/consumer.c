/* From partition to journal.
 *
 * A turn, going well: take what librdkafka has; place each record (place.c); write and sync the
 * dead letters, then write the lines, all with one write; publish the counts; copy the lines to
 * standard output; sync the journal if it is due; and once that is done, tell the group's
 * coordinator. A dead letter is on the disk before any line behind it, so the journal alone is
 * the position: a process that is killed anywhere reads on behind its last line, and drops
 * what it knows.
 *
 * Going wrong:
 * - the topic is not there, no broker answers, or it has another number of partitions: nothing
 *   is assigned; it is asked again, and /readyz says why;
 * - the disk is full: the turn stands still where it is, keeps what it took, and tries again
 *   each second; librdkafka's queue fills and fetching stops by itself;
 * - any other write error, or any failed sync: the process ends, and its next start finds out
 *   what the disk really has;
 * - Kafka no longer has our offset: the hole is logged and counted, and reading goes on from the
 *   earliest record;
 * - the coordinator does not answer: nothing waits for it. */
#include "metrics-consumer/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define ASK_MS         500   /* longest wait for an answer about the topic */
#define ASK_AGAIN_MS   500   /* between two questions */
#define ASK_SLOWLY_MS  10000 /* the same where a person has to change something */
#define ROOM_MS        1000  /* between two tries on a full disk */
#define LOOK_MS        1000  /* an idle consumer looks around this often */
#define RESET_MS       1000  /* between two returns to the earliest record */
#define COMMIT_MS      1000  /* between two commits */
#define COMMIT_LAST_MS 2000  /* longest wait for the last one */
#define TROUBLE_MS     10000 /* after an error that did not come again a partition is well */
#define NOT_TOLD       (-2)  /* no position at all */

struct consumer {
	const struct consumer_parts *with;
	struct progress done;                 /* of all that is in the files */
	int64_t safe[EVENT_PARTITIONS];       /* everything before is on the disk */
	int64_t committed[EVENT_PARTITIONS];  /* what the coordinator was told */
	int64_t commit_at, look_at, reset_at; /* monotonic ms of the last one */
	bool lost[EVENT_PARTITIONS];          /* its offset is gone from Kafka */
	bool abandoned; /* stopped while the disk was full: what was placed is read again */
	char trouble[EVENT_PARTITIONS][HEALTH_TEXT_MAX]; /* what a partition's last error said */
	int64_t trouble_at[EVENT_PARTITIONS]; /* and when: one that does not come again is over */
	struct log_repeat full, erring, no_earliest;
	rd_kafka_message_t *batch[TOPIC_BATCH_MAX];
};

static bool write_files(struct consumer *c, struct fail *fail)
{
	struct place *const place = c->with->place;

	return dead_letter_write(c->with->dead, fail) &&
	       journal_write(c->with->journal, place->lines, place->length, fail);
}

static bool sync_journal(struct consumer *c, struct fail *fail)
{
	if (c->with->journal->file.unsynced_since != 0 && !journal_sync(c->with->journal, fail))
		return false;
	memcpy(c->safe, c->done.next, sizeof(c->safe));
	return true;
}

/* Waits for room on the disk, and tries again. Abandons the turn when a stop is wished. */
static bool write_when_there_is_room(struct consumer *c, struct fail *fail)
{
	bool waited = false;

	while (!write_files(c, fail)) {
		if (fail->kind != FAIL_RETRY)
			return false;
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

	if (!write_when_there_is_room(c, fail))
		return false;
	if (c->abandoned)
		return true;
	if (c->with->printer && place->length > 0)
		printer_put(c->with->printer, place->lines, place->length);
	place_written(place);
	c->done = place->progress;
	return true;
}

/* An error in the place of a record. */
static void note_error(struct consumer *c, const rd_kafka_message_t *record)
{
	const int32_t p = record->partition;

	if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return;
	log_repeating(&c->erring, LOG_WARNING, "consumer", "partition=%" PRId32 " %s: %s", p,
		rd_kafka_err2name(record->err), rd_kafka_message_errstr(record));
	if (p < 0 || p >= EVENT_PARTITIONS)
		return;
	if (record->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		c->lost[p] = true;
	else
		(void)snprintf(c->trouble[p], sizeof(c->trouble[p]), "partition %" PRId32 ": %s", p,
			rd_kafka_err2str(record->err));
	c->trouble_at[p] = clock_mono_ms();
}

/* Places one record, writing first where its line would not fit. */
static bool take_record(
	struct consumer *c, const rd_kafka_message_t *record, int64_t now_ms, struct fail *fail)
{
	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		note_error(c, record);
		return true;
	}
	c->trouble[record->partition][0] = '\0';
	if (!place_has_room(c->with->place, record) && !store(c, fail))
		return false;
	return c->abandoned || place_record(c->with->place, record, now_ms, fail);
}

static void publish(struct consumer *c)
{
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		c->done.counts.lag[p] = topic_lag(c->with->topic, p, c->done.next[p]);
		c->with->place->progress.counts.lag[p] = c->done.counts.lag[p];
	}
	counters_publish(c->with->counters, &c->done.counts);
}

/* A partition whose offset is gone is read from its earliest record, the other one goes on. */
static bool return_to_earliest(struct consumer *c, struct fail *fail)
{
	const int64_t now = clock_mono_ms();
	bool any = false;

	for (int32_t p = 0; p < EVENT_PARTITIONS; p++)
		any = any || c->lost[p];
	if (!any || (c->reset_at != 0 && now - c->reset_at < RESET_MS))
		return true;
	c->reset_at = now;
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		const int64_t wanted = c->done.next[p];

		if (!c->lost[p])
			continue;
		c->lost[p] = false;
		if (place_lost(c->with->place, p))
			log_warning("consumer",
				"Kafka has no such offset, reading goes on from the earliest "
				"record "
				"partition=%" PRId32 " offset=%" PRId64,
				p, wanted);
		else
			log_repeating(&c->no_earliest, LOG_ERROR, "consumer",
				"the earliest record is not found partition=%" PRId32, p);
	}
	c->done = c->with->place->progress;
	return topic_assign(c->with->topic, c->done.next, fail);
}

/* Says how Kafka does, once a look. */
static void look_around(struct consumer *c)
{
	const int64_t now = clock_mono_ms();
	const char *why = NULL;
	struct fail fail = { 0 };

	if (now - c->look_at < LOOK_MS)
		return;
	c->look_at = now;
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (now - c->trouble_at[p] > TROUBLE_MS)
			c->trouble[p][0] = '\0';
		if (c->trouble[p][0] != '\0')
			why = c->trouble[p];
	}
	if (topic_is_away(c->with->topic) && !topic_check(c->with->topic, ASK_MS, &fail))
		why = fail.text;
	page_say(c->with->page, PAGE_KAFKA, why);
}

static bool commit_is_due(const struct consumer *c)
{
	return memcmp(c->safe, c->committed, sizeof(c->safe)) != 0;
}

static void commit(struct consumer *c)
{
	if (!topic_commit(c->with->topic, c->safe, c->with->journal->file.synced))
		return;
	memcpy(c->committed, c->safe, sizeof(c->committed));
	c->commit_at = clock_mono_ms();
}

static bool turn(struct consumer *c, struct fail *fail)
{
	const size_t count = topic_take(c->with->topic, c->batch);
	const int64_t now_ms = clock_wall_ms();
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		good = good && (c->abandoned || take_record(c, c->batch[i], now_ms, fail));
		rd_kafka_message_destroy(c->batch[i]); /* its bytes were copied */
	}
	if (!good || (!c->abandoned && !store(c, fail)))
		return false;
	publish(c);
	if (c->abandoned)
		return true;
	if (journal_sync_wait(c->with->journal, c->with->sync_ms) <= 0 && !sync_journal(c, fail))
		return false;
	if (commit_is_due(c) && clock_mono_ms() - c->commit_at >= COMMIT_MS)
		commit(c);
	look_around(c);
	return return_to_earliest(c, fail);
}

/* How long an idle consumer may wait: until the next sync or commit. */
static int idle_ms(const struct consumer *c)
{
	const int sync_ms = journal_sync_wait(c->with->journal, c->with->sync_ms);

	return sync_ms >= 0 && sync_ms < LOOK_MS ? sync_ms : LOOK_MS;
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

static bool run(struct consumer *c, struct fail *fail)
{
	page_say(c->with->page, PAGE_JOURNAL, NULL);
	if (!wait_for_topic(c))
		return true;
	log_info("consumer",
		"reads partition 0 from %" PRId64 ", partition 1 from %" PRId64
		" (-1: the earliest record)",
		c->done.next[0], c->done.next[1]);
	if (!topic_assign(c->with->topic, c->done.next, fail))
		return false;
	while (!stop_requested()) {
		if (!turn(c, fail))
			return false;
		topic_wait(c->with->topic, c->done.next, idle_ms(c));
	}
	if (!sync_journal(c, fail))
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
	memcpy(c->safe, c->done.next, sizeof(c->safe));
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		c->committed[p] = NOT_TOLD;
	done = run(c, fail);
	free(c);
	return done;
}
