/* metrics-consumer/tests/book.h - a journal whose lines are the offsets 1, 2, 3, ... of partition
 * 0, so that each is there once or the test fails. What is known is the next offset and how many
 * lines there were; both are in the checkpoints. */
#ifndef METRICS_CONSUMER_TESTS_BOOK_H
#define METRICS_CONSUMER_TESTS_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/tests/scratch.h"

#define BOOK_TIME 1752002132481 /* and as many ms later as the offset says */
#define BOOK_HEAD "2025-07-08T19:15:32.481Z partition=0 offset="
#define BOOK_TAIL " source=cart/a id=1 delay_ms=3 {\"type\":\"x\"}\n"
/* A line as it stands in the file; @offset is a text. */
#define BOOK_LINE(offset) BOOK_HEAD offset BOOK_TAIL

struct book {
	struct scratch scratch;
	struct journal journal;
	struct journal_settings settings; /* for the next book_open */
	int64_t next[EVENT_PARTITIONS];
	int64_t count; /* lines ever, as far as known */
	int64_t read;  /* lines read by the last book_open */
	struct fail fail;
};

int book_setup(void **state); /* *state becomes a struct book */
int book_teardown(void **state);

/* Closes what is open, forgets all and starts again, as a new process does. */
bool book_open(struct book *book);
void book_close(struct book *book);
/* Appends @count lines with the next offsets. */
bool book_write(struct book *book, int64_t count);
bool book_checkpoint(struct book *book);
bool book_rotate(struct book *book);
bool book_reopen(struct book *book);

/* The files hold 1 to @lines, each once and in order, and that is what is known. */
void book_assert_whole(struct book *book, int64_t lines);
bool book_has(struct book *book, const char *name);
void book_move(struct book *book, const char *from, const char *to);
/* The last failure is of this kind and says @text. */
void book_assert_fail(const struct book *book, enum fail_kind kind, const char *text);

#endif
