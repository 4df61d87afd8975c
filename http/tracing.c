/* Which trace a request belongs to, and its span: from its head to the end of its answer. A trace
 * begins here with a change; reading belongs to one where the client brings it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/request.h"
#include "http/strict.h"
#include "process/log.h"
#include "trace/spans.h"

static enum MHD_Result read_state(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	if (value && strcasecmp(name, "tracestate") == 0)
		tracestate_read(context, value, strlen(value));
	return MHD_YES;
}

/* That of a sound traceparent. Without memory it is left out, as a hop may do. */
static void take_state(struct http_request *request)
{
	struct tracestate state = { 0 };
	char text[TRACESTATE_MAX];

	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, read_state, &state);
	tracestate_write(&state, text);
	if (*text)
		request->tracestate = strdup(text);
}

/* The specification's methods; any other word is _OTHER. */
static const char *known_method(const char *method)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT",
		"OPTIONS", "TRACE", "PATCH" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], method) == 0)
			return known[i];
	}
	return "_OTHER";
}

static bool is_reading(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Without memory, or random numbers, there is no span. */
static void begin_span(struct http_request *request, struct trace_context *context,
	bool from_elsewhere, const char *method, const char *path)
{
	struct span *const span = calloc(1, sizeof(*span));

	if (!span)
		return;
	if (from_elsewhere)
		memcpy(span->parent, context->span, sizeof(span->parent));
	if (from_elsewhere && !trace_make_span(context->span)) {
		free(span);
		return;
	}
	context->flags |= TRACE_SAMPLED;
	span->kind = SPAN_SERVER;
	span->context = *context;
	strcpy(span->tracestate, http_tracestate(request));
	span->began_ns = span_now_ns();
	span_text(span, "http.request.method", known_method(method));
	span_text(span, "url.path", path);
	span_text(span, "url.scheme", "http");
	request->span = span;
}

void http_trace_begin(
	struct http_request *request, struct spans *spans, const char *method, const char *path)
{
	const char *const text = http_header(request, "traceparent");
	struct trace_context context;
	bool sound;

	if (!text && !spans)
		return;
	sound = text && traceparent_read(text, strlen(text), &context) &&
		!http_header_repeated(request, "traceparent");
	if (!text && is_reading(method)) /* probes and scrapes would be most traces */
		return;
	if (!sound && !trace_make_id(&context))
		return;
	if (sound)
		take_state(request);
	if (spans && spans_sample(spans, &context, sound))
		begin_span(request, &context, sound, method, path);
	if (text || request->span)
		traceparent_write(&context, request->traceparent);
}

static void end_span(struct http_request *request, struct spans *spans)
{
	struct span *const span = request->span;
	const char *const path = request->route ? request->route->path : "";
	const size_t length = strict_path_length(path);
	const char *const method = span->fields[0].text;
	char route[97];

	(void)snprintf(route, sizeof(route), "%.*s", length < 96 ? (int)length : 96, path);
	(void)snprintf(
		span->name, sizeof(span->name), "%.16s%s%.96s", method, *route ? " " : "", route);
	if (*route)
		span_text(span, "http.route", route);
	if (request->status != 0)
		span_number(span, "http.response.status_code", request->status);
	span->failed = request->status == 0 || request->status >= 500;
	span->ended_ns = span_now_ns();
	spans_put(spans, span);
}

void http_trace_end(struct http_request *request, struct spans *spans)
{
	const struct http_route *const route = request->route;

	if (request->span)
		end_span(request, spans);
	log_debug("http", "%s %s status=%u trace=%.*s", route ? route->method : "-",
		route ? route->path : "-", request->status, TRACE_DIGITS,
		*request->traceparent ? request->traceparent + TRACE_AT : "-");
}

const char *http_traceparent(const struct http_request *request)
{
	return request->traceparent;
}

const char *http_tracestate(const struct http_request *request)
{
	return request->tracestate ? request->tracestate : "";
}
