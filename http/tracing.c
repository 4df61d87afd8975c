/* Which trace a request belongs to. */
#include <string.h>

#include "http/request.h"

static enum MHD_Result count_one(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)context += strcasecmp(name, "traceparent") == 0;
	return MHD_YES;
}

/* Two of them are none: nobody can say which one counts. */
static bool is_alone(struct http_request *request)
{
	unsigned count = 0;

	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_one, &count);
	return count == 1;
}

void http_trace_read(struct http_request *request)
{
	const char *const text = http_header(request, "traceparent");
	struct trace_context context;

	if (!text)
		return;
	if ((traceparent_read(text, strlen(text), &context) && is_alone(request)) ||
		trace_make_id(&context))
		traceparent_write(&context, request->traceparent);
}

const char *http_traceparent(const struct http_request *request)
{
	return request->traceparent;
}
