#include "metrics-consumer/outbox_status.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ASK_MS     5000L
#define ANSWER_MAX 4096

struct answer {
	char text[ANSWER_MAX];
	size_t length;
};

static size_t on_body(char *bytes, size_t one, size_t length, void *context)
{
	struct answer *const answer = context;

	(void)one;
	if (length > sizeof(answer->text) - answer->length)
		return 0; /* which curl takes as a failure */
	memcpy(answer->text + answer->length, bytes, length);
	answer->length += length;
	return length;
}

static bool get(const char *url, struct answer *answer, struct fail *fail)
{
	CURL *const curl = curl_easy_init();
	CURLcode code;
	long status = 0;

	if (!curl)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ASK_MS);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	code = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK)
		return fail_set(fail, FAIL_RETRY, "%s", curl_easy_strerror(code));
	if (status != 200)
		return fail_set(fail, FAIL_RETRY, "it answers with status %ld", status);
	return true;
}

static bool read_answer(
	const struct answer *answer, struct outbox_status *status, struct fail *fail)
{
	json_t *const document = json_loadb(answer->text, answer->length, 0, NULL);
	json_int_t last, published = 0, waiting = 0;
	const char *source;
	size_t length;
	const bool good =
		document &&
		json_unpack(document, "{s:s%, s:I, s?I, s?I}", "source", &source, &length, "last",
			&last, "published", &published, "waiting", &waiting) == 0 &&
		length > 0 && length < SOURCE_MAX && last >= 0;

	if (good) {
		memcpy(status->source, source, length + 1);
		status->last = last;
		status->published = published;
		status->waiting = waiting;
	}
	json_decref(document);
	return good || fail_set(fail, FAIL_RETRY, "its answer is not that of an outbox");
}

bool outbox_status_ask(const char *url, struct outbox_status *status, struct fail *fail)
{
	struct answer answer = { .length = 0 };
	size_t length = strlen(url);
	char path[1024];

	while (length > 0 && url[length - 1] == '/')
		length--;
	if (length + sizeof("/outbox") > sizeof(path))
		return fail_set(fail, FAIL_REFUSE, "ask %.64s...: the URL is too long", url);
	(void)snprintf(path, sizeof(path), "%.*s/outbox", (int)length, url);
	if (get(path, &answer, fail) && read_answer(&answer, status, fail))
		return true;
	return fail_prefix(fail, "ask %s", path);
}
