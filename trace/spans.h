/* trace/spans.h - spans on their way to a collector: OTLP by HTTP, in JSON, where the variables of
 * otel.h ask for it. Nothing waits for them: a bounded queue, a thread that sends batches, and what
 * does not fit, or the collector does not take, is dropped and counted. */
#ifndef TRACE_SPANS_H
#define TRACE_SPANS_H

#include "process/fail.h"
#include "trace/traceparent.h"
#include "trace/tracestate.h"

#define SPANS_QUEUE_MAX 2048 /* that wait; the numbers are the specification's */
#define SPANS_BATCH_MAX 512
#define SPAN_FIELDS_MAX 10
#define SPAN_TEXT_MAX   128

enum span_kind { SPAN_SERVER = 2, SPAN_PRODUCER = 4, SPAN_CONSUMER = 5 }; /* as OTLP has them */

struct span_field {
	const char *name; /* a literal */
	bool is_text;
	int64_t number;
	char text[SPAN_TEXT_MAX];
};

struct span { /* zeroed at first */
	enum span_kind kind;
	struct trace_context context;
	uint8_t parent[8];               /* zeros: it has none */
	char tracestate[TRACESTATE_MAX]; /* "": none */
	int64_t began_ns, ended_ns;
	bool failed;
	char name[SPAN_TEXT_MAX];
	struct span_field fields[SPAN_FIELDS_MAX];
	size_t field_count;
};

void span_number(struct span *span, const char *name, int64_t number);
/* A text that is too long is cut. */
void span_text(struct span *span, const char *name, const char *text);

/* Now, in nanoseconds since the epoch. */
int64_t span_now_ns(void);

struct spans; /* NULL: none are wanted, which costs whoever asks a comparison */

/* *spans stays NULL where none are wanted. @service_name is what OTEL_SERVICE_NAME overrules. */
bool spans_start(struct spans **spans, const char *service_name, struct fail *fail);
/* Sends what waits, for at most two seconds. Nobody puts any more. */
void spans_stop(struct spans **spans);

/* Whether a span of @context's trace is to be kept. @from_elsewhere: its flags say what was decided
 * there. */
bool spans_sample(
	const struct spans *spans, const struct trace_context *context, bool from_elsewhere);

/* Puts a copy into the queue; never waits. Any thread. */
void spans_put(struct spans *spans, const struct span *span);

#endif
