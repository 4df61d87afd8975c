/* metrics-consumer/line.h - a line of the journal: one event, as it is written and read back.
 *
 * 2025-07-08T19:15:32.481Z partition=0 offset=17 source=cart/5f2c9e1b id=18 delay_ms=3 {json}
 * ... delay_ms=3 trace=4bf92f3577b34da6a3ce929d0e0e4736 {json}
 *
 * The time is that of logging; delay_ms is how long before that the event happened, negative
 * where the other clock is ahead. A record without a sound source and number says
 * `source=- id=-`. The trace stands there where the record had a traceparent. The value stands
 * there as it came. A line is built and taken apart by hand: millions of them pass. Pure; a struct
 * line_second belongs to one thread. */
#ifndef METRICS_CONSUMER_LINE_H
#define METRICS_CONSUMER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_HEAD_MAX 320 /* bytes of a line without its value, line break included */
#define LINE_SECOND   19  /* bytes of `2025-07-08T19:15:32` */

struct line {
	int64_t time_ms; /* wall clock, since the epoch */
	int32_t partition;
	int64_t offset;
	const char *source;   /* borrowed, not terminated */
	size_t source_length; /* 0: none, and no id */
	int64_t id;
	int64_t delay_ms;
	const char *trace; /* borrowed TRACE_DIGITS digits, or NULL */
	const char *value; /* borrowed */
	size_t length;
};

/* The second that was last written or read: most lines share it with the one before.
 * Starts zeroed. */
struct line_second {
	bool known;
	int64_t at_ms;
	char text[LINE_SECOND + 1];
};

/* Writes @line with its line break into @out, which has room for LINE_HEAD_MAX and the value.
 * Returns the length. The value holds no line break: the caller saw to it. */
size_t line_write(struct line_second *second, const struct line *line, char *out);

/* Takes @length bytes, without the line break, apart; *line borrows them. False where they are
 * not exactly a line, or hold a NUL, as a file has after power loss. */
bool line_read(struct line_second *second, const char *bytes, size_t length, struct line *line);

#endif
