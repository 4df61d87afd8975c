#include "process/fail.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf cuts what does not fit; a cut message is better than none. */
static void write_text(char out[static FAIL_TEXT_MAX], const char *format, va_list args)
{
	if (vsnprintf(out, FAIL_TEXT_MAX, format, args) < 0)
		strcpy(out, "(no text)");
}

static void append(char *text, const char *more)
{
	const size_t length = strlen(text);

	(void)snprintf(text + length, FAIL_TEXT_MAX - length, "%s", more);
}

bool fail_set(struct fail *fail, enum fail_kind kind, const char *format, ...)
{
	va_list args;

	assert(kind != FAIL_NONE);
	fail->kind = kind;
	va_start(args, format);
	write_text(fail->text, format, args);
	va_end(args);
	return false;
}

bool fail_errno(struct fail *fail, enum fail_kind kind, int error, const char *format, ...)
{
	char reason[128];
	va_list args;

	assert(kind != FAIL_NONE);
	fail->kind = kind;
	va_start(args, format);
	write_text(fail->text, format, args);
	va_end(args);
	append(fail->text, ": ");
	append(fail->text, strerror_r(error, reason, sizeof(reason)));
	return false;
}

bool fail_prefix(struct fail *fail, const char *format, ...)
{
	char inner[FAIL_TEXT_MAX];
	va_list args;

	memcpy(inner, fail->text, sizeof(inner));
	va_start(args, format);
	write_text(fail->text, format, args);
	va_end(args);
	append(fail->text, ": ");
	append(fail->text, inner);
	return false;
}

int fail_exit_status(const struct fail *fail)
{
	switch (fail->kind) {
	case FAIL_NONE:
		return 0;
	case FAIL_REFUSE:
		return 2;
	case FAIL_OWNED:
		return 3;
	case FAIL_RETRY:
	case FAIL_UNSURE:
	case FAIL_FATAL:
		return 1;
	}
	return 1;
}
