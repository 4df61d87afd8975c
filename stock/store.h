/* stock/store.h - what is on the shelves: the domain's rules, and which event each decision
 * makes. */
#ifndef STOCK_STORE_H
#define STOCK_STORE_H

#include "service/service.h"

/* What a caller asks, and what it is answered: one thing, put into the queue. */
struct stock_command {
	struct service_command asked; /* first */
	/* asked */
	char sku[EVENT_NAME_MAX];
	int64_t count, price_cents;
	/* answered */
	bool created;
	int64_t event_id;
};

struct sku {
	char sku[EVENT_NAME_MAX];
	int64_t count, price_cents;
	int64_t event_id; /* the number of its last event */
};

bool store_make_tables(struct db *db, struct fail *fail);

/* A fork_renumber. */
bool store_renumber(struct db *db, int64_t sent, struct fail *fail);

/* A writer_apply: puts level and price of a SKU. A new one is sku_created, any other
 * stock_changed, also where nothing differs: who asks is told that it is so, and the event
 * says when. */
bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail);

/* Reads one SKU; *found says whether there is one. */
bool store_find(struct db *db, const char *sku, struct sku *out, bool *found, struct fail *fail);

/* Calls @each for at most @limit SKUs behind @after in the order of their bytes. */
typedef void store_each(void *context, const struct sku *sku);
bool store_list(struct db *db, const char *after, int64_t limit, store_each *each, void *context,
	struct fail *fail);

#endif
