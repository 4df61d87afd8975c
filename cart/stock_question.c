#include "cart/stock_question.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define ANSWER_MAX 4096

struct stock_question {
	struct service *service;
	char url[SETTING_TEXT_MAX];
	CURL *curl;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct add_item *waiting[QUESTIONS_MAX];
	size_t first, count;
	bool stopping;
	struct log_repeat repeat;
};

struct answer {
	char bytes[ANSWER_MAX];
	size_t length;
};

static size_t keep(char *data, size_t size, size_t count, void *context)
{
	struct answer *const answer = context;

	if (size * count > sizeof(answer->bytes) - answer->length)
		return 0; /* no answer of stock is that long: curl gives up */
	memcpy(answer->bytes + answer->length, data, size * count);
	answer->length += size * count;
	return size * count;
}

/* `{"sku":"A123","price":12.5,"count":100,"source":"stock/…","id":7}`. */
static bool read_level(const struct answer *answer, const char *sku, struct level *level)
{
	json_t *const body = json_loadb(answer->bytes, answer->length, 0, NULL);
	const char *name = NULL, *source = NULL;
	json_int_t count = -1, id = 0;
	double price = -1;
	bool good = body &&
		    json_unpack(body, "{s:s, s:F, s:I, s:s, s:I}", "sku", &name, "price", &price,
			    "count", &count, "source", &source, "id", &id) == 0 &&
		    strcmp(name, sku) == 0 && count >= 0 && count <= EVENT_LEVEL_MAX && id >= 0 &&
		    price >= 0 && price <= (double)EVENT_CENTS_MAX / 100 && *source &&
		    strlen(source) < SOURCE_MAX;

	if (good) {
		strcpy(level->sku, name);
		strcpy(level->source, source);
		level->event_id = id;
		level->count = count;
		level->price_cents = (int64_t)(price * 100 + 0.5);
	}
	json_decref(body);
	return good;
}

/* A 404 of a proxy, or of another path, is not stock's word: stock's names the SKU. */
static bool says_no(const struct answer *answer, const char *sku)
{
	json_t *const body = json_loadb(answer->bytes, answer->length, 0, NULL);
	const char *const name = json_string_value(json_object_get(body, "sku"));
	const bool no = name && strcmp(name, sku) == 0;

	json_decref(body);
	return no;
}

/* True if stock said yes or no within the time that is left. */
static bool ask(struct stock_question *q, struct add_item *item)
{
	const int64_t left = item->asked_ms + QUESTION_MS - clock_mono_ms();
	struct answer answer = { .length = 0 };
	char url[SETTING_TEXT_MAX + EVENT_NAME_MAX + 16];
	long status = 0;
	CURLcode code;

	if (left <= 0)
		return false;
	(void)snprintf(url, sizeof(url), "%s/stocks/%s", q->url, item->sku);
	(void)curl_easy_setopt(q->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(q->curl, CURLOPT_PATH_AS_IS, 1L); /* a SKU may be two dots */
	(void)curl_easy_setopt(q->curl, CURLOPT_NOPROXY, "*");
	/* A name that cannot be resolved in time is not waited for. */
	(void)curl_easy_setopt(q->curl, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(q->curl, CURLOPT_TIMEOUT_MS, (long)left);
	(void)curl_easy_setopt(q->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(q->curl, CURLOPT_WRITEFUNCTION, keep);
	(void)curl_easy_setopt(q->curl, CURLOPT_WRITEDATA, &answer);
	code = curl_easy_perform(q->curl);
	if (code == CURLE_OK)
		(void)curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &status);
	item->known = status == 200 && read_level(&answer, item->sku, &item->level);
	if (item->known || (status == 404 && says_no(&answer, item->sku)))
		return true;
	log_repeating(&q->repeat, LOG_WARNING, "question", "stock does not answer: %s url=%s",
		code == CURLE_OK ? "not a level" : curl_easy_strerror(code), url);
	return false;
}

static struct add_item *take(struct stock_question *q)
{
	struct add_item *item = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->count == 0 && !q->stopping)
		pthread_cond_wait(&q->news, &q->lock);
	if (q->count > 0) {
		item = q->waiting[q->first];
		q->first = (q->first + 1) % QUESTIONS_MAX;
		q->count--;
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

static bool is_stopping(struct stock_question *q)
{
	bool stopping;

	pthread_mutex_lock(&q->lock);
	stopping = q->stopping;
	pthread_mutex_unlock(&q->lock);
	return stopping;
}

static void *run(void *context)
{
	struct stock_question *const q = context;
	struct add_item *item;

	while ((item = take(q))) {
		item->asked = !is_stopping(q) && ask(q, item);
		if (!item->asked || !service_put(q->service, &item->cart.asked.command))
			item->done(item, false, NULL);
	}
	return NULL;
}

bool stock_question_ask(struct stock_question *q, struct add_item *item)
{
	bool taken = false;

	item->asked_ms = clock_mono_ms();
	pthread_mutex_lock(&q->lock);
	if (!q->stopping && q->count < QUESTIONS_MAX) {
		q->waiting[(q->first + q->count++) % QUESTIONS_MAX] = item;
		pthread_cond_signal(&q->news);
		taken = true;
	}
	pthread_mutex_unlock(&q->lock);
	return taken;
}

bool stock_question_start(struct stock_question **question, struct service *service,
	const char *stock_url, struct fail *fail)
{
	struct stock_question *q = calloc(1, sizeof(*q));

	*question = NULL;
	if (!q)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->news, NULL);
	q->service = service;
	(void)snprintf(q->url, sizeof(q->url), "%s", stock_url);
	for (size_t end = strlen(q->url); end > 0 && q->url[end - 1] == '/'; end--)
		q->url[end - 1] = '\0';
	q->curl = curl_easy_init();
	if (!q->curl)
		fail_set(fail, FAIL_FATAL, "out of memory");
	if (!q->curl || !thread_start(&q->thread, "stock-question", run, q, fail)) {
		stock_question_free(&q);
		return false;
	}
	*question = q;
	return true;
}

void stock_question_stop(struct stock_question *q)
{
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	pthread_cond_signal(&q->news);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
}

void stock_question_free(struct stock_question **question)
{
	struct stock_question *const q = *question;

	if (!q)
		return;
	if (q->curl)
		curl_easy_cleanup(q->curl);
	pthread_cond_destroy(&q->news);
	pthread_mutex_destroy(&q->lock);
	free(q);
	*question = NULL;
}
