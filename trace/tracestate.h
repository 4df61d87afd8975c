/* trace/tracestate.h - what the systems that a trace went through tell each other: the header
 * `tracestate` of W3C Trace Context, https://www.w3.org/TR/trace-context/, section 3.3. It belongs
 * to a sound traceparent, is handed on as it came, and nothing of ours is added. Pure; any thread.
 */
#ifndef TRACE_TRACESTATE_H
#define TRACE_TRACESTATE_H

#include <stdbool.h>
#include <stddef.h>

#define TRACESTATE_MAX     513 /* longest that is handed on, with its NUL */
#define TRACESTATE_MEMBERS 32  /* of a list; with more it is not sound */

struct tracestate { /* zeroed at first */
	struct tracestate_member {
		const char *text; /* key=value */
		size_t length, key;
	} list[TRACESTATE_MEMBERS];
	size_t count;
	bool bad;
};

/* Reads @length bytes that came from outside, and borrows them until the writing. Several headers
 * of that name are one list: they are read one after the other. Of members with one key the first
 * counts. Where one of them is not sound, nothing of the whole counts. */
void tracestate_read(struct tracestate *state, const char *text, size_t length);

/* Writes the list without spaces; "" where there is none, or it is not sound. Of one that is too
 * long members of more than 128 bytes are left out first, then others, the last ones first. */
void tracestate_write(const struct tracestate *state, char out[static TRACESTATE_MAX]);

#endif
