/* metrics-consumer/journal_files.h - the files of a journal beside the active one.
 *
 * Beside the journal P: `P.000001`, `P.000002`, ... were rotated, and their numbers rise;
 * `P.000001.zst` is the same, compressed; anything else `P.<name>` whose first line is a journal
 * line was moved there by somebody. Not listed: `P.checkpoint`, `P.<name>.tmp`, `P.cut.<number>`,
 * links, and what holds no journal line. Where a file is there both plain and compressed, the
 * plain one is listed: the compressed one may not be whole. */
#ifndef METRICS_CONSUMER_JOURNAL_FILES_H
#define METRICS_CONSUMER_JOURNAL_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/file_lines.h"
#include "process/fail.h"

struct journal_file {
	char path[PATH_MAX];
	int64_t number; /* 0: another name */
	bool compressed;
	int64_t size;           /* bytes, as compressed */
	uint64_t device, inode; /* names the file while it is there */
	int64_t first_ms;       /* time of the first line; INT64_MIN: not known */
};

struct journal_files {
	struct journal_file *list;
	size_t count;
	size_t strangers; /* `P.<name>` that hold no journal line, a dead letter for instance */
};

/* The rotated and moved files of the journal at @path, without the active one: numbered ones in
 * the order of their numbers, others before the first numbered one whose first line is younger
 * than theirs. Free them with journal_files_free, on failure too. */
bool journal_files_list(const char *path, struct journal_files *files, struct fail *fail);
void journal_files_free(struct journal_files *files);

/* Whether a file beside the journal with this behind its name and a point is or may become ours. */
bool journal_files_has(const char *end);

/* Reads a file of the list line by line from its start, plain or compressed. @file is borrowed
 * until the close. Failures of file_lines_next name it. FAIL_RETRY: it is not there any more
 * (compressed, or removed), and the list has to be made again. */
bool journal_file_open(
	struct file_lines *lines, const struct journal_file *file, struct fail *fail);
void journal_file_close(struct file_lines *lines);
/* How many bytes of the file, as it lies there, were read. */
int64_t journal_file_position(const struct file_lines *lines);

#endif
