/* process/text.h - text of a known form, written and compared by hand, where printf and parsers
 * would be half of what an event costs.
 *
 * Nothing here allocates, nor but for text_copy checks room: the caller knows the longest text and
 * has room for it. */
#ifndef PROCESS_TEXT_H
#define PROCESS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TEXT_UNSIGNED_MAX 20 /* digits of the longest uint64_t */

/* Each put_ writes at @at, without a NUL, and returns the end of what it wrote. */
static inline char *put(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static inline char *put_unsigned(char *at, uint64_t value)
{
	char digits[TEXT_UNSIGNED_MAX];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return put(at, digits + first, sizeof(digits) - first);
}

/* Copies @length bytes of UTF-8 and a NUL into @room bytes, what does not fit left out, without a
 * part of a character at the end. */
static inline void text_copy(char *out, size_t room, const char *text, size_t length)
{
	if (length >= room) {
		length = room - 1;
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(out, text, length);
	out[length] = '\0';
}

/* What is still to be read. */
struct rest {
	const char *at, *end;
};

/* True, and behind it, where @text comes next; otherwise nothing changes. */
static inline bool take(struct rest *rest, const char *text, size_t length)
{
	if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, text, length) != 0)
		return false;
	rest->at += length;
	return true;
}
#define TAKE(rest, literal) take(rest, literal, sizeof(literal) - 1)

#endif
