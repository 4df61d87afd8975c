/* What the page knows of outboxes: by answers as they could be, and by services on sockets of this
 * machine, of which one says nothing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "http/server.h"
#include "metrics-consumer/outboxes.h"
#include "process/clock.h"

#define URL      "http://shop:***@stock:8081"
#define START_MS 1000000

static struct timeline timeline;
static uint64_t change; /* of it, told */
static struct outbox_view view;
static int64_t now_ms;

static int start(void **state)
{
	(void)state;
	timeline_init(&timeline);
	change = 0;
	view = (struct outbox_view){ .reached = -1, .journaled = -1 };
	now_ms = START_MS;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	timeline_fini(&timeline);
	return 0;
}

/* A second later the service says that. */
static void hear_of(const char *source, int64_t last, int64_t published)
{
	struct outbox_answer answer = { .good = true,
		.status = { .last = last, .published = published, .waiting = last - published } };

	now_ms += 1000;
	(void)snprintf(answer.status.source, sizeof(answer.status.source), "%s", source);
	outbox_take(&view, "http://shop:secret@stock:8081", &answer, now_ms, &timeline);
}

static void hear(int64_t last, int64_t published)
{
	hear_of("stock/1", last, published);
}

static void hear_nothing(void)
{
	struct outbox_answer answer = { .good = false };

	now_ms += 1000;
	fail_set(&answer.why, FAIL_RETRY, "no answer");
	outbox_take(&view, "http://shop:secret@stock:8081", &answer, now_ms, &timeline);
}

/* What happened since the last call: the kind of each, what it is about, its text. */
static void assert_happened(const char *wanted)
{
	char told[1024] = "";
	json_t *list;

	list = timeline_json(&timeline, &change);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *kind, *about = "", *text = "";
		json_int_t ms = 0;
		const size_t length = strlen(told);

		assert_int_equal(
			json_unpack(json_array_get(list, i), "{s:s, s?s, s?s, s?I}", "kind", &kind,
				"about", &about, "text", &text, "pause_ms", &ms),
			0);
		(void)snprintf(told + length, sizeof(told) - length, "%s%s %s %s %lld",
			length > 0 ? "; " : "", kind, about, text, (long long)ms);
	}
	json_decref(list);
	assert_string_equal(told, wanted);
}

static void what_comes_and_goes_is_no_news(void **state)
{
	(void)state;
	assert_int_equal(outbox_state(&view), OUTBOX_UNHEARD);
	hear(10, 10);
	assert_int_equal(outbox_state(&view), OUTBOX_EMPTY);
	for (int64_t n = 1; n < 60; n++) { /* the last second's events are never in Kafka yet */
		hear(10 + n * 40, 10 + n * 40 - 39);
		assert_int_equal(outbox_state(&view), OUTBOX_BUSY);
	}
	now_ms += 60000; /* nobody watches */
	hear(9000, 8999);
	assert_int_equal(outbox_state(&view), OUTBOX_BUSY);
	assert_happened("");
}

static void an_outbox_that_stands_still_is_news_once_and_that_it_is_drained(void **state)
{
	(void)state;
	hear(10, 10);
	hear(15, 12);
	for (int64_t n = 0; n < 20; n++) {
		hear(16 + n, 12);
		assert_int_equal(outbox_state(&view), n < 2 ? OUTBOX_BUSY : OUTBOX_STILL);
	}
	assert_happened("outbox stock/1 still 3000");
	hear(40, 30); /* it goes on; what waits for longest came a few seconds ago */
	assert_int_equal(outbox_state(&view), OUTBOX_DRAINS);
	assert_happened("");
	hear(41, 41);
	assert_int_equal(outbox_state(&view), OUTBOX_EMPTY);
	assert_happened("drained stock/1  22000");
}

static void one_that_publishes_less_than_comes_grows(void **state)
{
	(void)state;
	hear(100, 100);
	for (int64_t n = 1; n < 12; n++)
		hear(100 + 100 * n, 100 + 10 * n);
	assert_int_equal(outbox_state(&view), OUTBOX_GROWS);
	assert_happened("outbox stock/1 grows 3000");
	for (int64_t n = 1; n < 6; n++) /* nothing more comes */
		hear(1200, 220 + 50 * n);
	assert_int_equal(outbox_state(&view), OUTBOX_DRAINS);
	assert_happened("");
}

static void one_question_without_an_answer_is_nothing_two_are_silence(void **state)
{
	(void)state;
	hear(10, 8);
	hear_nothing();
	assert_int_equal(outbox_state(&view), OUTBOX_SILENT);
	hear(10, 10);
	assert_happened("");
	hear_nothing();
	hear_nothing();
	hear_nothing();
	assert_happened("silent stock/1 no answer 0");
	assert_int_equal(view.status.last, 10); /* what it said last */
	hear(12, 12);
	assert_happened("heard stock/1  3000");
	assert_int_equal(outbox_state(&view), OUTBOX_EMPTY);
}

static void who_never_answered_has_more_time_and_is_named_without_its_password(void **state)
{
	(void)state;
	for (int n = 0; n < 10; n++)
		hear_nothing();
	assert_happened("");
	hear_nothing();
	assert_happened("silent " URL " no answer 0");
	hear(1, 1);
	assert_happened("heard " URL "  0");
}

static void of_another_store_nothing_is_known(void **state)
{
	(void)state;
	for (int n = 0; n < 6; n++)
		hear(100, 50);
	assert_int_equal(outbox_state(&view), OUTBOX_STILL);
	view.reached = view.journaled = 50;
	hear_of("stock/2", 150, 60);
	assert_int_equal(outbox_state(&view), OUTBOX_BUSY);
	assert_int_equal(view.journaled, -1);
	assert_int_equal(view.reached, -1);
	hear_of("stock/2", 150, 150);
	assert_happened("outbox stock/1 still 3000");
}

static void a_list_is_read_to_its_last_url(void **state)
{
	static struct outbox_urls urls;
	char wrong[SETTING_TEXT_MAX];

	(void)state;
	assert_true(outbox_urls_read(&urls, "", wrong));
	assert_int_equal(urls.count, 0);
	assert_true(outbox_urls_read(
		&urls, "http://cart:8080,https://a:b@stock/deep/,http://[::1]:1", wrong));
	assert_int_equal(urls.count, 3);
	assert_string_equal(urls.text + urls.at[1], "https://a:b@stock/deep/");
	assert_string_equal(urls.text + urls.at[2], "http://[::1]:1");
}

static void what_is_no_url_is_named(void **state)
{
	static const char *const lists[][2] = { { "cart:8080", "cart:8080" },
		{ "http://a,ftp://b", "ftp://b" }, { "http://a,", "" }, { ",http://a", "" },
		{ "http://a, http://b", " http://b" }, { "http://", "http://" },
		{ "http:///a", "http:///a" }, { "http://a:99999", "http://a:99999" },
		{ "http://a:b", "http://a:b" }, { "http://a/?b", "http://a/?b" },
		{ "http://a/#b", "http://a/#b" }, { "http://\xc3\xa4", "http://\xc3\xa4" },
		{ "http://1,http://2,http://3,http://4,http://5,http://6,http://7,http://8,"
		  "http://9,http://a,http://b,http://c,http://d,http://e,http://f,http://g,"
		  "http://h,http://i",
			"http://h" } };
	static struct outbox_urls urls;
	char wrong[SETTING_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		assert_false(outbox_urls_read(&urls, lists[i][0], wrong));
		assert_string_equal(wrong, lists[i][1]);
	}
}

/* A service, or what answers in its place. */
static atomic_llong last, published, questions;

static void get_outbox(struct http_request *request, void *context)
{
	(void)context;
	atomic_fetch_add(&questions, 1);
	http_answer_json(request, 200,
		json_pack("{s:s, s:I, s:I, s:I}", "source", "stock/1", "last",
			(json_int_t)atomic_load(&last), "published",
			(json_int_t)atomic_load(&published), "waiting",
			(json_int_t)(atomic_load(&last) - atomic_load(&published))));
}

static void get_nonsense(struct http_request *request, void *context)
{
	(void)context;
	http_answer_json(request, 200, json_pack("{s:s, s:i}", "source", "cart/1", "last", -1));
}

static const struct http_route routes[] = {
	{ "GET", "/outbox", get_outbox, false },
	{ "GET", "/odd/outbox", get_nonsense, false },
};

static struct http_server *server;
static struct outboxes outboxes;
static int mute; /* takes connections, and no more */

static uint16_t open_mute(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(mute >= 0);
	assert_int_equal(bind(mute, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(mute, 16), 0);
	assert_int_equal(getsockname(mute, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

static void start_server(int64_t port)
{
	const struct http_options options = {
		.address = "127.0.0.1", .port = port, .routes = routes, .route_count = 2
	};
	struct fail fail = { 0 };

	assert_true(http_server_start(&server, &options, &fail));
}

/* A service, one that says nothing, one that says nonsense, one that is not there. */
static int start_services(void **state)
{
	static struct outbox_urls urls;
	struct fail fail = { 0 };
	char list[256], wrong[SETTING_TEXT_MAX];
	unsigned port;

	start(state);
	atomic_store(&last, 7);
	atomic_store(&published, 7);
	atomic_store(&questions, 0);
	start_server(0);
	port = http_server_port(server);
	(void)snprintf(list, sizeof(list),
		"http://127.0.0.1:%u/,http://127.0.0.1:%u,http://127.0.0.1:%u/odd,http://"
		"a:b@127.0.0.1:%u/none",
		port, open_mute(), port, port);
	assert_true(outbox_urls_read(&urls, list, wrong));
	outboxes_init(&outboxes, &urls, &timeline);
	assert_true(outboxes_start(&outboxes, &fail));
	return 0;
}

static int stop_services(void **state)
{
	outboxes_stop(&outboxes);
	outboxes_fini(&outboxes);
	http_server_stop(&server);
	close(mute);
	return stop(state);
}

/* The member of what is told of a service, as text. */
static void tell(size_t index, const char *member, char out[256])
{
	json_t *const list = outboxes_json(&outboxes);
	const json_t *const value = json_object_get(json_array_get(list, index), member);
	const char *const text = json_string_value(value);

	if (text)
		(void)snprintf(out, 256, "%s", text);
	else
		(void)snprintf(out, 256, "%lld", (long long)json_integer_value(value));
	json_decref(list);
}

static void await_told(size_t index, const char *member, const char *wanted)
{
	char told[256] = "";

	for (int i = 0; i < 600; i++) {
		tell(index, member, told);
		if (strcmp(told, wanted) == 0)
			return;
		usleep(20000);
	}
	assert_string_equal(told, wanted);
}

static void a_service_is_asked_each_second_while_somebody_watches(void **state)
{
	const int64_t began = clock_mono_ms();
	long long before;

	(void)state;
	await_told(0, "last", "7");
	assert_true(clock_mono_ms() - began < 5000); /* the mute one holds nobody up */
	await_told(0, "state", "empty");
	usleep(1500000);
	before = atomic_load(&questions);
	usleep(2500000);
	assert_int_equal(atomic_load(&questions), before); /* nobody watches */
	outboxes_watch(&outboxes, true);
	atomic_store(&last, 12);
	await_told(0, "waiting", "5");
	await_told(0, "state", "still");
	await_told(0, "published", "7");
	atomic_store(&published, 12);
	await_told(0, "state", "empty");
	assert_true(atomic_load(&questions) >= before + 4);
}

static void each_one_that_gives_no_answer_has_its_reason(void **state)
{
	(void)state;
	await_told(1, "state", "silent");
	await_told(1, "why", curl_easy_strerror(CURLE_OPERATION_TIMEDOUT));
	await_told(2, "why", "its answer is not that of an outbox");
	await_told(3, "why", "it answers with status 404");
	await_told(1, "source", "");
	await_told(0, "why", "");
}

static void a_service_that_is_gone_is_heard_again_when_it_is_back(void **state)
{
	const int64_t port = http_server_port(server);

	(void)state;
	outboxes_watch(&outboxes, true);
	await_told(0, "state", "empty");
	http_server_stop(&server);
	await_told(0, "state", "silent");
	await_told(0, "why", curl_easy_strerror(CURLE_COULDNT_CONNECT));
	await_told(0, "last", "7");
	atomic_store(&last, 9);
	atomic_store(&published, 9);
	start_server(port);
	await_told(0, "last", "9");
	await_told(0, "state", "empty");
}

static void a_stop_does_not_wait_for_an_answer(void **state)
{
	int64_t began;

	(void)state;
	outboxes_watch(&outboxes, true);
	await_told(1, "state", "silent");
	usleep(1200000); /* now it waits again */
	began = clock_mono_ms();
	outboxes_stop(&outboxes);
	assert_true(clock_mono_ms() - began < 700);
}

static void the_journal_is_told_as_it_was_before_the_question(void **state)
{
	struct sources *sources = sources_new(SOURCES_MISSING_MAX);
	struct source *source;
	char told[256] = "";

	(void)state;
	assert_non_null(sources);
	source = sources_find(sources, "stock/1", 7);
	assert_non_null(source);
	assert_int_equal(sources_take(sources, source, 6), SOURCE_NEW);
	await_told(0, "source", "stock/1");
	tell(0, "journaled", told);
	assert_string_equal(told, "-1");
	outboxes_watch(&outboxes, true);
	for (int i = 0; i < 600 && strcmp(told, "6") != 0; i++) {
		outboxes_journaled(&outboxes, sources); /* it may pass us over */
		usleep(20000);
		tell(0, "journaled", told);
	}
	assert_string_equal(told, "6");
	await_told(1, "journaled", "-1");
	sources_free(&sources);
}

#define CLAIM(claim)          cmocka_unit_test_setup_teardown(claim, start, stop)
#define SERVICES_CLAIM(claim) cmocka_unit_test_setup_teardown(claim, start_services, stop_services)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(what_comes_and_goes_is_no_news),
		CLAIM(an_outbox_that_stands_still_is_news_once_and_that_it_is_drained),
		CLAIM(one_that_publishes_less_than_comes_grows),
		CLAIM(one_question_without_an_answer_is_nothing_two_are_silence),
		CLAIM(who_never_answered_has_more_time_and_is_named_without_its_password),
		CLAIM(of_another_store_nothing_is_known),
		CLAIM(a_list_is_read_to_its_last_url),
		CLAIM(what_is_no_url_is_named),
		SERVICES_CLAIM(a_service_is_asked_each_second_while_somebody_watches),
		SERVICES_CLAIM(each_one_that_gives_no_answer_has_its_reason),
		SERVICES_CLAIM(a_service_that_is_gone_is_heard_again_when_it_is_back),
		SERVICES_CLAIM(a_stop_does_not_wait_for_an_answer),
		SERVICES_CLAIM(the_journal_is_told_as_it_was_before_the_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
