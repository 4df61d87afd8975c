#include "trace/tracestate.h"

#include <string.h>

#define KEY_MAX    256 /* of a key without @ */
#define TENANT_MAX 241 /* in front of the @ */
#define SYSTEM_MAX 14  /* behind it */
#define VALUE_MAX  256
#define LARGE      128 /* members above this go first */

static bool is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(const char *text, size_t length, size_t max)
{
	for (size_t i = 0; i < length; i++) {
		const char c = text[i];

		if (!is_letter(c) && !is_digit(c) && c != '_' && c != '-' && c != '*' && c != '/')
			return false;
	}
	return length > 0 && length <= max;
}

/* `vendor` or `tenant@vendor`. */
static bool is_key(const char *text, size_t length)
{
	const char *const at = memchr(text, '@', length);
	const size_t tenant = at ? (size_t)(at - text) : 0;

	if (!at)
		return is_word(text, length, KEY_MAX) && is_letter(text[0]);
	return is_word(text, tenant, TENANT_MAX) && (is_letter(text[0]) || is_digit(text[0])) &&
	       is_word(at + 1, length - tenant - 1, SYSTEM_MAX) && is_letter(at[1]);
}

/* It has no comma, and does not end with a space: a member was cut out between both. */
static bool is_value(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] < ' ' || text[i] > '~' || text[i] == '=')
			return false;
	}
	return length > 0 && length <= VALUE_MAX;
}

static bool is_there(const struct tracestate *state, const struct tracestate_member *m)
{
	for (size_t i = 0; i < state->count; i++) {
		if (state->list[i].key == m->key &&
			memcmp(state->list[i].text, m->text, m->key) == 0)
			return true;
	}
	return false;
}

/* False where it is not sound; an empty one is. */
static bool take(struct tracestate *state, const char *text, size_t length)
{
	struct tracestate_member m = { .text = text, .length = length };
	const char *equals;

	for (; m.length > 0 && (*m.text == ' ' || *m.text == '\t'); m.length--)
		m.text++;
	while (m.length > 0 && (m.text[m.length - 1] == ' ' || m.text[m.length - 1] == '\t'))
		m.length--;
	if (m.length == 0)
		return true;
	equals = memchr(m.text, '=', m.length);
	if (!equals)
		return false;
	m.key = (size_t)(equals - m.text);
	if (!is_key(m.text, m.key) || !is_value(equals + 1, m.length - m.key - 1))
		return false;
	if (is_there(state, &m))
		return true;
	if (state->count == TRACESTATE_MEMBERS)
		return false;
	state->list[state->count++] = m;
	return true;
}

void tracestate_read(struct tracestate *state, const char *text, size_t length)
{
	const char *const end = text + length;

	while (!state->bad) {
		const char *const comma = memchr(text, ',', (size_t)(end - text));

		state->bad = !take(state, text, (size_t)((comma ? comma : end) - text));
		if (!comma)
			break;
		text = comma + 1;
	}
}

/* The bytes of the list with its commas. */
static size_t total(const struct tracestate *state)
{
	size_t length = 0;

	for (size_t i = 0; i < state->count; i++)
		length += state->list[i].length + (i > 0);
	return length;
}

/* Takes out the last member of more than LARGE bytes, or the last of all. */
static void shorten(struct tracestate *state)
{
	size_t at = state->count;

	while (at > 0 && state->list[at - 1].length <= LARGE)
		at--;
	at = at > 0 ? at : state->count;
	memmove(&state->list[at - 1], &state->list[at],
		(state->count - at) * sizeof(state->list[0]));
	state->count--;
}

void tracestate_write(const struct tracestate *state, char out[static TRACESTATE_MAX])
{
	struct tracestate left = *state;

	if (left.bad)
		left.count = 0;
	while (total(&left) >= TRACESTATE_MAX)
		shorten(&left);
	for (size_t i = 0; i < left.count; i++) {
		if (i > 0)
			*out++ = ',';
		memcpy(out, left.list[i].text, left.list[i].length);
		out += left.list[i].length;
	}
	*out = '\0';
}
