/* metrics-consumer/tests/disk.h - a disk that fails on cue, or a process that is killed on cue:
 * what the program under test asks of the file system goes through here (the linker's --wrap).
 * Descriptors 0 to 2 are left alone. Nothing is really synced. */
#ifndef METRICS_CONSUMER_TESTS_DISK_H
#define METRICS_CONSUMER_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>

#define DISK_ENDLESS ((size_t)-1)
#define DISK_KILLED  42 /* exit status of a process that was killed by kill_at */

struct disk {
	size_t room;       /* bytes that may still be written; then write_error */
	size_t write_most; /* bytes a single write takes */
	int write_error;
	int sync_error; /* 0: syncs work */
	int syncs;
	int starts;  /* sync_file_range */
	int calls;   /* that change something, so far */
	int kill_at; /* the process ends before this one, from 1; 0: never */
	int fail_at; /* this one fails with fail_error, and nothing is done; 0: none */
	int fail_error;
	bool sync_failed; /* that one was a sync */
};
/* Of each thread: only the test's own calls are counted and fail, so that the n-th is always the
 * same one. The archive's thread has a disk without faults. */
extern _Thread_local struct disk disk;

void disk_is_fine(void);

#endif
