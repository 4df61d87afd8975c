#include "metrics-consumer/journal_reading.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/event.h"
#include "metrics-consumer/file_lines.h"
#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/journal_save.h"
#include "process/log.h"

#define CUTS_MAX 999999

/* A first line of ours begins with the digit of a year; after power loss there may be zeros. */
static bool begins(char first)
{
	return (first >= '0' && first <= '9') || first == '\0';
}

int64_t journal_size_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_size : -1;
}

static bool read_line(struct recovery *r, const char *bytes, size_t length)
{
	struct line line;

	return line_read(&r->second, bytes, length, &line) && line.partition < EVENT_PARTITIONS &&
	       line.offset >= r->reader->next[line.partition] &&
	       r->reader->seen(r->reader->context, &line);
}

/* The offset may go back: only a checkpoint tells where the topic was made anew. */
static bool read_any_line(void *context, const char *bytes, size_t length, struct fail *fail)
{
	struct recovery *const r = context;
	struct line line;

	(void)fail;
	return line_read(&r->second, bytes, length, &line) &&
	       r->reader->seen(r->reader->context, &line);
}

static bool copy_bytes(
	const struct append_file *from, int64_t at, struct append_file *to, struct fail *fail)
{
	char piece[65536];
	ssize_t got;

	for (; at < from->size; at += got) {
		got = pread(from->fd, piece, sizeof(piece), at);
		if (got <= 0)
			return fail_errno(
				fail, FAIL_FATAL, got < 0 ? errno : EIO, "read %s", from->path);
		if (!append_file_write(to, piece, (size_t)got, fail))
			return false;
	}
	return append_file_sync(to, fail);
}

/* Keeps the bytes from @at on in a new P.cut.000001; @kept is its name. */
static bool keep_bytes(struct recovery *r, const struct append_file *file, int64_t at,
	char kept[PATH_MAX], struct fail *fail)
{
	struct append_file copy = { .fd = -1 };
	char cut[PATH_MAX];
	bool good;

	(void)snprintf(cut, sizeof(cut), "%.*s.cut", PATH_MAX - 32, r->path);
	for (int64_t number = 1; number <= CUTS_MAX; number++) {
		journal_name(cut, number, "", kept);
		if (journal_size_of(kept) < 0)
			break;
	}
	good = append_file_create(&copy, kept, fail) && copy_bytes(file, at, &copy, fail);
	if (!good && copy.fd >= 0)
		(void)unlink(kept);
	append_file_close(&copy);
	return good || fail_prefix(fail, "keep what has to be cut off %s", file->path);
}

static bool cut(
	struct recovery *r, struct append_file *file, int64_t at, bool torn, struct fail *fail)
{
	const int64_t bytes = file->size - at;
	char kept[PATH_MAX];

	if (!torn && !keep_bytes(r, file, at, kept, fail))
		return false;
	if (!append_file_cut(file, at, fail))
		return false;
	if (torn)
		log_warning("journal", "cut a torn last line path=%s bytes=%" PRId64, file->path,
			bytes);
	else
		log_warning("journal",
			"cut what power loss left behind the last sound line, it is read again "
			"path=%s byte=%" PRId64 " bytes=%" PRId64 " kept=%s",
			file->path, at, bytes, kept);
	return true;
}

static bool is_foreign(const struct append_file *file, int64_t at)
{
	char first;

	return at == 0 && file->size > 0 && pread(file->fd, &first, 1, 0) == 1 && !begins(first);
}

/* A file of which the checkpoint knows nothing may be any: its first line was logged before the
 * checkpoint that should be in front of it, at an offset that was there before. */
static bool is_older(struct recovery *r, const char *bytes, size_t length)
{
	struct line line;

	return line_read(&r->second, bytes, length, &line) && line.partition < EVENT_PARTITIONS &&
	       line.offset < r->reader->next[line.partition] &&
	       line.time_ms < r->checkpoint.time_ms;
}

/* Reads @file from @from on and cuts what is not sound. */
bool journal_read_on(struct recovery *r, struct append_file *file, int64_t from, struct fail *fail)
{
	struct file_lines lines;
	const char *bytes;
	size_t length;
	enum file_lines_result result;
	int64_t sound = from;
	bool torn, good = false;

	if (!file_lines_open(&lines, file->fd, fail))
		return false;
	file_lines_seek(&lines, from);
	while ((result = file_lines_next(&lines, &bytes, &length, fail)) == FILE_LINES_LINE &&
		read_line(r, bytes, length))
		sound = file_lines_position(&lines);
	torn = result == FILE_LINES_END;
	if (result == FILE_LINES_FAILED)
		(void)fail_prefix(fail, "%s", file->path);
	else if (sound < file->size && is_foreign(file, sound))
		(void)fail_set(fail, FAIL_FATAL,
			"%s holds %" PRId64 " bytes and no line of a journal; it is left as it is",
			file->path, file->size);
	else if (sound == 0 && result == FILE_LINES_LINE && is_older(r, bytes, length))
		(void)fail_set(fail, FAIL_FATAL,
			"%s is older than its checkpoint, which knows its lines: put the right "
			"file back, or move this one away and start once with --new-journal",
			file->path);
	else
		good = sound == file->size || cut(r, file, sound, torn, fail);
	r->lines += lines.number;
	file_lines_close(&lines);
	return good;
}

/* A file that was rotated or moved. Nothing is cut there: nobody appends to it. */
static bool read_file(struct recovery *r, const struct journal_file *file, struct fail *fail)
{
	struct file_lines lines;
	enum file_lines_result result;
	const char *bytes;
	size_t length, torn;

	if (!journal_file_open(&lines, file, fail))
		return false;
	while ((result = file_lines_next(&lines, &bytes, &length, fail)) == FILE_LINES_LINE) {
		if (read_any_line(r, bytes, length, fail))
			continue;
		(void)fail_set(fail, FAIL_FATAL,
			"%s is damaged: line %" PRIu64 " at byte %" PRId64
			" is not a journal line; repair or move the file",
			file->path, lines.number, lines.line_at);
		break;
	}
	torn = result == FILE_LINES_END ? file_lines_torn(&lines, &bytes) : 0;
	if (torn > 0)
		log_warning("journal", "ends in a torn line path=%s bytes=%zu", file->path, torn);
	r->lines += lines.number;
	journal_file_close(&lines);
	return result == FILE_LINES_END;
}

static bool read_files(struct recovery *r, struct fail *fail)
{
	struct journal *const j = r->journal;
	struct journal_files files;
	int64_t lowest = 0;
	bool good = journal_files_list(r->path, &files, fail);

	j->number = 1;
	for (size_t i = 0; good && i < files.count; i++) {
		const struct journal_file *const file = &files.list[i];

		good = read_file(r, file, fail);
		if (file->number >= j->number)
			j->number = file->number + 1;
		if (file->number > 0 && (lowest == 0 || file->number < lowest))
			lowest = file->number;
	}
	journal_files_free(&files);
	if (good && lowest > 1) {
		j->deleted = lowest - 1;
		log_warning("journal",
			"there is no checkpoint: files before the first one are taken for "
			"removed ones path=%s first=%" PRId64,
			r->path, lowest);
	}
	return good;
}

bool journal_read_everything(struct recovery *r, struct fail *fail)
{
	static const struct append_file_lines kind = { "journal", "a journal line",
		"line of a journal", begins };
	struct journal *const j = r->journal;
	uint64_t count;

	if (!read_files(r, fail) || !append_file_open(&j->file, r->path, fail) ||
		!append_file_recall(&j->file, &kind, read_any_line, r, &count, fail))
		return false;
	r->lines += count;
	return true;
}
