/* metrics-consumer/tests/disk.h - a disk that fails on cue: write and fdatasync of the program
 * under test go through here (the linker's --wrap). Descriptors 0 to 2 are left alone. */
#ifndef METRICS_CONSUMER_TESTS_DISK_H
#define METRICS_CONSUMER_TESTS_DISK_H

#include <stddef.h>

#define DISK_ENDLESS ((size_t)-1)

struct disk {
	size_t room;       /* bytes that may still be written; then write_error */
	size_t write_most; /* bytes a single write takes */
	int write_error;
	int sync_error; /* 0: syncs work */
	int syncs;
};
extern struct disk disk;

void disk_is_fine(void);

#endif
