#include "outbox/row_spans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/spans.h"

struct way { /* of a row */
	int64_t id, began_ns;
	enum event_type type;
	struct trace_context from; /* what the row says */
	char tracestate[TRACESTATE_MAX];
};

struct row_spans {
	const struct relay_options *options;
	size_t first, count;
	struct way ways[ROW_SPANS_MAX];
};

bool row_spans_open(
	struct row_spans **spans, const struct relay_options *options, struct fail *fail)
{
	*spans = NULL;
	if (!options->spans)
		return true;
	*spans = calloc(1, sizeof(**spans));
	if (!*spans)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	(*spans)->options = options;
	return true;
}

void row_spans_close(struct row_spans **spans)
{
	if (*spans)
		row_spans_fail(*spans);
	free(*spans);
	*spans = NULL;
}

/* FNV-1a: of the store's name and the row's number, which name the event for ever, and the trace.
 */
static void name_span(const char *source, int64_t id, struct trace_context *context)
{
	uint64_t hash = 0xcbf29ce484222325u;
	char text[ROWS_SOURCE_MAX + 24];

	(void)snprintf(text, sizeof(text), "%s %" PRId64, source, id);
	for (const char *c = text; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	for (size_t i = 0; i < 16; i++)
		hash = (hash ^ context->trace[i]) * 0x100000001b3u;
	hash += hash == 0;
	memcpy(context->span, &hash, sizeof(context->span));
}

static bool read_context(
	const struct row_spans *s, const struct row *row, struct trace_context *context)
{
	return row->trace && traceparent_read(row->trace, strlen(row->trace), context) &&
	       spans_sample(s->options->spans, context, true);
}

const char *row_spans_name(struct row_spans *s, const struct row *row, char out[TRACEPARENT_MAX])
{
	struct trace_context context;

	if (!s || !read_context(s, row, &context))
		return row->trace;
	name_span(s->options->source, row->id, &context);
	traceparent_write(&context, out);
	return out;
}

void row_spans_begin(struct row_spans *s, const struct row *row)
{
	struct trace_context context;
	struct way *way;

	if (!s || s->count == ROW_SPANS_MAX || !read_context(s, row, &context))
		return;
	way = &s->ways[(s->first + s->count++) % ROW_SPANS_MAX];
	*way = (struct way){
		.id = row->id, .began_ns = span_now_ns(), .type = row->type, .from = context
	};
	if (row->tracestate)
		(void)snprintf(way->tracestate, sizeof(way->tracestate), "%s", row->tracestate);
}

static void end(struct row_spans *s, const struct way *way, int64_t offset, bool failed)
{
	const struct relay_options *const options = s->options;
	struct span span = { .kind = SPAN_PRODUCER,
		.context = way->from,
		.began_ns = way->began_ns,
		.ended_ns = span_now_ns(),
		.failed = failed };
	char text[24];

	memcpy(span.parent, way->from.span, sizeof(span.parent));
	strcpy(span.tracestate, way->tracestate);
	name_span(options->source, way->id, &span.context);
	(void)snprintf(span.name, sizeof(span.name), "send %s", options->kafka.topic);
	span_text(&span, "messaging.system", "kafka");
	span_text(&span, "messaging.operation.name", "send");
	span_text(&span, "messaging.operation.type", "send");
	span_text(&span, "messaging.destination.name", options->kafka.topic);
	(void)snprintf(text, sizeof(text), "%" PRId32, options->partition);
	span_text(&span, "messaging.destination.partition.id", text);
	if (offset >= 0)
		span_number(&span, "messaging.kafka.offset", offset);
	span_text(&span, "cloudevents.event_source", options->source);
	(void)snprintf(text, sizeof(text), "%" PRId64, way->id);
	span_text(&span, "cloudevents.event_id", text);
	span_text(&span, "cloudevents.event_type", event_type_name(way->type));
	spans_put(options->spans, &span);
}

void row_spans_acknowledge(struct row_spans *s, int64_t id, int64_t offset)
{
	while (s && s->count > 0 && s->ways[s->first].id <= id) {
		const struct way *const way = &s->ways[s->first];

		end(s, way, way->id == id ? offset : -1, false);
		s->first = (s->first + 1) % ROW_SPANS_MAX;
		s->count--;
	}
}

void row_spans_fail(struct row_spans *s)
{
	while (s && s->count > 0) {
		end(s, &s->ways[s->first], -1, true);
		s->first = (s->first + 1) % ROW_SPANS_MAX;
		s->count--;
	}
}
