/* metrics-consumer/journal_reading.h - the lines of a journal's files at its start, and what is cut
 * behind the last sound one. Only for journal_recovery.c. */
#ifndef METRICS_CONSUMER_JOURNAL_READING_H
#define METRICS_CONSUMER_JOURNAL_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics-consumer/append_file.h"
#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/line.h"
#include "process/fail.h"

struct recovery {
	struct journal *journal;
	const char *path;
	const struct journal_reader *reader;
	struct checkpoint checkpoint;
	struct line_second second;
	uint64_t lines;
};

/* -1: there is no such file. A link or a directory is something, too. */
int64_t journal_size_of(const char *path);

/* Reads @file from @from on, behind a checkpoint, and cuts what is not sound; what is more than a
 * torn line is kept beside the journal. */
bool journal_read_on(
	struct recovery *recovery, struct append_file *file, int64_t from, struct fail *fail);

/* Reads all files of the journal, without a checkpoint; sets number and deleted. A bad line in the
 * middle of one is refused and named. */
bool journal_read_everything(struct recovery *recovery, struct fail *fail);

#endif
