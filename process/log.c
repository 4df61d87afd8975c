#include "process/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/clock.h"

#define REPEAT_EVERY_MS 60000
#define LOG_JSON_MAX    (7 * LOG_LINE_MAX) /* a byte may become six */

static const char *const names[] = { "debug", "info", "warning", "error" };
static const char *const formats[] = { "text", "json" };
static _Atomic enum log_level lowest = LOG_INFO;
static _Atomic enum log_format shape = LOG_TEXT;

void log_level_set(enum log_level level)
{
	atomic_store(&lowest, level);
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_format_set(enum log_format format)
{
	atomic_store(&shape, format);
}

bool log_format_parse(const char *name, enum log_format *format)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(name, formats[i]) == 0) {
			*format = (enum log_format)i;
			return true;
		}
	}
	return false;
}

/* A line break inside a message would make two lines of it. */
static void flatten(char *text)
{
	for (; *text; text++) {
		if (*text == '\n' || *text == '\r')
			*text = ' ';
	}
}

static size_t text_line(
	char *out, size_t size, const char *time, const char *level, const char *room, char *text)
{
	int length;

	flatten(text);
	length = snprintf(out, size, "%s %s %s %s\n", time, level, room, text);
	if (length <= 0)
		return 0;
	if ((size_t)length < size)
		return (size_t)length;
	out[size - 2] = '\n';
	return size - 1;
}

static void write_line(enum log_level level, const char *room, const char *suffix,
	const char *format, va_list args)
{
	char time[CLOCK_TEXT_MAX];
	char text[LOG_LINE_MAX + 64], line[LOG_JSON_MAX];
	size_t length;

	if (level < atomic_load(&lowest))
		return;
	if (vsnprintf(text, LOG_LINE_MAX, format, args) < 0)
		strcpy(text, "(no text)");
	length = strlen(text);
	(void)snprintf(text + length, sizeof(text) - length, "%s", suffix);
	clock_text(clock_wall_ms(), time);
	length = atomic_load(&shape) == LOG_JSON
			 ? log_json(line, sizeof(line), time, names[level], room, text)
			 : text_line(line, LOG_LINE_MAX + 128, time, names[level], room, text);
	/* The log is the last resort: where it cannot be written nobody can be told. */
	while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
		;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *room, const char *format, ...)                                       \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		write_line(level, room, "", format, args);                                         \
		va_end(args);                                                                      \
	}

LOG_FUNCTION(log_debug, LOG_DEBUG)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_warning, LOG_WARNING)
LOG_FUNCTION(log_error, LOG_ERROR)

void log_repeating(
	struct log_repeat *repeat, enum log_level level, const char *room, const char *format, ...)
{
	const int64_t now = clock_mono_ms();
	char suffix[64] = "";
	va_list args;

	if (repeat->last_ms != 0 && now - repeat->last_ms < REPEAT_EVERY_MS) {
		repeat->silent++;
		return;
	}
	if (repeat->silent > 0)
		(void)snprintf(suffix, sizeof(suffix), " repeated=%llu",
			(unsigned long long)repeat->silent);
	repeat->last_ms = now;
	repeat->silent = 0;
	va_start(args, format);
	write_line(level, room, suffix, format, args);
	va_end(args);
}
