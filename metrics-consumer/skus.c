#include "metrics-consumer/skus.h"

#include <stdlib.h>
#include <string.h>

#include "metrics-consumer/checksum.h"
#include "process/text.h"

#define SLOTS 32768 /* a power of two, more than twice SKUS_MAX */

_Static_assert(SLOTS > 2 * SKUS_MAX && (SLOTS & (SLOTS - 1)) == 0, "the table stays half empty");

bool skus_init(struct skus *skus)
{
	*skus = (struct skus){ .list = malloc(SKUS_MAX * sizeof(*skus->list)),
		.slots = calloc(SLOTS, sizeof(*skus->slots)) };
	if (skus->list && skus->slots)
		return true;
	skus_fini(skus);
	return false;
}

void skus_fini(struct skus *skus)
{
	free(skus->list);
	free(skus->slots);
	*skus = (struct skus){ 0 };
}

void skus_clear(struct skus *skus)
{
	memset(skus->slots, 0, SLOTS * sizeof(*skus->slots));
	skus->count = skus->changed = skus->look_at = 0;
	skus->left_out = 0;
}

/* NULL: there is no room for another one. */
static struct sku *find_or_add(struct skus *skus, const char *name)
{
	const size_t length = strlen(name);
	size_t at = checksum64(name, length) & (SLOTS - 1);
	struct sku *sku;

	for (; skus->slots[at] > 0; at = (at + 1) & (SLOTS - 1)) {
		sku = &skus->list[skus->slots[at] - 1];
		if (strcmp(sku->name, name) == 0)
			return sku;
	}
	if (skus->count == SKUS_MAX || length >= EVENT_NAME_MAX)
		return NULL;
	sku = &skus->list[skus->count++];
	*sku = (struct sku){ .level = -1 };
	memcpy(sku->name, name, length);
	skus->slots[at] = (uint32_t)skus->count;
	return sku;
}

static void note_level(struct sku *sku, const struct line *line, const struct event *event)
{
	const uint64_t source = checksum64(line->source, line->source_length);

	if (sku->level >= 0 && source == sku->level_source && line->id < sku->level_id)
		return;
	sku->level = event->count;
	sku->price_cents = event->price_cents;
	sku->level_id = line->id;
	sku->level_source = source;
}

void skus_note(struct skus *skus, const struct line *line, const struct event *event)
{
	struct sku *sku;

	if (event->type == EVENT_OTHER || event->type == EVENT_CART_ITEM_REMOVED ||
		event->type == EVENT_CART_CLEARED)
		return;
	sku = find_or_add(skus, event->sku);
	if (!sku) {
		skus->left_out++;
		return;
	}
	if (event->type == EVENT_CART_ITEM_ADDED) {
		sku->added++;
		sku->units += (uint64_t)event->count;
	} else if (event->type == EVENT_CART_ITEM_FAILED) {
		sku->failed++;
		text_copy(sku->reason, sizeof(sku->reason), event->reason, strlen(event->reason));
	} else {
		note_level(sku, line, event);
	}
	sku->time_ms = line->time_ms;
	skus->changed += !sku->changed;
	sku->changed = true;
}

/* It goes round, so that with many changes none waits for ever. */
const struct sku *skus_take_changed(struct skus *skus)
{
	if (skus->changed == 0)
		return NULL;
	for (;;) {
		struct sku *sku;

		if (skus->look_at >= skus->count)
			skus->look_at = 0;
		sku = &skus->list[skus->look_at++];
		if (!sku->changed)
			continue;
		sku->changed = false;
		skus->changed--;
		return sku;
	}
}
