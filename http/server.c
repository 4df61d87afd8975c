/* The way of a request: libmicrohttpd calls on_request first with the head, then for each
 * piece of the body, then without one: the body is complete and the route's handler runs.
 * A `later` route is suspended before its handler runs, because the answer may come from
 * another thread before the handler returns; the answer resumes it, and libmicrohttpd calls
 * on_request once more, which queues the response. */
#include "http/request.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/strict.h"
#include "http/times.h"
#include "process/clock.h"
#include "process/log.h"

struct http_server {
	struct MHD_Daemon *daemon;
	const struct http_route *routes;
	size_t route_count;
	void *context;
	struct times *times;
	struct spans *spans;
	MHD_socket listener;
	bool quiesced; /* closing the listener is ours then */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	size_t pending; /* suspended and not answered yet */
};

/* Compares @path, which is copied, with a route's path; the variable parts point into the
 * copy and are cut at their slashes by cut_parts. */
static bool path_matches(const char *pattern, const char *path, char *copy, const char **parts)
{
	const char *const end = pattern + strict_path_length(pattern);
	size_t part = 0;

	strcpy(copy, path);
	while (*pattern == '/' && *copy == '/') {
		const size_t most = (size_t)(end - ++pattern), slash = strcspn(pattern, "/");
		const size_t wanted = slash < most ? slash : most;
		char *const segment = ++copy;
		const size_t length = strcspn(segment, "/");

		if (*pattern == '{') {
			assert(part < HTTP_PARTS_MAX);
			if (length == 0)
				return false;
			parts[part++] = segment;
		} else if (wanted != length || memcmp(pattern, segment, length) != 0) {
			return false;
		}
		pattern += wanted;
		copy += length;
	}
	return pattern == end && *copy == '\0';
}

static void cut_parts(struct http_request *request)
{
	for (size_t i = 0; i < HTTP_PARTS_MAX && request->parts[i]; i++) {
		char *const part = (char *)request->parts[i];

		part[strcspn(part, "/")] = '\0';
	}
}

static bool method_matches(const char *route, const char *method)
{
	return strcmp(route, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(route, "GET") == 0);
}

/* Finds the route, or answers what no handler has to see. */
static void find_route(struct http_request *request, const char *path, const char *method)
{
	const struct http_server *const server = request->server;
	char allow[128] = "";

	for (size_t i = 0; i < server->route_count; i++) {
		const struct http_route *const route = &server->routes[i];

		memset(request->parts, 0, sizeof(request->parts));
		if (!path_matches(route->path, path, request->path, request->parts))
			continue;
		if (method_matches(route->method, method)) {
			cut_parts(request);
			request->route = route;
			(void)strict_allows(request, method);
			return;
		}
		(void)snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s, ",
			strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method);
	}
	if (*allow || strcmp(path, "*") == 0)
		(void)strcat(allow, "OPTIONS");
	if (*allow && strcmp(method, "OPTIONS") == 0) {
		http_answer_header(request, "Allow", allow);
		http_answer_nothing(request);
	} else if (*allow) {
		http_answer_header(request, "Allow", allow);
		http_answer_problem(request, 405, NULL, "%s is not a method of %s", method, path);
	} else {
		http_answer_problem(request, 404, NULL, "no such resource: %s", path);
	}
}

static struct http_request *request_new(
	struct http_server *server, struct MHD_Connection *connection, const char *path)
{
	struct http_request *const request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->server = server;
	request->connection = connection;
	request->began_us = clock_mono_us();
	request->path = malloc(strlen(path) + 1);
	if (!request->path) {
		free(request);
		return NULL;
	}
	return request;
}

static void request_free(struct http_request *request)
{
	if (request->response)
		MHD_destroy_response(request->response);
	free(request->path);
	free(request->body);
	free(request->tracestate);
	free(request->span);
	free(request);
}

/* Keeps a piece of the body; a body that is too large is read to its end and forgotten. */
static bool take_body(struct http_request *request, const char *data, size_t size)
{
	if (request->too_large || size > HTTP_BODY_MAX - request->length) {
		request->too_large = true;
		return true;
	}
	if (request->length + size > request->room) {
		const size_t room = request->length + size < 512 ? 512 : HTTP_BODY_MAX;
		char *const body = realloc(request->body, room);

		if (!body)
			return false;
		request->body = body;
		request->room = room;
	}
	memcpy(request->body + request->length, data, size);
	request->length += size;
	return true;
}

static void dispatch(struct http_request *request)
{
	struct http_server *const server = request->server;

	request->dispatched = true;
	if (request->too_large) {
		http_answer_problem(
			request, 413, NULL, "the body is larger than %d bytes", HTTP_BODY_MAX);
		return;
	}
	if (request->route->later) {
		pthread_mutex_lock(&server->lock);
		server->pending++;
		pthread_mutex_unlock(&server->lock);
		request->suspended = true;
		MHD_suspend_connection(request->connection);
		/* From here on another thread may answer, and the request may be gone. */
		request->route->handle(request, server->context);
		return;
	}
	request->route->handle(request, server->context);
	assert(request->response);
}

void http_request_answered(
	struct http_request *request, unsigned status, struct MHD_Response *response)
{
	struct http_server *const server = request->server;

	assert(!request->response);
	for (size_t i = 0; i < request->header_count; i++)
		(void)MHD_add_response_header(
			response, request->headers[i].name, request->headers[i].value);
	request->response = response;
	request->status = status;
	if (!request->suspended)
		return;
	MHD_resume_connection(request->connection);
	pthread_mutex_lock(&server->lock);
	if (--server->pending == 0)
		pthread_cond_broadcast(&server->idle);
	pthread_mutex_unlock(&server->lock);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
	const char *path, const char *method, const char *version, const char *data, size_t *size,
	void **kept)
{
	struct http_request *request = *kept;

	(void)version;
	if (!request) {
		request = request_new(context, connection, path);
		if (!request)
			return MHD_NO;
		*kept = request;
		http_trace_begin(request, request->server->spans, method, path);
		find_route(request, path, method);
		return MHD_YES;
	}
	if (*size > 0) {
		const size_t length = *size;

		*size = 0;
		return take_body(request, data, length) ? MHD_YES : MHD_NO;
	}
	if (request->route && !request->dispatched && !request->response) {
		const bool later = request->route->later && !request->too_large;

		dispatch(request);
		if (later)
			return MHD_YES;
	}
	assert(request->response);
	times_add(request->server->times, request->route, request->status,
		clock_mono_us() - request->began_us);
	return MHD_queue_response(connection, request->status, request->response);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **kept,
	enum MHD_RequestTerminationCode code)
{
	(void)connection;
	(void)code;
	if (*kept) {
		http_trace_end(*kept, ((struct http_server *)context)->spans);
		request_free(*kept);
	}
	*kept = NULL;
}

/* A NUL in a path would end it early and name another resource: it becomes a byte that no
 * id may have. */
static size_t on_unescape(void *context, struct MHD_Connection *connection, char *text)
{
	size_t length;

	(void)context;
	(void)connection;
	length = MHD_http_unescape(text);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0')
			text[i] = '\x01';
	}
	return length;
}

static void on_log(void *context, const char *format, va_list args)
{
	char text[512];

	(void)context;
	if (vsnprintf(text, sizeof(text), format, args) > 0)
		log_debug("http", "%s", text);
}

static bool parse_address(
	const struct http_options *options, struct sockaddr_storage *out, socklen_t *size)
{
	struct sockaddr_in *const four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *const six = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, options->address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)options->port);
		*size = sizeof(*four);
		return true;
	}
	if (inet_pton(AF_INET6, options->address, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)options->port);
		*size = sizeof(*six);
		return true;
	}
	return false;
}

/* A socket of our own, so that a refusal to listen says why. */
static bool open_listener(
	const struct http_options *options, MHD_socket *listener, struct fail *fail)
{
	struct sockaddr_storage address;
	socklen_t size;
	int error;

	if (!parse_address(options, &address, &size))
		return fail_set(fail, FAIL_REFUSE,
			"HTTP_ADDRESS=%s: a numeric IPv4 or IPv6 address", options->address);
	*listener = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "socket");
	if (setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
		bind(*listener, (struct sockaddr *)&address, size) == 0 &&
		listen(*listener, 511) == 0)
		return true;
	error = errno;
	close(*listener);
	return fail_errno(fail, error == EADDRINUSE ? FAIL_OWNED : FAIL_FATAL, error,
		"listen on %s port %lld", options->address, (long long)options->port);
}

/* A process whose files are all connections can open nothing else, not even its own: it would end.
 */
static unsigned connections_max(void)
{
	const rlim_t wanted = HTTP_CONNECTIONS_MAX + HTTP_FILES_LEFT;
	struct rlimit limit;
	rlim_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return HTTP_CONNECTIONS_MAX;
	most = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		most = limit.rlim_cur;
	if (most >= wanted)
		return HTTP_CONNECTIONS_MAX;
	most = most > 2 * HTTP_FILES_LEFT ? most - HTTP_FILES_LEFT : most / 2;
	log_warning("http", "few files may be open, and so few connections connections=%u",
		(unsigned)most);
	return (unsigned)most;
}

/* MHD_USE_EPOLL of 0.9.75 stops serving when a thread holds exactly 128 connections;
 * with poll it does not. */
bool http_server_start(
	struct http_server **server, const struct http_options *options, struct fail *fail)
{
	struct http_server *const s = calloc(1, sizeof(*s));

	*server = NULL;
	if (!s)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	s->routes = options->routes;
	s->route_count = options->route_count;
	s->context = options->context;
	s->times = times_new(s->routes, s->route_count);
	if (!s->times) {
		free(s);
		return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	s->spans = options->spans;
	if (!open_listener(options, &s->listener, fail)) {
		times_free(&s->times);
		free(s);
		return false;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->daemon = MHD_start_daemon(
		MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, s->listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_CONNECTION_LIMIT,
		connections_max(), MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_SECONDS,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS, MHD_OPTION_END);
	if (!s->daemon) {
		close(s->listener);
		pthread_cond_destroy(&s->idle);
		pthread_mutex_destroy(&s->lock);
		times_free(&s->times);
		free(s);
		return fail_set(fail, FAIL_FATAL, "start the HTTP server");
	}
	*server = s;
	return true;
}

uint16_t http_server_port(const struct http_server *server)
{
	struct sockaddr_in6 address = { 0 }; /* the larger of the two; the port is in one place */
	socklen_t size = sizeof(address);

	_Static_assert(
		offsetof(struct sockaddr_in6, sin6_port) == offsetof(struct sockaddr_in, sin_port),
		"a port is where it is");
	if (getsockname(server->listener, (struct sockaddr *)&address, &size) != 0)
		return 0;
	return ntohs(address.sin6_port);
}

void http_server_quiesce(struct http_server *server)
{
	(void)MHD_quiesce_daemon(server->daemon);
	/* Its threads may still look at it: it refuses from here on, and is closed at the end. */
	(void)shutdown(server->listener, SHUT_RDWR);
	server->quiesced = true;
}

void http_server_stop(struct http_server **server)
{
	struct http_server *const s = *server;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	while (s->pending > 0)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	MHD_stop_daemon(s->daemon); /* closes the listener unless quiesced */
	if (s->quiesced)
		close(s->listener);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
	times_free(&s->times);
	free(s);
	*server = NULL;
}

const char *http_part(const struct http_request *request, size_t index)
{
	assert(index < HTTP_PARTS_MAX && request->parts[index]);
	return request->parts[index];
}

const char *http_query(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct counting {
	const char *name;
	size_t count;
};

static enum MHD_Result count_one(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct counting *const counting = context;

	(void)kind;
	(void)value;
	counting->count += strcasecmp(name, counting->name) == 0;
	return MHD_YES;
}

bool http_header_repeated(const struct http_request *request, const char *name)
{
	struct counting counting = { .name = name };

	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_one, &counting);
	return counting.count > 1;
}

const char *http_body(const struct http_request *request, size_t *length)
{
	*length = request->length;
	return request->body ? request->body : "";
}

void http_write_times(const struct http_request *request, FILE *out)
{
	times_write(request->server->times, out);
}
