/* cart/store.h - carts, what cart knows of stock, and which event each decision makes. */
#ifndef CART_STORE_H
#define CART_STORE_H

#include "cart/command.h"

bool store_make_tables(struct db *db, struct fail *fail);

/* A writer_apply for the kinds of struct cart_command.
 *
 * Adding: done where what the cart holds plus the count does not exceed the level; cart
 * reserves nothing. Removing: an event where something was there. Learning: only what is higher for
 * that SKU and source counts; a new source empties the view of the old one, because its store was
 * made anew, and what still comes of the old one is ignored, unless it is new and comes a minute or
 * more later: then that store was put back. A hole in the source's numbers makes the partition be
 * read again, once. */
bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail);

/* How far partition 1 is read. */
struct stock_view {
	int64_t next_offset; /* -1: from its start */
	char source[SOURCE_MAX];
	int64_t highest;       /* number of @source */
	int64_t believed;      /* holes in the numbers up to here are known */
	int64_t anchor_offset; /* last record of @source that was read; -1: none */
	int64_t anchor_id;     /* and its number */
};
bool store_view(struct db *db, struct stock_view *view, struct fail *fail);

/* Calls @each for the items of a cart in the order of their SKUs. price_cents is -1 where no
 * price is known. */
typedef void store_item(void *context, const char *sku, int64_t count, int64_t price_cents);
bool store_items(
	struct db *db, const char *cart_id, store_item *each, void *context, struct fail *fail);

#endif
