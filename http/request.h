/* http/request.h - what server.c and answer.c share of a request. Not for handlers. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <microhttpd.h>

#include "http/server.h"
#include "trace/traceparent.h"

#define HTTP_HEADERS_MAX 4

struct http_request {
	struct http_server *server;
	struct MHD_Connection *connection;
	const struct http_route *route;
	int64_t began_us; /* monotonic */
	char *path;       /* own copy, cut into its segments */
	const char *parts[HTTP_PARTS_MAX];
	char *body;
	size_t length, room;
	bool too_large;
	bool suspended; /* the answer has to resume the connection */
	bool dispatched;
	/* The answer; written by the one who answers, read after the connection is resumed. */
	struct MHD_Response *response;
	unsigned status;
	struct {
		char name[32], value[256];
	} headers[HTTP_HEADERS_MAX];
	size_t header_count;
	char traceparent[TRACEPARENT_MAX]; /* "": none */
	char *tracestate;                  /* that goes with it; NULL: none */
	struct span *span;                 /* that is kept of it; or NULL */
};

/* Which trace the request belongs to, and where spans are wanted and its one is to be kept, its
 * beginning. */
void http_trace_begin(
	struct http_request *request, struct spans *spans, const char *method, const char *path);
/* Its end: logs it, and gives its span away. */
void http_trace_end(struct http_request *request, struct spans *spans);

/* Puts @response (taken) into the request and, on a `later` route, wakes the connection. */
void http_request_answered(
	struct http_request *request, unsigned status, struct MHD_Response *response);

#endif
