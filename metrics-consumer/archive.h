/* metrics-consumer/archive.h - what happens to a rotated file: it is compressed, and removed in
 * time.
 *
 * A thread of its own, at the lowest priority, one file after the other; the journal never waits
 * for it. P.000001 becomes P.000001.zst (zstd, RFC 8878): written under another name, synced,
 * renamed, and only then is the plain file removed. Where it goes wrong the plain file stays, and
 * it is tried again within a minute. */
#ifndef METRICS_CONSUMER_ARCHIVE_H
#define METRICS_CONSUMER_ARCHIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/fail.h"

struct archive;

/* Starts the thread for the journal at @path; it waits for archive_wake. */
bool archive_start(struct archive **archive, const char *path, bool compress, struct fail *fail);
/* Stops it, in the middle of a file too: that one stays plain. NULL: nothing to stop. */
void archive_stop(struct archive **archive);

/* Rotated files with numbers up to @deleted may go, those below @active be compressed. */
void archive_wake(struct archive *archive, int64_t deleted, int64_t active);

/* One round over the files, as the thread does it; ends early, and well, once *stop is true. */
bool archive_round(const char *path, bool compress, int64_t deleted, int64_t active,
	const atomic_bool *stop, struct fail *fail);

#endif
