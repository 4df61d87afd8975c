#include "metrics-consumer/file_lines.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE                                                                                      \
	262144 /* bytes: fits the second level cache, and a read call is nothing beside it         \
		*/

static bool make_buffer(struct file_lines *lines, struct fail *fail)
{
	lines->room = PIECE;
	lines->buffer = malloc(lines->room);
	return lines->buffer || fail_set(fail, FAIL_FATAL, "out of memory");
}

bool file_lines_open(struct file_lines *lines, int fd, struct fail *fail)
{
	*lines = (struct file_lines){ .fd = fd };
	return make_buffer(lines, fail);
}

void file_lines_seek(struct file_lines *lines, int64_t position)
{
	assert(!lines->source && lines->start == lines->end);
	lines->read_to = position;
}

bool file_lines_open_source(
	struct file_lines *lines, file_lines_source *source, void *context, struct fail *fail)
{
	*lines = (struct file_lines){ .fd = -1, .source = source, .context = context };
	return make_buffer(lines, fail);
}

void file_lines_close(struct file_lines *lines)
{
	free(lines->buffer);
	lines->buffer = NULL;
}

static bool make_room(struct file_lines *lines, struct fail *fail)
{
	char *grown;

	if (lines->start > 0) {
		memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
		lines->end -= lines->start;
		lines->start = 0;
	}
	if (lines->end < lines->room)
		return true;
	if (lines->room >= FILE_LINE_MAX)
		return fail_set(fail, FAIL_FATAL, "the line at byte %lld is longer than %d bytes",
			(long long)(lines->read_to - (int64_t)lines->end), FILE_LINE_MAX);
	grown = realloc(lines->buffer, 2 * lines->room);
	if (!grown)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	lines->buffer = grown;
	lines->room *= 2;
	return true;
}

static bool read_file(struct file_lines *lines, size_t *got, struct fail *fail)
{
	ssize_t length;

	do {
		length = pread(lines->fd, lines->buffer + lines->end, lines->room - lines->end,
			lines->read_to);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "read");
	*got = (size_t)length;
	return true;
}

static bool read_source(struct file_lines *lines, size_t *got, struct fail *fail)
{
	return lines->source(
		lines->context, lines->buffer + lines->end, lines->room - lines->end, got, fail);
}

/* Reads more behind what is there; *got is 0 at the end of the file. */
static bool read_more(struct file_lines *lines, size_t *got, struct fail *fail)
{
	if (!make_room(lines, fail) || !(lines->source ? read_source : read_file)(lines, got, fail))
		return lines->name ? fail_prefix(fail, "%s", lines->name) : false;
	lines->end += *got;
	lines->read_to += (int64_t)*got;
	return true;
}

enum file_lines_result file_lines_next(
	struct file_lines *lines, const char **line, size_t *length, struct fail *fail)
{
	size_t searched = 0, got = 0;

	for (;;) {
		const char *const from = lines->buffer + lines->start;
		const size_t there = lines->end - lines->start;
		const char *const end = memchr(from + searched, '\n', there - searched);

		if (end) {
			*line = from;
			*length = (size_t)(end - from);
			lines->line_at = file_lines_position(lines);
			lines->number++;
			lines->start += *length + 1;
			return FILE_LINES_LINE;
		}
		searched = there;
		if (!read_more(lines, &got, fail))
			return FILE_LINES_FAILED;
		if (got == 0)
			return FILE_LINES_END;
	}
}

size_t file_lines_torn(const struct file_lines *lines, const char **bytes)
{
	*bytes = lines->buffer + lines->start;
	return lines->end - lines->start;
}

int64_t file_lines_position(const struct file_lines *lines)
{
	return lines->read_to - (int64_t)(lines->end - lines->start);
}
