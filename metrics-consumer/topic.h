/* metrics-consumer/topic.h - the way to the topic: two partitions, assigned for good, taken in
 * batches, and told afterwards how far we are.
 *
 * The group is a name under which offsets are stored for lag tools; nobody joins it, and what is
 * read from it decides nothing. One thread, but for topic_ask_bounds. */
#ifndef METRICS_CONSUMER_TOPIC_H
#define METRICS_CONSUMER_TOPIC_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/client.h"
#include "process/fail.h"

#define TOPIC_BATCH_MAX 4096 /* records of one turn */
#define TOPIC_EARLIEST  (-1) /* as a position: the first record there is */

struct topic;

/* The properties our promises stand on, for kafka_settings_check. */
extern const struct kafka_property *const topic_fixed[];

/* Makes the client; asks nobody. Borrows @kafka, its texts and @group until topic_close. */
bool topic_open(struct topic **topic, const struct kafka_settings *kafka, const char *group,
	struct fail *fail);
void topic_close(struct topic **topic);
/* For questions of another thread, which ends before topic_close. */
rd_kafka_t *topic_client(struct topic *topic);

/* As kafka_topic_check. */
bool topic_check(struct topic *topic, int wait_ms, struct fail *fail);

/* Reads on from these positions, each an offset or TOPIC_EARLIEST. Whatever was fetched before
 * is forgotten. */
bool topic_assign(
	struct topic *topic, const int64_t next[static EVENT_PARTITIONS], struct fail *fail);

/* What is there, without waiting: records, and errors with record->err set. The caller destroys
 * each with rd_kafka_message_destroy. */
size_t topic_take(struct topic *topic, rd_kafka_message_t *batch[static TOPIC_BATCH_MAX]);
/* Waits until there may be something to take, a stop is wished, or @wait_ms are over. @next are
 * the positions behind what was taken. */
void topic_wait(struct topic *topic, const int64_t next[static EVENT_PARTITIONS], int wait_ms);
/* Where nothing is taken for long: librdkafka keeps what it has to say until this. topic_take and
 * topic_check do it, too. */
void topic_serve(struct topic *topic);
/* All brokers went away, and topic_check has not succeeded since. */
bool topic_is_away(const struct topic *topic);
/* The topic was not there for a moment, since topic_open: only a new one reads on for sure
 * (kafka_loses_client). */
bool topic_is_gone(const struct topic *topic);

/* Asks the group's coordinator what it was told last, without waiting for it. */
void topic_ask_group(struct topic *topic);
/* Whether the answer is there: then where the group is, and its last journal line, or -1 where it
 * does not say. False: not yet. An error is an answer that says nothing. */
bool topic_group_answer(struct topic *topic, int64_t next[static EVENT_PARTITIONS],
	int64_t line[static EVENT_PARTITIONS]);

/* Tells the group's coordinator how far we are, without waiting for it. @line, the offset of the
 * last journal line or -1, @journal, the id of the journal, and @synced, the length of its file on
 * the disk, go into the metadata. At most one is under way: false where one is, and nothing was
 * sent. */
bool topic_commit(struct topic *topic, const int64_t next[static EVENT_PARTITIONS],
	const int64_t line[static EVENT_PARTITIONS], const char *journal, int64_t synced);
/* Whether one was not stored since this was last asked: then it is to be told again. */
bool topic_commit_failed(struct topic *topic);
/* Waits at most @wait_ms for the answer to it. */
void topic_commit_finish(struct topic *topic, int wait_ms);

/* The partition's end as last heard of; -1: not known. */
int64_t topic_end(struct topic *topic, int32_t partition);
/* Asks the partition's leader for the offset of its first record, and for the one behind its last;
 * waits at most @wait_ms for each. FAIL_RETRY where it does not answer. Any thread. */
bool topic_ask_bounds(struct topic *topic, int32_t partition, int wait_ms, int64_t *first,
	int64_t *end, struct fail *fail);

#endif
