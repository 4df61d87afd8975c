/* metrics-consumer/journal_tail.h - the journal's lines as they reach the disk, for whoever follows
 * them in the process that writes them.
 *
 * The consumer's thread tells where the journal is synced to; the other thread reads the file up to
 * there with a descriptor of its own, so names, rotation and compression are nothing to it. A file
 * that is rotated before it is read is kept open only while somebody follows, and only one. */
#ifndef METRICS_CONSUMER_JOURNAL_TAIL_H
#define METRICS_CONSUMER_JOURNAL_TAIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/file_lines.h"
#include "process/fail.h"
#include "process/log.h"

#define JOURNAL_TAIL_BACK  1073741824 /* bytes before the end of a file that are read at most */
#define JOURNAL_TAIL_FILES 2

struct journal_place { /* behind a line: names it across restarts */
	char journal[CHECKPOINT_ID_MAX];
	int64_t number, position;
};

struct journal_tail_file {
	int fd;
	int64_t number;
	int64_t end; /* synced up to there; of a file that was left: all of it */
};

struct journal_tail {
	pthread_mutex_t lock;
	/* Under the lock: */
	char journal[CHECKPOINT_ID_MAX];
	struct journal_tail_file file[JOURNAL_TAIL_FILES]; /* the first one is read */
	size_t count;
	bool followed;
	bool passed_over; /* files between the two */
	struct log_repeat blind;
	/* The reader's: */
	struct file_lines lines;
	int64_t reading; /* number of the file; 0: none */
	int64_t start;   /* where reading it began */
	int fd;          /* of that file, borrowed from the list */
	int64_t end;
	bool cut; /* the first line is a rest of one */
};

enum journal_tail_result {
	JOURNAL_TAIL_LINE,
	JOURNAL_TAIL_END,  /* nothing more for now */
	JOURNAL_TAIL_ANEW, /* lines were passed over: what follows begins elsewhere */
	JOURNAL_TAIL_FAILED,
};

void journal_tail_init(struct journal_tail *tail);
void journal_tail_fini(struct journal_tail *tail);

/* Consumer's thread: everything before @end of file @number, which @fd is, is on the disk. @fd is
 * copied where the number is new. */
void journal_tail_tell(
	struct journal_tail *tail, const char *journal, int fd, int64_t number, int64_t end);

/* The reader's thread. Whether it follows: files are kept for it. */
void journal_tail_follow(struct journal_tail *tail, bool follows);
/* The next line, borrowed until the next call. The first answer is JOURNAL_TAIL_ANEW. */
enum journal_tail_result journal_tail_next(
	struct journal_tail *tail, const char **line, size_t *length, struct fail *fail);
/* Behind the line last handed out. */
void journal_tail_place(struct journal_tail *tail, struct journal_place *place);
/* Bytes that are synced and not handed out. */
int64_t journal_tail_behind(struct journal_tail *tail);
/* Whether reading began at the first byte of the first file there ever was. */
bool journal_tail_is_whole(const struct journal_tail *tail);

#endif
