#include "metrics-consumer/feed_message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "process/clock.h"

static json_t *events_json(const struct counts *counts)
{
	json_t *const types = json_array();

	for (int type = 0; type < EVENT_TYPES; type++) {
		json_t *const row = json_array();

		for (int p = 0; p < EVENT_PARTITIONS; p++)
			(void)json_array_append_new(
				row, json_integer((json_int_t)counts->ever.events[type][p]));
		(void)json_array_append_new(types, row);
	}
	return types;
}

static json_t *reasons_json(const struct counts *counts)
{
	json_t *const reasons = json_object();

	for (int reason = EVENT_SOUND + 1; reason < DEAD_REASONS; reason++) {
		if (counts->ever.dead[reason] > 0)
			(void)json_object_set_new(reasons, dead_letter_reason(reason),
				json_integer((json_int_t)counts->ever.dead[reason]));
	}
	return reasons;
}

static json_t *counts_json(const struct counts *c)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I}",
		"events", events_json(c), "dead", reasons_json(c), "journaled",
		(json_int_t)c->journaled, "repeats", (json_int_t)c->repeats, "missing",
		(json_int_t)c->missing, "holes", (json_int_t)c->ever.holes, "replaced",
		(json_int_t)c->ever.replaced, "number_holes", (json_int_t)c->ever.number_holes,
		"late", (json_int_t)c->late, "misplaced", (json_int_t)c->misplaced, "nameless",
		(json_int_t)c->nameless, "untracked", (json_int_t)c->untracked, "group_ahead",
		(int)c->group_ahead, "journal_bytes", (json_int_t)c->journal_bytes);
}

static json_t *lag_json(struct feed *f)
{
	json_t *const list = json_array();
	struct counts counts;

	counters_read(f->options.counters, &counts);
	for (int32_t p = 0; p < EVENT_PARTITIONS; p++) {
		const bool known = counts.lag[p] >= 0;

		(void)json_array_append_new(
			list, json_pack("{s:I, s:I}", "messages", (json_int_t)counts.lag[p], "ms",
				      (json_int_t)(known ? counts.lag_ms[p] : -1)));
	}
	return list;
}

static json_t *checks_json(struct feed *f)
{
	char kafka[HEALTH_TEXT_MAX], journal[HEALTH_TEXT_MAX];

	f->options.checks(f->options.context, kafka, journal);
	return json_pack("{s:o, s:o}", "kafka", http_shown(kafka), "journal", http_shown(journal));
}

static void tell_letters(struct feed *f, json_t *message, bool all)
{
	if (all || !f->letters_told)
		(void)json_object_set(message, "letters", f->letters);
	if (!all)
		f->letters_told = true;
}

char *feed_message(struct feed *f, bool all, char up_to[static VIEWERS_PLACE_MAX])
{
	uint64_t everything = 0;
	json_t *const message = json_object();
	struct journal_place place;
	struct counts synced;
	char *text;

	counters_read(&f->synced, &synced);
	journal_tail_place(&f->tail, &place);
	(void)snprintf(up_to, VIEWERS_PLACE_MAX, "%s:%" PRId64 ":%" PRId64,
		*place.journal ? place.journal : "0000000000000000", place.number, place.position);
	(void)json_object_set_new(message, "now", json_integer(clock_wall_ms()));
	(void)json_object_set_new(message, "started", json_integer(f->started_ms));
	(void)json_object_set_new(message, "journal", json_string(place.journal));
	(void)json_object_set_new(message, "file", json_integer(place.number));
	(void)json_object_set_new(message, "position", json_integer(place.position));
	(void)json_object_set_new(message, "behind", json_integer(journal_tail_behind(&f->tail)));
	(void)json_object_set_new(
		message, "viewers", json_integer((json_int_t)viewers_count(&f->viewers)));
	(void)json_object_set_new(message, "counts", counts_json(&synced));
	(void)json_object_set_new(message, "lag", lag_json(f));
	(void)json_object_set_new(message, "checks", checks_json(f));
	(void)json_object_set_new(message, "brokers", brokers_json(&f->brokers));
	(void)json_object_set_new(message, "services", outboxes_json(&f->outboxes));
	(void)json_object_set_new(
		message, "timeline", timeline_json(&f->timeline, all ? &everything : &f->change));
	tell_letters(f, message, all);
	if (atomic_load(&f->reading)) {
		(void)json_object_set_new(message, "reading", json_integer(f->reading_of));
	} else {
		(void)json_object_set_new(
			message, "whole", json_boolean(journal_tail_is_whole(&f->tail)));
		picture_tell(&f->picture, message, all);
	}
	text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	return text;
}
