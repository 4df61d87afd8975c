/* cart/store.h - carts, what cart knows of stock, and which event each decision makes. */
#ifndef CART_STORE_H
#define CART_STORE_H

#include "cart/command.h"

bool store_make_tables(struct db *db, struct fail *fail);

/* A writer_apply for the kinds of struct cart_command.
 *
 * Adding: done where what the cart holds plus the count does not exceed the level; cart
 * reserves nothing. Learning: only what is higher for that SKU and source counts; a new
 * source empties the view of the old one, because its store was made anew. */
bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail);

/* The offset of partition 1 to read next; -1: from its start. */
bool store_position(struct db *db, int64_t *next_offset, struct fail *fail);

/* Calls @each for the items of a cart in the order of their SKUs. price_cents is -1 where no
 * price is known. */
typedef void store_item(void *context, const char *sku, int64_t count, int64_t price_cents);
bool store_items(
	struct db *db, const char *cart_id, store_item *each, void *context, struct fail *fail);

#endif
