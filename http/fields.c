#include "http/fields.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN_MAX 64 /* of a field in an answer, with its NUL */
#define DIGITS_MAX     15 /* decimal digits a double keeps */

/* The field before byte @position, where a number does not fit: the text between the quotes
 * before the last colon. */
static bool field_before(const char *bytes, size_t position, char field[static NAME_SHOWN_MAX])
{
	const char *const colon = memrchr(bytes, ':', position);
	const char *const end = colon ? memrchr(bytes, '"', (size_t)(colon - bytes)) : NULL;
	const char *const start = end ? memrchr(bytes, '"', (size_t)(end - bytes)) : NULL;

	if (!start || end - start - 1 >= NAME_SHOWN_MAX)
		return false;
	(void)snprintf(field, NAME_SHOWN_MAX, "%.*s", (int)(end - start - 1), start + 1);
	return true;
}

/* jansson says "duplicate object key near '"sku"'": the field is between the quotes. */
static void answer_bad_json(struct http_request *request, const json_error_t *error)
{
	const char *const quote = strstr(error->text, "'\"");
	char field[NAME_SHOWN_MAX] = "";
	size_t length;
	const char *const bytes = http_body(request, &length);

	if (json_error_code(error) == json_error_duplicate_key && quote &&
		sscanf(quote, "'\"%63[^\"]", field) == 1) {
		http_answer_problem(request, 400, field, "%s: stands there twice", field);
		return;
	}
	if (json_error_code(error) == json_error_numeric_overflow && error->position > 0 &&
		(size_t)error->position <= length &&
		field_before(bytes, (size_t)error->position, field)) {
		http_answer_problem(request, 400, field, "%s: is too large", field);
		return;
	}
	http_answer_problem(request, 400, NULL, "the body is not JSON: %s (line %d, column %d)",
		error->text, error->line, error->column);
}

bool fields_path_name(struct http_request *request, const char *field, const char *text,
	const struct field_names *names)
{
	if (names->valid(text, strlen(text)))
		return true;
	http_answer_problem(request, 400, field, "%s: must be %s", field, names->shape);
	return false;
}

static bool take_name(struct http_request *request, const struct field *f, const json_t *value,
	const struct field_names *names, char *target)
{
	const size_t length = json_string_length(value);

	if (!json_is_string(value) || !names->valid(json_string_value(value), length)) {
		http_answer_problem(request, 400, f->name, "%s: must be %s", f->name, names->shape);
		return false;
	}
	assert(length < names->room);
	memcpy(target, json_string_value(value), length + 1);
	return true;
}

static bool take_whole(
	struct http_request *request, const struct field *f, const json_t *value, char *target)
{
	const int64_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < f->smallest || number > f->largest) {
		http_answer_problem(request, 400, f->name,
			"%s: must be a whole number from %" PRId64 " to %" PRId64, f->name,
			f->smallest, f->largest);
		return false;
	}
	memcpy(target, &number, sizeof(number));
	return true;
}

/* How many digits the number of @name has as it is written; 0 where that is not found (a name
 * written with escapes). The body was read already: an object of plain values. */
static size_t digits_written(const struct http_request *request, const char *name)
{
	char quoted[NAME_SHOWN_MAX];
	size_t length, count = 0;
	const char *const bytes = http_body(request, &length);
	const char *at;

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	at = memmem(bytes, length, quoted, strlen(quoted));
	if (!at)
		return 0;
	for (at += strlen(quoted); at < bytes + length && strchr(": \t\r\n", *at); at++)
		;
	for (; at < bytes + length && *at && strchr("0123456789.+-eE", *at); at++)
		count += *at >= '0' && *at <= '9';
	return count;
}

/* A decimal of two digits is the nearest double to some number of cents over 100; anything
 * else was written with more digits. Beyond DIGITS_MAX a double cannot tell. */
static bool take_cents(
	struct http_request *request, const struct field *f, const json_t *value, char *target)
{
	const double number = json_number_value(value);
	int64_t cents = -1;

	if (json_is_number(value) && number >= 0 && number <= (double)f->largest / 100 &&
		digits_written(request, f->name) <= DIGITS_MAX) {
		cents = llround(number * 100);
		if ((double)cents / 100 != number)
			cents = -1;
	}
	if (cents < f->smallest || cents > f->largest) {
		http_answer_problem(request, 400, f->name,
			"%s: must be a number from %.2f to %.2f with at most two digits behind the "
			"point",
			f->name, (double)f->smallest / 100, (double)f->largest / 100);
		return false;
	}
	memcpy(target, &cents, sizeof(cents));
	return true;
}

static bool take_field(struct http_request *request, const struct field *f, const json_t *value,
	const struct field_names *names, void *base)
{
	char *const target = (char *)base + f->offset;

	switch (f->kind) {
	case FIELD_NAME:
		return take_name(request, f, value, names, target);
	case FIELD_WHOLE:
		return take_whole(request, f, value, target);
	case FIELD_CENTS:
		return take_cents(request, f, value, target);
	}
	return false;
}

static bool take_all(struct http_request *request, const struct field *table, size_t count,
	const struct field_names *names, const json_t *body, void *target)
{
	const char *name;
	json_t *value;

	if (!json_is_object(body)) {
		http_answer_problem(request, 400, NULL, "the body must be a JSON object");
		return false;
	}
	json_object_foreach ((json_t *)body, name, value) {
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known = known || strcmp(table[i].name, name) == 0;
		if (!known) {
			http_answer_problem(request, 400, name, "%s: no such field", name);
			return false;
		}
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *const found = json_object_get(body, table[i].name);

		if (table[i].there != 0)
			*(bool *)((char *)target + table[i].there) = found != NULL;
		if (!found && table[i].there != 0)
			continue;
		if (!found) {
			http_answer_problem(
				request, 400, table[i].name, "%s: is missing", table[i].name);
			return false;
		}
		if (!take_field(request, &table[i], found, names, target))
			return false;
	}
	return true;
}

bool fields_read(struct http_request *request, const struct field *table, size_t count,
	const struct field_names *names, void *target)
{
	json_error_t error;
	size_t length;
	const char *const bytes = http_body(request, &length);
	json_t *const body = json_loadb(
		bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	bool good;

	if (!body) {
		answer_bad_json(request, &error);
		return false;
	}
	good = take_all(request, table, count, names, body, target);
	json_decref(body);
	return good;
}
