/* metrics-consumer/journal_recovery.h - from files to what is known: the start of a journal.
 * Only for journal.c. */
#ifndef METRICS_CONSUMER_JOURNAL_RECOVERY_H
#define METRICS_CONSUMER_JOURNAL_RECOVERY_H

#include <stdbool.h>

#include "metrics-consumer/journal.h"
#include "process/fail.h"

/* Opens and reads the journal at @path, and sets file, id, numbers and first_ms. */
bool journal_recover(struct journal *journal, const char *path, const struct journal_reader *reader,
	struct fail *fail);

#endif
