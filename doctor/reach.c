/* Each address has a thread, since asking for a name cannot be given an end. What has not answered
 * in time is left to its thread, with memory of its own. */
#include "doctor/reach.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/clock.h"
#include "process/stop.h"

#define LOOK_MS 10

struct attempt {
	struct reach of;
	int wait_ms;
	atomic_int holders; /* its thread, and who asked */
	atomic_bool done;
};

void reach_parse(struct reach *reach, const char *text, size_t length)
{
	char copy[sizeof(reach->host)];
	char *host = copy, *colon, *scheme;

	*reach = (struct reach){ .port = "9092" };
	(void)snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
	scheme = strstr(copy, "://");
	if (scheme)
		host = scheme + 3;
	colon = strrchr(host, ':');
	if (colon && !strchr(colon, ']') && (*host == '[' || strchr(host, ':') == colon)) {
		(void)snprintf(reach->port, sizeof(reach->port), "%s", colon + 1);
		*colon = '\0';
	}
	if (*host == '[') {
		host++;
		host[strcspn(host, "]")] = '\0';
	}
	strcpy(reach->host, host);
}

static bool connect_to(const struct addrinfo *address, int wait_ms, struct reach *of)
{
	const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd on = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	if (fd < 0)
		return false;
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
		error = errno;
		if (error == EINPROGRESS && poll(&on, 1, wait_ms) <= 0)
			error = ETIMEDOUT;
		else if (error == EINPROGRESS)
			(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	}
	close(fd);
	of->reached = error == 0;
	if (!of->reached)
		(void)snprintf(of->why, sizeof(of->why), "%s", strerror(error));
	return of->reached;
}

static void let_go(struct attempt *a)
{
	if (atomic_fetch_sub(&a->holders, 1) == 1)
		free(a);
}

static void *try(void *context)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct attempt *const a = context;
	struct addrinfo *found = NULL;
	const int error = getaddrinfo(a->of.host, a->of.port, &hints, &found);

	if (error != 0)
		(void)snprintf(a->of.why, sizeof(a->of.why), "%s", gai_strerror(error));
	for (const struct addrinfo *each = found; error == 0 && each; each = each->ai_next) {
		if (connect_to(each, a->wait_ms, &a->of))
			break;
	}
	if (error == 0)
		freeaddrinfo(found);
	atomic_store(&a->done, true);
	let_go(a);
	return NULL;
}

static struct attempt *begin(const struct reach *of, int wait_ms)
{
	struct attempt *const a = calloc(1, sizeof(*a));
	struct fail fail = { 0 };
	pthread_t thread;

	if (!a)
		return NULL;
	a->of = *of;
	a->wait_ms = wait_ms;
	atomic_store(&a->holders, 2);
	if (!thread_start(&thread, "doctor-reach", try, a, &fail)) {
		free(a);
		return NULL;
	}
	(void)pthread_detach(thread);
	return a;
}

void reach_all(struct reach *reaches, size_t count, int wait_ms)
{
	const int64_t until = clock_mono_ms() + wait_ms;
	struct attempt *attempts[REACH_MAX] = { NULL };

	for (size_t i = 0; i < count; i++)
		attempts[i] = begin(&reaches[i], wait_ms);
	for (size_t i = 0; i < count; i++) {
		struct attempt *const a = attempts[i];

		while (a && !atomic_load(&a->done) && clock_mono_ms() < until)
			(void)poll(NULL, 0, LOOK_MS);
		if (a && atomic_load(&a->done))
			reaches[i] = a->of;
		else
			strcpy(reaches[i].why, "no answer in time");
		if (a)
			let_go(a);
	}
}
