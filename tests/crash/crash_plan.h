/* crash_plan.h - which calls are counted, and which one is met. From the environment:
 *
 *   CRASH_KIND      kinds, separated by commas; none: calls are only counted. A kind is
 *                   `operation.target`, either may be `*`; the names are below
 *   CRASH_AT        the first call of these kinds that is met, from 1
 *   CRASH_TIMES     so many calls are met (those that fail); 0: all from there on [1]
 *   CRASH_HOW       kill-before, kill-half (half of it is written), kill-after, short (half of it
 *                   is written and said so), eio, enospc, reset (ECONNRESET), busy (EAGAIN)
 *   CRASH_COUNT     a file of zeros, as long as struct counts: it outlives the process
 *   CRASH_KAFKA     ports of Kafka, separated by commas
 *   CRASH_JOURNAL   name of the journal, without its directory
 *   CRASH_LOSE      targets that lose at a kill what was not synced, as power loss does: SIGKILL
 *                   alone costs nothing of the page cache. `directory`: names in
 *                   directories that were not synced, those of all other targets
 *   CRASH_LOSE_HOW  cut, or zero: the file keeps its length, and the first half of what was not
 *                   synced is zeros
 *
 * What a descriptor is, is looked up at each call: by the name of its file, the port of its peer.
 * Any thread may call these; a plan that makes no sense ends the process with status 99. */
#ifndef CRASH_PLAN_H
#define CRASH_PLAN_H

#include <dlfcn.h>
#include <stdbool.h>

enum operation {
	WRITE,
	SYNC,
	RENAME, /* link and unlink too */
	CUT,    /* ftruncate */
	CREATE, /* an open that may make the file */
	SEND,   /* whatever is written to a socket */
	LOCK,   /* fcntl */
	OPERATIONS
};

enum target {
	STORE, /* SQLite's files */
	WAL,   /* but for its log */
	JOURNAL,
	ROTATED,
	CHECKPOINT,
	DEAD,
	DIRECTORY,
	KAFKA,
	HTTP, /* any other socket */
	OTHER,
	TARGETS
};

enum how {
	GO_ON,
	KILL_BEFORE,
	KILL_HALF,
	KILL_AFTER,
	SHORT,
	FAIL_EIO,
	FAIL_ENOSPC,
	FAIL_RESET,
	FAIL_BUSY
};

/* The function that we stand in front of, as `real`. */
#define REAL(name)                                                                                 \
	static __typeof__(name) *real;                                                             \
	if (!real)                                                                                 \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

_Noreturn void plan_complain(const char *what);

enum target target_of(int fd); /* keeps errno */
enum target target_of_path(const char *path);

/* Counts a call, and says what becomes of it. Where that is an error, errno has it. */
enum how plan_meet(enum operation operation, enum target target);

bool plan_loses(enum target target);
bool plan_loses_zeros(void);

#endif
