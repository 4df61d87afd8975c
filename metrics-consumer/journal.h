/* metrics-consumer/journal.h - the journal: every event once, a line each, append only.
 *
 * The journal is the truth: what stands in it is done, and where reading goes on follows from
 * its last lines. It is one file at its path P, which is rotated to P.000001, P.000002, ...; a
 * checkpoint beside it spares the next start from reading it all. One process writes it, by a lock
 * on its directory. One thread. */
#ifndef METRICS_CONSUMER_JOURNAL_H
#define METRICS_CONSUMER_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/append_file.h"
#include "metrics-consumer/archive.h"
#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/line.h"
#include "process/fail.h"
#include "process/histogram.h"

#define JOURNAL_ROTATE_BYTES_MIN 4096
#define JOURNAL_CHECKPOINT_MS    10000 /* between two checkpoints */
#define JOURNAL_AGAIN_MS         10000 /* until what was put off is tried again */

/* 50 us to 6.6 s */
static const struct histogram_scale journal_sync_scale = {
	.first = 50, .per_second = 1000000, .bounds = 18
};

struct journal_settings {
	int64_t rotate_bytes; /* the file is rotated from this size on; 0: never */
	int64_t rotate_ms;    /* and at this age of its first line; 0: never */
	int64_t keep_files;   /* rotated files that are kept; 0: all */
	bool compress;        /* rotated files */
	bool begin_anew;      /* --new-journal */
};

struct journal {
	struct append_file file;
	int directory; /* holds the lock; -1: not locked */
	struct journal_settings settings;
	char id[CHECKPOINT_ID_MAX];
	int64_t number;        /* of the file */
	int64_t first_ms;      /* wall clock at its first line; 0: it has none */
	int64_t deleted;       /* rotated files up to this number were removed */
	int64_t saved_number;  /* of the last checkpoint; 0: there is none */
	int64_t saved_to;      /* and its position */
	int64_t checkpoint_at; /* monotonic ms; no checkpoint is due before */
	int64_t rotate_at;     /* no rotation */
	struct archive *archive;
	struct histogram sync_us; /* how long journal_sync took */
};

/* Takes the lock for the journal at @path. FAIL_OWNED: another process has it. */
bool journal_lock(struct journal *journal, const char *path, struct fail *fail);

/* Called with each line of the journal, in order. False: the line cannot be one of ours. */
typedef bool journal_seen(void *context, const struct line *line);
/* Called first, where there is a checkpoint. False: @fail says why. */
typedef bool journal_restore(void *context, const json_t *state, struct fail *fail);

/* Who learns what is known at the start. */
struct journal_reader {
	journal_restore *restore;
	journal_seen *seen;
	void *context;
	const int64_t *next; /* borrowed: the offset that follows in each partition, by these two */
};

/* Opens the journal that was locked and reads what its checkpoint does not know, or all of it;
 * journal_recovery.c tells what is cut and what stops the start. The journal stays locked either
 * way. */
bool journal_open(struct journal *journal, const char *path,
	const struct journal_settings *settings, const struct journal_reader *reader,
	struct fail *fail);
/* Closes and unlocks whatever is open and locked. Waits at most a moment for the archive. */
void journal_close(struct journal *journal);

/* 16 hex digits, made with the journal. */
const char *journal_id(const struct journal *journal);

/* Writes whole lines; as append_file_write. */
bool journal_write(struct journal *journal, const char *lines, size_t length, struct fail *fail);
/* As append_file_sync. */
bool journal_sync(struct journal *journal, struct fail *fail);

/* Whether somebody deleted the file that lines are written to: they are gone when it is closed. */
bool journal_is_deleted(const struct journal *journal);

/* How many ms are left until a sync is due that comes at most @sync_ms after the first write
 * it covers; 0: now; -1: nothing waits for one. */
int journal_sync_wait(const struct journal *journal, int64_t sync_ms);

/* Each of these takes @state: what is known of exactly the lines that were written; NULL: there was
 * no memory for it. Each syncs the journal first. FAIL_RETRY: it could not be done now and nothing
 * is lost; the lines go where they went before. */

/* There are lines no checkpoint knows, and the last one is JOURNAL_CHECKPOINT_MS ago. */
bool journal_checkpoint_is_due(const struct journal *journal);
bool journal_checkpoint(struct journal *journal, json_t *state, struct fail *fail);
/* By size or time, or --new-journal. A file without a line never. */
bool journal_rotate_is_due(const struct journal *journal);
bool journal_rotate(struct journal *journal, json_t *state, struct fail *fail);
/* Begins a new file where somebody moved ours; otherwise there is nothing to do. */
bool journal_reopen(struct journal *journal, json_t *state, struct fail *fail);

#endif
