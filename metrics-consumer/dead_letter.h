/* metrics-consumer/dead_letter.h - the records that get no line in the journal, each with why:
 * it is no event, or its number is known with other bytes.
 *
 * One JSON object a line: time, partition, offset, source and id where there are any, traceparent
 * where there is one, reason, and key and value in hex, so that `jq -r .value_hex | xxd -r -p`
 * gives the bytes back. It is on the disk before any journal line behind it is written; so the
 * journal alone is the position, and what is read again after a crash is known by its place and its
 * bytes. A value longer than DEAD_VALUE_MAX is kept up to there, with its length. Where somebody
 * moves the file, or an editor puts another one in its place, the next letter goes to the one of
 * that name. One thread. */
#ifndef METRICS_CONSUMER_DEAD_LETTER_H
#define METRICS_CONSUMER_DEAD_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "metrics-consumer/append_file.h"
#include "process/fail.h"

#define DEAD_VALUE_MAX (16 * 1024 * 1024) /* bytes of a key or value that are kept */
#define DEAD_KNOWN_MAX 1048576 /* remembered of the file; further ones may be written twice */

/* Why a record is put aside: an enum event_flaw, or one of these. */
#define DEAD_ALTERED EVENT_FLAWS /* the number is known, and had other bytes */
#define DEAD_REASONS (EVENT_FLAWS + 1)
#define DEAD_UNKNOWN 0 /* read from the file: a reason of another version */

struct dead_record {
	int64_t time_ms; /* when it was put aside */
	int32_t partition;
	int64_t offset;
	const char *source; /* "" and id 0 where it has none */
	int64_t id;
	const char *traceparent; /* NULL or "" where it has none; not read from a line */
	int reason;              /* an enum event_flaw, or DEAD_... */
	const void *key, *value; /* NULL where there is none */
	size_t key_length, length;
	uint64_t hash;     /* of a line in the file: of its key and value */
	uint32_t checksum; /* the same: dead_letter_checksum of its value */
};

struct dead_place { /* of a dead letter that may be read again */
	int32_t partition;
	int64_t offset;
	uint64_t hash;
};

struct dead_letter {
	struct append_file file;
	struct dead_place *known; /* sorted by partition and offset */
	size_t known_count, known_room;
	char *waiting; /* lines not yet written */
	size_t length, room;
};

/* The reason as it stands in the file: an event's flaw by its name, or "altered". */
const char *dead_letter_reason(int reason);
/* checksum32 of as much of a value as a dead letter keeps. */
uint32_t dead_letter_checksum(const void *value, size_t length);

/* Called with partition, offset, source, id, reason, hash and checksum of each dead letter in the
 * file, in order; the rest of @record is zero. False: the line cannot be one of ours. */
typedef bool dead_letter_seen(void *context, const struct dead_record *record);

/* Opens the file and reads it all, as journal_open does. What stands at or behind the journal's
 * position in its partition, @next, may be read again and is remembered. */
bool dead_letter_open(struct dead_letter *dead, const char *path,
	const int64_t next[static EVENT_PARTITIONS], dead_letter_seen *seen, void *context,
	struct fail *fail);
void dead_letter_close(struct dead_letter *dead);

/* Whether this very record, by partition, offset and bytes, was in the file at its opening. An
 * offset alone tells nothing: the topic may have been made anew. */
bool dead_letter_known(const struct dead_letter *dead, const struct dead_record *record);

/* Keeps a copy of @record in memory. */
bool dead_letter_add(struct dead_letter *dead, const struct dead_record *record, struct fail *fail);
/* Writes and syncs what was added. FAIL_RETRY: the disk is full, and it is still waiting. */
bool dead_letter_write(struct dead_letter *dead, struct fail *fail);

/* Reads one line of the file into *record; the source goes to @source. */
bool dead_letter_parse(const char *bytes, size_t length, struct dead_record *record,
	char source[static SOURCE_MAX]);

#endif
