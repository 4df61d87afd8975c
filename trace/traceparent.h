/* trace/traceparent.h - where a request comes from: the header `traceparent` of W3C Trace Context,
 * https://www.w3.org/TR/trace-context/. Its companion is in tracestate.h. Pure, but for the
 * random numbers; any thread. */
#ifndef TRACE_TRACEPARENT_H
#define TRACE_TRACEPARENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACEPARENT_MAX 56 /* `00-<trace>-<span>-<flags>` with its NUL */
#define TRACE_AT        3  /* where the trace's digits are in it */
#define TRACE_DIGITS    32
#define TRACE_SAMPLED   1 /* flag: somebody before us keeps its spans */

struct trace_context {
	uint8_t trace[16], span[8];
	uint8_t flags;
};

/* Reads @length bytes that came from outside. False where they are not sound, which is to be
 * treated as if they were not there. Of a version above 00 what 00 has is read. */
bool traceparent_read(const char *text, size_t length, struct trace_context *out);
/* Writes it as version 00. */
void traceparent_write(const struct trace_context *context, char out[TRACEPARENT_MAX]);

/* Random numbers, not all zero. False where the kernel has none to give. */
bool trace_make_id(struct trace_context *context);
bool trace_make_span(uint8_t span[8]);

#endif
