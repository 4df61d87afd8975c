/* The start of a journal: which file is it, and what of it is sound.
 *
 * The checkpoint speaks of file k, of its first S bytes, and of what was known then.
 * Going well: P is k, its bytes before S are those of the checkpoint, and the lines behind are
 * read. Or P.k is there, since a rotation began or ended: it has its S bytes, and P, made where it
 * is missing, is k+1 and all new. Without a checkpoint every file is read, in order. Going wrong:
 * - the process before us was killed while writing: the last line is torn. No one was told that it
 *   is done, so it is cut and its record read again;
 * - power was lost: behind S anything may stand, zeros, and whole lines behind them. From the first
 *   byte that is not a line, or a line with an offset that was there before, all is cut and read
 * again from Kafka. What is cut and is more than a torn line is kept in P.cut.000001 for a person
 * to see;
 * - the journal is gone, shorter than S, or another one: somebody moved, cut or changed it. We do
 *   not start, and change nothing; --new-journal begins another file with what the checkpoint
 * knows;
 * - no checkpoint, and a line in the middle is not one: damage that a person has to see, as above;
 * - the file does not begin like a journal: it is not ours, and cutting it would destroy what is
 *   somebody else's. */
#include "metrics-consumer/journal_recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "event/event.h"
#include "metrics-consumer/file_lines.h"
#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/journal_save.h"
#include "process/clock.h"
#include "process/log.h"

#define BEGINNING 4096 /* bytes by which two files are compared */
#define CUTS_MAX  999999
#define NEW_ADVICE                                                                                 \
	"put it right, or start once with --new-journal, which keeps numbers and positions and "   \
	"begins a new file"

struct recovery {
	struct journal *journal;
	const char *path;
	const struct journal_reader *reader;
	struct checkpoint checkpoint;
	struct line_second second;
	uint64_t lines;
};

/* A first line of ours begins with the digit of a year; after power loss there may be zeros. */
static bool begins(char first)
{
	return (first >= '0' && first <= '9') || first == '\0';
}

/* -1: there is no such file. A link or a directory is something, too. */
static int64_t size_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_size : -1;
}

/* Whether the file is as long as the checkpoint says and ends there as it should. */
static bool fits(const char *path, const struct checkpoint *c)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct fail ignored = { 0 };
	struct stat st;
	uint64_t tail;
	bool good;

	if (fd < 0)
		return false;
	good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= c->position &&
	       checkpoint_tail(fd, c->position, &tail, &ignored) && tail == c->tail;
	close(fd);
	return good;
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
		if (size_of(kept) < 0)
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

/* Reads @file from @from on and cuts what is not sound. */
static bool read_on(struct recovery *r, struct append_file *file, int64_t from, struct fail *fail)
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
	else
		good = sound == file->size || cut(r, file, sound, torn, fail);
	r->lines += lines.number;
	file_lines_close(&lines);
	return good;
}

/* The age of the file is that of its first line. */
static int64_t first_time(const struct append_file *file)
{
	char bytes[64];
	const ssize_t got = pread(file->fd, bytes, sizeof(bytes), 0);
	const char *const end = got > 0 ? memchr(bytes, ' ', (size_t)got) : NULL;
	int64_t at_ms;

	if (got <= 0)
		return 0;
	return end && clock_parse(bytes, (size_t)(end - bytes), &at_ms) ? at_ms : clock_wall_ms();
}

/* P is the file with @number, known up to @from. */
static bool take_active(struct recovery *r, int64_t number, int64_t from, struct fail *fail)
{
	struct journal *const j = r->journal;

	if (!append_file_open(&j->file, r->path, fail) || !read_on(r, &j->file, from, fail))
		return false;
	j->number = number;
	j->first_ms = first_time(&j->file);
	return true;
}

/* For --new-journal: P is not there, or empty, and gets the number behind @number. */
static bool begin_file(struct recovery *r, int64_t number, struct fail *fail)
{
	struct journal *const j = r->journal;

	j->number = number;
	strcpy(j->file.path, r->path);
	if (!journal_save_next(j, r->checkpoint.state, fail) ||
		!append_file_open(&j->file, r->path, fail))
		return false;
	j->number++;
	j->settings.begin_anew = false;
	log_warning("journal", "began a new file, as was asked path=%s number=%" PRId64, r->path,
		j->number);
	return true;
}

/* For --new-journal: what is at P stays, under its number. */
static bool move_aside(struct recovery *r, int64_t number, struct fail *fail)
{
	char aside[PATH_MAX];

	journal_name(r->path, number, "", aside);
	if (!append_file_rename(r->path, aside, fail) || !append_file_sync_directory(r->path, fail))
		return false;
	log_warning("journal", "the file was moved aside, as was asked path=%s", aside);
	return true;
}

/* P.k is not there: P should be file k. */
static bool recover_active(struct recovery *r, struct fail *fail)
{
	const struct checkpoint *const c = &r->checkpoint;
	const bool anew = r->journal->settings.begin_anew;
	const int64_t size = size_of(r->path);

	if (size < 0 && c->begins)
		return take_active(r, c->number, 0, fail);
	if (size >= 0 && fits(r->path, c))
		return take_active(r, c->number, c->position, fail);
	if (anew)
		return (size <= 0 || move_aside(r, c->number, fail)) &&
		       begin_file(r, c->number, fail);
	if (size < 0)
		return fail_set(fail, FAIL_FATAL,
			"the journal %s is gone, of which the checkpoint knows %" PRId64
			" bytes (moved by hand?): " NEW_ADVICE,
			r->path, c->position);
	if (size < c->position)
		return fail_set(fail, FAIL_FATAL,
			"%s has %" PRId64 " bytes, fewer than the %" PRId64
			" of its checkpoint (copytruncate?): " NEW_ADVICE,
			r->path, size, c->position);
	return fail_set(fail, FAIL_FATAL,
		"%s is not the journal of its checkpoint, or was edited before byte %" PRId64
		": " NEW_ADVICE,
		r->path, c->position);
}

/* Whether two files that both hold something begin with the same bytes. */
static bool begin_alike(const char *one, const char *other)
{
	char bytes[2][BEGINNING];
	const char *const paths[2] = { one, other };
	ssize_t got[2];

	for (int i = 0; i < 2; i++) {
		const int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		got[i] = fd >= 0 ? pread(fd, bytes[i], BEGINNING, 0) : -1;
		if (fd >= 0)
			close(fd);
	}
	if (got[0] <= 0 || got[1] <= 0)
		return false;
	return memcmp(bytes[0], bytes[1], (size_t)(got[0] < got[1] ? got[0] : got[1])) == 0;
}

/* A compressed file says how long it is inside, where we made it. */
static bool compressed_fits(const char *path, int64_t position)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[32];
	const ssize_t got = fd >= 0 ? pread(fd, head, sizeof(head), 0) : -1;
	const unsigned long long size =
		got > 0 ? ZSTD_getFrameContentSize(head, (size_t)got) : ZSTD_CONTENTSIZE_ERROR;

	if (fd >= 0)
		close(fd);
	return size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN &&
	       size == (unsigned long long)position;
}

/* Reads what file k got behind its checkpoint: nothing, unless somebody moved it by hand. */
static bool finish_rotated(struct recovery *r, const char *rotated, struct fail *fail)
{
	struct append_file file;
	bool good;

	if (size_of(rotated) == r->checkpoint.position)
		return true;
	if (!append_file_open(&file, rotated, fail))
		return false;
	good = read_on(r, &file, r->checkpoint.position, fail);
	append_file_close(&file);
	return good;
}

/* P.k is there, plain or compressed: P is k+1, unless P.k only looks like file k. */
static bool recover_behind_rotation(
	struct recovery *r, const char *rotated, bool compressed, struct fail *fail)
{
	const struct checkpoint *const c = &r->checkpoint;
	const bool both = size_of(r->path) > 0 &&
			  (c->position > 0 ? fits(r->path, c) : begin_alike(r->path, rotated));
	const bool sound = compressed ? compressed_fits(rotated, c->position) : fits(rotated, c);

	if (both)
		return fail_set(fail, FAIL_FATAL,
			"%s has the name the journal %s will get when it is rotated: move it away",
			rotated, r->path);
	if (!sound && r->journal->settings.begin_anew && size_of(r->path) <= 0)
		return begin_file(r, c->number, fail);
	if (!sound && r->journal->settings.begin_anew)
		log_warning(
			"journal", "not the file of the checkpoint, passed over path=%s", rotated);
	else if (!sound)
		return fail_set(fail, FAIL_FATAL,
			"%s is not the file of the checkpoint, which has %" PRId64
			" bytes: " NEW_ADVICE,
			rotated, c->position);
	else if (!compressed && !finish_rotated(r, rotated, fail))
		return false;
	return take_active(r, c->number + 1, 0, fail);
}

static bool recover_from_checkpoint(struct recovery *r, struct fail *fail)
{
	const struct checkpoint *const c = &r->checkpoint;
	struct journal *const j = r->journal;
	char plain[PATH_MAX], compressed[PATH_MAX], name[PATH_MAX];
	bool good;

	checkpoint_path(r->path, name);
	if (!r->reader->restore(r->reader->context, c->state, fail))
		return fail_prefix(
			fail, "%s (delete it, and the next start reads the whole journal)", name);
	memcpy(j->id, c->journal, sizeof(j->id));
	j->deleted = c->deleted;
	j->saved_number = c->number;
	j->saved_to = c->position;
	journal_name(r->path, c->number, "", plain);
	journal_name(r->path, c->number, ".zst", compressed);
	if (size_of(plain) >= 0)
		good = recover_behind_rotation(r, plain, false, fail);
	else if (size_of(compressed) >= 0)
		good = recover_behind_rotation(r, compressed, true, fail);
	else
		good = recover_active(r, fail);
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

static bool make_id(char id[static CHECKPOINT_ID_MAX], struct fail *fail)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return fail_errno(fail, FAIL_FATAL, errno, "getrandom");
	(void)snprintf(id, CHECKPOINT_ID_MAX, "%016" PRIx64, number);
	return true;
}

static bool recover_everything(struct recovery *r, struct fail *fail)
{
	static const struct append_file_lines kind = { "journal", "a journal line",
		"line of a journal", begins };
	struct journal *const j = r->journal;
	uint64_t count;

	if (j->settings.begin_anew && size_of(r->path) > 0)
		return fail_set(fail, FAIL_REFUSE,
			"--new-journal: %s has no checkpoint whose numbers and positions could be "
			"kept; start without it",
			r->path);
	j->settings.begin_anew = false;
	if (!make_id(j->id, fail) || !read_files(r, fail) ||
		!append_file_open(&j->file, r->path, fail) ||
		!append_file_recall(&j->file, &kind, read_any_line, r, &count, fail))
		return false;
	r->lines += count;
	j->first_ms = first_time(&j->file);
	return true;
}

bool journal_recover(struct journal *journal, const char *path, const struct journal_reader *reader,
	struct fail *fail)
{
	struct recovery r = { .journal = journal, .path = path, .reader = reader };
	bool there, good;

	if (!checkpoint_read(path, &r.checkpoint, &there, fail))
		return false;
	good = there ? recover_from_checkpoint(&r, fail) : recover_everything(&r, fail);
	checkpoint_clear(&r.checkpoint);
	if (!good)
		return false;
	checkpoint_sweep(path);
	log_info("journal",
		"read path=%s number=%" PRId64 " lines=%" PRIu64 " bytes=%" PRId64
		" checkpoint=%s id=%s",
		path, journal->number, r.lines, journal->file.size, there ? "yes" : "none",
		journal->id);
	return true;
}
