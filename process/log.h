/* process/log.h - what a process tells its operator: one line an event on standard error,
 * `time level room message key=value ...`. Any thread may log; a line is one write. */
#ifndef PROCESS_LOG_H
#define PROCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE_MAX 1024 /* bytes with the newline; a longer line is cut */

enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below @level are dropped. The level at start is LOG_INFO. */
void log_level_set(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

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
