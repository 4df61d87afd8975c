#include "metrics-consumer/outbox_status.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS     5000L
#define POLL_MS    1000 /* longest time between two looks; curl knows its timeouts */
#define ANSWER_MAX 4096
#define PATH_ROOM  1024

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

static bool set_path(char path[PATH_ROOM], const char *url, struct fail *fail)
{
	size_t length = strlen(url);

	while (length > 0 && url[length - 1] == '/')
		length--;
	if (length + sizeof("/outbox") > PATH_ROOM)
		return fail_set(fail, FAIL_REFUSE, "ask %.64s...: the URL is too long", url);
	(void)snprintf(path, PATH_ROOM, "%.*s/outbox", (int)length, url);
	return true;
}

static CURL *new_question(const char *path, struct answer *answer)
{
	CURL *const curl = curl_easy_init();

	if (!curl)
		return NULL;
	(void)curl_easy_setopt(curl, CURLOPT_URL, path);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	return curl;
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
		length > 0 && length < SOURCE_MAX && last >= 0 && last < INT64_MAX &&
		published >= 0 && published < INT64_MAX && waiting >= 0;

	if (good) {
		memcpy(status->source, source, length + 1);
		status->last = last;
		status->published = published;
		status->waiting = waiting;
	}
	json_decref(document);
	return good || fail_set(fail, FAIL_RETRY, "its answer is not that of an outbox");
}

static bool judge(CURL *curl, CURLcode code, const struct answer *answer,
	struct outbox_status *status, struct fail *fail)
{
	long http = 0;

	if (code != CURLE_OK)
		return fail_set(fail, FAIL_RETRY, "%s", curl_easy_strerror(code));
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
	if (http != 200)
		return fail_set(fail, FAIL_RETRY, "it answers with status %ld", http);
	return read_answer(answer, status, fail);
}

bool outbox_status_ask(const char *url, struct outbox_status *status, struct fail *fail)
{
	struct answer answer = { .length = 0 };
	char path[PATH_ROOM];
	CURL *curl;
	bool good;

	if (!set_path(path, url, fail))
		return false;
	curl = new_question(path, &answer);
	if (!curl)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ASK_MS);
	good = judge(curl, curl_easy_perform(curl), &answer, status, fail);
	curl_easy_cleanup(curl);
	return good || fail_prefix(fail, "ask %s", path);
}

struct question {
	CURL *curl;
	struct answer answer;
	CURLcode code;
};

struct outbox_asker {
	CURLM *multi;
	atomic_bool given_up;
	size_t count;
	struct question questions[];
};

static bool add_question(struct outbox_asker *asker, const char *url, struct fail *fail)
{
	struct question *const q = &asker->questions[asker->count];
	char path[PATH_ROOM];

	if (!set_path(path, url, fail))
		return false;
	q->curl = new_question(path, &q->answer);
	if (!q->curl)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	(void)curl_easy_setopt(q->curl, CURLOPT_PRIVATE, q);
	/* A name that cannot be resolved in time is not waited for, and one that was made anew may
	 * have another address. */
	(void)curl_easy_setopt(q->curl, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(q->curl, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	asker->count++;
	return true;
}

bool outbox_asker_new(
	struct outbox_asker **asker, const char *const *urls, size_t count, struct fail *fail)
{
	struct outbox_asker *a = calloc(1, sizeof(*a) + count * sizeof(a->questions[0]));

	*asker = NULL;
	if (a)
		a->multi = curl_multi_init();
	if (!a || !a->multi) {
		free(a);
		return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	for (size_t i = 0; i < count; i++) {
		if (!add_question(a, urls[i], fail)) {
			outbox_asker_free(&a);
			return false;
		}
	}
	*asker = a;
	return true;
}

void outbox_asker_free(struct outbox_asker **asker)
{
	struct outbox_asker *const a = *asker;

	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		curl_easy_cleanup(a->questions[i].curl);
	(void)curl_multi_cleanup(a->multi);
	free(a);
	*asker = NULL;
}

/* Each question ends by its own timeout, so all of them do. */
static CURLMcode perform(struct outbox_asker *a)
{
	CURLMcode code;
	int running = 0;

	while (!atomic_load(&a->given_up)) {
		code = curl_multi_perform(a->multi, &running);
		if (code != CURLM_OK || running == 0)
			return code;
		code = curl_multi_poll(a->multi, NULL, 0, POLL_MS, NULL);
		if (code != CURLM_OK)
			return code;
	}
	return CURLM_OK;
}

static void note_ends(struct outbox_asker *a)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(a->multi, &left))) {
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		((struct question *)(void *)private)->code = message->data.result;
	}
}

bool outbox_asker_ask(struct outbox_asker *a, long wait_ms, struct outbox_answer *answers)
{
	CURLMcode code;
	bool given_up;

	for (size_t i = 0; i < a->count; i++) {
		struct question *const q = &a->questions[i];

		q->answer.length = 0;
		q->code = CURLE_FAILED_INIT;
		(void)curl_easy_setopt(q->curl, CURLOPT_TIMEOUT_MS, wait_ms);
		(void)curl_multi_add_handle(a->multi, q->curl);
	}
	code = perform(a);
	note_ends(a);
	given_up = atomic_load(&a->given_up);
	for (size_t i = 0; i < a->count; i++) {
		struct question *const q = &a->questions[i];
		struct outbox_answer *const answer = &answers[i];

		if (!given_up) {
			*answer = (struct outbox_answer){ .good = false };
			answer->good = code == CURLM_OK ? judge(q->curl, q->code, &q->answer,
								  &answer->status, &answer->why)
							: fail_set(&answer->why, FAIL_RETRY, "%s",
								  curl_multi_strerror(code));
		}
		(void)curl_multi_remove_handle(a->multi, q->curl);
	}
	return !given_up;
}

void outbox_asker_give_up(struct outbox_asker *a)
{
	atomic_store(&a->given_up, true);
	(void)curl_multi_wakeup(a->multi);
}
