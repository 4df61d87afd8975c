#include "bench/arrive_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/random.h"

#define ANSWER_MAX     4096
#define PATIENCE_NS    30000000000 /* for answers, after the last request was due */
#define EVENTS_MAX     64
#define START_AFTER_NS 100000000

struct connection {
	int fd;
	int64_t due; /* of the request on its way; 0: none */
	size_t length;
	char answer[ANSWER_MAX + 1];
};

struct client {
	const struct client_options *options;
	struct times *times;
	struct connection *connections;
	int epoll;
	uint64_t random;
	int64_t start;
	int64_t sent;
	/* Those without a request, the longest without one first. */
	struct connection **idle;
	size_t idle_first, idle_count;
};

static int64_t due_ns(const struct client *c, int64_t number)
{
	return c->start + number * 1000000000 / c->options->rate;
}

static void put_idle(struct client *c, struct connection *connection)
{
	const size_t size = (size_t)c->options->connections;

	connection->due = 0;
	c->idle[(c->idle_first + c->idle_count++) % size] = connection;
}

static struct connection *take_idle(struct client *c)
{
	struct connection *const connection = c->idle[c->idle_first];

	c->idle_first = (c->idle_first + 1) % (size_t)c->options->connections;
	c->idle_count--;
	return connection;
}

/* The socket's buffer is empty then, so the whole request goes into it at once. */
static bool send_next(struct client *c, struct fail *fail)
{
	struct connection *const connection = take_idle(c);
	const uint64_t cart = random_next(&c->random) % (uint64_t)c->options->carts;
	const uint64_t sku = random_next(&c->random) % (uint64_t)c->options->skus;
	char request[512], body[128];
	int length, body_length;
	ssize_t done;

	body_length =
		snprintf(body, sizeof(body), "{\"sku\":\"sku-%07" PRIu64 "\",\"count\":1}", sku);
	length = snprintf(request, sizeof(request),
		"POST /carts/cart-%08" PRIu64 "/items HTTP/1.1\r\nHost: 127.0.0.1:%" PRId64
		"\r\nContent-Length: %d\r\n\r\n%s",
		cart, c->options->port, body_length, body);
	assert(length > 0 && (size_t)length < sizeof(request));
	connection->due = due_ns(c, c->sent);
	connection->length = 0;
	done = send(connection->fd, request, (size_t)length, MSG_NOSIGNAL);
	if (done != length)
		return fail_errno(fail, FAIL_FATAL, done < 0 ? errno : EIO, "send a request");
	c->times->late[c->sent++] = now_ns() - connection->due;
	return true;
}

/* The answer's length once all of it is there; 0 before that, -1 where it is no answer. */
static int64_t answer_length(const struct connection *connection)
{
	const char *const end = strstr(connection->answer, "\r\n\r\n");
	const char *const field = strcasestr(connection->answer, "\r\nContent-Length:");
	int64_t whole;

	if (!end)
		return connection->length == ANSWER_MAX ? -1 : 0;
	if (!field || field > end)
		return -1;
	whole = end + 4 - connection->answer + strtoll(field + 17, NULL, 10);
	if (whole > ANSWER_MAX || (int64_t)connection->length > whole)
		return -1;
	return (int64_t)connection->length == whole ? whole : 0;
}

static bool take_answer(struct client *c, struct connection *connection, struct fail *fail)
{
	struct times *const t = c->times;
	const int64_t now = now_ns();
	const char *const id = strstr(connection->answer, "\"id\":");
	size_t place;

	if (connection->due == 0)
		return fail_set(fail, FAIL_FATAL, "an answer that nobody asked for");
	t->waited[t->answers++] = now - connection->due;
	if (strncmp(connection->answer, "HTTP/1.1 201 ", 13) != 0) {
		if (t->refused++ == 0)
			fprintf(stderr, "arrive: not 201: %s\n", connection->answer);
	} else if (!id || !times_place(t, strtoll(id + 5, NULL, 10), &place)) {
		return fail_set(fail, FAIL_FATAL,
			"an event with a number that is not ours (is somebody else asking?): %s",
			connection->answer);
	} else {
		t->answered[place] = now;
	}
	put_idle(c, connection);
	return true;
}

static bool read_answer(struct client *c, struct connection *connection, struct fail *fail)
{
	const ssize_t got = recv(connection->fd, connection->answer + connection->length,
		ANSWER_MAX - connection->length, MSG_DONTWAIT);
	int64_t length;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got <= 0)
		return fail_errno(fail, FAIL_FATAL, got < 0 ? errno : ECONNRESET, "read an answer");
	connection->length += (size_t)got;
	connection->answer[connection->length] = '\0';
	length = answer_length(connection);
	if (length < 0)
		return fail_set(fail, FAIL_FATAL, "not an answer: %s", connection->answer);
	return length == 0 || take_answer(c, connection, fail);
}

/* At once, so that answers that wait are read between two requests. */
static bool send_due(struct client *c, struct fail *fail)
{
	const int64_t now = now_ns();

	while (c->sent < c->times->count && c->idle_count > 0 && due_ns(c, c->sent) <= now) {
		if (!send_next(c, fail))
			return false;
	}
	return true;
}

/* Until an answer comes or the next request is due. */
static bool wait_for_news(struct client *c, struct fail *fail)
{
	const int64_t now = now_ns();
	const int64_t over = due_ns(c, c->times->count) + PATIENCE_NS;
	const bool ready = c->sent < c->times->count && c->idle_count > 0;
	int64_t wait = (ready ? due_ns(c, c->sent) : over) - now;
	struct epoll_event events[EVENTS_MAX];
	int count;

	if (now >= over)
		return fail_set(fail, FAIL_FATAL, "%" PRId64 " requests have no answer",
			c->sent - c->times->answers);
	if (wait < 0)
		wait = 0;
	count = epoll_pwait2(c->epoll, events, EVENTS_MAX,
		&(struct timespec){ wait / 1000000000, wait % 1000000000 }, NULL);
	if (count < 0 && errno != EINTR)
		return fail_errno(fail, FAIL_FATAL, errno, "epoll_pwait2");
	for (int i = 0; i < count; i++) {
		if (!read_answer(c, events[i].data.ptr, fail))
			return false;
	}
	return true;
}

static bool connect_one(struct client *c, struct connection *connection, struct fail *fail)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)c->options->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event on = { .events = EPOLLIN, .data.ptr = connection };

	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "socket");
	if (connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) !=
			0 ||
		epoll_ctl(c->epoll, EPOLL_CTL_ADD, connection->fd, &on) != 0)
		return fail_errno(
			fail, FAIL_FATAL, errno, "connect to port %" PRId64, c->options->port);
	put_idle(c, connection);
	return true;
}

static bool open_client(struct client *c, struct fail *fail)
{
	const size_t count = (size_t)c->options->connections;

	c->connections = calloc(count, sizeof(*c->connections));
	c->idle = calloc(count, sizeof(struct connection *));
	if (!c->connections || !c->idle)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	for (size_t i = 0; i < count; i++)
		c->connections[i].fd = -1;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "epoll_create1");
	for (size_t i = 0; i < count; i++) {
		if (!connect_one(c, &c->connections[i], fail))
			return false;
	}
	return true;
}

static void close_client(struct client *c)
{
	for (int64_t i = 0; c->connections && i < c->options->connections; i++) {
		if (c->connections[i].fd >= 0)
			close(c->connections[i].fd);
	}
	if (c->epoll >= 0)
		close(c->epoll);
	free(c->connections);
	free(c->idle);
}

bool client_run(const struct client_options *options, struct times *times, struct fail *fail)
{
	struct client c = {
		.options = options, .times = times, .epoll = -1, .random = (uint64_t)options->seed
	};
	bool good = open_client(&c, fail);

	/* Without this a sleep ends up to 50 us late. */
	if (good && prctl(PR_SET_TIMERSLACK, 1) != 0)
		good = fail_errno(fail, FAIL_FATAL, errno, "prctl");
	c.start = now_ns() + START_AFTER_NS;
	while (good && times->answers < times->count)
		good = send_due(&c, fail) && wait_for_news(&c, fail);
	close_client(&c);
	return good;
}
