/* A sleeping stream is a suspended connection of libmicrohttpd. It is put to sleep by the thread
 * that asked it for bytes in vain, and only if nobody woke it since it began to ask: whoever makes
 * bytes and then wakes it cannot come between. */
#include "http/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/request.h"
#include "process/log.h"

#define BLOCK       8192
#define SOCKET_ROOM 65536 /* bytes that the kernel keeps for a client that does not read */

void http_stream_init(struct http_stream *stream)
{
	*stream = (struct http_stream){ .connection = NULL };
	pthread_mutex_init(&stream->lock, NULL);
}

void http_stream_fini(struct http_stream *stream)
{
	pthread_mutex_destroy(&stream->lock);
}

/* True if it sleeps now; false if it was woken meanwhile. */
static bool fall_asleep(struct http_stream *stream)
{
	bool asleep;

	pthread_mutex_lock(&stream->lock);
	asleep = !stream->woken;
	stream->woken = false;
	stream->asleep = asleep;
	if (asleep)
		MHD_suspend_connection(stream->connection);
	pthread_mutex_unlock(&stream->lock);
	return asleep;
}

static ssize_t on_read(void *context, uint64_t position, char *out, size_t room)
{
	struct http_stream *const stream = context;

	(void)position;
	do {
		const ssize_t got = stream->read(stream->context, out, room);

		if (got == HTTP_STREAM_END)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (got > 0)
			return got;
	} while (!fall_asleep(stream));
	return 0;
}

static void on_free(void *context)
{
	struct http_stream *const stream = context;

	stream->close(stream->context);
}

void http_answer_stream(struct http_request *request, struct http_stream *stream, const char *type,
	http_stream_read *read, http_stream_close *close, void *context)
{
	const union MHD_ConnectionInfo *const info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct MHD_Response *response;

	assert(!request->suspended); /* not on a `later` route */
	stream->connection = request->connection;
	stream->read = read;
	stream->close = close;
	stream->context = context;
	if (info) /* without it more is kept */
		(void)setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &(int){ SOCKET_ROOM },
			sizeof(int));
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK, on_read, stream, on_free);
	if (!response) {
		log_error("http", "out of memory for a response");
		abort();
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	/* It is seldom that a stream ends, and whoever is ended has to go. */
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	http_request_answered(request, 200, response);
}

void http_stream_wake(struct http_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	if (stream->asleep) {
		stream->asleep = false;
		MHD_resume_connection(stream->connection);
	} else {
		stream->woken = true;
	}
	pthread_mutex_unlock(&stream->lock);
}
