/* Viewers on sockets of this machine: bounded, resumed, dropped, and never waited for. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/viewers.h"
#include "process/clock.h"

#define MANY      1000
#define ANSWER_MS 10000

static struct viewers viewers;
static struct http_server *server;

static void on_wish(void *context)
{
	(void)context;
}

static void get_feed(struct http_request *request, void *context)
{
	(void)context;
	viewers_join(&viewers, request, http_header(request, "Last-Event-ID"));
}

static void get_live(struct http_request *request, void *context)
{
	(void)context;
	http_answer_text(request, 200, "text/plain", "ok\n");
}

static const struct http_route routes[] = {
	{ "GET", "/feed", get_feed, false },
	{ "GET", "/livez", get_live, false },
};

static int start(void **state)
{
	const struct http_options options = {
		.address = "127.0.0.1", .routes = routes, .route_count = 2
	};
	struct fail fail = { 0 };

	(void)state;
	viewers_init(&viewers, on_wish, NULL);
	return http_server_start(&server, &options, &fail) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	viewers_close(&viewers);
	http_server_stop(&server);
	assert_int_equal(viewers_count(&viewers), 0);
	viewers_fini(&viewers);
	return 0;
}

/* A connection that has asked for @path; with @room its receive buffer is small. */
static int ask(const char *path, const char *last_id, int room)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(http_server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[256];
	const int length = snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: here\r\n%s%s%s\r\n", path,
		last_id ? "Last-Event-ID: " : "", last_id ? last_id : "", last_id ? "\r\n" : "");

	assert_true(fd >= 0);
	if (room > 0)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, request, (size_t)length), length);
	return fd;
}

static char text[8 * 1024 * 1024]; /* what was heard last */

/* Reads until @wanted is among what was read since the last call, or the end. */
static bool hears(int fd, const char *wanted)
{
	size_t length = 0;
	struct pollfd on = { .fd = fd, .events = POLLIN };

	while (length < sizeof(text) - 1 && poll(&on, 1, ANSWER_MS) > 0) {
		const ssize_t got = read(fd, text + length, sizeof(text) - 1 - length);

		if (got <= 0)
			break;
		length += (size_t)got;
		text[length] = '\0';
		if (strstr(text, wanted))
			return true;
	}
	return false;
}

static bool is_at_end(int fd)
{
	struct pollfd on = { .fd = fd, .events = POLLIN };
	char rest[4096];
	ssize_t got = 1;

	while (got > 0 && poll(&on, 1, ANSWER_MS) > 0)
		got = read(fd, rest, sizeof(rest));
	return got == 0;
}

static void await_count(size_t count)
{
	for (int i = 0; i < 1000 && viewers_count(&viewers) != count; i++)
		usleep(10000);
	assert_int_equal(viewers_count(&viewers), count);
}

static void publish(const char *json, const char *place)
{
	assert_true(viewers_publish(&viewers, "tick", json, place));
}

/* The id of a message at @place, which message number @next follows. */
static const char *id_of(const char *place, uint64_t next)
{
	static char id[VIEWERS_ID_MAX];

	(void)snprintf(id, sizeof(id), "%s:%" PRIu64 ":%" PRIu64, place, viewers.run, next);
	return id;
}

static bool hears_id(int fd, const char *place, uint64_t next, const char *rest)
{
	char wanted[256];

	(void)snprintf(wanted, sizeof(wanted), "id: %s\n%s", id_of(place, next), rest);
	return hears(fd, wanted);
}

/* Until somebody waits for a snapshot. */
static void await_want(void)
{
	for (int i = 0; i < 1000 && !viewers_want_snapshot(&viewers); i++)
		usleep(10000);
	assert_true(viewers_want_snapshot(&viewers));
}

static void a_viewer_gets_a_snapshot_and_then_what_comes(void **state)
{
	const int fd = ask("/feed", NULL, 0);

	(void)state;
	await_count(1);
	await_want();
	assert_true(viewers_snapshot(&viewers, "{\"all\":1}", "j:1:10"));
	assert_false(viewers_want_snapshot(&viewers));
	assert_true(hears_id(fd, "j:1:10", 0, "event: all\ndata: {\"all\":1}\n\n"));
	publish("{\"n\":1}", "j:1:20");
	assert_true(hears_id(fd, "j:1:20", 1, "event: tick\ndata: {\"n\":1}\n\n"));
	close(fd);
}

static void the_next_viewer_gets_the_same_snapshot_and_the_messages_since(void **state)
{
	int fd;

	(void)state;
	assert_true(viewers_snapshot(&viewers, "{\"all\":1}", "j:1:10"));
	publish("{\"n\":1}", "j:1:20");
	fd = ask("/feed", NULL, 0);
	assert_true(hears(fd, "{\"n\":1}"));
	assert_false(viewers_want_snapshot(&viewers));
	close(fd);
}

static void a_viewer_that_comes_back_goes_on_behind_its_last_id(void **state)
{
	int fd;

	(void)state;
	publish("{\"n\":1}", "j:1:20");
	publish("{\"n\":2}", "j:1:20"); /* no line came meanwhile: a broker went, say */
	fd = ask("/feed", id_of("j:1:20", 1), 0);
	assert_true(hears(fd, "{\"n\":2}"));
	assert_null(strstr(text, "{\"n\":1}"));
	publish("{\"n\":3}", "j:1:40");
	assert_true(hears(fd, "{\"n\":3}"));
	assert_false(viewers_want_snapshot(&viewers));
	close(fd);
}

static void assert_begins_anew(const char *last_id)
{
	const int fd = ask("/feed", last_id, 0);

	await_want();
	assert_true(viewers_snapshot(&viewers, "{\"all\":1}", "j:1:20"));
	assert_true(hears(fd, "event: all\ndata: {\"all\":1}\n"));
	close(fd);
	pthread_mutex_lock(&viewers.lock);
	viewers.snapshots = 0; /* or the next one gets this one */
	pthread_mutex_unlock(&viewers.lock);
}

/* While nothing is journaled each message is at the same place, and may tell something. */
static void a_viewer_whose_message_the_ring_has_left_begins_anew(void **state)
{
	(void)state;
	publish("{\"n\":0}", "j:1:20");
	for (int i = 0; i < VIEWERS_MESSAGES; i++)
		publish("{\"n\":1}", "j:1:20");
	assert_begins_anew(id_of("j:1:20", 0)); /* it had none of them */
	assert_begins_anew(id_of("j:1:20", 1000));
	assert_begins_anew("j:1:20");
}

/* The process was started again: the same journal, and another history. */
static void a_viewer_of_another_process_begins_anew(void **state)
{
	(void)state;
	publish("{\"n\":1}", "j:1:20");
	publish("{\"n\":2}", "j:1:20");
	viewers.run++;
	const char *const id = id_of("j:1:20", 1);

	viewers.run--;
	assert_begins_anew(id);
}

/* 64 kB messages, more than the ring and both sockets hold. */
static char *large_json(void)
{
	char *const json = malloc(65537);

	assert_non_null(json);
	memset(json, 'x', 65536);
	json[65536] = '\0';
	return json;
}

static void a_viewer_that_does_not_read_is_dropped_and_told_and_nobody_waits(void **state)
{
	char *const json = large_json();
	const int slow = ask("/feed", NULL, 4096), quick = ask("/feed", NULL, 0);
	int64_t longest_ms = 0;

	(void)state;
	await_count(2);
	assert_true(viewers_snapshot(&viewers, "{}", "j:1:0"));
	for (int i = 0; i < 4 * VIEWERS_MESSAGES; i++) {
		const int64_t began = clock_mono_ms();
		char place[32];

		(void)snprintf(place, sizeof(place), "j:1:%d", i + 1);
		publish(json, place);
		if (clock_mono_ms() - began > longest_ms)
			longest_ms = clock_mono_ms() - began;
		assert_true(hears_id(quick, place, (uint64_t)i + 1, ""));
	}
	assert_true(longest_ms < 1000); /* a wait would be for ever */
	assert_true(viewers.bytes <= VIEWERS_BYTES);
	assert_true(viewers.next - viewers.first <= VIEWERS_MESSAGES);
	assert_true(hears(slow, "\nid:\nevent: dropped\ndata: {\"why\":"));
	assert_true(is_at_end(slow));
	assert_int_equal(viewers.dropped, 1);
	await_count(1);
	close(slow);
	close(quick);
	free(json);
}

static void a_viewer_in_an_old_snapshot_is_dropped(void **state)
{
	char *const json = large_json();
	char *large = malloc(64 * 65536 + 1);
	const int slow = ask("/feed", NULL, 4096);

	(void)state;
	assert_non_null(large);
	for (int i = 0; i < 64; i++)
		memcpy(large + (size_t)i * 65536, json, 65537);
	await_count(1);
	for (int i = 0; i <= VIEWERS_SNAPSHOTS; i++) {
		assert_true(viewers_snapshot(&viewers, large, "j:1:0"));
		usleep(200000); /* it is in the first one */
	}
	assert_true(hears(slow, "\nevent: dropped\n"));
	assert_true(is_at_end(slow));
	close(slow);
	free(large);
	free(json);
}

static bool raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	if (limit.rlim_cur >= 3 * MANY)
		return true;
	limit.rlim_cur = 3 * MANY;
	return limit.rlim_cur <= limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void of_a_thousand_viewers_as_many_as_fit_are_served_and_the_others_told(void **state)
{
	static int fds[MANY];
	int served = 0, refused = 0, live;
	int64_t began;

	(void)state;
	if (!raise_limit())
		skip();
	assert_true(viewers_snapshot(&viewers, "{\"all\":1}", "j:1:0"));
	for (int i = 0; i < VIEWERS_MAX; i++)
		fds[i] = ask("/feed", NULL, 0);
	await_count(VIEWERS_MAX);
	for (int i = VIEWERS_MAX; i < MANY; i++) {
		fds[i] = ask("/feed", NULL, 0);
		refused += hears(fds[i], "HTTP/1.1 503 ");
		close(fds[i]);
	}
	began = clock_mono_ms();
	publish("{\"n\":1}", "j:1:1");
	assert_true(clock_mono_ms() - began < 2000);
	for (int i = 0; i < VIEWERS_MAX; i++)
		served += hears(fds[i], "{\"n\":1}");
	live = ask("/livez", NULL, 0);
	assert_true(hears(live, "ok\n"));
	assert_int_equal(served, VIEWERS_MAX);
	assert_int_equal(refused, MANY - VIEWERS_MAX);
	close(live);
	for (int i = 0; i < VIEWERS_MAX; i++)
		close(fds[i]);
	publish("{\"n\":2}", "j:1:2"); /* who is gone is noticed then */
	publish("{\"n\":3}", "j:1:3");
	await_count(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_viewer_gets_a_snapshot_and_then_what_comes, start, stop),
		cmocka_unit_test_setup_teardown(
			the_next_viewer_gets_the_same_snapshot_and_the_messages_since, start, stop),
		cmocka_unit_test_setup_teardown(
			a_viewer_that_comes_back_goes_on_behind_its_last_id, start, stop),
		cmocka_unit_test_setup_teardown(
			a_viewer_whose_message_the_ring_has_left_begins_anew, start, stop),
		cmocka_unit_test_setup_teardown(
			a_viewer_of_another_process_begins_anew, start, stop),
		cmocka_unit_test_setup_teardown(
			a_viewer_that_does_not_read_is_dropped_and_told_and_nobody_waits, start,
			stop),
		cmocka_unit_test_setup_teardown(
			a_viewer_in_an_old_snapshot_is_dropped, start, stop),
		cmocka_unit_test_setup_teardown(
			of_a_thousand_viewers_as_many_as_fit_are_served_and_the_others_told, start,
			stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
