/* Reading a journal that somebody else may be writing.
 *
 * Going well: list the rotated files, read each, then the active one to its end, and look again
 * there for more.
 * Going wrong:
 * - the active file was rotated meanwhile: the one we have open is read to its end, wherever it
 *   lies now; then the files are listed again, and what was read is left out: by its number, or
 *   by name and inode where it has none;
 * - a file is compressed, removed or rotated between the list and its opening: the files are
 *   listed again;
 * - the active file was moved and the consumer writes on in it, until it is told: the file with
 *   the youngest first line is the last one, and takes its place;
 * - retention removes files that were not read, in the middle: the checkpoint says so, and the walk
 *   ends, since whoever walks would take their lines for missing;
 * - it is rotated while the files are listed: the active one is looked at before and after. */
#include "metrics-consumer/journal_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "metrics-consumer/checkpoint.h"

#define LISTED_MAX 1000 /* lists in one walk: a journal that is rotated faster is not readable */
#define AGAIN_MAX  10   /* lists until the active file stays the same */

static bool same_file(const struct journal_file *one, const struct journal_file *other)
{
	return one->device == other->device && one->inode == other->inode;
}

/* The active file, size -1 where it is not there. */
static bool look_at_active(const char *path, struct journal_file *active, struct fail *fail)
{
	struct stat st;

	*active = (struct journal_file){ .size = -1, .first_ms = INT64_MIN };
	if (strlen(path) >= sizeof(active->path))
		return fail_set(fail, FAIL_REFUSE, "%.64s...: the path is too long", path);
	strcpy(active->path, path);
	if (stat(path, &st) != 0)
		return errno == ENOENT || fail_errno(fail, FAIL_FATAL, errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return fail_set(fail, FAIL_REFUSE, "open %s: not a regular file", path);
	active->size = st.st_size;
	active->device = st.st_dev;
	active->inode = st.st_ino;
	return true;
}

static bool append(struct journal_file **list, size_t *count, const struct journal_file *file,
	struct fail *fail)
{
	struct journal_file *const grown = reallocarray(*list, *count + 1, sizeof(*grown));

	if (!grown)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	*list = grown;
	grown[(*count)++] = *file;
	return true;
}

/* Whether the file that was read as the active one is listed under another name now; where it
 * was compressed already, it is the first of those that are new. */
static const struct journal_file *find_current(const struct journal_walk *w)
{
	const struct journal_file *compressed = NULL;

	for (size_t i = 0; i < w->files.count; i++) {
		const struct journal_file *const file = &w->files.list[i];

		if (same_file(file, &w->current))
			return file;
		if (!compressed && file->compressed && file->number > w->highest)
			compressed = file;
	}
	return compressed;
}

static bool was_read(const struct journal_walk *w, const struct journal_file *file)
{
	if (file->number > 0)
		return file->number <= w->highest;
	for (size_t i = 0; i < w->done_count; i++) {
		if (same_file(file, &w->done[i]) && strcmp(file->path, w->done[i].path) == 0)
			return true;
	}
	return false;
}

/* The checkpoint says what will be removed before it is. Only this is read of it: it may be of a
 * version we do not know. */
static int64_t read_deleted(const char *journal_path)
{
	char path[PATH_MAX];
	json_t *checkpoint;
	json_int_t deleted;

	checkpoint_path(journal_path, path);
	/* Behind the document stands a line with its checksum. */
	checkpoint = json_load_file(path, JSON_DISABLE_EOF_CHECK, NULL);
	deleted = json_integer_value(json_object_get(checkpoint, "deleted"));
	json_decref(checkpoint);
	return deleted;
}

/* Behind the last numbered file that was read comes number @number, or (0) the active one. Numbers
 * between may never have been used: the checkpoint tells them from those of removed files. */
static bool follows(struct journal_walk *w, int64_t number, struct fail *fail)
{
	const int64_t last = w->highest > w->from ? w->highest : w->from;

	if (w->files_read > 0 && number > 0 && number <= last + 1)
		return true;
	w->deleted = read_deleted(w->path);
	if (w->files_read == 0) /* this very one may be about to be removed */
		w->from = number > 0 && w->deleted >= number ? number - 1 : w->deleted;
	return w->files_read == 0 || w->deleted <= last ||
	       fail_set(fail, FAIL_RETRY,
		       "files of %s were removed while it was read, up to number %" PRId64, w->path,
		       w->deleted);
}

static bool list_once(struct journal_walk *w, struct journal_file *active, struct fail *fail)
{
	if (++w->listed > LISTED_MAX)
		return fail_set(fail, FAIL_RETRY, "the files of %s change too fast", w->path);
	journal_files_free(&w->files);
	return journal_files_list(w->path, &w->files, fail) &&
	       look_at_active(w->path, active, fail);
}

/* Where w->growing, w->current was read to its end as the active file. */
static bool list(struct journal_walk *w, struct fail *fail)
{
	struct journal_file before = { 0 }, active = { 0 };
	const struct journal_file *current;

	if (!look_at_active(w->path, &before, fail) || !list_once(w, &active, fail))
		return false;
	for (int i = 0; i < AGAIN_MAX &&
			(before.size < 0 ? active.size >= 0 : !same_file(&before, &active));
		i++) {
		before = active;
		if (!list_once(w, &active, fail))
			return false;
	}
	current = w->growing ? find_current(w) : NULL;
	if (current && current->number > 0 && !follows(w, current->number, fail))
		return false;
	if (current && current->number > 0)
		w->highest = current->number;
	else if (current && !append(&w->done, &w->done_count, current, fail))
		return false;
	w->growing = false;
	w->next = 0;
	w->bytes = journal_walk_position(w);
	if (active.size >= 0 && !append(&w->files.list, &w->files.count, &active, fail))
		return false;
	for (size_t i = 0; i < w->files.count; i++)
		w->bytes += was_read(w, &w->files.list[i]) ? 0 : w->files.list[i].size;
	return w->files.count > 0 || fail_errno(fail, FAIL_FATAL, ENOENT, "open %s", w->path);
}

bool journal_walk_open(struct journal_walk *w, const char *path, struct fail *fail)
{
	*w = (struct journal_walk){ .path = path };
	return list(w, fail);
}

static void close_current(struct journal_walk *w)
{
	if (!w->open)
		return;
	w->bytes_done += journal_file_position(&w->lines);
	journal_file_close(&w->lines);
	w->open = false;
}

void journal_walk_close(struct journal_walk *w)
{
	close_current(w);
	journal_files_free(&w->files);
	free(w->done);
	w->done = NULL;
	w->done_count = 0;
}

/* Whether a numbered file that was not read stands in front of the one that is open, which cannot
 * lose its inode to another one now. */
static bool passes_over(const struct journal_walk *w, bool *passes, struct fail *fail)
{
	struct journal_files now;
	const bool good = journal_files_list(w->path, &now, fail);
	int64_t number = INT64_MAX; /* of the open one; it is the active one still */

	for (size_t i = 0; good && i < now.count; i++) {
		if (now.list[i].number > 0 && same_file(&now.list[i], &w->current))
			number = now.list[i].number;
	}
	*passes = false;
	for (size_t i = 0; good && i < now.count; i++) {
		const struct journal_file *const file = &now.list[i];

		*passes = *passes ||
			  (file->number > 0 && file->number < number && !was_read(w, file));
	}
	journal_files_free(&now);
	return good;
}

/* Under the active one's name there may be another one since the list was made, even with the same
 * inode. What is last may be written to, whatever its name. */
static bool open_listed(struct journal_walk *w, struct fail *fail)
{
	struct stat st;
	bool other = false, good;

	w->growing = w->next == w->files.count && w->current.number == 0 && !w->current.compressed;
	if (!journal_file_open(&w->lines, &w->current, fail)) {
		w->growing = false;
		return false;
	}
	if (!w->current.compressed)
		other = fstat(w->lines.fd, &st) != 0 || st.st_dev != w->current.device ||
			st.st_ino != w->current.inode;
	good = !w->growing || other || passes_over(w, &other, fail);
	if (good && !other)
		return true;
	w->growing = false;
	journal_file_close(&w->lines);
	return good ? fail_set(fail, FAIL_RETRY, "%s was replaced", w->current.path) : false;
}

/* Opens the next file of the list that was not read, where there is one. */
static bool open_next(struct journal_walk *w, struct fail *fail)
{
	while (!w->open && w->next < w->files.count) {
		w->current = w->files.list[w->next++];
		if (was_read(w, &w->current))
			continue;
		if (!open_listed(w, fail)) {
			if (fail->kind != FAIL_RETRY)
				return false;
			*fail = (struct fail){ 0 };
			if (!list(w, fail))
				return false;
			continue;
		}
		w->open = true;
		if (!follows(w, w->current.number, fail))
			return false;
		w->files_read++;
	}
	return true;
}

static bool finish_rotated(struct journal_walk *w, struct fail *fail)
{
	const char *bytes;

	if (w->current.number > 0 && file_lines_torn(&w->lines, &bytes) > 0)
		return fail_set(fail, FAIL_FATAL,
			"%s is damaged: it ends in the middle of the line at byte %" PRId64,
			w->current.path, file_lines_position(&w->lines));
	if (w->current.number > 0)
		w->highest = w->current.number;
	else if (!append(&w->done, &w->done_count, &w->current, fail))
		return false;
	close_current(w);
	return true;
}

/* At the end of the file that grows: whether another one has taken its place. */
static bool was_replaced(const struct journal_walk *w, bool *replaced, struct fail *fail)
{
	struct journal_file active;

	if (!look_at_active(w->path, &active, fail))
		return false;
	*replaced = active.size >= 0 && !same_file(&active, &w->current);
	return true;
}

enum file_lines_result journal_walk_next(
	struct journal_walk *w, const char **line, size_t *length, struct fail *fail)
{
	bool replaced = false;

	for (;;) {
		enum file_lines_result result;

		if (!w->open && !open_next(w, fail))
			return FILE_LINES_FAILED;
		if (!w->open)
			return FILE_LINES_END;
		result = file_lines_next(&w->lines, line, length, fail);
		w->count += result == FILE_LINES_LINE;
		if (result != FILE_LINES_END)
			return result;
		if (!w->growing) {
			if (!finish_rotated(w, fail))
				return FILE_LINES_FAILED;
			continue;
		}
		if (replaced) {             /* and read to its end since that was seen */
			if (!list(w, fail)) /* while open, its inode is no other one's */
				return FILE_LINES_FAILED;
			close_current(w);
			replaced = false;
			continue;
		}
		if (!was_replaced(w, &replaced, fail))
			return FILE_LINES_FAILED;
		if (!replaced)
			return FILE_LINES_END;
	}
}

bool journal_walk_damaged(const struct journal_walk *w, struct fail *fail)
{
	return fail_set(fail, FAIL_FATAL, "%s is damaged: line %" PRIu64 " at byte %" PRId64,
		w->current.path, w->lines.number, w->lines.line_at);
}

int64_t journal_walk_position(const struct journal_walk *w)
{
	return w->bytes_done + (w->open ? journal_file_position(&w->lines) : 0);
}
