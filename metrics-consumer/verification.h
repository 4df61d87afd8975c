/* metrics-consumer/verification.h - what `verify` finds. verify.c reads; verify_lines.c judges what
 * was read, verify_missing.c what was not there, and verify_report.c writes it. One thread. */
#ifndef METRICS_CONSUMER_VERIFICATION_H
#define METRICS_CONSUMER_VERIFICATION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "event/event.h"
#include "metrics-consumer/checksums.h"
#include "metrics-consumer/file_lines.h"
#include "metrics-consumer/journal_walk.h"
#include "metrics-consumer/line.h"
#include "metrics-consumer/place.h"
#include "metrics-consumer/sources.h"
#include "metrics-consumer/topic_survey.h"
#include "metrics-consumer/verify.h"
#include "process/progress_bar.h"

#define VERIFY_MISSING_MAX 1048576 /* ranges kept of one source */
#define VERIFY_NAMED_MAX   5       /* offenders of a kind that are named */

enum offence {
	MISSING,
	REPEATED,
	OUT_OF_ORDER,
	MISPLACED,
	ALTERED,
	REMOVED, /* by Kafka's retention, before it was read */
};
#define OFFENCES 6

struct tally { /* of a source */
	bool asked;
	int64_t acknowledged, published, waiting;
	int64_t lines, highest;
	int64_t offences[OFFENCES];
};

enum span { BEFORE, DURING, AFTER };
#define SPANS 3

struct verification {
	const struct verify_options *options;
	struct journal_walk journal;
	struct file_lines dead;
	int dead_fd;           /* -1: not there */
	struct sources *known; /* of the journal, and whoever else was heard of */
	struct sources *dead_known;
	bool remembers; /* there is a checkpoint, and this is what it knows: */
	struct place memory;
	struct sources *altered;    /* numbers with different bytes, as far as they were found */
	struct topic_survey *topic; /* NULL: it is left out */
	bool topic_failed;          /* the topic could not be read: no reason to begin again */
	struct checksums sums[SOURCES_MAX]; /* of the journal's lines, where the topic is read */
	struct event_reader *reader;
	struct line_second second;
	struct event event;
	struct tally tally[SOURCES_MAX + 1]; /* the last one: lines of no source we keep */
	int64_t events[EVENT_TYPES][EVENT_PARTITIONS];
	int64_t total[OFFENCES];
	int64_t in_deleted; /* numbers that stood in files that were deleted */
	int64_t untracked, unsound, dead_letters, redriven;
	int64_t longest_ms[SPANS];
	bool seen[SPANS];
	struct {
		char text[2 * SOURCE_MAX];
	} named[OFFENCES][VERIFY_NAMED_MAX];
	struct progress_bar bar;
};

/* Takes the next line of the journal, or of the dead letter. False where it is damaged, or there is
 * no memory. */
bool verification_take_line(
	struct verification *v, const char *bytes, size_t length, struct fail *fail);
bool verification_take_letter(
	struct verification *v, const char *bytes, size_t length, struct fail *fail);
/* When journal and topic are read: compares the events of both. */
void verification_find_altered(struct verification *v);

/* Counts what is missing of all that was heard of, anew each time. */
void verification_find_missing(struct verification *v);
/* Frees what that remembers of the checkpoint. */
void verification_forget(struct verification *v);

/* Room for the name of an offender, or NULL where enough are named. */
char *verification_next_name(struct verification *v, enum offence offence);

void verification_write(const struct verification *v, FILE *out);

#endif
