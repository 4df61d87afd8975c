/* The server asked from outside, by libcurl. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "http/fields.h"
#include "http/health.h"
#include "http/server.h"

struct fixture {
	struct http_server *server;
	uint16_t port;
	CURL *curl;
	bool kafka_there;
};
struct answer {
	long status;
	char head[2048], body[2048];
};

struct wish {
	char sku[8];
	int64_t count, price, more;
	bool has_more;
};
static bool short_lower(const char *text, size_t length)
{
	return length >= 1 && length <= 7 && strspn(text, "abcdefghijklmnopqrstuvwxyz") == length;
}
static const struct field_names names = { short_lower, 8, "1 to 7 lower case letters" };
static const struct field table[] = {
	{ "sku", FIELD_NAME, offsetof(struct wish, sku), 0, 0, 0 },
	{ "count", FIELD_WHOLE, offsetof(struct wish, count), 1, 1000000000, 0 },
	{ "price", FIELD_CENTS, offsetof(struct wish, price), 0, 999999999999, 0 },
	{ "more", FIELD_WHOLE, offsetof(struct wish, more), 0, 9, offsetof(struct wish, has_more) },
};

static void *answer_from_elsewhere(void *context)
{
	http_answer_text(context, 201, "text/plain", "later");
	return NULL;
}

static void handle_later(struct http_request *request, void *context)
{
	pthread_t thread;

	(void)context;
	assert_int_equal(pthread_create(&thread, NULL, answer_from_elsewhere, request), 0);
	pthread_detach(thread);
}

static void handle_put(struct http_request *request, void *context)
{
	struct wish wish;

	(void)context;
	if (!fields_path_name(request, "id", http_part(request, 0), &names))
		return;
	if (fields_read(request, table, 4, &names, &wish))
		http_answer_json(request, 200,
			json_pack("{s:s, s:s, s:I, s:I, s:I}", "id", http_part(request, 0), "sku",
				wish.sku, "count", (json_int_t)wish.count, "price",
				(json_int_t)wish.price, "more",
				(json_int_t)(wish.has_more ? wish.more : -1)));
}

static void handle_page(struct http_request *request, void *context)
{
	const char *const after = http_query(request, "after");

	(void)context;
	http_answer_text(request, 200, "text/plain", after ? after : "from the start");
}

static bool kafka_holds(void *context, char why[HEALTH_TEXT_MAX])
{
	strcpy(why, ((struct fixture *)context)->kafka_there ? "" : "no broker answers");
	return ((struct fixture *)context)->kafka_there;
}

static void handle_ready(struct http_request *request, void *context)
{
	static const struct health_check checks[] = { { "kafka", kafka_holds } };

	health_answer_ready(request, checks, 1, context);
}

static const struct http_route routes[] = {
	{ "PUT", "/things/{id}/wish", handle_put, false },
	{ "POST", "/later", handle_later, true },
	{ "GET", "/readyz", handle_ready, false },
	{ "GET", "/things{?after,limit}", handle_page, false },
	{ "POST", "/things/{id}{?now}", handle_later, true },
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static int setup(void **state)
{
	static struct fixture f;
	const struct http_options options = {
		.address = "127.0.0.1", .routes = routes, .route_count = ROUTES, .context = &f
	};
	struct fail fail = { 0 };

	if (!http_server_start(&f.server, &options, &fail)) {
		fprintf(stderr, "%s\n", fail.text);
		return -1;
	}
	f.port = http_server_port(f.server);
	f.curl = curl_easy_init();
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	curl_easy_cleanup(f->curl);
	http_server_quiesce(f->server);
	http_server_stop(&f->server);
	return 0;
}

static size_t keep(char *data, size_t size, size_t count, void *out)
{
	strncat(out, data, size * count < 1024 ? size * count : 1024);
	return size * count;
}

static struct answer ask(
	struct fixture *f, const char *method, const char *path, const char *body, size_t length)
{
	struct answer answer = { 0 };
	char url[512];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", f->port, path);
	curl_easy_reset(f->curl);
	curl_easy_setopt(f->curl, CURLOPT_URL, url);
	curl_easy_setopt(f->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(f->curl, CURLOPT_TIMEOUT_MS, 10000L);
	curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, answer.body);
	curl_easy_setopt(f->curl, CURLOPT_HEADERFUNCTION, keep);
	curl_easy_setopt(f->curl, CURLOPT_HEADERDATA, answer.head);
	if (body) {
		curl_easy_setopt(f->curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(f->curl, CURLOPT_POSTFIELDSIZE, (long)length);
	}
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(f->curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(f->curl, CURLOPT_CUSTOMREQUEST, method);
	assert_int_equal(curl_easy_perform(f->curl), CURLE_OK);
	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &answer.status);
	return answer;
}

static struct answer put(void **state, const char *body)
{
	return ask(*state, "PUT", "/things/abc/wish", body, strlen(body));
}

static void a_sound_body_is_read(void **state)
{
	const struct answer a = put(state, "{\"sku\":\"ab\",\"count\":2,\"price\":12.5}");

	assert_int_equal(a.status, 200);
	assert_string_equal(
		a.body, "{\"id\":\"abc\",\"sku\":\"ab\",\"count\":2,\"price\":1250,\"more\":-1}");
}

static void a_field_that_may_be_left_out_is_read_where_it_is_there(void **state)
{
	struct answer a = put(state, "{\"sku\":\"ab\",\"count\":2,\"price\":1,\"more\":0}");

	assert_non_null(strstr(a.body, "\"more\":0}"));
	a = put(state, "{\"sku\":\"ab\",\"count\":2,\"price\":1,\"more\":null}");
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.body, "\"field\":\"more\""));
}

static void a_wrong_body_is_refused_by_field(void **state)
{
	static const struct {
		const char *body, *field;
	} cases[] = {
		{ "{\"sku\":\"ab\",\"count\":2}", "price" },
		{ "{\"sku\":\"ab\",\"count\":2,\"price\":1,\"colour\":1}", "colour" },
		{ "{\"sku\":\"ab\",\"sku\":\"ab\",\"count\":2,\"price\":1}", "sku" },
		{ "{\"sku\":7,\"count\":2,\"price\":1}", "sku" },
		{ "{\"sku\":\"AB\",\"count\":2,\"price\":1}", "sku" },
		{ "{\"sku\":\"ab\\u0000\",\"count\":2,\"price\":1}", "sku" },
		{ "{\"sku\":\"ab\",\"count\":0,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":-1,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":1000000001,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":99999999999999999999,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":-99999999999999999999,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":1,\"price\":1e999}", "price" },
		{ "{\"sku\":\"ab\",\"count\":1,\"price\":12.500000000000000001}", "price" },
		{ "{\"sku\":\"ab\",\"count\":1.0,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":\"1\",\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":null,\"price\":1}", "count" },
		{ "{\"sku\":\"ab\",\"count\":1,\"price\":12.505}", "price" },
		{ "{\"sku\":\"ab\",\"count\":1,\"price\":-0.01}", "price" },
		{ "{\"sku\":\"ab\",\"count\":1,\"price\":10000000000}", "price" },
		{ "{\"sku\":\"ab\",\"count\":1,\"price\":true}", "price" },
		{ "{\"sku\":\"\xff\",\"count\":1,\"price\":1}", NULL },
		{ "{\"sku\":", NULL },
		{ "", NULL },
		{ "[]", NULL },
		{ "{} {}", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct answer a = put(state, cases[i].body);
		char wanted[64];

		assert_int_equal(a.status, 400);
		assert_non_null(strstr(a.head, "application/problem+json"));
		assert_non_null(strstr(a.body, "\"status\":400"));
		if (!cases[i].field)
			continue;
		(void)snprintf(wanted, sizeof(wanted), "\"field\":\"%s\"", cases[i].field);
		if (!strstr(a.body, wanted))
			fail_msg("%s: %s", cases[i].body, a.body);
	}
}

static void a_large_body_is_refused(void **state)
{
	static const char sound[] = "{\"sku\":\"ab\",\"count\":2,\"price\":12.5}";
	char *const body = malloc(HTTP_BODY_MAX + 1);

	assert_non_null(body);
	memset(body, ' ', HTTP_BODY_MAX + 1);
	memcpy(body, sound, sizeof(sound) - 1);
	assert_int_equal(ask(*state, "PUT", "/things/abc/wish", body, HTTP_BODY_MAX).status, 200);
	assert_int_equal(
		ask(*state, "PUT", "/things/abc/wish", body, HTTP_BODY_MAX + 1).status, 413);
	free(body);
}

static void unknown_paths_and_methods_are_named(void **state)
{
	struct answer a;

	assert_int_equal(ask(*state, "GET", "/nothing", NULL, 0).status, 404);
	assert_int_equal(ask(*state, "PUT", "/things/abc/wish/", NULL, 0).status, 404);
	assert_int_equal(ask(*state, "PUT", "/things//wish", NULL, 0).status, 404);
	a = ask(*state, "DELETE", "/things/abc/wish", NULL, 0);
	assert_int_equal(a.status, 405);
	assert_non_null(strstr(a.head, "Allow: PUT, OPTIONS"));
	a = ask(*state, "POST", "/readyz", "", 0);
	assert_int_equal(a.status, 405);
	assert_non_null(strstr(a.head, "Allow: GET, HEAD"));
}

static void query_parameters_are_those_that_the_route_names(void **state)
{
	static const struct {
		const char *method, *path, *at_fault; /* NULL: none */
	} cases[] = {
		{ "GET", "/things", NULL },
		{ "GET", "/things?", NULL },
		{ "GET", "/things?after=a&limit=2", NULL },
		{ "GET", "/things?limit=2", NULL },
		{ "GET", "/things?afte=a", "afte" },
		{ "GET", "/things?after=a&limits=2", "limits" },
		{ "GET", "/things?after,limit=2", "after,limit" },
		{ "GET", "/things?limit=2&limit=3", "limit" },
		{ "GET", "/things?limit}=2", "limit}" },
		{ "GET", "/things?Limit=2", "Limit" },
		{ "GET", "/things?x", "x" },
		{ "GET", "/things?=5", "" },
		{ "GET", "/readyz?verbose=1", "verbose" },
		{ "POST", "/later?now=1", "now" },
		{ "POST", "/things/a?now=1", NULL },
		{ "POST", "/things/a?later=1", "later" },
		{ "PUT", "/things/a/wish?dry=1", "dry" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct answer a = ask(*state, cases[i].method, cases[i].path, NULL, 0);
		char wanted[64];

		(void)snprintf(wanted, sizeof(wanted), "\"field\":\"%s\"",
			cases[i].at_fault ? cases[i].at_fault : "");
		if ((a.status == 400) != (cases[i].at_fault != NULL) ||
			(cases[i].at_fault && !strstr(a.body, wanted)))
			fail_msg("%s %s: %ld %s", cases[i].method, cases[i].path, a.status, a.body);
	}
}

static void options_says_which_methods_there_are(void **state)
{
	struct answer a = ask(*state, "OPTIONS", "/things/abc/wish", NULL, 0);

	assert_int_equal(a.status, 204);
	assert_non_null(strstr(a.head, "Allow: PUT, OPTIONS\r\n"));
	assert_string_equal(a.body, "");
	a = ask(*state, "OPTIONS", "/things", "body", 4);
	assert_int_equal(a.status, 204);
	assert_non_null(strstr(a.head, "Allow: GET, HEAD, OPTIONS\r\n"));
	assert_int_equal(ask(*state, "OPTIONS", "/nothing", NULL, 0).status, 404);
}

static void a_nul_in_a_path_does_not_end_it(void **state)
{
	static const char body[] = "{\"sku\":\"ab\",\"count\":2,\"price\":1}";

	assert_int_equal(
		ask(*state, "PUT", "/things/abc%00d/wish", body, sizeof(body) - 1).status, 400);
}

static void an_answer_may_come_later_from_another_thread(void **state)
{
	for (int i = 0; i < 200; i++) {
		const struct answer a = ask(*state, "POST", "/later", "", 0);

		assert_int_equal(a.status, 201);
		assert_string_equal(a.body, "later");
	}
}

static void readiness_says_what_is_missing(void **state)
{
	struct fixture *const f = *state;
	struct answer a;

	f->kafka_there = false;
	a = ask(f, "GET", "/readyz", NULL, 0);
	assert_int_equal(a.status, 503);
	assert_string_equal(
		a.body, "{\"ready\":false,\"checks\":{\"kafka\":\"no broker answers\"}}");
	assert_int_equal(health_ask("127.0.0.1", f->port), 1);
	f->kafka_there = true;
	assert_int_equal(ask(f, "GET", "/readyz", NULL, 0).status, 200);
	assert_int_equal(ask(f, "HEAD", "/readyz", NULL, 0).status, 200);
	assert_int_equal(health_ask("0.0.0.0", f->port), 0);
}

static void a_port_that_is_taken_is_named(void **state)
{
	const struct fixture *const f = *state;
	const struct http_options options = {
		.address = "127.0.0.1", .port = f->port, .routes = routes, .route_count = ROUTES
	};
	struct http_server *second;
	struct fail fail = { 0 };

	assert_false(http_server_start(&second, &options, &fail));
	assert_int_equal(fail.kind, FAIL_OWNED);
	assert_non_null(strstr(fail.text, "listen on 127.0.0.1 port"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_body_is_read),
		cmocka_unit_test(a_wrong_body_is_refused_by_field),
		cmocka_unit_test(a_field_that_may_be_left_out_is_read_where_it_is_there),
		cmocka_unit_test(query_parameters_are_those_that_the_route_names),
		cmocka_unit_test(options_says_which_methods_there_are),
		cmocka_unit_test(a_large_body_is_refused),
		cmocka_unit_test(unknown_paths_and_methods_are_named),
		cmocka_unit_test(a_nul_in_a_path_does_not_end_it),
		cmocka_unit_test(an_answer_may_come_later_from_another_thread),
		cmocka_unit_test(readiness_says_what_is_missing),
		cmocka_unit_test(a_port_that_is_taken_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
