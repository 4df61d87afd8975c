/* metrics-consumer/journal_walk.h - a journal read line by line from its first file to its last,
 * also while it is written, rotated, compressed and moved.
 *
 * For whoever does not hold its lock. Each line comes once, in order. One thread. */
#ifndef METRICS_CONSUMER_JOURNAL_WALK_H
#define METRICS_CONSUMER_JOURNAL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/file_lines.h"
#include "metrics-consumer/journal_files.h"
#include "process/fail.h"

struct journal_walk {
	const char *path; /* borrowed */
	struct journal_files files;
	size_t next;                 /* of the list */
	struct journal_file current; /* where @open */
	struct file_lines lines;
	bool open;
	struct journal_file *done; /* files of other names that were read */
	size_t done_count;
	int64_t highest; /* number of the last numbered file that was read */
	int64_t deleted; /* retention has removed those up to this number; 0: none, or not known */
	int64_t from;    /* it was that before the first file was read */
	bool growing;    /* the file that is open is, or was, the active one */
	unsigned listed; /* how often the files were listed */
	uint64_t count;  /* of lines handed out */
	size_t files_read;  /* or being read */
	int64_t bytes_done; /* of the files before the one that is open */
	int64_t bytes;      /* of all files, as listed last */
};

/* The journal at @path. FAIL_FATAL where there is no file of it. Close it on failure, too. */
bool journal_walk_open(struct journal_walk *walk, const char *path, struct fail *fail);
void journal_walk_close(struct journal_walk *walk);

/* As file_lines_next over all files; at the end of the last one the end may be asked for again.
 * FAIL_RETRY: retention removed a file before it was read; a new walk does not miss it.
 * Failures name the file. A rotated file that ends in a torn line is damaged; one that may
 * still be written is not. */
enum file_lines_result journal_walk_next(
	struct journal_walk *walk, const char **line, size_t *length, struct fail *fail);

/* Fails with the file and the place of the line last handed out. */
bool journal_walk_damaged(const struct journal_walk *walk, struct fail *fail);
/* How many bytes of @bytes were read. */
int64_t journal_walk_position(const struct journal_walk *walk);

#endif
