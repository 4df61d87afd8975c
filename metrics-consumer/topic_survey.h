/* metrics-consumer/topic_survey.h - the whole topic, read from its first record to its last: which
 * number of each source is there, and a checksum of its bytes.
 *
 * A plain consumer without a group: nothing is stored, nobody else notices. Memory is 8 bytes an
 * event, and what librdkafka queues. One thread at a time; topic_survey_done may be asked by
 * another. */
#ifndef METRICS_CONSUMER_TOPIC_SURVEY_H
#define METRICS_CONSUMER_TOPIC_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/client.h"
#include "metrics-consumer/checksums.h"
#include "metrics-consumer/sources.h"
#include "process/fail.h"

struct topic_totals {
	int64_t records;
	int64_t copies;    /* of a number that had come before */
	int64_t nameless;  /* without source and number */
	int64_t untracked; /* of too many sources, or too many gaps */
	int64_t first[EVENT_PARTITIONS], end[EVENT_PARTITIONS]; /* offsets, when last asked */
};

struct topic_survey;

/* Makes the client and asks for the ends; waits at most 10 s for a broker. Borrows @kafka and its
 * texts until topic_survey_close. */
bool topic_survey_open(
	struct topic_survey **survey, const struct kafka_settings *kafka, struct fail *fail);
void topic_survey_close(struct topic_survey **survey);

/* Asks for the ends of the partitions as they are now. */
bool topic_survey_ask(struct topic_survey *survey, struct fail *fail);
/* Reads on from where it was to the ends as last asked for. Fails where nothing comes for 10 s. */
bool topic_survey_read(struct topic_survey *survey, struct fail *fail);

/* How many records were read, and how many there are to read. */
int64_t topic_survey_done(const struct topic_survey *survey);
int64_t topic_survey_all(const struct topic_survey *survey);

const struct topic_totals *topic_survey_totals(const struct topic_survey *survey);
/* The sources met, and of each the numbers with the checksum of the bytes that came first. */
const struct sources *topic_survey_sources(const struct topic_survey *survey);
const struct checksums *topic_survey_of(
	const struct topic_survey *survey, const struct source *source);
/* Calls @tell with each number of that source that came with different bytes. */
void topic_survey_altered(const struct topic_survey *survey, const struct source *source,
	checksums_told *tell, void *context);
/* Whether records in front of those of @source may have been there and were removed: its
 * partition does not begin at offset 0. NULL, of a source that has none: any partition. */
bool topic_survey_cut(const struct topic_survey *survey, const struct source *source);
/* The number of the first record of @source that was met: those below came before it. */
int64_t topic_survey_first(const struct topic_survey *survey, const struct source *source);
/* The source of that name; NULL: none of its records is there. */
const struct source *topic_survey_find(
	const struct topic_survey *survey, const char *name, size_t length);

#endif
