#include "metrics-consumer/timeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"
#include "process/clock.h"

#define PAUSES (sizeof(((struct timeline *)0)->pause[0]) / sizeof(struct timeline_pause))

static const char *const kinds[] = { "start", "leader", "broker", "replicas", "pause", "trouble",
	"well", "outbox", "drained", "silent", "heard", "gone" };

void timeline_init(struct timeline *t)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
}

void timeline_fini(struct timeline *t)
{
	pthread_mutex_destroy(&t->lock);
}

static struct timeline_entry *entry_of(struct timeline *t, uint64_t id)
{
	return &t->list[id % TIMELINE_MAX];
}

static uint64_t first_id(const struct timeline *t)
{
	return t->next_id > TIMELINE_MAX ? t->next_id - TIMELINE_MAX : 0;
}

static bool is_near(int64_t one_ms, int64_t other_ms)
{
	return llabs(one_ms - other_ms) <= TIMELINE_NEAR_MS;
}

/* A pause that was noticed before the move of the leader that it belongs to is part of that one. */
static int64_t take_pauses_near(struct timeline *t, int32_t partition, int64_t at_ms)
{
	int64_t longest = 0;

	for (size_t i = 0; i < PAUSES && i < t->pauses[partition]; i++) {
		const struct timeline_pause *const pause = &t->pause[partition][i];

		if (is_near(pause->at_ms, at_ms) && pause->ms > longest)
			longest = pause->ms;
	}
	for (uint64_t id = first_id(t); id < t->next_id; id++) {
		struct timeline_entry *const e = entry_of(t, id);

		if (e->kind == TIMELINE_PAUSE && e->partition == partition &&
			is_near(e->at_ms, at_ms)) {
			e->kind = TIMELINE_GONE;
			e->change = ++t->changes;
		}
	}
	return longest;
}

static void add(struct timeline *t, const struct timeline_entry *entry)
{
	struct timeline_entry e = *entry;

	if (e.at_ms == 0)
		e.at_ms = clock_wall_ms();
	if (e.kind == TIMELINE_LEADER)
		e.pause_ms = take_pauses_near(t, e.partition, e.at_ms);
	e.id = t->next_id++;
	e.change = ++t->changes;
	*entry_of(t, e.id) = e;
}

void timeline_add(struct timeline *t, const struct timeline_entry *entry)
{
	pthread_mutex_lock(&t->lock);
	add(t, entry);
	pthread_mutex_unlock(&t->lock);
}

/* The move of @partition's leader that a pause belongs to. */
static struct timeline_entry *find_move(struct timeline *t, int32_t partition, int64_t at_ms)
{
	for (uint64_t id = t->next_id; id-- > first_id(t);) {
		struct timeline_entry *const e = entry_of(t, id);

		if (e->kind == TIMELINE_LEADER && e->partition == partition &&
			is_near(e->at_ms, at_ms))
			return e;
	}
	return NULL;
}

void timeline_note_pause(struct timeline *t, int32_t partition, int64_t at_ms, int64_t ms)
{
	struct timeline_entry *move;

	pthread_mutex_lock(&t->lock);
	t->pause[partition][t->pauses[partition]++ % PAUSES] = (struct timeline_pause){ at_ms, ms };
	move = find_move(t, partition, at_ms);
	if (move && move->pause_ms < ms) {
		move->pause_ms = ms;
		move->change = ++t->changes;
	} else if (!move && ms >= TIMELINE_PAUSE_MS) {
		add(t, &(struct timeline_entry){ .kind = TIMELINE_PAUSE,
			       .at_ms = at_ms,
			       .partition = partition,
			       .pause_ms = ms });
	}
	pthread_mutex_unlock(&t->lock);
}

static json_t *entry_json(const struct timeline_entry *e)
{
	json_t *const entry = json_pack("{s:I, s:s, s:I}", "id", (json_int_t)e->id, "kind",
		kinds[e->kind], "at", (json_int_t)e->at_ms);

	if (e->kind == TIMELINE_LEADER || e->kind == TIMELINE_REPLICAS || e->kind == TIMELINE_PAUSE)
		(void)json_object_set_new(entry, "partition", json_integer(e->partition));
	if (e->kind == TIMELINE_LEADER || e->kind == TIMELINE_REPLICAS ||
		e->kind == TIMELINE_BROKER) {
		(void)json_object_set_new(entry, "from", json_integer(e->from));
		(void)json_object_set_new(entry, "to", json_integer(e->to));
	}
	if (e->pause_ms > 0)
		(void)json_object_set_new(entry, "pause_ms", json_integer(e->pause_ms));
	if (*e->about)
		(void)json_object_set_new(entry, "about", json_string(e->about));
	if (*e->text)
		(void)json_object_set_new(entry, "text", http_shown(e->text));
	return entry;
}

json_t *timeline_json(struct timeline *t, uint64_t *change)
{
	json_t *const list = json_array();

	pthread_mutex_lock(&t->lock);
	for (uint64_t id = first_id(t); id < t->next_id; id++) {
		if (entry_of(t, id)->change > *change)
			(void)json_array_append_new(list, entry_json(entry_of(t, id)));
	}
	*change = t->changes;
	pthread_mutex_unlock(&t->lock);
	return list;
}
