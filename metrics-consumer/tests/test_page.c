/* The page asked from outside, by libcurl: what HTTP asks of a server, and what it tells of a
 * journal. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "metrics-consumer/page.h"
#include "metrics-consumer/page_files.h"
#include "metrics-consumer/tests/scratch.h"

#define LINE_1                                                                                     \
	"2025-07-08T19:15:32.481Z partition=1 offset=1 source=stock/1 id=1 delay_ms=3 "            \
	"{\"type\":\"stock_changed\",\"service\":\"stock\",\"timestamp\":\"2025-07-08T19:15:"      \
	"32Z\","                                                                                   \
	"\"payload\":{\"sku\":\"first\",\"price\":1.5,\"count\":7}}\n"
#define LINE_2                                                                                     \
	"2025-07-08T19:15:33.481Z partition=1 offset=2 source=stock/1 id=2 delay_ms=3 "            \
	"{\"type\":\"stock_changed\",\"service\":\"stock\",\"timestamp\":\"2025-07-08T19:15:"      \
	"33Z\","                                                                                   \
	"\"payload\":{\"sku\":\"second\",\"price\":1.5,\"count\":8}}\n"

static struct page page;
static struct counters counters;
static struct scratch scratch;
static struct journal journal;

struct answer {
	long status;
	size_t length;
	char head[4096], body[1024 * 1024];
};
static struct answer answer;

static int start(void **state)
{
	struct fail fail = { 0 };
	static const struct outbox_urls no_services;
	const struct page_options options = { "127.0.0.1", 0, &counters, "no-such-dead-letter",
		&no_services };

	(void)state;
	scratch_make(&scratch);
	counters_init(&counters);
	journal = (struct journal){ .file.fd = -1, .id = "0123456789abcdef", .number = 1 };
	return page_start(&page, &options, &fail) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	page_stop(&page);
	counters_fini(&counters);
	if (journal.file.fd >= 0)
		close(journal.file.fd);
	scratch_remove(&scratch);
	return 0;
}

static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
	(void)context;
	strncat(answer.head, bytes,
		size * count < sizeof(answer.head) - strlen(answer.head) - 1
			? size * count
			: sizeof(answer.head) - strlen(answer.head) - 1);
	return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	size_t length = size * count;

	(void)context;
	if (length > sizeof(answer.body) - 1 - answer.length)
		length = sizeof(answer.body) - 1 - answer.length;
	memcpy(answer.body + answer.length, bytes, length);
	answer.length += length;
	answer.body[answer.length] = '\0';
	return size * count;
}

/* A stream is left after @ms. */
static void ask_for(const char *method, const char *path, const char *header, long ms)
{
	CURL *const curl = curl_easy_init();
	struct curl_slist *const headers = header ? curl_slist_append(NULL, header) : NULL;
	char url[256];

	assert_non_null(curl);
	answer.status = 0;
	answer.length = 0;
	answer.head[0] = answer.body[0] = '\0';
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", page_port(&page), path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	(void)curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

static void ask(const char *method, const char *path, const char *header)
{
	ask_for(method, path, header, 10000);
}

static void assert_head(const char *wanted)
{
	if (!strstr(answer.head, wanted))
		fail_msg("no \"%s\" in\n%s", wanted, answer.head);
}

static void assert_body(const char *wanted)
{
	if (!strstr(answer.body, wanted))
		fail_msg("no \"%s\" in %.2000s", wanted, answer.body);
}

static void every_file_is_served_and_may_be_asked_for_again(void **state)
{
	char header[256];

	(void)state;
	for (size_t i = 0; i < page_file_count; i++) {
		const struct http_file *const file = &page_files[i];

		ask("GET", file->path, NULL);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.length, file->length);
		assert_memory_equal(answer.body, file->bytes, file->length);
		assert_head(file->etag);
		assert_head("Content-Security-Policy: default-src 'none'; script-src 'self';");
		(void)snprintf(header, sizeof(header), "If-None-Match: \"a,b\", W/%s", file->etag);
		ask("GET", file->path, header);
		assert_int_equal(answer.status, 304);
		assert_int_equal(answer.length, 0);
		assert_head(file->etag);
		ask("GET", file->path, "If-None-Match: \"other\"");
		assert_int_equal(answer.status, 200);
	}
	ask("GET", "/", "If-None-Match: *");
	assert_int_equal(answer.status, 304);
}

static void the_page_asks_no_other_host_and_has_no_script_inside(void **state)
{
	(void)state;
	ask("GET", "/", NULL);
	assert_null(strstr(answer.body, "//")); /* neither http:// nor //host */
	assert_null(strstr(answer.body, "<script>"));
	assert_null(strstr(answer.body, " style="));
	assert_null(strstr(answer.body, " onclick="));
}

static void head_options_and_ranges_are_answered_right(void **state)
{
	char length[64];

	(void)state;
	ask("HEAD", "/page.js", NULL);
	assert_int_equal(answer.status, 200);
	assert_head("ETag: ");
	ask("GET", "/page.js", "Range: bytes=0-5");
	assert_int_equal(answer.status, 200); /* the whole, which may be */
	(void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", answer.length);
	assert_head(length);
	assert_true(answer.length > 1000);
	ask("OPTIONS", "/feed", NULL);
	assert_int_equal(answer.status, 204);
	assert_head("Allow: GET, HEAD, OPTIONS\r\n");
	ask("POST", "/feed", NULL);
	assert_int_equal(answer.status, 405);
	ask("HEAD", "/feed", NULL);
	assert_int_equal(answer.status, 200);
	assert_head("Content-Type: text/event-stream\r\n");
}

static void unknown_and_repeated_query_parameters_are_named(void **state)
{
	static const char *const paths[] = { "/", "/page.js", "/feed", "/recent" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "%s?wrong=1&other", paths[i]);
		ask("GET", path, NULL);
		assert_int_equal(answer.status, 400);
		assert_head("application/problem+json");
		assert_body("\"field\":\"wrong\"");
	}
	ask("GET", "/recent?sku=a&sku=b", NULL);
	assert_int_equal(answer.status, 400);
	assert_body("sku: stands there twice");
	ask("GET", "/recent?type=nonsense", NULL);
	assert_int_equal(answer.status, 400);
	assert_body("\"field\":\"type\"");
	static const char *const limits[] = { "0", "201", "-1", "1x", "", "18446744073709551617" };
	for (size_t i = 0; i < 6; i++) {
		(void)snprintf(path, sizeof(path), "/recent?limit=%s", limits[i]);
		ask("GET", path, NULL);
		assert_int_equal(answer.status, 400);
		assert_body("\"field\":\"limit\"");
	}
	ask("GET", "/recent?type=stock_changed&cart=a&sku=b&limit=200", NULL);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"events\":[]}");
}

static void a_last_event_id_that_is_none_of_ours_is_refused(void **state)
{
	static const char *const wrong[] = { "17", "0123456789abcdef", "0123456789abcdef:1:2",
		"0123456789abcdef:1:2:3", "0123456789abcdef:1:2:3:4:5", "0123456789abcdeX:1:2:3:4",
		"0123456789abcdef:-1:2:3:4",
		"0123456789abcdef:1:2:3:", "0123456789abcdef:1:2:3:99999999999999999999" };
	char header[128];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		(void)snprintf(header, sizeof(header), "Last-Event-ID: %s", wrong[i]);
		ask("GET", "/feed", header);
		assert_int_equal(answer.status, 400);
		assert_body("\"field\":\"Last-Event-ID\"");
	}
	/* Of another journal, or one that this journal never was at: from the beginning. */
	ask_for("GET", "/feed", "Last-Event-ID: ffffffffffffffff:7:123:4:5", 1500);
	assert_int_equal(answer.status, 200);
	assert_body("event: all\ndata: {");
}

static void an_event_is_shown_when_it_is_on_the_disk_and_not_before(void **state)
{
	struct counts counts = { 0 };

	(void)state;
	journal.file.fd = open(scratch_path(&scratch, "metrics.log"),
		O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(journal.file.fd >= 0);
	assert_int_equal(write(journal.file.fd, LINE_1 LINE_2, sizeof(LINE_1 LINE_2) - 1),
		sizeof(LINE_1 LINE_2) - 1);
	journal.file.synced = sizeof(LINE_1) - 1;
	counts.ever.events[EVENT_STOCK_CHANGED][1] = 1;
	page_synced(&page, &journal, &counts);
	ask_for("GET", "/feed", NULL, 1500);
	assert_body("\"skus\":[[\"first\",7,");
	assert_body("\"events\":[[0,0],[0,0],[0,0],[0,0],[0,1],[0,0],[0,0]]");
	assert_null(strstr(answer.body, "\"second\""));
	journal.file.synced = sizeof(LINE_1 LINE_2) - 1;
	page_synced(&page, &journal, &counts);
	ask_for("GET", "/feed", NULL, 1500);
	assert_body("[\"second\",8,");
	ask("GET", "/recent?sku=second", NULL);
	assert_body("\"stock/1\",2,");
}

/* A path may hold any bytes, and what it says may be cut inside a character. */
static void trouble_in_other_bytes_than_utf_8_is_shown(void **state)
{
	(void)state;
	page_say(&page, PAGE_JOURNAL, NULL);
	page_say(&page, PAGE_JOURNAL,
		"write /b\xfc"
		"cher: No space left on device");
	ask("GET", "/readyz", NULL);
	assert_body("\"journal\":\"write /b?cher: No space left on device\"");
	ask_for("GET", "/feed", NULL, 1500);
	assert_body("\"journal\":\"write /b?cher: No space left on device\"");
	assert_body("\"text\":\"journal: write /b?cher: No space left on device\"");
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(every_file_is_served_and_may_be_asked_for_again),
		CLAIM(the_page_asks_no_other_host_and_has_no_script_inside),
		CLAIM(head_options_and_ranges_are_answered_right),
		CLAIM(unknown_and_repeated_query_parameters_are_named),
		CLAIM(a_last_event_id_that_is_none_of_ours_is_refused),
		CLAIM(trouble_in_other_bytes_than_utf_8_is_shown),
		CLAIM(an_event_is_shown_when_it_is_on_the_disk_and_not_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
