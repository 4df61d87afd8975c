#include "cart/store.h"

#include <stdio.h>
#include <string.h>

#include "cart_sql.h"

struct finding {
	bool found;
	int64_t level, in_cart;
};

struct position {
	int64_t next_offset;
	char source[SOURCE_MAX];
};

bool store_make_tables(struct db *db, struct fail *fail)
{
	return db_script(db, SQL_SCHEMA, fail) || fail_prefix(fail, "make tables");
}

static bool take_finding(void *context, const struct db_value *columns)
{
	*(struct finding *)context = (struct finding){ true, columns[0].whole, columns[1].whole };
	return true;
}

static bool take_position(void *context, const struct db_value *columns)
{
	struct position *const position = context;

	position->next_offset = columns[0].whole;
	(void)snprintf(
		position->source, sizeof(position->source), "%s", (const char *)columns[1].bytes);
	return true;
}

static bool learn(struct db *db, const struct level *level, struct fail *fail)
{
	const struct db_value values[] = { db_text(level->sku), db_text(level->source),
		db_whole(level->event_id), db_whole(level->count), db_whole(level->price_cents) };

	return db_query(db, SQL_LEARN_LEVEL, values, 5, NULL, NULL, fail) ||
	       fail_prefix(fail, "learn a stock level");
}

static bool fail_item(
	struct outbox_tx *tx, struct add_item *item, const char *reason, struct fail *fail)
{
	struct event event = { .type = EVENT_CART_ITEM_FAILED, .count = item->count };

	strcpy(event.cart_id, item->cart_id);
	strcpy(event.sku, item->sku);
	strcpy(event.reason, reason);
	return rows_append(tx, &event, &item->event_id, fail);
}

static bool put_item(struct outbox_tx *tx, struct add_item *item, struct fail *fail)
{
	const struct db_value values[] = { db_text(item->cart_id), db_text(item->sku),
		db_whole(item->count) };
	struct event event = { .type = EVENT_CART_ITEM_ADDED, .count = item->count };

	strcpy(event.cart_id, item->cart_id);
	strcpy(event.sku, item->sku);
	return db_query(tx->db, SQL_ADD_ITEM, values, 3, NULL, NULL, fail) &&
	       rows_append(tx, &event, &item->event_id, fail);
}

static bool add_item(struct outbox_tx *tx, struct add_item *item, struct fail *fail)
{
	const struct db_value key[] = { db_text(item->cart_id), db_text(item->sku) };
	struct finding finding = { 0 };

	if (item->asked && item->known && !learn(tx->db, &item->level, fail))
		return false;
	if (!db_query(tx->db, SQL_FIND_LEVEL, key, 2, take_finding, &finding, fail))
		return fail_prefix(fail, "find stock level");
	item->in_cart = finding.in_cart;
	if (!finding.found && !item->asked) {
		item->result = ADD_ASK_STOCK;
		return true;
	}
	if (!finding.found) {
		item->result = ADD_UNKNOWN_SKU;
		return fail_item(tx, item, "unknown sku", fail);
	}
	if (finding.in_cart + item->count > finding.level) {
		item->result = ADD_NOT_ENOUGH_STOCK;
		return fail_item(tx, item, "not enough stock", fail);
	}
	item->result = ADD_DONE;
	item->in_cart += item->count;
	return put_item(tx, item, fail);
}

static bool learn_levels(struct outbox_tx *tx, struct learn_levels *asked, struct fail *fail)
{
	struct position position = { 0 };

	if (!db_query(tx->db, SQL_READ_POSITION, NULL, 0, take_position, &position, fail))
		return fail_prefix(fail, "read position");
	for (size_t i = 0; i < asked->count; i++) {
		const struct level *const level = &asked->levels[i];
		const struct db_value source = db_text(level->source);

		if (strcmp(level->source, position.source) != 0) {
			if (!db_query(
				    tx->db, SQL_FORGET_OTHER_SOURCES, &source, 1, NULL, NULL, fail))
				return fail_prefix(fail, "forget levels");
			strcpy(position.source, level->source);
		}
		if (!learn(tx->db, level, fail))
			return false;
	}
	const struct db_value values[] = { db_whole(asked->again ? -1 : asked->next_offset),
		db_text(position.source) };

	return db_query(tx->db, SQL_SET_POSITION, values, 2, NULL, NULL, fail) ||
	       fail_prefix(fail, "store position");
}

bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	(void)service;
	switch (((struct cart_command *)command)->kind) {
	case CART_ADD_ITEM:
		return add_item(tx, (struct add_item *)command, fail);
	case CART_LEARN_LEVELS:
		return learn_levels(tx, (struct learn_levels *)command, fail);
	}
	return fail_set(fail, FAIL_FATAL, "a command of no kind");
}

bool store_position(struct db *db, int64_t *next_offset, struct fail *fail)
{
	struct position position = { .next_offset = -1 };

	if (!db_query(db, SQL_READ_POSITION, NULL, 0, take_position, &position, fail))
		return fail_prefix(fail, "read position");
	*next_offset = position.next_offset;
	return true;
}

struct listing {
	store_item *each;
	void *context;
};

static bool take_item(void *context, const struct db_value *columns)
{
	const struct listing *const listing = context;

	listing->each(listing->context, columns[0].bytes, columns[1].whole,
		columns[2].kind == DB_NULL ? -1 : columns[2].whole);
	return true;
}

bool store_items(
	struct db *db, const char *cart_id, store_item *each, void *context, struct fail *fail)
{
	const struct db_value key = db_text(cart_id);
	struct listing listing = { each, context };

	return db_query(db, SQL_LIST_ITEMS, &key, 1, take_item, &listing, fail) ||
	       fail_prefix(fail, "list items");
}
