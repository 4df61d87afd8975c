/* The thread waits until a batch is full, the delay of OTEL_BSP_SCHEDULE_DELAY is over, or the end;
 * then it sends what is there. A collector that is busy or away is asked again with growing pauses,
 * TRIES times; meanwhile the queue fills, and what does not fit is dropped. */
#include "trace/spans.h"

#include <assert.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"
#include "trace/otlp.h"

#define TRIES    5
#define PAUSE_MS 500  /* before the second try, doubled each time */
#define LAST_MS  2000 /* for what waits at the end */

struct spans {
	struct otel otel;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct span *ring; /* of SPANS_QUEUE_MAX */
	size_t first, count;
	bool stopping;
	int64_t last_at; /* monotonic ms: the thread ends by then; of a stop */
	uint64_t sent, dropped;
	/* the thread's own */
	struct span *batch;
	CURL *curl;
	struct curl_slist *headers;
	struct log_repeat failing;
};

int64_t span_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct span_field *add_field(struct span *span, const char *name)
{
	assert(span->field_count < SPAN_FIELDS_MAX);
	span->fields[span->field_count].name = name;
	return &span->fields[span->field_count++];
}

void span_number(struct span *span, const char *name, int64_t number)
{
	struct span_field *const field = add_field(span, name);

	field->is_text = false;
	field->number = number;
}

void span_text(struct span *span, const char *name, const char *text)
{
	struct span_field *const field = add_field(span, name);

	field->is_text = true;
	(void)snprintf(field->text, sizeof(field->text), "%s", text);
}

bool spans_sample(
	const struct spans *spans, const struct trace_context *context, bool from_elsewhere)
{
	const struct otel *const otel = &spans->otel;
	uint64_t low = 0;

	if (from_elsewhere && otel->parent_based)
		return (context->flags & TRACE_SAMPLED) != 0;
	if (otel->sampler != OTEL_RATIO)
		return otel->sampler == OTEL_ON;
	for (size_t i = 8; i < 16; i++)
		low = low << 8 | context->trace[i];
	return (double)(low >> 1) < otel->ratio * 9223372036854775808.0;
}

void spans_put(struct spans *s, const struct span *span)
{
	pthread_mutex_lock(&s->lock);
	if (s->count == SPANS_QUEUE_MAX) {
		s->dropped++;
	} else {
		s->ring[(s->first + s->count++) % SPANS_QUEUE_MAX] = *span;
		if (s->count >= SPANS_BATCH_MAX)
			pthread_cond_signal(&s->news);
	}
	pthread_mutex_unlock(&s->lock);
}

static void wait_until(struct spans *s, int64_t until_ms)
{
	const struct timespec until = { .tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000 };

	(void)pthread_cond_timedwait(&s->news, &s->lock, &until);
}

/* Waits for a batch and takes it; 0: the end. */
static size_t take_batch(struct spans *s)
{
	size_t count;

	pthread_mutex_lock(&s->lock);
	for (int64_t until = clock_mono_ms() + s->otel.delay_ms;
		!s->stopping && s->count < SPANS_BATCH_MAX &&
		(s->count == 0 || clock_mono_ms() < until);) {
		if (s->count == 0 && clock_mono_ms() >= until)
			until = clock_mono_ms() + s->otel.delay_ms;
		wait_until(s, until);
	}
	count = s->count < SPANS_BATCH_MAX ? s->count : SPANS_BATCH_MAX;
	for (size_t i = 0; i < count; i++)
		s->batch[i] = s->ring[(s->first + i) % SPANS_QUEUE_MAX];
	s->first = (s->first + count) % SPANS_QUEUE_MAX;
	s->count -= count;
	pthread_mutex_unlock(&s->lock);
	return count;
}

/* How long a try may take: 0 where the time of the end is over. */
static int64_t patience_ms(struct spans *s)
{
	int64_t left = s->otel.timeout_ms;

	pthread_mutex_lock(&s->lock);
	if (s->stopping && s->last_at - clock_mono_ms() < left)
		left = s->last_at - clock_mono_ms();
	pthread_mutex_unlock(&s->lock);
	return left > 0 ? left : 0;
}

static size_t ignore(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

/* A collector that does not answer does not hold up the end. */
static int look_at_end(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct spans *const s = context;
	bool over;

	(void)a, (void)b, (void)c, (void)d;
	pthread_mutex_lock(&s->lock);
	over = s->stopping && clock_mono_ms() >= s->last_at;
	pthread_mutex_unlock(&s->lock);
	return over;
}

enum outcome { SENT, AGAIN, REFUSED };

static enum outcome post(struct spans *s, const char *text, int64_t timeout_ms)
{
	long status = 0;
	CURLcode code;

	(void)curl_easy_setopt(s->curl, CURLOPT_POSTFIELDS, text);
	(void)curl_easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
	(void)curl_easy_setopt(s->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	code = curl_easy_perform(s->curl);
	if (code != CURLE_OK) {
		log_repeating(&s->failing, LOG_WARNING, "trace", "spans are not sent: %s: %s",
			s->otel.endpoint, curl_easy_strerror(code));
		return AGAIN;
	}
	(void)curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return SENT;
	log_repeating(&s->failing, LOG_WARNING, "trace", "spans are not sent: %s answers %ld",
		s->otel.endpoint, status);
	return status == 429 || (status >= 502 && status <= 504) ? AGAIN : REFUSED;
}

static void send_batch(struct spans *s, size_t count)
{
	char *const text = otlp_encode(&s->otel, s->batch, count);
	enum outcome outcome = text ? AGAIN : REFUSED;

	for (int64_t n = 0, pause_ms = PAUSE_MS; n < TRIES && outcome == AGAIN;
		n++, pause_ms *= 2) {
		const int64_t until = clock_mono_ms() + pause_ms;
		const int64_t timeout_ms = patience_ms(s);

		if (timeout_ms == 0)
			break;
		outcome = post(s, text, timeout_ms);
		pthread_mutex_lock(&s->lock);
		while (outcome == AGAIN && !s->stopping && clock_mono_ms() < until)
			wait_until(s, until);
		pthread_mutex_unlock(&s->lock);
	}
	free(text);
	pthread_mutex_lock(&s->lock);
	*(outcome == SENT ? &s->sent : &s->dropped) += count;
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *context)
{
	struct spans *const s = context;
	size_t count;

	while ((count = take_batch(s)) > 0)
		send_batch(s, count);
	return NULL;
}

static bool add_header(struct spans *s, const char *name, const char *value)
{
	char line[OTEL_TEXT_MAX + 160];
	struct curl_slist *longer;

	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	longer = curl_slist_append(s->headers, line);
	if (longer)
		s->headers = longer;
	return longer != NULL;
}

static bool prepare(struct spans *s)
{
	bool good;

	s->ring = calloc(SPANS_QUEUE_MAX, sizeof(*s->ring));
	s->batch = calloc(SPANS_BATCH_MAX, sizeof(*s->batch));
	s->curl = curl_easy_init();
	good = s->ring && s->batch && s->curl &&
	       add_header(s, "Content-Type", "application/json") && add_header(s, "Expect", "");
	for (size_t i = 0; good && i < s->otel.header_count; i++)
		good = add_header(s, s->otel.headers[i].name, s->otel.headers[i].value);
	if (!good)
		return false;
	(void)curl_easy_setopt(s->curl, CURLOPT_URL, s->otel.endpoint);
	(void)curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, s->headers);
	(void)curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, ignore);
	(void)curl_easy_setopt(s->curl, CURLOPT_XFERINFOFUNCTION, look_at_end);
	(void)curl_easy_setopt(s->curl, CURLOPT_XFERINFODATA, s);
	(void)curl_easy_setopt(s->curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
	/* A name that cannot be resolved in time is not waited for. */
	(void)curl_easy_setopt(s->curl, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(s->curl, CURLOPT_NOPROXY, "*"); /* a collector is near */
	return true;
}

static void release(struct spans *s)
{
	curl_slist_free_all(s->headers);
	if (s->curl)
		curl_easy_cleanup(s->curl);
	pthread_cond_destroy(&s->news);
	pthread_mutex_destroy(&s->lock);
	free(s->ring);
	free(s->batch);
	free(s);
	curl_global_cleanup();
}

bool spans_start(struct spans **spans, const char *service_name, struct fail *fail)
{
	struct spans *const s = calloc(1, sizeof(*s));
	pthread_condattr_t attributes;

	*spans = NULL;
	if (!s)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	if (!otel_read(&s->otel, service_name)) {
		free(s);
		return true;
	}
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->news, &attributes);
	pthread_condattr_destroy(&attributes);
	if (!prepare(s))
		fail_set(fail, FAIL_FATAL, "out of memory");
	else if (thread_start(&s->thread, "spans", run, s, fail)) {
		log_info("trace", "spans are sent endpoint=%s service=%s", s->otel.endpoint,
			s->otel.service_name);
		*spans = s;
		return true;
	}
	release(s);
	return false;
}

void spans_stop(struct spans **spans)
{
	struct spans *const s = *spans;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	s->last_at = clock_mono_ms() + LAST_MS;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	log_info("trace", "ended spans sent=%" PRIu64 " dropped=%" PRIu64, s->sent, s->dropped);
	release(s);
	*spans = NULL;
}
