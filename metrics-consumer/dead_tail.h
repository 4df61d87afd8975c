/* metrics-consumer/dead_tail.h - the last dead letters, for people: where, why, and the bytes.
 *
 * Reads the end of the file that the consumer writes, when it has changed; at most DEAD_TAIL_BYTES
 * of it. One thread. */
#ifndef METRICS_CONSUMER_DEAD_TAIL_H
#define METRICS_CONSUMER_DEAD_TAIL_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define DEAD_TAIL_BYTES 262144
#define DEAD_TAIL_MAX   20  /* letters */
#define DEAD_TAIL_VALUE 256 /* bytes of a value or key that are shown */

struct dead_tail {
	char path[PATH_MAX];
	int64_t size; /* of the file, as read last; -1: not yet */
	uint64_t device, inode;
};

void dead_tail_init(struct dead_tail *tail, const char *path);
/* Whether the file has changed since it was last read. */
bool dead_tail_changed(struct dead_tail *tail);
/* The last letters, the oldest first: time, partition, offset, source, id, reason, length, and
 * key and value in hex up to DEAD_TAIL_VALUE bytes. Without what is longer than we read. */
json_t *dead_tail_read(struct dead_tail *tail);

#endif
