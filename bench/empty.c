/* empty: the limit for cart. libmicrohttpd with the options of http/server.c, and a handler that
 * reads the body and answers 201 at once, with LENGTH bytes of JSON.
 *
 *   empty LENGTH
 *
 * Prints `listening port=N` and runs until SIGTERM. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"
#include "process/stop.h"

#define LENGTH_MAX 4096

struct answer {
	char *body;
	size_t length;
};

static int begun; /* its address stands for a request that was seen */

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
	const char *path, const char *method, const char *version, const char *data, size_t *size,
	void **kept)
{
	const struct answer *const answer = context;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)path;
	(void)method;
	(void)version;
	(void)data;
	if (!*kept) {
		*kept = &begun;
		return MHD_YES;
	}
	if (*size > 0) {
		*size = 0;
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(
		answer->length, answer->body, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(connection, 201, response);
	MHD_destroy_response(response);
	return result;
}

static int open_listener(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0)
		return -1;
	if (bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 511) == 0 &&
		getsockname(listener, (struct sockaddr *)&address, &size) == 0) {
		*port = ntohs(address.sin_port);
		return listener;
	}
	close(listener);
	return -1;
}

static bool serve(struct answer *answer)
{
	struct MHD_Daemon *daemon;
	uint16_t port;
	const int listener = open_listener(&port);

	if (listener < 0) {
		perror("empty: listen");
		return false;
	}
	daemon = MHD_start_daemon(
		MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, answer, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_SECONDS,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS, MHD_OPTION_END);
	if (!daemon) {
		fprintf(stderr, "empty: the HTTP server does not start\n");
		close(listener);
		return false;
	}
	printf("listening port=%u\n", port);
	(void)fflush(stdout);
	(void)stop_wait(-1);
	MHD_stop_daemon(daemon); /* closes the listener */
	return true;
}

int main(int argc, char **argv)
{
	struct answer answer = { 0 };
	struct fail fail = { 0 };
	char *end = NULL;
	bool good;

	if (argc == 2)
		answer.length = strtoul(argv[1], &end, 10);
	if (argc != 2 || *end || answer.length < 2 || answer.length > LENGTH_MAX) {
		fprintf(stderr, "usage: empty LENGTH (of the answer's body, 2 to %d)\n",
			LENGTH_MAX);
		return 64;
	}
	if (!stop_on_signals(&fail)) {
		fprintf(stderr, "empty: %s\n", fail.text);
		return 1;
	}
	answer.body = malloc(answer.length);
	if (!answer.body)
		return 1;
	memset(answer.body, ' ', answer.length);
	answer.body[0] = '{';
	answer.body[answer.length - 1] = '}';
	good = serve(&answer);
	free(answer.body);
	return good ? 0 : 1;
}
