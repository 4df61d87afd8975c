#include "process/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/clock.h"

#define REPEAT_EVERY_MS 60000

static const char *const names[] = { "debug", "info", "warning", "error" };
static _Atomic enum log_level lowest = LOG_INFO;

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

/* A line break inside a message would make two lines of it. */
static void flatten(char *text)
{
	for (; *text; text++) {
		if (*text == '\n' || *text == '\r')
			*text = ' ';
	}
}

static void write_line(enum log_level level, const char *room, const char *suffix,
	const char *format, va_list args)
{
	char time[CLOCK_TEXT_MAX];
	char message[LOG_LINE_MAX];
	char line[LOG_LINE_MAX + 128];
	int length;

	if (level < atomic_load(&lowest))
		return;
	if (vsnprintf(message, sizeof(message), format, args) < 0)
		strcpy(message, "(no text)");
	flatten(message);
	clock_text(clock_wall_ms(), time);
	length = snprintf(
		line, sizeof(line), "%s %s %s %s%s\n", time, names[level], room, message, suffix);
	if (length <= 0)
		return;
	if ((size_t)length >= sizeof(line)) {
		length = sizeof(line) - 1;
		line[length - 1] = '\n';
	}
	/* The log is the last resort: where it cannot be written nobody can be told. */
	while (write(STDERR_FILENO, line, (size_t)length) < 0 && errno == EINTR)
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
