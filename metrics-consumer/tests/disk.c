#include "metrics-consumer/tests/disk.h"

#include <errno.h>
#include <unistd.h>

struct disk disk = { DISK_ENDLESS, DISK_ENDLESS, ENOSPC, 0, 0 };

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

void disk_is_fine(void)
{
	disk = (struct disk){ DISK_ENDLESS, DISK_ENDLESS, ENOSPC, 0, 0 };
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
	if (fd <= STDERR_FILENO)
		return __real_write(fd, bytes, length);
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

int __wrap_fdatasync(int fd)
{
	disk.syncs++;
	if (disk.sync_error != 0) {
		errno = disk.sync_error;
		return -1;
	}
	return __real_fdatasync(fd);
}
