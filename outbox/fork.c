/* Going well: own the store, read the partition as the relay does when it starts a run, but to
 * its end: what stands there under the old name with our bytes, and none missing before it, was
 * sent. Then one commit: a new name, those rows are deleted, the others count from 1, and the
 * service's own tables follow.
 *
 * Going wrong: a kill at any moment leaves the old store or the new one. Without Kafka nobody
 * can tell what was sent, and nothing is changed. Where the log was cut, what is kept has to be
 * sent again under the old name, which the reader knows; that is the service's own work. */
#include "outbox/fork.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "outbox/resume.h"
#include "process/clock.h"
#include "process/stop.h"

#define WAIT_MS  15000 /* for Kafka */
#define AGAIN_MS 500

bool fork_commit(struct db *db, const struct fork_options *options, const struct rows_state *state,
	int64_t sent, int64_t end, struct fork_result *result, struct fail *fail)
{
	struct rows_state next = { .last = state->last - sent,
		.acknowledged_offset = rows_origin(end) };

	*result = (struct fork_result){ .sent = sent, .renumbered = next.last };
	memcpy(result->before, state->source, sizeof(result->before));
	if (!rows_name(options->outbox.service, next.source, fail) || !db_begin(db, fail))
		return false;
	if (!rows_renumber(db, state, sent, &next, options->bar, fail) ||
		(options->renumber && !options->renumber(db, sent, fail))) {
		db_rollback(db);
		return false;
	}
	memcpy(result->after, next.source, sizeof(result->after));
	return db_commit(db, fail);
}

static bool ask_once(rd_kafka_t *client, const struct resume_question *question,
	struct resume_answer *answer, struct fail *fail)
{
	return kafka_topic_check(client, question->kafka.topic, EVENT_PARTITIONS, AGAIN_MS, fail) &&
	       resume_ask(client, question, answer, fail);
}

static bool ask_kafka(
	const struct resume_question *question, struct resume_answer *answer, struct fail *fail)
{
	static const struct kafka_property none[] = { { NULL, NULL } };
	rd_kafka_conf_t *const conf = kafka_conf(&question->kafka, none, none, fail);
	rd_kafka_t *client = conf ? kafka_client_new(RD_KAFKA_CONSUMER, conf, fail) : NULL;
	const int64_t until = clock_mono_ms() + WAIT_MS;
	bool good;

	if (!client)
		return false;
	while (!(good = ask_once(client, question, answer, fail)) && fail->kind == FAIL_RETRY &&
		clock_mono_ms() < until && !stop_wait(AGAIN_MS))
		;
	(void)kafka_client_destroy(&client);
	return good || fail_prefix(fail, "only Kafka knows what was sent, and nothing is changed");
}

static bool fork_store(struct db *db, const struct fork_options *options,
	struct fork_result *result, struct fail *fail)
{
	struct rows_state state;
	struct resume_question question = { .kafka = options->outbox.kafka,
		.partition = options->outbox.partition,
		.source = state.source,
		.db = db,
		.to_the_end = true,
		.bar = options->bar };
	struct resume_answer answer = { 0 };

	if (!rows_open(db, options->outbox.service, &state, fail) ||
		!options->make_tables(db, fail))
		return false;
	question.known = (struct progress_numbers){ .last = state.last,
		.acknowledged = state.acknowledged,
		.acknowledged_offset = state.acknowledged_offset };
	if (!ask_kafka(&question, &answer, fail))
		return false;
	if (answer.verdict == RESUME_CUT)
		return fail_set(fail, FAIL_FATAL,
			"%s. Start the service: it sends again what it keeps. Nothing is changed",
			answer.text);
	if (!fork_commit(db, options, &state, answer.reached, answer.end, result, fail))
		return false;
	result->again = answer.again;
	return true;
}

bool outbox_fork(const struct fork_options *options, struct fork_result *result, struct fail *fail)
{
	const char *const path = options->outbox.store;
	struct stat file;
	struct db *db;
	bool there = false;
	bool good;

	if (!strstr(path, "://")) {
		if (stat(path, &file) != 0)
			return fail_errno(fail, FAIL_REFUSE, errno, "fork: no store at %s", path);
		if (file.st_size == 0)
			return fail_set(fail, FAIL_REFUSE, "fork: %s is empty, no store", path);
	}
	if (!db_open(&db, path, DB_WRITER, fail))
		return false;
	good = rows_are_there(db, &there, fail);
	if (good && !there)
		good = fail_set(fail, FAIL_REFUSE, "%s is not a store", path);
	good = good && fork_store(db, options, result, fail);
	db_close(&db);
	return good || fail_prefix(fail, "fork");
}
