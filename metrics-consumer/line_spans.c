#include "metrics-consumer/line_spans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/spans.h"

struct line_spans {
	struct spans *spans;
	const char *topic, *group;
	size_t count;
	struct span list[LINE_SPANS_MAX];
};

bool line_spans_open(struct line_spans **lines, struct spans *spans, const char *topic,
	const char *group, struct fail *fail)
{
	*lines = NULL;
	if (!spans)
		return true;
	*lines = calloc(1, sizeof(**lines));
	if (!*lines)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	(*lines)->spans = spans;
	(*lines)->topic = topic;
	(*lines)->group = group;
	return true;
}

void line_spans_close(struct line_spans **lines)
{
	free(*lines);
	*lines = NULL;
}

static void describe(const struct line_spans *l, const rd_kafka_message_t *record,
	const struct decoded *decoded, struct span *span)
{
	char text[24];

	(void)snprintf(span->name, sizeof(span->name), "process %s", l->topic);
	span_text(span, "messaging.system", "kafka");
	span_text(span, "messaging.operation.name", "process");
	span_text(span, "messaging.operation.type", "process");
	span_text(span, "messaging.destination.name", l->topic);
	(void)snprintf(text, sizeof(text), "%" PRId32, record->partition);
	span_text(span, "messaging.destination.partition.id", text);
	span_number(span, "messaging.kafka.offset", record->offset);
	span_text(span, "messaging.consumer.group.name", l->group);
	span_text(span, "cloudevents.event_type", event_type_name(decoded->type));
	if (decoded->headers.id == 0)
		return;
	span_text(span, "cloudevents.event_source", decoded->headers.source);
	(void)snprintf(text, sizeof(text), "%" PRId64, decoded->headers.id);
	span_text(span, "cloudevents.event_id", text);
}

void line_spans_begin(
	struct line_spans *l, const rd_kafka_message_t *record, const struct decoded *decoded)
{
	const char *const text = decoded->headers.traceparent;
	struct trace_context context;
	struct span *span;

	if (!l || l->count == LINE_SPANS_MAX || !traceparent_read(text, strlen(text), &context) ||
		!spans_sample(l->spans, &context, true))
		return;
	span = &l->list[l->count];
	*span = (struct span){ .kind = SPAN_CONSUMER, .began_ns = span_now_ns() };
	memcpy(span->parent, context.span, sizeof(span->parent));
	if (!trace_make_span(context.span))
		return;
	context.flags |= TRACE_SAMPLED;
	span->context = context;
	if (decoded->headers.has_tracestate)
		headers_tracestate(record, span->tracestate);
	describe(l, record, decoded, span);
	l->count++;
}

void line_spans_end(struct line_spans *l)
{
	const int64_t now_ns = l && l->count > 0 ? span_now_ns() : 0;

	for (size_t i = 0; l && i < l->count; i++) {
		l->list[i].ended_ns = now_ns;
		spans_put(l->spans, &l->list[i]);
	}
	if (l)
		l->count = 0;
}
