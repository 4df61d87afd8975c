#include "metrics-consumer/outboxes.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define ASK_MS     1000 /* longest wait for the answers */
#define DRAINED_MS 1000 /* an outbox whose oldest event waits for less is at risk no more */

static bool is_url(const char *text)
{
	const size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
			      : strncmp(text, "https://", 8) == 0 ? 8
								  : 0;
	CURLU *url;
	bool good;

	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return false;
	}
	/* `/outbox` goes behind it. */
	if (scheme == 0 || text[scheme] == '/' || strpbrk(text, "?#"))
		return false;
	url = curl_url();
	good = !url || curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;
	curl_url_cleanup(url);
	return good;
}

bool outbox_urls_read(
	struct outbox_urls *urls, const char *list, char wrong[static SETTING_TEXT_MAX])
{
	size_t at = 0;

	*urls = (struct outbox_urls){ .count = 0 };
	if (*list == '\0')
		return true;
	(void)snprintf(urls->text, sizeof(urls->text), "%s", list);
	for (;;) {
		const size_t length = strcspn(urls->text + at, ",");
		const bool last = urls->text[at + length] == '\0';

		urls->text[at + length] = '\0';
		if (urls->count == OUTBOXES_MAX || !is_url(urls->text + at)) {
			strcpy(wrong, urls->text + at);
			return false;
		}
		urls->at[urls->count++] = at;
		if (last)
			return true;
		at += length + 1;
	}
}

const char *outbox_url(const struct outbox_urls *urls, size_t index)
{
	return urls->text + urls->at[index];
}

/* How a person knows it: by its source, or, before it said that, by its URL. */
static void add_entry(struct timeline *timeline, const struct outbox_view *view, const char *url,
	struct timeline_entry entry)
{
	char shown[SETTING_TEXT_MAX];

	_Static_assert(SOURCE_MAX <= TIMELINE_ABOUT_MAX, "a source fits");
	(void)snprintf(entry.about, sizeof(entry.about), "%.*s", TIMELINE_ABOUT_MAX - 1,
		*view->status.source ? view->status.source : setting_shown("", url, shown));
	timeline_add(timeline, &entry);
}

static void take_silence(struct outbox_view *view, const char *url, const char *why, int64_t now_ms,
	struct timeline *timeline)
{
	const bool known = *view->status.source != '\0';
	struct timeline_entry entry = { .kind = TIMELINE_SILENT };

	if (view->silent_ms == 0)
		view->silent_ms = now_ms;
	view->failures++;
	(void)snprintf(view->why, sizeof(view->why), "%.127s", why);
	if (view->silent ||
		(known ? view->failures < 2 : now_ms - view->silent_ms < OUTBOX_FIRST_MS))
		return;
	view->silent = true;
	(void)snprintf(entry.text, sizeof(entry.text), "%s", view->why);
	add_entry(timeline, view, url, entry);
}

static void end_silence(
	struct outbox_view *view, const char *url, int64_t now_ms, struct timeline *timeline)
{
	const bool known = *view->status.source != '\0';

	if (view->silent)
		add_entry(timeline, view, url,
			(struct timeline_entry){ .kind = TIMELINE_HEARD,
				.pause_ms = known ? now_ms - view->silent_ms : 0 });
	view->silent = false;
	view->silent_ms = 0;
	view->failures = 0;
	view->why[0] = '\0';
}

static void begin_source(struct outbox_view *view)
{
	view->reached = view->journaled = -1;
	view->still_ms = view->seen_ms = view->risk_ms = 0;
	view->rises = false;
	view->lag = (struct lag){ .known = false };
}

static const char *state_name(enum outbox_state state)
{
	static const char *const names[] = { "unheard", "silent", "empty", "busy", "still", "grows",
		"drains" };

	return names[state];
}

static void judge_risk(
	struct outbox_view *view, const char *url, int64_t now_ms, struct timeline *timeline)
{
	struct timeline_entry entry = { .kind = TIMELINE_OUTBOX, .pause_ms = view->waited_ms };

	if (view->risk_ms == 0 && view->waited_ms >= OUTBOX_RISK_MS) {
		view->risk_ms = now_ms - view->waited_ms;
		(void)snprintf(
			entry.text, sizeof(entry.text), "%s", state_name(outbox_state(view)));
	} else if (view->risk_ms != 0 && view->waited_ms < DRAINED_MS) {
		entry.kind = TIMELINE_DRAINED;
		entry.pause_ms = now_ms - view->risk_ms;
		view->risk_ms = 0;
	} else {
		return;
	}
	add_entry(timeline, view, url, entry);
}

static void take_status(struct outbox_view *view, const struct outbox_status *status,
	const char *url, int64_t now_ms, struct timeline *timeline)
{
	const bool anew = strcmp(view->status.source, status->source) != 0;
	int64_t messages;

	if (anew)
		begin_source(view);
	if (status->waiting == 0)
		view->still_ms = 0;
	else if (anew || view->still_ms == 0 || status->published != view->status.published)
		view->still_ms = now_ms;
	view->status = *status;
	lag_heard(&view->lag, 1, status->last + 1, now_ms);
	(void)lag_read(&view->lag, &(struct lag_next){ .offset = status->published + 1 }, 0, now_ms,
		&messages, &view->waited_ms);
	if (view->seen_ms == 0 || now_ms - view->seen_ms >= OUTBOX_RISK_MS) {
		view->rises = view->seen_ms != 0 && status->waiting > view->seen_waiting;
		view->seen_ms = now_ms;
		view->seen_waiting = status->waiting;
	}
	if (status->waiting < view->seen_waiting)
		view->rises = false;
	judge_risk(view, url, now_ms, timeline);
}

void outbox_take(struct outbox_view *view, const char *url, const struct outbox_answer *answer,
	int64_t now_ms, struct timeline *timeline)
{
	view->asked_ms = now_ms;
	if (!answer->good) {
		take_silence(view, url, answer->why.text, now_ms, timeline);
		return;
	}
	end_silence(view, url, now_ms, timeline);
	take_status(view, &answer->status, url, now_ms, timeline);
}

enum outbox_state outbox_state(const struct outbox_view *view)
{
	if (view->asked_ms == 0)
		return OUTBOX_UNHEARD;
	if (view->silent_ms != 0)
		return OUTBOX_SILENT;
	if (view->status.waiting == 0)
		return OUTBOX_EMPTY;
	if (view->risk_ms == 0)
		return OUTBOX_BUSY;
	if (view->asked_ms - view->still_ms >= OUTBOX_RISK_MS)
		return OUTBOX_STILL;
	return view->rises ? OUTBOX_GROWS : OUTBOX_DRAINS;
}

void outboxes_init(struct outboxes *o, const struct outbox_urls *urls, struct timeline *timeline)
{
	*o = (struct outboxes){ .urls = *urls, .timeline = timeline };
	for (size_t i = 0; i < OUTBOXES_MAX; i++)
		o->view[i].reached = o->view[i].journaled = -1;
	pthread_mutex_init(&o->lock, NULL);
	turns_init(&o->turns);
}

void outboxes_fini(struct outboxes *o)
{
	turns_fini(&o->turns);
	pthread_mutex_destroy(&o->lock);
}

static void ask(struct outboxes *o)
{
	struct outbox_answer answers[OUTBOXES_MAX];

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->urls.count; i++)
		o->view[i].journaled = o->view[i].reached;
	pthread_mutex_unlock(&o->lock);
	if (!outbox_asker_ask(o->asker, ASK_MS, answers))
		return;
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->urls.count; i++)
		outbox_take(&o->view[i], outbox_url(&o->urls, i), &answers[i], clock_mono_ms(),
			o->timeline);
	pthread_mutex_unlock(&o->lock);
}

/* Whoever failed once is asked again soon: it may be nothing. Only this thread changes it. */
static bool any_failed_once(const struct outboxes *o)
{
	for (size_t i = 0; i < o->urls.count; i++) {
		if (o->view[i].failures == 1)
			return true;
	}
	return false;
}

static void *run(void *context)
{
	struct outboxes *const o = context;
	struct timespec began;

	do {
		(void)clock_gettime(CLOCK_MONOTONIC, &began);
		ask(o);
	} while (turns_wait(&o->turns, &began, any_failed_once(o)));
	return NULL;
}

bool outboxes_start(struct outboxes *o, struct fail *fail)
{
	const char *urls[OUTBOXES_MAX];

	if (o->urls.count == 0)
		return true;
	for (size_t i = 0; i < o->urls.count; i++)
		urls[i] = outbox_url(&o->urls, i);
	if (!outbox_asker_new(&o->asker, urls, o->urls.count, fail))
		return false;
	if (thread_start(&o->thread, "consumer-outbox", run, o, fail))
		return true;
	outbox_asker_free(&o->asker);
	return false;
}

void outboxes_stop(struct outboxes *o)
{
	if (!o->asker)
		return;
	turns_stop(&o->turns);
	outbox_asker_give_up(o->asker);
	pthread_join(o->thread, NULL);
	outbox_asker_free(&o->asker);
}

void outboxes_watch(struct outboxes *o, bool watched)
{
	turns_watch(&o->turns, watched);
}

void outboxes_journaled(struct outboxes *o, const struct sources *sources)
{
	if (o->urls.count == 0 || pthread_mutex_trylock(&o->lock) != 0)
		return; /* the next time, then */
	for (size_t i = 0; i < o->urls.count; i++) {
		struct outbox_view *const view = &o->view[i];
		const char *const name = view->status.source;
		const struct source *source;

		if (*name == '\0')
			continue;
		source = sources_peek(sources, name, strlen(name));
		view->reached = source ? source->highest : 0;
	}
	pthread_mutex_unlock(&o->lock);
}

/* How long what its state says has lasted. */
static int64_t lasted_ms(const struct outbox_view *view, enum outbox_state state, int64_t now_ms)
{
	switch (state) {
	case OUTBOX_SILENT:
		return now_ms - view->silent_ms;
	case OUTBOX_STILL:
		return now_ms - view->still_ms;
	case OUTBOX_GROWS:
	case OUTBOX_DRAINS:
		return view->waited_ms;
	default:
		return 0;
	}
}

json_t *outboxes_json(struct outboxes *o)
{
	json_t *const list = json_array();
	const int64_t now_ms = clock_mono_ms();
	char shown[SETTING_TEXT_MAX];

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->urls.count; i++) {
		const struct outbox_view *const view = &o->view[i];
		const struct outbox_status *const status = &view->status;
		const enum outbox_state state = outbox_state(view);

		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:s, s:b}", "url",
				setting_shown("", outbox_url(&o->urls, i), shown), "source",
				status->source, "last", (json_int_t)status->last, "published",
				(json_int_t)status->published, "journaled",
				(json_int_t)view->journaled, "waiting", (json_int_t)status->waiting,
				"state", state_name(state), "for_ms",
				(json_int_t)lasted_ms(view, state, now_ms), "why", view->why,
				"risk", (int)(view->silent || view->risk_ms != 0)));
	}
	pthread_mutex_unlock(&o->lock);
	return list;
}
