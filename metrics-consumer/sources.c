#include "metrics-consumer/sources.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS        (2 * SOURCES_MAX) /* of the hash table; never more than half full */
#define ROOM_FIRST   4                 /* ranges a source has room for at first */
#define RECENT_FIRST 64                /* checksums: most sources are short */

struct sources {
	struct source list[SOURCES_MAX];
	size_t count;
	struct source *slots[SLOTS];
	size_t missing_max;
	size_t ranges; /* missing ones, of all sources together */
	uint64_t merged, missing, notes, forgotten;
	size_t recent; /* room of all sources together */
};

struct sources *sources_new(size_t missing_max)
{
	struct sources *const s = calloc(1, sizeof(*s));

	assert(missing_max >= 2);
	if (s)
		s->missing_max = missing_max;
	return s;
}

void sources_free(struct sources **sources)
{
	if (!*sources)
		return;
	for (size_t i = 0; i < (*sources)->count; i++) {
		free((*sources)->list[i].missing);
		free((*sources)->list[i].recent);
	}
	free(*sources);
	*sources = NULL;
}

/* FNV-1a: short names, few of them. */
static size_t slot_of(const char *name, size_t length)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
	return (size_t)((hash ^ hash >> 32) % SLOTS);
}

/* The slot where it is, or the empty one where it belongs. */
static size_t find_slot(const struct sources *sources, const char *name, size_t length)
{
	size_t slot = slot_of(name, length);
	const struct source *s;

	assert(length > 0 && length < SOURCE_MAX);
	for (; (s = sources->slots[slot]); slot = (slot + 1) % SLOTS) {
		if (s->length == length && memcmp(s->name, name, length) == 0)
			break;
	}
	return slot;
}

const struct source *sources_peek(const struct sources *sources, const char *name, size_t length)
{
	return sources->slots[find_slot(sources, name, length)];
}

struct source *sources_find(struct sources *sources, const char *name, size_t length)
{
	const size_t slot = find_slot(sources, name, length);
	struct source *s = sources->slots[slot];

	if (s)
		return s;
	if (sources->count == SOURCES_MAX)
		return NULL;
	s = &sources->list[sources->count];
	s->room = sources->missing_max < ROOM_FIRST ? sources->missing_max : ROOM_FIRST;
	s->missing = malloc(s->room * sizeof(*s->missing));
	if (!s->missing)
		return NULL;
	memcpy(s->name, name, length);
	s->length = length;
	s->index = sources->count++;
	sources->slots[slot] = s;
	return s;
}

size_t sources_count(const struct sources *sources)
{
	return sources->count;
}

const struct source *sources_at(const struct sources *sources, size_t index)
{
	assert(index < sources->count);
	return &sources->list[index];
}

uint64_t sources_merged(const struct sources *sources)
{
	return sources->merged;
}

uint64_t sources_missing(const struct sources *sources)
{
	return sources->missing;
}

uint64_t sources_forgotten(const struct sources *sources)
{
	return sources->forgotten;
}

static void remove_at(struct sources *sources, struct source *s, size_t index)
{
	sources->ranges--;
	s->count--;
	memmove(&s->missing[index], &s->missing[index + 1],
		(s->count - index) * sizeof(*s->missing));
}

static void merge_lowest(struct sources *sources, struct source *s)
{
	sources->missing += (uint64_t)(s->missing[1].first - s->missing[0].last - 1);
	s->missing[1].first = s->missing[0].first;
	remove_at(sources, s, 0);
	sources->merged++;
}

static struct source *with_most_ranges(struct sources *sources)
{
	struct source *most = &sources->list[0];

	for (size_t i = 1; i < sources->count; i++) {
		if (sources->list[i].count > most->count)
			most = &sources->list[i];
	}
	return most;
}

/* Makes room for one more range: by growing, or, at a bound or without memory, by making one of
 * the two lowest: of the source that has most, or of this one. Returns how many of its own went
 * away. */
static size_t make_room(struct sources *sources, struct source *s)
{
	struct source_range *grown;
	size_t room = 2 * s->room, gone = 0;

	if (sources->ranges >= SOURCES_MISSING_ALL * sources->missing_max) {
		struct source *const most = with_most_ranges(sources);

		if (most->count > 1) {
			merge_lowest(sources, most);
			gone = most == s;
		}
	}
	if (s->count < s->room)
		return gone;
	if (room > sources->missing_max)
		room = sources->missing_max;
	grown = room > s->room ? realloc(s->missing, room * sizeof(*grown)) : NULL;
	if (grown) {
		s->missing = grown;
		s->room = room;
		return 0;
	}
	merge_lowest(sources, s);
	return 1;
}

/* The first range that ends at or behind @id; count where there is none. */
static size_t range_at(const struct source *s, int64_t id)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (s->missing[middle].last < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void fill(struct sources *sources, struct source *s, size_t index, int64_t id)
{
	struct source_range *range = &s->missing[index];

	if (range->first == range->last) {
		remove_at(sources, s, index);
	} else if (range->first == id) {
		range->first++;
	} else if (range->last == id) {
		range->last--;
	} else {
		if (make_room(sources, s) > 0 && index > 0)
			index--;
		range = &s->missing[index];
		memmove(range + 1, range, (s->count - index) * sizeof(*range));
		s->count++;
		sources->ranges++;
		range[0].last = id - 1;
		range[1].first = id + 1;
	}
}

enum source_verdict sources_take(struct sources *sources, struct source *source, int64_t id)
{
	size_t index;

	assert(id > 0);
	if (id > source->highest) {
		if (id > source->highest + 1) {
			(void)make_room(sources, source);
			source->missing[source->count++] =
				(struct source_range){ source->highest + 1, id - 1 };
			sources->ranges++;
			sources->missing += (uint64_t)(id - 1 - source->highest);
		}
		source->highest = id;
		return SOURCE_NEW;
	}
	index = range_at(source, id);
	if (index == source->count || source->missing[index].first > id)
		return SOURCE_COPY;
	sources->missing--;
	fill(sources, source, index, id);
	return SOURCE_LATE;
}

static size_t recent_at(const struct source *s, int64_t id)
{
	return (size_t)id & (s->recent_room - 1);
}

/* Gives up the checksums of the source that noted longest ago, @but not of this one. */
static bool forget_one(struct sources *sources, const struct source *but)
{
	struct source *oldest = NULL;

	for (size_t i = 0; i < sources->count; i++) {
		struct source *const s = &sources->list[i];

		if (s != but && s->recent && (!oldest || s->used < oldest->used))
			oldest = s;
	}
	if (!oldest)
		return false;
	sources->recent -= oldest->recent_room;
	free(oldest->recent);
	oldest->recent = NULL;
	oldest->recent_room = 0;
	sources->forgotten++;
	return true;
}

static void make_recent_room(struct sources *sources, struct source *s)
{
	const size_t old_room = s->recent_room;
	struct source_recent *const old = s->recent;
	const size_t room = old_room > 0 ? 2 * old_room : RECENT_FIRST;
	struct source_recent *larger;

	while (sources->recent - old_room + room > SOURCES_RECENT_ALL) {
		if (!forget_one(sources, s))
			return;
	}
	larger = calloc(room, sizeof(*larger));
	if (!larger)
		return;
	s->recent = larger;
	s->recent_room = room;
	sources->recent += room - old_room;
	for (size_t i = 0; i < old_room; i++) {
		if (old[i].id != 0)
			larger[recent_at(s, old[i].id)] = old[i];
	}
	free(old);
}

void sources_note(struct sources *sources, struct source *source, int64_t id, uint32_t checksum)
{
	struct source_recent *at;

	assert(id > 0);
	if (source->recent_room == 0)
		make_recent_room(sources, source);
	if (source->recent_room == 0)
		return;
	at = &source->recent[recent_at(source, id)];
	if (at->id != 0 && at->id != id && source->recent_room < SOURCES_RECENT_MAX) {
		make_recent_room(sources, source);
		at = &source->recent[recent_at(source, id)];
	}
	*at = (struct source_recent){ id, checksum };
	source->noted = id;
	source->used = ++sources->notes;
}

bool source_checksum(const struct source *source, int64_t id, uint32_t *checksum)
{
	const struct source_recent *at;

	if (source->recent_room == 0)
		return false;
	at = &source->recent[recent_at(source, id)];
	*checksum = at->checksum;
	return at->id == id;
}

bool sources_restore(struct sources *sources, struct source *source, int64_t highest,
	const struct source_range *missing, size_t count)
{
	int64_t above = 0; /* the last number that may not be missing */

	assert(source->highest == 0 && source->count == 0);
	if (highest < 1 || count > sources->missing_max)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (missing[i].first <= above || missing[i].last < missing[i].first ||
			missing[i].last >= highest)
			return false;
		above = missing[i].last + 1;
	}
	if (count > source->room) {
		struct source_range *const grown = realloc(source->missing, count * sizeof(*grown));

		if (!grown)
			return false;
		source->missing = grown;
		source->room = count;
	}
	for (size_t i = 0; i < count; i++) {
		source->missing[i] = missing[i];
		sources->missing += (uint64_t)(missing[i].last - missing[i].first + 1);
	}
	source->count = count;
	sources->ranges += count;
	source->highest = highest;
	return true;
}

bool source_knows(const struct source *source, int64_t first, int64_t *last)
{
	const size_t at = range_at(source, first);
	const bool before = at < source->count; /* a range, or the end of what is known */
	const bool missing = before && source->missing[at].first <= first;
	int64_t to = before ? source->missing[at].first - 1 : source->highest;

	if (first > source->highest)
		return false;
	if (missing)
		to = source->missing[at].last;
	if (*last > to)
		*last = to;
	return !missing;
}

int64_t source_known(const struct source *source, int64_t first, int64_t last)
{
	int64_t known;

	if (last > source->highest)
		last = source->highest;
	if (first > last)
		return 0;
	known = last - first + 1;
	for (size_t i = range_at(source, first); i < source->count; i++) {
		const struct source_range *const r = &source->missing[i];
		const int64_t from = r->first > first ? r->first : first;
		const int64_t to = r->last < last ? r->last : last;

		if (from > last)
			break;
		known -= to - from + 1;
	}
	return known;
}

void source_each_known(
	const struct source *source, void (*tell)(void *context, int64_t id), void *context)
{
	int64_t id = 1;

	for (size_t i = 0; i <= source->count; i++) {
		const bool last = i == source->count;
		const int64_t to = last ? source->highest : source->missing[i].first - 1;

		for (; id <= to; id++)
			tell(context, id);
		if (!last)
			id = source->missing[i].last + 1;
	}
}
