#include "trace/otlp.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "process/program.h"

#define ERROR 2 /* STATUS_CODE_ERROR */

/* Whatever is not UTF-8 becomes ?. */
static json_t *text_json(const char *text)
{
	char plain[OTEL_TEXT_MAX];
	json_t *const string = json_string(text);

	if (string)
		return string;
	(void)snprintf(plain, sizeof(plain), "%s", text);
	for (char *c = plain; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	return json_string(plain);
}

static json_t *text_field(const char *name, const char *text)
{
	return json_pack(
		"{s:o, s:{s:o}}", "key", text_json(name), "value", "stringValue", text_json(text));
}

/* 64 bits are written as a text. */
static json_t *number_text(int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, number);
	return json_string(text);
}

static json_t *fields_json(const struct span *span)
{
	json_t *const list = json_array();

	for (size_t i = 0; i < span->field_count; i++) {
		const struct span_field *const f = &span->fields[i];

		(void)json_array_append_new(
			list, f->is_text ? text_field(f->name, f->text)
					 : json_pack("{s:s, s:{s:o}}", "key", f->name, "value",
						   "intValue", number_text(f->number)));
	}
	return list;
}

static json_t *span_json(const struct span *span)
{
	static const uint8_t none[8];
	struct trace_context parent = span->context;
	char own[TRACEPARENT_MAX], from[TRACEPARENT_MAX];
	const size_t at = TRACE_AT + TRACE_DIGITS + 1;
	json_t *json;

	memcpy(parent.span, span->parent, sizeof(parent.span));
	traceparent_write(&span->context, own);
	traceparent_write(&parent, from);
	json = json_pack("{s:s%, s:s%, s:s, s:i, s:o, s:o, s:o, s:i}", "traceId", own + TRACE_AT,
		(size_t)TRACE_DIGITS, "spanId", own + at, (size_t)16, "name", span->name, "kind",
		(int)span->kind, "startTimeUnixNano", number_text(span->began_ns),
		"endTimeUnixNano", number_text(span->ended_ns), "attributes", fields_json(span),
		"flags", (int)span->context.flags);
	if (json && memcmp(span->parent, none, sizeof(none)) != 0)
		(void)json_object_set_new(json, "parentSpanId", json_stringn(from + at, 16));
	if (json && *span->tracestate)
		(void)json_object_set_new(json, "traceState", json_string(span->tracestate));
	if (json && span->failed)
		(void)json_object_set_new(json, "status", json_pack("{s:i}", "code", ERROR));
	return json;
}

static json_t *resource_json(const struct otel *otel)
{
	json_t *const list = json_array();

	for (size_t i = 0; i < otel->attribute_count; i++) {
		if (strcmp(otel->attributes[i].name, "service.name") != 0)
			(void)json_array_append_new(list,
				text_field(otel->attributes[i].name, otel->attributes[i].value));
	}
	(void)json_array_append_new(list, text_field("service.name", otel->service_name));
	(void)json_array_append_new(list, text_field("service.version", program_version_text()));
	return json_pack("{s:o}", "attributes", list);
}

char *otlp_encode(const struct otel *otel, const struct span *spans, size_t count)
{
	json_t *const list = json_array();
	json_t *request;
	char *text;

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, span_json(&spans[i]));
	request = json_pack("{s:[{s:o, s:[{s:{s:s}, s:o}]}]}", "resourceSpans", "resource",
		resource_json(otel), "scopeSpans", "scope", "name", "hw9", "spans", list);
	text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	return text;
}
