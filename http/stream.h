/* http/stream.h - an answer whose body comes while it is being made, and may never end.
 *
 * The server asks for bytes whenever the client has room. Where there are none the connection
 * sleeps and costs no thread; http_stream_wake makes the server ask again. A client that does not
 * read is not asked for, and its connection is closed after HTTP_IDLE_SECONDS. */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "http/server.h"

#define HTTP_STREAM_END (-1)

/* Writes at most @room bytes, above 0, to @out and returns how many; 0: none for now;
 * HTTP_STREAM_END: the body is complete. On a server thread; one call of a stream at a time. */
typedef ssize_t http_stream_read(void *context, char *out, size_t room);
/* The last call there is of a stream: the body was sent, or the client is gone. */
typedef void http_stream_close(void *context);

struct http_stream {
	pthread_mutex_t lock;
	struct MHD_Connection *connection;
	http_stream_read *read;
	http_stream_close *close;
	void *context;
	bool asleep, woken; /* under the lock */
};

void http_stream_init(struct http_stream *stream);
/* Not before http_stream_close, unless it was never given to http_answer_stream. */
void http_stream_fini(struct http_stream *stream);

/* Answers 200 with the body that @read makes. @stream lives until @close, which is always called.
 */
void http_answer_stream(struct http_request *request, struct http_stream *stream, const char *type,
	http_stream_read *read, http_stream_close *close, void *context);

/* There may be bytes, or the end. Any thread, until @close returns; waits for nobody, and may
 * hold a lock that @read takes. */
void http_stream_wake(struct http_stream *stream);

#endif
