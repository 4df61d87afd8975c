/* metrics-consumer/append_file.h - a file that only grows, by whole pieces.
 *
 * What journal and dead letter have in common: a piece is written whole or not at all, a full
 * disk is waited out by the caller, and a sync that failed is never tried again, since a
 * second one would succeed although pages are gone. One thread. */
#ifndef METRICS_CONSUMER_APPEND_FILE_H
#define METRICS_CONSUMER_APPEND_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

struct append_file {
	char path[PATH_MAX];
	int fd; /* -1: not open */
	int64_t size;
	int64_t synced;         /* bytes known to be on the disk */
	int64_t started;        /* bytes that the kernel was asked to write by now */
	int64_t unsynced_since; /* monotonic ms of the first write that is not; 0: all is */
	bool broken;            /* a write or sync failed: nothing more may be done with it */
};

/* Opens a regular file, makes it where it is not there, and syncs it and its directory. */
bool append_file_open(struct append_file *file, const char *path, struct fail *fail);
/* Makes a file that is not there yet, and syncs its directory. FAIL_RETRY: it is there already, or
 * the disk is full. */
bool append_file_create(struct append_file *file, const char *path, struct fail *fail);
void append_file_close(struct append_file *file);

/* Appends @length bytes. FAIL_RETRY: the disk is full and the file is as it was before.
 * FAIL_FATAL: the file may end in a torn piece, and the process has to end. */
bool append_file_write(
	struct append_file *file, const void *bytes, size_t length, struct fail *fail);

/* Brings everything written to the disk. A failure is FAIL_FATAL, and so is a file that is not as
 * long as it was written: somebody else cut it or wrote to it. */
bool append_file_sync(struct append_file *file, struct fail *fail);

/* Cuts the file to its first @size bytes, on the disk too. */
bool append_file_cut(struct append_file *file, int64_t size, struct fail *fail);

/* What the lines of a file are, for whoever has to read what is wrong with it. */
struct append_file_lines {
	const char *room;           /* of the log */
	const char *line;           /* "a journal line" */
	const char *none;           /* "line of a journal" */
	bool (*begins)(char first); /* whether a torn line that is alone may be ours */
};

/* One whole line, without its line break. False: it cannot be one, or @fail says what failed. */
typedef bool append_file_see(void *context, const char *bytes, size_t length, struct fail *fail);

/* Reads the file from its start, then cuts a torn last line: the process before us was killed
 * while writing it. Any other damage is refused and nothing changed. *count is of the lines. */
bool append_file_recall(struct append_file *file, const struct append_file_lines *kind,
	append_file_see *see, void *context, uint64_t *count, struct fail *fail);

/* The directory a path lies in. */
void append_file_directory(const char *path, char out[PATH_MAX]);
/* What was made, renamed or removed beside @path is so for good only after this. */
bool append_file_sync_directory(const char *path, struct fail *fail);
/* Renames without ever replacing; the directory is not synced. FAIL_RETRY: @to is there, or the
 * disk is full. */
bool append_file_rename(const char *from, const char *to, struct fail *fail);
/* Whether @error, an errno value, says that there is no room. */
bool append_file_is_full(int error);

#endif
