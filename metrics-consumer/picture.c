#include "metrics-consumer/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/text.h"

bool picture_init(struct picture *picture, struct timeline *timeline)
{
	*picture = (struct picture){ .timeline = timeline,
		.events = malloc(PICTURE_EVENTS * sizeof(*picture->events)),
		.reader = event_reader_new() };
	if (picture->events && picture->reader && skus_init(&picture->skus))
		return true;
	picture_fini(picture);
	return false;
}

void picture_fini(struct picture *picture)
{
	free(picture->events);
	picture->events = NULL;
	event_reader_free(&picture->reader);
	skus_fini(&picture->skus);
}

void picture_clear(struct picture *picture)
{
	skus_clear(&picture->skus);
	memset(picture->seconds, 0, sizeof(picture->seconds));
	memset(picture->last_ms, 0, sizeof(picture->last_ms));
	picture->event_count = picture->told = 0;
	picture->from_ms = 0;
	picture->lines = picture->unreadable = 0;
}

static void keep_event(struct picture *p, const struct line *line, const struct event *event,
	int64_t number, int64_t position)
{
	struct picture_event *const e = &p->events[p->event_count++ % PICTURE_EVENTS];

	e->number = number;
	e->position = position;
	e->time_ms = line->time_ms;
	e->delay_ms = line->delay_ms;
	e->partition = line->partition;
	e->offset = line->offset;
	e->id = line->id;
	text_copy(e->source, sizeof(e->source), line->source ? line->source : "",
		line->source_length);
	e->type = event->type;
	e->sku[0] = e->cart_id[0] = e->reason[0] = '\0';
	e->count = e->price_cents = 0;
	if (event->type == EVENT_OTHER)
		return;
	text_copy(e->sku, sizeof(e->sku), event->sku, strlen(event->sku));
	e->count = event->count;
	if (event_partition(event->type) == 1) {
		e->price_cents = event->price_cents;
		return;
	}
	text_copy(e->cart_id, sizeof(e->cart_id), event->cart_id, strlen(event->cart_id));
	if (event->type == EVENT_CART_ITEM_FAILED)
		text_copy(e->reason, sizeof(e->reason), event->reason, strlen(event->reason));
}

static struct picture_second *second_of(struct picture *p, int64_t time_ms)
{
	const int64_t at_s = time_ms / 1000;
	struct picture_second *const s = &p->seconds[at_s % PICTURE_SECONDS];

	if (s->at_s > at_s)
		return NULL; /* the wall clock went back by more than we keep */
	if (s->at_s < at_s)
		*s = (struct picture_second){ .at_s = at_s };
	return s;
}

/* How long nothing came although this event was waiting. Where the clocks of two machines differ it
 * is off by that, but never longer than nothing came. */
static int64_t pause_before(const struct picture *p, const struct line *line)
{
	const int64_t last_ms = p->last_ms[line->partition];
	const int64_t gap_ms = line->time_ms - last_ms;

	if (last_ms == 0)
		return 0;
	return gap_ms < line->delay_ms ? gap_ms : line->delay_ms;
}

static void note_time(struct picture *p, const struct line *line, enum event_type type)
{
	const int32_t partition = line->partition;
	const int64_t pause_ms = pause_before(p, line);
	struct picture_second *const s = second_of(p, line->time_ms);

	if (pause_ms >= PICTURE_PAUSE_MS)
		timeline_note_pause(p->timeline, partition, line->time_ms, pause_ms);
	p->last_ms[partition] = line->time_ms;
	if (p->from_ms == 0)
		p->from_ms = line->time_ms;
	if (!s)
		return;
	s->events[type][partition]++;
	s->changed = true;
	if (line->delay_ms > s->delay_ms[partition])
		s->delay_ms[partition] = line->delay_ms;
	if (pause_ms >= PICTURE_PAUSE_MS && pause_ms > s->pause_ms[partition])
		s->pause_ms[partition] = pause_ms;
}

void picture_line(
	struct picture *p, const char *bytes, size_t length, int64_t number, int64_t position)
{
	struct event event;
	struct line line;

	p->lines++;
	if (!line_read(&p->second, bytes, length, &line) || line.partition < 0 ||
		line.partition >= EVENT_PARTITIONS || line.time_ms <= 0 ||
		event_decode(p->reader, line.value, line.length, &event) != EVENT_SOUND) {
		p->unreadable++;
		return;
	}
	note_time(p, &line, event.type);
	skus_note(&p->skus, &line, &event);
	keep_event(p, &line, &event, number, position);
}

static json_t *event_json(const struct picture_event *e)
{
	char place[64];

	(void)snprintf(
		place, sizeof(place), "%lld:%lld", (long long)e->number, (long long)e->position);
	return json_pack("[I,s,i,I,s,I,I,s,s,I,I,s,s]", (json_int_t)e->time_ms,
		event_type_name(e->type), (int)e->partition, (json_int_t)e->offset, e->source,
		(json_int_t)e->id, (json_int_t)e->delay_ms, e->sku, e->cart_id,
		(json_int_t)e->count, (json_int_t)e->price_cents, e->reason, place);
}

static void tell_events(struct picture *p, json_t *message, bool first)
{
	const size_t most = first ? PICTURE_TELL_FIRST : PICTURE_TELL_MAX;
	const uint64_t fresh = first ? p->event_count : p->event_count - p->told;
	const uint64_t count = fresh < most ? fresh : most;
	json_t *const list = json_array();

	for (uint64_t i = p->event_count - count; i < p->event_count; i++)
		(void)json_array_append_new(list, event_json(&p->events[i % PICTURE_EVENTS]));
	(void)json_object_set_new(message, "events", list);
	(void)json_object_set_new(
		message, "passed", json_integer(first ? 0 : (json_int_t)(fresh - count)));
	if (!first)
		p->told = p->event_count;
}

static json_t *second_json(const struct picture_second *s)
{
	json_t *const row = json_array();

	(void)json_array_append_new(row, json_integer(s->at_s));
	for (int type = 0; type < EVENT_TYPES; type++) {
		for (int p = 0; p < EVENT_PARTITIONS; p++)
			(void)json_array_append_new(row, json_integer(s->events[type][p]));
	}
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		(void)json_array_append_new(row, json_integer(s->delay_ms[p]));
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		(void)json_array_append_new(row, json_integer(s->pause_ms[p]));
	return row;
}

static void tell_seconds(struct picture *p, json_t *message, bool first)
{
	json_t *const list = json_array();

	for (size_t i = 0; i < PICTURE_SECONDS; i++) {
		struct picture_second *const s = &p->seconds[i];

		if (s->at_s > 0 && (first || s->changed))
			(void)json_array_append_new(list, second_json(s));
		s->changed = s->changed && first;
	}
	(void)json_object_set_new(message, "seconds", list);
}

static json_t *sku_json(const struct sku *sku)
{
	json_t *const level = sku->level < 0 ? json_null() : json_integer(sku->level);

	return json_pack("[s,o,I,I,I,I,s,I]", sku->name, level, (json_int_t)sku->price_cents,
		(json_int_t)sku->added, (json_int_t)sku->units, (json_int_t)sku->failed,
		sku->reason, (json_int_t)sku->time_ms);
}

static void tell_skus(struct picture *p, json_t *message, bool first)
{
	json_t *const list = json_array();
	const struct sku *sku;

	if (first) {
		for (size_t i = 0; i < p->skus.count; i++)
			(void)json_array_append_new(list, sku_json(&p->skus.list[i]));
	} else {
		for (size_t i = 0; i < PICTURE_SKUS_MAX; i++) {
			sku = skus_take_changed(&p->skus);
			if (!sku)
				break;
			(void)json_array_append_new(list, sku_json(sku));
		}
	}
	(void)json_object_set_new(message, "skus", list);
	(void)json_object_set_new(
		message, "skus_waiting", json_integer(first ? 0 : (json_int_t)p->skus.changed));
	(void)json_object_set_new(
		message, "skus_left_out", json_integer((json_int_t)p->skus.left_out));
}

void picture_tell(struct picture *p, json_t *message, bool first)
{
	tell_events(p, message, first);
	tell_seconds(p, message, first);
	tell_skus(p, message, first);
	(void)json_object_set_new(message, "from", json_integer(p->from_ms));
	(void)json_object_set_new(message, "lines", json_integer((json_int_t)p->lines));
	(void)json_object_set_new(message, "unreadable", json_integer((json_int_t)p->unreadable));
}

void picture_told(struct picture *p)
{
	p->told = p->event_count;
	for (size_t i = 0; i < PICTURE_SECONDS; i++)
		p->seconds[i].changed = false;
	while (skus_take_changed(&p->skus))
		;
}

static bool passes(const struct picture_event *e, const struct picture_filter *filter)
{
	return (!filter->type || strcmp(filter->type, event_type_name(e->type)) == 0) &&
	       (!filter->cart || strcmp(filter->cart, e->cart_id) == 0) &&
	       (!filter->sku || strcmp(filter->sku, e->sku) == 0);
}

json_t *picture_recent(const struct picture *p, const struct picture_filter *filter)
{
	const uint64_t kept = p->event_count < PICTURE_EVENTS ? p->event_count : PICTURE_EVENTS;
	json_t *const list = json_array();
	uint64_t from = p->event_count;
	size_t found = 0;

	while (from > p->event_count - kept && found < filter->most) {
		from--;
		found += passes(&p->events[from % PICTURE_EVENTS], filter);
	}
	for (; from < p->event_count; from++) {
		if (passes(&p->events[from % PICTURE_EVENTS], filter))
			(void)json_array_append_new(
				list, event_json(&p->events[from % PICTURE_EVENTS]));
	}
	return list;
}
