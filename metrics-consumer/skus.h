/* metrics-consumer/skus.h - what the journal says of each SKU: level, price, additions, failures.
 *
 * Bounded: a SKU beyond SKUS_MAX, or with a name that our services do not take, is counted as left
 * out and nothing more. One thread at a time. */
#ifndef METRICS_CONSUMER_SKUS_H
#define METRICS_CONSUMER_SKUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "metrics-consumer/line.h"

#define SKUS_MAX        10000
#define SKUS_REASON_MAX 64 /* bytes of a reason that are kept, with the NUL */

struct sku {
	char name[EVENT_NAME_MAX];
	char reason[SKUS_REASON_MAX]; /* of the last failure */
	int64_t level, price_cents;   /* level -1: no event of the stock was seen */
	uint64_t added, units;        /* events cart_item_added, and what they counted together */
	uint64_t failed;              /* events cart_item_failed */
	int64_t level_id;             /* number and source of the event that the level is from */
	uint64_t level_source;
	int64_t time_ms; /* of the last line */
	bool changed;    /* since skus_take_changed */
};

struct skus {
	struct sku *list;
	uint32_t *slots; /* 1 + index into the list; 0: empty */
	size_t count;
	size_t changed;    /* of the list */
	size_t look_at;    /* where skus_take_changed goes on */
	uint64_t left_out; /* events of SKUs that are not in the list */
};

bool skus_init(struct skus *skus); /* false: out of memory */
void skus_fini(struct skus *skus);
void skus_clear(struct skus *skus);

/* Takes what a journal line says. An older level of the same source, which a line that comes late
 * has, changes nothing. */
void skus_note(struct skus *skus, const struct line *line, const struct event *event);
/* The next one that changed, each once; NULL: none is left. */
const struct sku *skus_take_changed(struct skus *skus);

#endif
