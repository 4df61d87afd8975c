#include "metrics-consumer/viewers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/stream.h"
#include "process/clock.h"

enum phase {
	VIEWER_NEW,      /* knows nothing, or where it was */
	VIEWER_SNAPSHOT, /* is in one, which has number @at */
	VIEWER_MESSAGES, /* is in message @at, or waits for it */
	VIEWER_DROPPED,  /* is being told so */
};

struct viewer {
	struct viewers *all;
	struct viewer *next, **link;
	struct http_stream stream;
	enum phase phase;
	uint64_t at;
	size_t offset; /* of the text it is in: so much was handed out */
	char last_id[VIEWERS_ID_MAX];
};

/* In the middle of a message it turns that into this event; a reader goes by the last name. It did
 * not get that message, and comes back without an id. */
static const char dropped_text[] = "\nid:\nevent: dropped\ndata: {\"why\":\"this viewer reads more "
				   "slowly than the events come\"}\n\n";

void viewers_init(struct viewers *v, void (*on_wish)(void *context), void *context)
{
	*v = (struct viewers){
		.on_wish = on_wish, .context = context, .run = (uint64_t)clock_wall_ms()
	};
	pthread_mutex_init(&v->lock, NULL);
}

void viewers_fini(struct viewers *v)
{
	for (size_t i = 0; i < VIEWERS_MESSAGES; i++)
		free(v->message[i].bytes);
	for (size_t i = 0; i < VIEWERS_SNAPSHOTS; i++)
		free(v->snapshot[i].bytes);
	pthread_mutex_destroy(&v->lock);
}

static void wake_all(struct viewers *v)
{
	for (struct viewer *viewer = v->list; viewer; viewer = viewer->next)
		http_stream_wake(&viewer->stream);
}

void viewers_close(struct viewers *v)
{
	pthread_mutex_lock(&v->lock);
	v->closing = true;
	wake_all(v);
	pthread_mutex_unlock(&v->lock);
}

size_t viewers_count(struct viewers *v)
{
	size_t count;

	pthread_mutex_lock(&v->lock);
	count = v->count;
	pthread_mutex_unlock(&v->lock);
	return count;
}

bool viewers_want_snapshot(struct viewers *v)
{
	bool wanted;

	pthread_mutex_lock(&v->lock);
	wanted = v->wanted;
	pthread_mutex_unlock(&v->lock);
	return wanted;
}

static void drop(struct viewer *viewer)
{
	struct viewers *const v = viewer->all;

	viewer->phase = VIEWER_DROPPED;
	viewer->offset = 0;
	v->dropped++;
	log_repeating(&v->slow, LOG_INFO, "page", "a viewer that was too slow was dropped");
}

/* Whether @id is of a message of this process; *next is what follows that one. */
static bool read_id(const struct viewers *v, const char *id, uint64_t *next)
{
	uint64_t run;

	return sscanf(id, "%*[^:]:%*[^:]:%*[^:]:%" SCNu64 ":%" SCNu64, &run, next) == 2 &&
	       run == v->run;
}

/* Where a new viewer goes on; false: it has to wait for a snapshot. */
static bool find_place(struct viewer *viewer)
{
	struct viewers *const v = viewer->all;
	const struct viewers_text *newest;
	uint64_t next;

	viewer->offset = 0;
	if (read_id(v, viewer->last_id, &next) && next >= v->first && next <= v->next) {
		viewer->phase = VIEWER_MESSAGES;
		viewer->at = next;
		return true;
	}
	newest = &v->snapshot[(v->snapshots - 1) % VIEWERS_SNAPSHOTS];
	if (v->snapshots == 0 || newest->after < v->first ||
		clock_mono_ms() - newest->made_ms > VIEWERS_SNAPSHOT_MS)
		return false;
	viewer->phase = VIEWER_SNAPSHOT;
	viewer->at = v->snapshots - 1;
	return true;
}

/* The text a viewer is in; NULL: it waits. */
static const struct viewers_text *text_of(struct viewer *viewer)
{
	static const struct viewers_text dropped = { .bytes = (char *)dropped_text,
		.length = sizeof(dropped_text) - 1 };
	struct viewers *const v = viewer->all;

	if (viewer->phase == VIEWER_NEW && !find_place(viewer)) {
		v->wanted = true;
		return NULL;
	}
	if (viewer->phase == VIEWER_SNAPSHOT && viewer->at + VIEWERS_SNAPSHOTS < v->snapshots)
		drop(viewer);
	if (viewer->phase == VIEWER_MESSAGES && viewer->at < v->first)
		drop(viewer);
	switch (viewer->phase) {
	case VIEWER_SNAPSHOT:
		return &v->snapshot[viewer->at % VIEWERS_SNAPSHOTS];
	case VIEWER_MESSAGES:
		return viewer->at < v->next ? &v->message[viewer->at % VIEWERS_MESSAGES] : NULL;
	default:
		return &dropped;
	}
}

static ssize_t take(struct viewer *viewer, char *out, size_t room)
{
	const struct viewers_text *const text = text_of(viewer);
	size_t length;

	if (!text)
		return 0;
	length = text->length - viewer->offset;
	if (length == 0) /* it was dropped, and knows */
		return HTTP_STREAM_END;
	if (length > room)
		length = room;
	memcpy(out, text->bytes + viewer->offset, length);
	viewer->offset += length;
	if (viewer->offset < text->length || viewer->phase == VIEWER_DROPPED)
		return (ssize_t)length;
	viewer->at = viewer->phase == VIEWER_SNAPSHOT ? text->after : viewer->at + 1;
	viewer->phase = VIEWER_MESSAGES;
	viewer->offset = 0;
	return (ssize_t)length;
}

static ssize_t on_read(void *context, char *out, size_t room)
{
	struct viewer *const viewer = context;
	struct viewers *const v = viewer->all;
	ssize_t got = HTTP_STREAM_END;
	bool waits = false;

	pthread_mutex_lock(&v->lock);
	if (!v->closing) {
		got = take(viewer, out, room);
		waits = viewer->phase == VIEWER_NEW;
	}
	pthread_mutex_unlock(&v->lock);
	if (waits)
		v->on_wish(v->context);
	return got;
}

static void on_close(void *context)
{
	struct viewer *const viewer = context;
	struct viewers *const v = viewer->all;

	pthread_mutex_lock(&v->lock);
	*viewer->link = viewer->next;
	if (viewer->next)
		viewer->next->link = viewer->link;
	v->count--;
	pthread_mutex_unlock(&v->lock);
	http_stream_fini(&viewer->stream);
	free(viewer);
}

static struct viewer *add_viewer(struct viewers *v, const char *last_id)
{
	struct viewer *const viewer = calloc(1, sizeof(*viewer));
	bool fits;

	if (!viewer)
		return NULL;
	viewer->all = v;
	(void)snprintf(viewer->last_id, sizeof(viewer->last_id), "%s", last_id ? last_id : "");
	http_stream_init(&viewer->stream);
	pthread_mutex_lock(&v->lock);
	fits = v->count < VIEWERS_MAX;
	if (fits) {
		v->count++;
		viewer->next = v->list;
		viewer->link = &v->list;
		if (v->list)
			v->list->link = &viewer->next;
		v->list = viewer;
	}
	pthread_mutex_unlock(&v->lock);
	if (fits)
		return viewer;
	http_stream_fini(&viewer->stream);
	free(viewer);
	return NULL;
}

void viewers_join(struct viewers *v, struct http_request *request, const char *last_id)
{
	struct viewer *const viewer = add_viewer(v, last_id);

	if (!viewer) {
		http_answer_header(request, "Retry-After", "5");
		http_answer_problem(
			request, 503, NULL, "%d others watch already: try again", VIEWERS_MAX);
		return;
	}
	http_answer_header(request, "Cache-Control", "no-store");
	http_answer_header(request, "X-Accel-Buffering", "no");
	http_answer_stream(
		request, &viewer->stream, "text/event-stream", on_read, on_close, viewer);
}

static bool make_text(const struct viewers *v, struct viewers_text *text, const char *event,
	const char *json, const char *place)
{
	FILE *const out = open_memstream(&text->bytes, &text->length);

	if (!out)
		return false;
	text->made_ms = clock_mono_ms();
	fprintf(out, "retry: 1000\nid: %s:%" PRIu64 ":%" PRIu64 "\nevent: %s\ndata: %s\n\n", place,
		v->run, text->after, event, json);
	if (fclose(out) == 0)
		return true;
	free(text->bytes);
	return false;
}

bool viewers_publish(struct viewers *v, const char *event, const char *json, const char *place)
{
	struct viewers_text text = { .after = v->next + 1 }; /* no other thread changes it */

	if (!make_text(v, &text, event, json, place))
		return false;
	pthread_mutex_lock(&v->lock);
	while (v->first < v->next && (v->next - v->first == VIEWERS_MESSAGES ||
					     v->bytes + text.length > VIEWERS_BYTES)) {
		struct viewers_text *const oldest = &v->message[v->first++ % VIEWERS_MESSAGES];

		v->bytes -= oldest->length;
		free(oldest->bytes);
		oldest->bytes = NULL;
	}
	v->bytes += text.length;
	v->message[v->next++ % VIEWERS_MESSAGES] = text;
	wake_all(v);
	pthread_mutex_unlock(&v->lock);
	return true;
}

bool viewers_snapshot(struct viewers *v, const char *json, const char *place)
{
	struct viewers_text text = { .after = v->next }, *oldest;

	if (!make_text(v, &text, "all", json, place))
		return false;
	pthread_mutex_lock(&v->lock);
	oldest = &v->snapshot[v->snapshots++ % VIEWERS_SNAPSHOTS];
	free(oldest->bytes);
	*oldest = text;
	v->wanted = false;
	wake_all(v);
	pthread_mutex_unlock(&v->lock);
	return true;
}
