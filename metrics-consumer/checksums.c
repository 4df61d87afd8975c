#include "metrics-consumer/checksums.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 4

static int64_t behind(const struct checksum_run *run)
{
	return run->first + (int64_t)run->count;
}

/* How many runs begin at or before @id. */
static size_t runs_to(const struct checksums *c, int64_t id)
{
	size_t low = 0, high = c->count;

	if (high > 0 && c->runs[high - 1].first <= id)
		return high; /* as nearly always */
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (c->runs[middle].first <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool append(struct checksum_run *run, uint64_t checksum)
{
	if (run->count == run->room) {
		const size_t room = run->room > 0 ? 2 * run->room : ROOM_FIRST;
		uint64_t *const grown = reallocarray(run->list, room, sizeof(*grown));

		if (!grown)
			return false;
		run->list = grown;
		run->room = room;
	}
	run->list[run->count++] = checksum;
	return true;
}

static enum checksums_verdict insert_run(
	struct checksums *c, size_t index, int64_t id, uint64_t checksum)
{
	struct checksum_run run = { .first = id };

	if (c->count == CHECKSUM_RUNS_MAX)
		return CHECKSUMS_FULL;
	if (c->count == c->room) {
		const size_t room = c->room > 0 ? 2 * c->room : ROOM_FIRST;
		struct checksum_run *const grown = reallocarray(c->runs, room, sizeof(*grown));

		if (!grown)
			return CHECKSUMS_NO_MEMORY;
		c->runs = grown;
		c->room = room;
	}
	if (!append(&run, checksum))
		return CHECKSUMS_NO_MEMORY;
	assert(c->runs && index <= c->count);
	memmove(&c->runs[index + 1], &c->runs[index], (c->count - index) * sizeof(run));
	c->runs[index] = run;
	c->count++;
	c->total++;
	return CHECKSUMS_NEW;
}

enum checksums_verdict checksums_add(struct checksums *c, int64_t id, uint64_t checksum)
{
	const size_t to = runs_to(c, id);
	struct checksum_run *const run = to > 0 ? &c->runs[to - 1] : NULL;

	assert(id > 0);
	if (run && id < behind(run))
		return run->list[id - run->first] == checksum ? CHECKSUMS_SAME : CHECKSUMS_OTHER;
	if (!run || id > behind(run))
		return insert_run(c, to, id, checksum);
	if (!append(run, checksum))
		return CHECKSUMS_NO_MEMORY;
	c->total++;
	return CHECKSUMS_NEW;
}

void checksums_free(struct checksums *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->runs[i].list);
	free(c->runs);
	*c = (struct checksums){ 0 };
}

int64_t checksums_highest(const struct checksums *c)
{
	return c->count > 0 ? behind(&c->runs[c->count - 1]) - 1 : 0;
}

void checksums_compare(const struct checksums *one, const struct checksums *other,
	checksums_told *tell, void *context)
{
	for (size_t i = 0, k = 0; i < one->count && k < other->count;) {
		const struct checksum_run *const a = &one->runs[i], *const b = &other->runs[k];
		const int64_t from = a->first > b->first ? a->first : b->first;
		const int64_t to = behind(a) < behind(b) ? behind(a) : behind(b);

		for (int64_t id = from; id < to; id++) {
			if (a->list[id - a->first] != b->list[id - b->first])
				tell(context, id);
		}
		if (behind(a) <= behind(b))
			i++;
		else
			k++;
	}
}
