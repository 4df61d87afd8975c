#include "metrics-consumer/append_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics-consumer/file_lines.h"
#include "process/clock.h"
#include "process/log.h"

#define START_BYTES 1048576 /* written at least before the kernel is asked to begin with them */

void append_file_directory(const char *path, char out[PATH_MAX])
{
	const char *const slash = strrchr(path, '/');
	const size_t length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;

	assert(strlen(path) < PATH_MAX);
	if (!slash) {
		strcpy(out, ".");
		return;
	}
	memcpy(out, path, length);
	out[length] = '\0';
}

bool append_file_is_full(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

bool append_file_sync_directory(const char *path, struct fail *fail)
{
	char directory[PATH_MAX];
	int fd, error;

	append_file_directory(path, directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "open directory %s", directory);
	error = fsync(fd) == 0 ? 0 : errno;
	close(fd);
	if (error != 0)
		return fail_errno(fail, FAIL_FATAL, error, "sync directory %s", directory);
	return true;
}

bool append_file_rename(const char *from, const char *to, struct fail *fail)
{
	struct stat st;
	int error = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;

	/* A file system that cannot: nobody else names files here but a person. */
	if (error == EINVAL || error == ENOSYS) {
		if (lstat(to, &st) == 0)
			error = EEXIST;
		else
			error = rename(from, to) == 0 ? 0 : errno;
	}
	if (error == 0)
		return true;
	return fail_errno(fail,
		error == EEXIST || append_file_is_full(error) ? FAIL_RETRY : FAIL_FATAL, error,
		"rename %s to %s", from, to);
}

static bool open_regular(struct append_file *file, const char *path, int flags, struct fail *fail)
{
	struct stat st;
	int error;

	*file = (struct append_file){ .fd = -1 };
	if (strlen(path) >= sizeof(file->path))
		return fail_set(fail, FAIL_REFUSE, "open %.64s...: the path is too long", path);
	strcpy(file->path, path);
	file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0644);
	if (file->fd < 0) {
		error = errno;
		return fail_errno(fail,
			error == EEXIST || append_file_is_full(error) ? FAIL_RETRY : FAIL_FATAL,
			error, "open %s", path);
	}
	if (fstat(file->fd, &st) != 0) {
		error = errno;
		append_file_close(file);
		return fail_errno(fail, FAIL_FATAL, error, "look at %s", path);
	}
	if (!S_ISREG(st.st_mode)) {
		append_file_close(file);
		return fail_set(fail, FAIL_REFUSE, "open %s: not a regular file", path);
	}
	file->size = st.st_size;
	/* What a process before us wrote and did not sync is about to be built on. */
	if (!append_file_sync(file, fail) || !append_file_sync_directory(path, fail)) {
		append_file_close(file);
		return false;
	}
	return true;
}

bool append_file_open(struct append_file *file, const char *path, struct fail *fail)
{
	return open_regular(file, path, 0, fail);
}

bool append_file_create(struct append_file *file, const char *path, struct fail *fail)
{
	return open_regular(file, path, O_EXCL, fail);
}

void append_file_close(struct append_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static bool undo_write(struct append_file *file, int error, struct fail *fail)
{
	if (ftruncate(file->fd, file->size) != 0) {
		file->broken = true;
		return fail_errno(fail, FAIL_FATAL, errno, "cut %s back", file->path);
	}
	return fail_errno(fail, FAIL_RETRY, error, "write %s", file->path);
}

/* The next sync finds most of it written, and so does not hold up who syncs. Where it fails, the
 * kernel may have told us alone, and dropped the pages: that is a failed sync. */
static bool start_writing(struct append_file *file, struct fail *fail)
{
	int64_t from;

	if (file->started < file->synced)
		file->started = file->synced;
	from = file->started;
	if (file->size - from < START_BYTES)
		return true;
	file->started = file->size;
	if (sync_file_range(file->fd, from, file->size - from, SYNC_FILE_RANGE_WRITE) == 0 ||
		errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == ESPIPE)
		return true; /* or there is no such thing here, and the sync does it all */
	file->broken = true;
	return fail_errno(fail, FAIL_FATAL, errno, "begin to sync %s", file->path);
}

bool append_file_write(
	struct append_file *file, const void *bytes, size_t length, struct fail *fail)
{
	const char *at = bytes;
	size_t left = length;

	assert(!file->broken);
	while (left > 0) {
		const ssize_t written = write(file->fd, at, left);

		if (written > 0) {
			at += written;
			left -= (size_t)written;
		} else if (written < 0 && errno == EINTR) {
			continue;
		} else if (written < 0 && append_file_is_full(errno)) {
			return undo_write(file, errno, fail);
		} else {
			file->broken = true;
			return fail_errno(fail, FAIL_FATAL, written < 0 ? errno : EIO, "write %s",
				file->path);
		}
	}
	file->size += (int64_t)length;
	if (file->unsynced_since == 0 && length > 0)
		file->unsynced_since = clock_mono_ms();
	return start_writing(file, fail);
}

bool append_file_sync(struct append_file *file, struct fail *fail)
{
	struct stat st;

	assert(!file->broken);
	if (fdatasync(file->fd) != 0 || fstat(file->fd, &st) != 0) {
		file->broken = true;
		return fail_errno(fail, FAIL_FATAL, errno, "sync %s", file->path);
	}
	if (st.st_size != file->size) {
		file->broken = true;
		return fail_set(fail, FAIL_FATAL,
			"%s has %lld bytes where %" PRId64
			" were written: something else cut it or writes to it (copytruncate?)",
			file->path, (long long)st.st_size, file->size);
	}
	file->synced = file->size;
	file->unsynced_since = 0;
	return true;
}

bool append_file_cut(struct append_file *file, int64_t size, struct fail *fail)
{
	assert(size >= 0 && size <= file->size);
	if (ftruncate(file->fd, size) != 0) {
		file->broken = true;
		return fail_errno(fail, FAIL_FATAL, errno, "cut %s", file->path);
	}
	file->size = size;
	return append_file_sync(file, fail);
}

static bool see_lines(struct append_file *file, const struct append_file_lines *kind,
	struct file_lines *lines, append_file_see *see, void *context, struct fail *fail)
{
	const char *bytes;
	size_t length;

	for (;;) {
		switch (file_lines_next(lines, &bytes, &length, fail)) {
		case FILE_LINES_LINE:
			break;
		case FILE_LINES_END:
			return true;
		case FILE_LINES_FAILED:
			return fail_prefix(fail, "%s", file->path);
		}
		if (see(context, bytes, length, fail))
			continue;
		if (fail->kind != FAIL_NONE)
			return false;
		return fail_set(fail, FAIL_FATAL,
			"%s is damaged: line %" PRIu64 " at byte %" PRId64
			" is not %s; repair or move the file",
			file->path, lines->number, lines->line_at, kind->line);
	}
}

static bool cut_torn_line(struct append_file *file, const struct append_file_lines *kind,
	const struct file_lines *lines, struct fail *fail)
{
	const char *bytes;
	const size_t torn = file_lines_torn(lines, &bytes);

	if (torn == 0)
		return true;
	if (lines->number == 0 && !kind->begins(bytes[0]))
		return fail_set(fail, FAIL_FATAL,
			"%s holds %zu bytes and no %s; it is left as it is", file->path, torn,
			kind->none);
	if (!append_file_cut(file, file_lines_position(lines), fail))
		return false;
	log_warning(kind->room, "cut a torn last line path=%s bytes=%zu", file->path, torn);
	return true;
}

bool append_file_recall(struct append_file *file, const struct append_file_lines *kind,
	append_file_see *see, void *context, uint64_t *count, struct fail *fail)
{
	struct file_lines lines;
	bool good;

	*fail = (struct fail){ 0 }; /* what @see leaves in it is told apart from nothing */
	if (!file_lines_open(&lines, file->fd, fail))
		return false;
	good = see_lines(file, kind, &lines, see, context, fail) &&
	       cut_torn_line(file, kind, &lines, fail);
	*count = lines.number;
	file_lines_close(&lines);
	return good;
}
