/* metrics-consumer/dead_letter.h - the records that are no events, each with its flaw.
 *
 * One JSON object a line: time, partition, offset, source and id where there are any, reason,
 * and key and value in hex, so that `jq -r .value_hex | xxd -r -p` gives the bytes back. It is
 * on the disk before any journal line behind it is written; so the journal alone is the
 * position, and what was read again after a crash is known by its offset. One thread. */
#ifndef METRICS_CONSUMER_DEAD_LETTER_H
#define METRICS_CONSUMER_DEAD_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "metrics-consumer/append_file.h"
#include "process/fail.h"

struct dead_record {
	int64_t time_ms; /* when it was put aside */
	int32_t partition;
	int64_t offset;
	const char *source; /* "" and id 0 where it has none */
	int64_t id;
	enum event_flaw flaw;
	const void *key, *value; /* NULL where there is none */
	size_t key_length, length;
};

struct dead_letter {
	struct append_file file;
	int64_t last[EVENT_PARTITIONS]; /* offset of the last one in the file; -1: none */
	char *waiting;                  /* lines not yet written */
	size_t length, room;
};

/* Called with partition, offset, source and id of each dead letter in the file, in order; the
 * rest of @record is zero. False: the line cannot be one of ours. */
typedef bool dead_letter_seen(void *context, const struct dead_record *record);

/* Opens the file and reads it all, as journal_open does. */
bool dead_letter_open(struct dead_letter *dead, const char *path, dead_letter_seen *seen,
	void *context, struct fail *fail);
void dead_letter_close(struct dead_letter *dead);

/* Whether the unsound record at @offset is in the file already. Records of a partition come in
 * the order of their offsets, so the last one tells. */
bool dead_letter_known(const struct dead_letter *dead, int32_t partition, int64_t offset);
/* The partition is read from its beginning: offsets tell nothing any more. */
void dead_letter_forget(struct dead_letter *dead, int32_t partition);

/* Keeps a copy of @record in memory. */
bool dead_letter_add(struct dead_letter *dead, const struct dead_record *record, struct fail *fail);
/* Writes and syncs what was added. FAIL_RETRY: the disk is full, and it is still waiting. */
bool dead_letter_write(struct dead_letter *dead, struct fail *fail);

/* Reads one line of the file into *record; the source goes to @source. */
bool dead_letter_parse(const char *bytes, size_t length, struct dead_record *record,
	char source[static SOURCE_MAX]);

#endif
