/* http/server.h - one HTTP server of a process, on libmicrohttpd.
 *
 * A table of routes, each a method, a path and a handler. The server answers what no handler
 * has to see: 404 for an unknown path, 405 with Allow for an unknown method, 413 for a body
 * above HTTP_BODY_MAX, 400 for a query parameter that the route does not name, 412 for a change
 * under a condition. HEAD is answered where GET is, OPTIONS everywhere. Errors are
 * application/problem+json (RFC 9457). */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "process/fail.h"

#define HTTP_BODY_MAX        65536 /* bytes of a request body */
#define HTTP_PARTS_MAX       4     /* variable parts of a path */
#define HTTP_CONNECTIONS_MAX 1000  /* open at once; further ones wait in the listen queue */
#define HTTP_FILES_LEFT      256   /* that the process may open beside them */
#define HTTP_THREADS         2     /* that serve */
#define HTTP_IDLE_SECONDS    30    /* a connection without traffic is closed after this */

struct spans;
struct http_server;
struct http_request;

/* Called on a server thread, of which there may be several at once. It answers the request
 * exactly once: before it returns, or, on a route marked `later`, from any thread at any
 * time; the request is valid until then and not after. */
typedef void http_handler(struct http_request *request, void *context);

struct http_route {
	const char *method;
	/* "/carts/{cartId}/items": a part in braces takes any one segment. "/stocks{?after,limit}":
	 * it knows these query parameters (RFC 6570). */
	const char *path;
	http_handler *handle;
	bool later;
};

struct http_options {
	const char *address;             /* numeric, IPv4 or IPv6 */
	int64_t port;                    /* 0: any */
	const struct http_route *routes; /* borrowed until http_server_stop */
	size_t route_count;
	void *context;       /* for the handlers */
	struct spans *spans; /* where those of requests go; or NULL */
};

/* FAIL_OWNED where the port is taken. Each connection is an open file: where the process may not
 * have that many, its limit is raised, and where that is not allowed there are fewer connections.
 */
bool http_server_start(
	struct http_server **server, const struct http_options *options, struct fail *fail);
uint16_t http_server_port(const struct http_server *server);
/* Takes no new connections; requests under way go on. */
void http_server_quiesce(struct http_server *server);
/* Waits until every request that was taken is answered, then ends the server. */
void http_server_stop(struct http_server **server);

/* What a handler may ask of its request; all borrowed until it is answered. */
const char *http_part(const struct http_request *request, size_t index);
const char *http_query(const struct http_request *request, const char *name);  /* NULL: not there */
const char *http_header(const struct http_request *request, const char *name); /* NULL: not there */
/* The header stands there twice or more: nobody can say which one counts. */
bool http_header_repeated(const struct http_request *request, const char *name);
/* The traceparent that what comes of the request is to carry; "": none. That of the request where
 * it has a sound one; a new one where its one is not sound. */
const char *http_traceparent(const struct http_request *request);
/* The tracestate that goes with it; "": none. */
const char *http_tracestate(const struct http_request *request);
const char *http_body(const struct http_request *request, size_t *length);

/* Writes how long requests to the server of this one took: http/times.h. */
void http_write_times(const struct http_request *request, FILE *out);

/* Adds a header (name and value copied) to the answer that follows; at most 4. */
void http_answer_header(struct http_request *request, const char *name, const char *value);
/* 204: an answer without a body. */
void http_answer_nothing(struct http_request *request);
/* Answers with a copy of @body. */
void http_answer_text(
	struct http_request *request, unsigned status, const char *type, const char *body);
/* Answers with a document, which is taken; from status 400 on it is a problem document. NULL
 * (out of memory) becomes a 500. */
/* 15 digits: every price we can hold comes out as it was written. */
#define HTTP_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))
void http_answer_json(struct http_request *request, unsigned status, json_t *document);
/* Answers with a problem document. @field names the input at fault, or is NULL. */
void http_answer_problem(struct http_request *request, unsigned status, const char *field,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A text that may come from outside as JSON: what is not UTF-8, or was cut inside a character, is
 * shown with ? in place of everything beyond ASCII. Cut to 511 bytes then. */
json_t *http_shown(const char *text);
/* A problem document with further members in it: @more is an object and taken, or NULL. */
json_t *http_problem(unsigned status, json_t *more, const char *field, const char *detail);

#endif
