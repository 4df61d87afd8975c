/* A line of the log as a JSON object.
 *
 * Each string is written whole or cut at a character, and every piece is only begun where its end,
 * and that of the object, still has room: so the line is JSON whatever the text is. */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "process/log.h"

#define KEYS_MAX 32 /* pairs; further ones stay part of the last value */
#define KEY_MAX  64 /* bytes of a key */
#define END      3  /* bytes of "}\n" and the NUL */

struct out {
	char *bytes;
	size_t length, room; /* room: of what may still be written, the end not counted */
};

struct pair {
	const char *key, *value;
	size_t key_length, value_length;
};

static bool add(struct out *o, const char *bytes, size_t length)
{
	if (o->length + length > o->room)
		return false;
	memcpy(o->bytes + o->length, bytes, length);
	o->length += length;
	return true;
}

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at @s, which has @left bytes; 0 where there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return left >= 2 && is_tail(s[1]) ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		if (left < 3 || !is_tail(s[1]) || !is_tail(s[2]) || (s[0] == 0xe0 && s[1] < 0xa0) ||
			(s[0] == 0xed && s[1] >= 0xa0))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if (left < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]) ||
			(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
			return 0;
		return 4;
	}
	return 0;
}

/* The inside of a string. False: it was cut. */
static bool add_text(struct out *o, const char *text, size_t length)
{
	const unsigned char *const bytes = (const unsigned char *)text;
	char escape[8];

	for (size_t i = 0; i < length;) {
		const unsigned char c = bytes[i];
		const size_t step = utf8_length(bytes + i, length - i);
		bool good;

		if (c == '"' || c == '\\') {
			escape[0] = '\\';
			escape[1] = (char)c;
			good = add(o, escape, 2);
		} else if (c < 0x20 || c == 0x7f) {
			(void)snprintf(escape, sizeof(escape), "\\u%04x", c);
			good = add(o, escape, 6);
		} else if (step == 0) {
			good = add(o, "\\ufffd", 6);
		} else {
			good = add(o, text + i, step);
		}
		if (!good)
			return false;
		i += step > 0 ? step : 1;
	}
	return true;
}

/* A number of JSON that every reader takes for the same: no leading zeros, at most 15 digits. */
static bool is_number(const char *text, size_t length)
{
	const size_t sign = length > 0 && text[0] == '-';
	const size_t digits = length - sign;

	if (digits == 0 || digits > 15 || (digits > 1 && text[sign] == '0'))
		return false;
	return strspn(text + sign, "0123456789") >= digits && !(sign && text[1] == '0');
}

/* `,"KEY":VALUE`, or nothing at all where even the shortest has no room. */
static void add_field(struct out *o, const char *key, size_t key_length, const char *suffix,
	const char *value, size_t value_length, bool number)
{
	const size_t before = o->length;
	bool good = (before == 1 || add(o, ",", 1)) && add(o, "\"", 1) && add(o, key, key_length) &&
		    add(o, suffix, strlen(suffix)) && add(o, "\":", 2);

	if (good && number) {
		good = add(o, value, value_length);
	} else if (good && (good = o->length + 2 <= o->room)) {
		(void)add(o, "\"", 1);
		o->room--; /* for the quotation mark behind it */
		(void)add_text(o, value, value_length);
		o->room++;
		(void)add(o, "\"", 1);
	}
	if (!good)
		o->length = before;
}

/* The length of the key that stands at @at in front of a '=', or 0. */
static size_t key_at(const char *at)
{
	size_t length;

	if (*at < 'a' || *at > 'z')
		return 0;
	length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return at[length] == '=' && length <= KEY_MAX ? length : 0;
}

/* Takes the pairs out of @text; returns the length of the message before them. */
static size_t find_pairs(const char *text, struct pair pairs[KEYS_MAX], size_t *count)
{
	size_t message = strlen(text);
	const char *const end = text + message;

	*count = 0;
	for (const char *at = text; at && *count < KEYS_MAX;) {
		const size_t length = key_at(at);

		if (length > 0) {
			if (*count == 0)
				message = (size_t)(at - text) - (at > text);
			else
				pairs[*count - 1].value_length =
					(size_t)(at - 1 - pairs[*count - 1].value);
			pairs[*count] = (struct pair){ at, at + length + 1, length,
				(size_t)(end - (at + length + 1)) };
			++*count;
		}
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return message;
}

static bool is_taken(const struct pair *pairs, size_t count, const struct pair *pair)
{
	static const char *const ours[] = { "time", "level", "room", "message" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strlen(ours[i]) == pair->key_length &&
			memcmp(ours[i], pair->key, pair->key_length) == 0)
			return true;
	}
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].key_length == pair->key_length &&
			memcmp(pairs[i].key, pair->key, pair->key_length) == 0)
			return true;
	}
	return false;
}

size_t log_json(char *out, size_t size, const char *time, const char *level, const char *room,
	const char *text)
{
	struct out o = { out, 0, size - END };
	struct pair pairs[KEYS_MAX];
	size_t count;
	const size_t message = find_pairs(text, pairs, &count);

	assert(size >= 512);
	(void)add(&o, "{", 1);
	add_field(&o, "time", 4, "", time, strlen(time), false);
	add_field(&o, "level", 5, "", level, strlen(level), false);
	add_field(&o, "room", 4, "", room, strlen(room), false);
	add_field(&o, "message", 7, "", text, message, false);
	for (size_t i = 0; i < count; i++) {
		const struct pair *const p = &pairs[i];
		char suffix[24] = "";

		if (is_taken(pairs, i, p))
			(void)snprintf(suffix, sizeof(suffix), "_%zu", i + 1);
		add_field(&o, p->key, p->key_length, suffix, p->value, p->value_length,
			is_number(p->value, p->value_length));
	}
	memcpy(out + o.length, "}\n", END);
	return o.length + 2;
}
