/* metrics-consumer/journal.h - the journal: every event once, a line each, append only.
 *
 * The journal is the truth: what stands in it is done, and where reading goes on follows from
 * its last lines. One process writes it, by a lock on its directory. One thread. */
#ifndef METRICS_CONSUMER_JOURNAL_H
#define METRICS_CONSUMER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/append_file.h"
#include "metrics-consumer/line.h"
#include "process/fail.h"

struct journal {
	struct append_file file;
	int directory; /* holds the lock; -1: not locked */
};

/* Takes the lock for the journal at @path. FAIL_OWNED: another process has it. */
bool journal_lock(struct journal *journal, const char *path, struct fail *fail);

/* Called with each line of the journal, in order. False: the line cannot be one of ours. */
typedef bool journal_seen(void *context, const struct line *line);

/* Opens the journal that was locked and reads it all. A torn last line is cut, with a word in
 * the log; any other line that is not one stops the start and is named, and nothing is changed.
 * The journal stays locked either way. */
bool journal_open(struct journal *journal, const char *path, journal_seen *seen, void *context,
	struct fail *fail);
/* Closes and unlocks whatever is open and locked. */
void journal_close(struct journal *journal);

/* Writes whole lines; as append_file_write. */
bool journal_write(struct journal *journal, const char *lines, size_t length, struct fail *fail);
/* As append_file_sync. */
bool journal_sync(struct journal *journal, struct fail *fail);

/* How many ms are left until a sync is due that comes at most @sync_ms after the first write
 * it covers; 0: now; -1: nothing waits for one. */
int journal_sync_wait(const struct journal *journal, int64_t sync_ms);

#endif
