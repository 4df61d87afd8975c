/* metrics-consumer/file_lines.h - a file read line by line, in large pieces.
 *
 * For files that another process may be appending to: the end can be asked for again. Or for
 * bytes that come from a function, as those of a compressed file do. Memory
 * is one piece, and as much as the longest line where that is longer. One thread. */
#ifndef METRICS_CONSUMER_FILE_LINES_H
#define METRICS_CONSUMER_FILE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

#define FILE_LINE_MAX 268435456 /* bytes: more than the largest record librdkafka takes, in hex */

/* Gives the bytes behind those it gave before, at most @room; *got is 0 at the end. */
typedef bool file_lines_source(
	void *context, char *bytes, size_t room, size_t *got, struct fail *fail);

struct file_lines {
	int fd; /* borrowed; or: */
	file_lines_source *source;
	void *context;
	const char *name; /* borrowed: what failures are prefixed with; NULL: nothing */
	char *buffer;
	size_t room, start, end; /* of the bytes not yet handed out */
	int64_t read_to;         /* position behind them, in the file or in what @source gives */
	int64_t line_at;         /* where the line last handed out begins there */
	uint64_t number;         /* of that line, from 1 */
};

enum file_lines_result {
	FILE_LINES_LINE, /* *line is borrowed until the next call */
	FILE_LINES_END,  /* no whole line is left for now */
	FILE_LINES_FAILED,
};

/* Reads @fd from its first byte on, whatever its own position is. */
bool file_lines_open(struct file_lines *lines, int fd, struct fail *fail);
/* Goes on at @position of the file instead, where a line begins; before the first line is read. */
void file_lines_seek(struct file_lines *lines, int64_t position);
/* Reads what @source gives. @context stays the caller's. */
bool file_lines_open_source(
	struct file_lines *lines, file_lines_source *source, void *context, struct fail *fail);
void file_lines_close(struct file_lines *lines);

/* The next line without its line break. */
enum file_lines_result file_lines_next(
	struct file_lines *lines, const char **line, size_t *length, struct fail *fail);

/* After FILE_LINES_END: the bytes behind the last line break, borrowed. */
size_t file_lines_torn(const struct file_lines *lines, const char **bytes);
/* Where the next line begins in the file. */
int64_t file_lines_position(const struct file_lines *lines);

#endif
