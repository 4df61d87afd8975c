/* process/log.h - what a process tells its operator: one line an event on standard error,
 * `time level room message key=value ...`, or the same as a JSON object. Any thread may log; a line
 * is one write.
 *
 * The pairs stand at the end: a key is of a-z, 0-9 and _ and begins with a letter, and its value
 * goes on until the next key, spaces included. What stands before the first key is the message. */
#ifndef PROCESS_LOG_H
#define PROCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX 1024 /* bytes with the newline; a longer line is cut */

enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below @level are dropped. The level at start is LOG_INFO. */
void log_level_set(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

enum log_format { LOG_TEXT = 0, LOG_JSON };

void log_format_set(enum log_format format); /* LOG_TEXT at start */
bool log_format_parse(const char *name, enum log_format *format);

/* The line of LOG_JSON: fields time, level, room and message, then the pairs of @text, numbers as
 * numbers. Bytes that are no UTF-8 become U+FFFD; a key that is there already gets _ and the number
 * of its pair behind it.
 * Returns the length with the newline. What has no room in @size (at least 512) is left out, and
 * the line is JSON all the same. */
size_t log_json(char *out, size_t size, const char *time, const char *level, const char *room,
	const char *text);

void log_debug(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_error(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Something that keeps failing: speaks at once, then at most once a minute with the number
 * of times it happened in between. One per place, zeroed at first, used by one thread. */
struct log_repeat {
	int64_t last_ms;
	uint64_t silent;
};
void log_repeating(struct log_repeat *repeat, enum log_level level, const char *room,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
