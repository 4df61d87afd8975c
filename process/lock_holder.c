#include "process/lock_holder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A line of /proc/locks: `1: FLOCK  ADVISORY  WRITE 1234 fe:00:262155 0 EOF`. */
int lock_holder(const char *path)
{
	FILE *const locks = fopen("/proc/locks", "re");
	struct stat file;
	char line[256];
	int holder = 0;

	if (!locks)
		return 0;
	if (stat(path, &file) == 0) {
		while (holder == 0 && fgets(line, sizeof(line), locks)) {
			unsigned long long inode;
			unsigned major_number, minor_number;
			int pid;

			if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major_number,
				    &minor_number, &inode) == 4 &&
				inode == file.st_ino && major_number == major(file.st_dev) &&
				minor_number == minor(file.st_dev))
				holder = pid;
		}
	}
	fclose(locks);
	return holder;
}
