#include "metrics-consumer/line.h"

#include <assert.h>
#include <string.h>

#include "process/clock.h"
#include "process/text.h"
#include "trace/traceparent.h"

static char *put_signed(char *at, int64_t value)
{
	if (value >= 0)
		return put_unsigned(at, (uint64_t)value);
	*at = '-';
	return put_unsigned(at + 1, ~(uint64_t)value + 1);
}

static char *put_time(struct line_second *second, char *at, int64_t time_ms)
{
	char text[CLOCK_TEXT_MAX];
	int64_t ms = time_ms - second->at_ms;

	if (!second->known || ms < 0 || ms > 999) {
		clock_text(time_ms, text);
		ms = (text[20] - '0') * 100 + (text[21] - '0') * 10 + (text[22] - '0');
		memcpy(second->text, text, LINE_SECOND);
		second->at_ms = time_ms - ms;
		second->known = true;
	}
	at = put(at, second->text, LINE_SECOND);
	*at++ = '.';
	*at++ = (char)('0' + ms / 100);
	*at++ = (char)('0' + ms / 10 % 10);
	*at++ = (char)('0' + ms % 10);
	*at++ = 'Z';
	return at;
}

size_t line_write(struct line_second *second, const struct line *line, char *out)
{
	char *at = put_time(second, out, line->time_ms);

	assert(line->partition >= 0 && line->offset >= 0);
	assert(line->source_length == 0 || line->id > 0);
	at = PUT(at, " partition=");
	at = put_unsigned(at, (uint64_t)line->partition);
	at = PUT(at, " offset=");
	at = put_unsigned(at, (uint64_t)line->offset);
	if (line->source_length == 0) {
		at = PUT(at, " source=- id=-");
	} else {
		at = PUT(at, " source=");
		at = put(at, line->source, line->source_length);
		at = PUT(at, " id=");
		at = put_unsigned(at, (uint64_t)line->id);
	}
	at = PUT(at, " delay_ms=");
	at = put_signed(at, line->delay_ms);
	if (line->trace) {
		at = PUT(at, " trace=");
		at = put(at, line->trace, TRACE_DIGITS);
	}
	*at++ = ' ';
	assert(at - out < LINE_HEAD_MAX);
	at = put(at, line->value, line->length);
	*at++ = '\n';
	return (size_t)(at - out);
}

/* A whole number as we write it: no sign, no leading zero, at most INT64_MAX. */
static bool take_number(struct rest *rest, int64_t *value)
{
	const char *const first = rest->at;
	int64_t number = 0;

	for (; rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9'; rest->at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, *rest->at - '0', &number))
			return false;
	}
	*value = number;
	return rest->at > first && (*first != '0' || rest->at == first + 1);
}

static bool take_time(struct line_second *second, struct rest *rest, int64_t *time_ms)
{
	const char *const text = rest->at;
	const char *const fraction = text + LINE_SECOND;
	int64_t ms;

	if (rest->end - text < LINE_SECOND + 5 || fraction[0] != '.' || fraction[4] != 'Z')
		return false;
	if (second->known && memcmp(text, second->text, LINE_SECOND) == 0) {
		ms = 0;
		for (int i = 1; i <= 3; i++) {
			if (fraction[i] < '0' || fraction[i] > '9')
				return false;
			ms = ms * 10 + (fraction[i] - '0');
		}
		*time_ms = second->at_ms + ms;
	} else {
		if (!clock_parse(text, LINE_SECOND + 5, time_ms))
			return false;
		ms = (fraction[1] - '0') * 100 + (fraction[2] - '0') * 10 + (fraction[3] - '0');
		memcpy(second->text, text, LINE_SECOND);
		second->at_ms = *time_ms - ms;
		second->known = true;
	}
	rest->at += LINE_SECOND + 5;
	return true;
}

static bool take_source(struct rest *rest, struct line *line)
{
	const char *end;

	line->source = NULL;
	line->source_length = 0;
	line->id = 0;
	if (TAKE(rest, "- id=-"))
		return true;
	end = memchr(rest->at, ' ', (size_t)(rest->end - rest->at));
	if (!end || end == rest->at || TAKE(rest, "- "))
		return false;
	line->source = rest->at;
	line->source_length = (size_t)(end - rest->at);
	rest->at = end;
	return TAKE(rest, " id=") && take_number(rest, &line->id) && line->id > 0;
}

static bool take_delay(struct rest *rest, int64_t *delay_ms)
{
	const bool negative = TAKE(rest, "-");

	if (!take_number(rest, delay_ms))
		return false;
	if (negative)
		*delay_ms = -*delay_ms;
	return true;
}

/* A value is an object, and begins with no letter: a line of before has no trace, and one that
 * breaks off in its trace is none. */
static bool take_trace(struct rest *rest, const char **trace)
{
	const char *const digits = rest->at + sizeof("trace=") - 1;

	*trace = NULL;
	if (!TAKE(rest, "trace="))
		return rest->at == rest->end || *rest->at != 't';
	if (rest->end - rest->at <= TRACE_DIGITS || digits[TRACE_DIGITS] != ' ' ||
		strspn(digits, "0123456789abcdef") != TRACE_DIGITS)
		return false;
	*trace = digits;
	rest->at += TRACE_DIGITS + 1;
	return true;
}

bool line_read(struct line_second *second, const char *bytes, size_t length, struct line *line)
{
	struct rest rest = { bytes, bytes + length };
	int64_t partition;

	if (!take_time(second, &rest, &line->time_ms) || !TAKE(&rest, " partition=") ||
		!take_number(&rest, &partition) || partition > INT32_MAX ||
		!TAKE(&rest, " offset=") || !take_number(&rest, &line->offset) ||
		!TAKE(&rest, " source=") || !take_source(&rest, line) ||
		!TAKE(&rest, " delay_ms=") || !take_delay(&rest, &line->delay_ms) ||
		!TAKE(&rest, " ") || !take_trace(&rest, &line->trace))
		return false;
	line->partition = (int32_t)partition;
	line->value = rest.at;
	line->length = (size_t)(rest.end - rest.at);
	return line->length > 0 && !memchr(line->value, '\0', line->length);
}
