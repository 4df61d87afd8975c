/* stock/store.h - what is on the shelves: the domain's rules, and which event each decision
 * makes. */
#ifndef STOCK_STORE_H
#define STOCK_STORE_H

#include "service/service.h"

enum stock_kind {
	STOCK_PUT,    /* level and price of a SKU, which is created where it is not there */
	STOCK_CHANGE, /* of one that is there: level, or difference, or price */
};

enum stock_result {
	STOCK_CREATED,     /* sku_created */
	STOCK_CHANGED,     /* stock_changed */
	STOCK_UNKNOWN,     /* nothing was done: there is no such SKU */
	STOCK_OUT_OF_RANGE /* nothing was done: the level would be none */
};

/* What a caller asks, and what it is answered: one thing, put into the queue. */
struct stock_command {
	struct service_command asked; /* first */
	enum stock_kind kind;
	/* asked */
	char sku[EVENT_NAME_MAX];
	int64_t asked_count, asked_price_cents, delta;
	bool has_count, has_price, has_delta; /* of a change; @delta goes without @asked_count */
	/* answered: as it is now */
	enum stock_result result;
	int64_t count, price_cents;
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

/* A writer_apply for struct stock_command. What is done is an event, also where nothing differs:
 * who asks is told that it is so, and the event says when. What is not done is none. */
bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail);

/* Reads one SKU; *found says whether there is one. */
bool store_find(struct db *db, const char *sku, struct sku *out, bool *found, struct fail *fail);

/* Calls @each for at most @limit SKUs behind @after in the order of their bytes. */
typedef void store_each(void *context, const struct sku *sku);
bool store_list(struct db *db, const char *after, int64_t limit, store_each *each, void *context,
	struct fail *fail);

#endif
