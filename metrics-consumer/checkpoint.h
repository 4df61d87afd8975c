/* metrics-consumer/checkpoint.h - what was known when the journal was this long.
 *
 * A file beside the journal, P.checkpoint: one JSON document on one line, then its checksum. A
 * start that has one reads only what the journal got since. It always is a whole one, the old or
 * the new: it is written under another name, synced, and renamed. One thread. */
#ifndef METRICS_CONSUMER_CHECKPOINT_H
#define METRICS_CONSUMER_CHECKPOINT_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/fail.h"

#define CHECKPOINT_ID_MAX 17 /* bytes of a journal's id with the NUL: 16 hex digits */

struct checkpoint {
	char journal[CHECKPOINT_ID_MAX];
	int64_t number;   /* of the journal file it describes */
	int64_t position; /* bytes of that file, all on the disk */
	int64_t deleted;  /* retention removed the rotated files up to this number; 0: none */
	int64_t time_ms;  /* wall clock */
	uint64_t tail;    /* checkpoint_tail of the file at the position */
	bool begins;      /* the file may not be there yet */
	json_t *state;    /* what the consumer knew */
};

/* The checkpoint of the journal at @path. */
void checkpoint_path(const char *path, char out[PATH_MAX]);

/* Replaces the checkpoint of the journal at @path; the state is only borrowed. FAIL_RETRY: the disk
 * is full, and the old one is still there. */
bool checkpoint_write(const char *path, const struct checkpoint *checkpoint, struct fail *fail);

/* Reads it; the caller clears it. *there is false, and nothing failed, where there is none.
 * FAIL_REFUSE: it is not one of ours, or damaged; the text names it and says what to do. */
bool checkpoint_read(
	const char *path, struct checkpoint *checkpoint, bool *there, struct fail *fail);
/* Removes what a kill in the middle of checkpoint_write left. */
void checkpoint_sweep(const char *path);
void checkpoint_clear(struct checkpoint *checkpoint);

/* A checksum of the last bytes of @fd before @position, by which a journal is known again. The file
 * has that many bytes. */
bool checkpoint_tail(int fd, int64_t position, uint64_t *tail, struct fail *fail);

#endif
