/* Bodies that come while they are made, asked for by libcurl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "http/stream.h"

#define PIECES  3
#define LONG_MS 5000L

struct telling {
	struct http_stream stream;
	int asked, told;
};

static struct http_server *server;
static int closed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t tell(void *context, char *out, size_t room)
{
	struct telling *const t = context;

	t->asked++;
	if (t->told == PIECES)
		return HTTP_STREAM_END;
	if (t->asked % 2 == 1) { /* there is nothing, but before we are asleep there is */
		http_stream_wake(&t->stream);
		return 0;
	}
	assert_true(room >= 6);
	memcpy(out, "piece ", 6);
	t->told++;
	return 6;
}

static void finish(void *context)
{
	struct telling *const t = context;

	http_stream_fini(&t->stream);
	free(t);
	pthread_mutex_lock(&lock);
	closed++;
	pthread_mutex_unlock(&lock);
}

/* Streams that were closed since the last question. */
static int closed_since(void)
{
	int count;

	pthread_mutex_lock(&lock);
	count = closed;
	closed = 0;
	pthread_mutex_unlock(&lock);
	return count;
}

static void get_pieces(struct http_request *request, void *context)
{
	struct telling *const t = calloc(1, sizeof(*t));

	(void)context;
	assert_non_null(t);
	http_stream_init(&t->stream);
	http_answer_stream(request, &t->stream, "text/plain", tell, finish, t);
}

static const struct http_route routes[] = { { "GET", "/pieces", get_pieces, false } };

static int start(void **state)
{
	const struct http_options options = {
		.address = "127.0.0.1", .routes = routes, .route_count = 1
	};
	struct fail fail = { 0 };

	(void)state;
	return http_server_start(&server, &options, &fail) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	http_server_stop(&server);
	return 0;
}

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
	strncat(context, bytes, size * count);
	return size * count;
}

/* Whether the whole answer came in time. */
static bool ask(const char *method, long version, char body[static 64])
{
	CURL *const curl = curl_easy_init();
	char url[64];
	CURLcode code;

	assert_non_null(curl);
	*body = '\0';
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/pieces", http_server_port(server));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, LONG_MS);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, version);
	curl_easy_setopt(curl, CURLOPT_NOBODY, (long)(strcmp(method, "HEAD") == 0));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return code == CURLE_OK;
}

static void a_stream_that_is_woken_while_it_falls_asleep_does_not_sleep(void **state)
{
	char body[64];

	(void)state;
	assert_true(ask("GET", CURL_HTTP_VERSION_1_1, body));
	assert_string_equal(body, "piece piece piece ");
}

static void an_old_client_gets_it_too_and_head_gets_none(void **state)
{
	char body[64];

	(void)state;
	assert_true(ask("GET", CURL_HTTP_VERSION_1_0, body));
	assert_string_equal(body, "piece piece piece ");
	assert_true(ask("HEAD", CURL_HTTP_VERSION_1_1, body));
	assert_string_equal(body, "");
}

static void every_stream_is_closed_once(void **state)
{
	char body[64];

	stop(state); /* and with it the streams of other tests */
	assert_int_equal(start(state), 0);
	(void)closed_since();
	for (int i = 0; i < 5; i++)
		(void)ask(i % 2 == 0 ? "GET" : "HEAD", CURL_HTTP_VERSION_1_1, body);
	stop(state);
	assert_int_equal(closed_since(), 5);
	assert_int_equal(start(state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_that_is_woken_while_it_falls_asleep_does_not_sleep),
		cmocka_unit_test(an_old_client_gets_it_too_and_head_gets_none),
		cmocka_unit_test(every_stream_is_closed_once),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
