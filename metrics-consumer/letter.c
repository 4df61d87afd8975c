#include "metrics-consumer/letter.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "process/clock.h"

#define REAL_DIGITS 15 /* of a number in a value that is given as JSON, not as text */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool read_hex(const char *hex, size_t digits, char **value, size_t *length)
{
	char *const bytes = digits % 2 == 0 ? malloc(digits / 2 + 1) : NULL;

	for (size_t i = 0; bytes && i < digits; i += 2) {
		const int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);

		if (high < 0 || low < 0) {
			free(bytes);
			return false;
		}
		bytes[i / 2] = (char)(high << 4 | low);
	}
	*value = bytes;
	*length = digits / 2;
	return bytes != NULL;
}

/* What a person wrote as `value`, a JSON text or JSON itself, or else the bytes in hex. */
static bool read_value(const json_t *line, char **bytes, size_t *length)
{
	const json_t *const value = json_object_get(line, "value");
	const json_t *const hex = json_object_get(line, "value_hex");

	if (json_is_string(value)) {
		*length = json_string_length(value);
		*bytes = malloc(*length + 1);
		if (*bytes)
			memcpy(*bytes, json_string_value(value), *length);
	} else if (value) {
		*bytes = json_dumps(
			value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
		*length = *bytes ? strlen(*bytes) : 0;
	} else if (json_is_string(hex)) {
		return read_hex(json_string_value(hex), json_string_length(hex), bytes, length);
	} else if (json_is_null(hex)) { /* a tombstone that nobody repaired */
		*bytes = calloc(1, 1);
		*length = 0;
	} else {
		return false;
	}
	return *bytes != NULL;
}

static bool source_is_sound(const char *source, size_t length)
{
	if (length == 0 || length >= SOURCE_MAX || strcmp(source, "-") == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (source[i] <= ' ' || source[i] > '~')
			return false;
	}
	return true;
}

/* One that is not sound is none, as where it came from. */
static void read_trace(const char *text, size_t length, char trace[static TRACE_DIGITS + 1])
{
	struct trace_context context;
	char sound[TRACEPARENT_MAX];

	if (!text || !traceparent_read(text, length, &context))
		return;
	traceparent_write(&context, sound);
	memcpy(trace, sound + TRACE_AT, TRACE_DIGITS);
	trace[TRACE_DIGITS] = '\0';
}

/* Reads the fields of a dead letter; false: it is none. */
static bool read_fields(const json_t *line, struct letter *letter)
{
	json_int_t partition, offset, id = 0;
	const char *source = NULL, *time = NULL, *trace = NULL;
	size_t length = 0, trace_length = 0;

	if (json_unpack((json_t *)line, "{s:I, s:I, s?s%, s?I, s?s, s?s%}", "partition", &partition,
		    "offset", &offset, "source", &source, &length, "id", &id, "ce_time", &time,
		    "traceparent", &trace, &trace_length) != 0)
		return false;
	if (partition < 0 || partition >= EVENT_PARTITIONS || offset < 0 || offset == INT64_MAX ||
		(source ? id <= 0 || !source_is_sound(source, length) : id != 0))
		return false;
	letter->partition = (int32_t)partition;
	letter->offset = offset;
	letter->id = id;
	if (source)
		memcpy(letter->source, source, length + 1);
	read_trace(trace, trace_length, letter->trace);
	letter->at_ms = -1;
	return !time || clock_parse(time, strlen(time), &letter->at_ms);
}

bool letter_read(struct letter *letter, const char *bytes, size_t length, struct fail *fail)
{
	json_error_t error;
	json_t *const line = json_loadb(bytes, length, JSON_ALLOW_NUL, &error);
	bool good;

	*letter = (struct letter){ .number = 0 };
	good = line && read_fields(line, letter) &&
	       read_value(line, &letter->value, &letter->length);
	json_decref(line);
	return good ||
	       fail_set(fail, FAIL_REFUSE, "%s",
		       line ? "partition, offset, source with id, value or value_hex do not fit"
			    : error.text);
}

void letter_judge(struct letter *letter, struct event_reader *reader, struct event *event)
{
	letter->flaw = event_decode(reader, letter->value, letter->length, event);
	if (letter->flaw != EVENT_SOUND)
		return;
	letter->type = event->type;
	if (letter->at_ms < 0)
		letter->at_ms = event->at_ms;
	if (memchr(letter->value, '\n', letter->length) ||
		memchr(letter->value, '\r', letter->length)) {
		char *const flat = malloc(letter->length);

		letter->length = flat ? event_minify(letter->value, letter->length, flat) : 0;
		free(letter->value);
		letter->value = flat;
		if (letter->length == 0)
			letter->flaw = EVENT_NOT_JSON;
	}
}
