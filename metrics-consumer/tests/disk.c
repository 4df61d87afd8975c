#include "metrics-consumer/tests/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

_Thread_local struct disk disk = {
	.room = DISK_ENDLESS, .write_most = DISK_ENDLESS, .write_error = ENOSPC
};

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
int __wrap_fdatasync(int fd);
int __wrap_sync_file_range(int fd, off64_t from, off64_t length, unsigned flags);
int __wrap_fsync(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_ftruncate(int fd, off_t length);
int __wrap_ftruncate(int fd, off_t length);

void disk_is_fine(void)
{
	disk = (struct disk){
		.room = DISK_ENDLESS, .write_most = DISK_ENDLESS, .write_error = ENOSPC
	};
}

/* One more call that changes something. True: it fails, and errno says how. */
static bool refused(void)
{
	disk.calls++;
	if (disk.calls == disk.kill_at)
		_exit(DISK_KILLED);
	if (disk.calls != disk.fail_at)
		return false;
	errno = disk.fail_error;
	return true;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
	if (fd <= STDERR_FILENO)
		return __real_write(fd, bytes, length);
	if (disk.calls + 1 == disk.kill_at) /* in the middle of it */
		(void)!__real_write(fd, bytes, length / 2);
	if (refused())
		return -1;
	if (disk.room == 0) {
		errno = disk.write_error;
		return -1;
	}
	if (length > disk.write_most)
		length = disk.write_most;
	if (length > disk.room)
		length = disk.room;
	if (disk.room != DISK_ENDLESS)
		disk.room -= length;
	return __real_write(fd, bytes, length);
}

/* No power is lost here: a sync that succeeds has nothing to do, and there are thousands. */
static int sync_it(void)
{
	if (!refused())
		return 0;
	disk.sync_failed = true;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	(void)fd;
	disk.syncs++;
	if (disk.sync_error != 0) {
		errno = disk.sync_error;
		return -1;
	}
	return sync_it();
}

int __wrap_sync_file_range(int fd, off64_t from, off64_t length, unsigned flags)
{
	(void)fd;
	(void)from;
	(void)length;
	(void)flags;
	disk.starts++;
	if (disk.sync_error == 0)
		return 0;
	errno = disk.sync_error;
	return -1;
}

int __wrap_fsync(int fd)
{
	(void)fd;
	return sync_it();
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return (flags & O_CREAT) != 0 && refused() ? -1 : __real_open(path, flags, mode);
}

int __wrap_rename(const char *from, const char *to)
{
	return refused() ? -1 : __real_rename(from, to);
}

int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	return refused() ? -1 : __real_renameat2(from_at, from, to_at, to, flags);
}

int __wrap_unlink(const char *path)
{
	return refused() ? -1 : __real_unlink(path);
}

int __wrap_ftruncate(int fd, off_t length)
{
	return refused() ? -1 : __real_ftruncate(fd, length);
}
