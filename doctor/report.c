#include "doctor/report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INDENT 17

void report_begin(struct report *report, FILE *out)
{
	const char *const none = getenv("NO_COLOR"), *const terminal = getenv("TERM");

	*report = (struct report){ .out = out };
	report->colours = isatty(fileno(out)) && (!none || *none == '\0') && terminal &&
			  strcmp(terminal, "dumb") != 0;
}

/* Some of what is said came from a network. */
static void put(struct report *report, const char *text)
{
	for (; *text; text++)
		fputc(iscntrl((unsigned char)*text) ? '?' : *text, report->out);
	fputc('\n', report->out);
}

void report_say(struct report *report, enum verdict verdict, const char *check, const char *mend,
	const char *format, ...)
{
	static const char *const words[] = { "ok", "warn", "bad" };
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(report->out, "%s%-4s%s %-*s ", report->colours ? colours[verdict] : "",
		words[verdict], report->colours ? "\033[0m" : "", INDENT - 6, check);
	put(report, text);
	if (mend && *mend) {
		fprintf(report->out, "%*smend: ", INDENT, "");
		put(report, mend);
	}
	(void)fflush(report->out); /* the next check may wait */
	report->warned += verdict == VERDICT_WARN;
	report->bad += verdict == VERDICT_BAD;
}

void report_append(char *text, size_t size, const char *format, ...)
{
	const size_t length = strlen(text);
	va_list args;

	if (length + 3 > size)
		return;
	if (length > 0)
		strcpy(text + length, "; ");
	va_start(args, format);
	(void)vsnprintf(text + strlen(text), size - strlen(text), format, args);
	va_end(args);
}
