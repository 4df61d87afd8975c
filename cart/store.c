#include "cart/store.h"

#include <stdio.h>
#include <string.h>

#include "cart_sql.h"

#define BACK_MS 60000

struct finding {
	bool found;
	int64_t level, in_cart;
};

struct replaced { /* a source */
	bool found;
	int64_t highest, at_ms;
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

static bool take_view(void *context, const struct db_value *columns)
{
	struct stock_view *const view = context;

	view->next_offset = columns[0].whole;
	(void)snprintf(view->source, sizeof(view->source), "%s", (const char *)columns[1].bytes);
	view->highest = columns[2].whole;
	view->believed = columns[3].whole;
	view->anchor_offset = columns[4].whole;
	view->anchor_id = columns[5].whole;
	return true;
}

bool store_view(struct db *db, struct stock_view *view, struct fail *fail)
{
	return db_query(db, SQL_READ_VIEW, NULL, 0, take_view, view, fail) ||
	       fail_prefix(fail, "read the view of stock");
}

/* @how: where there is a level of another source, the partition replaces it, and an answer of stock
 * does not. */
static bool learn(struct db *db, const char *how, const struct level *level, struct fail *fail)
{
	const struct db_value values[] = { db_text(level->sku), db_text(level->source),
		db_whole(level->event_id), db_whole(level->count), db_whole(level->price_cents) };

	return db_query(db, how, values, 5, NULL, NULL, fail) ||
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

	if (item->asked && item->known && !learn(tx->db, SQL_LEARN_ANSWER, &item->level, fail))
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

static bool take_replaced(void *context, const struct db_value *columns)
{
	*(struct replaced *)context = (struct replaced){ true, columns[0].whole, columns[1].whole };
	return true;
}

/* A source that was not seen before is stock's new store. One that was replaced is over: what comes
 * of it are copies, or the last words of a process whose store was taken away. Where it says
 * something new long after that, the old store is back. */
static bool change_source(struct db *db, struct stock_view *view, const struct level *level,
	bool *over, struct fail *fail)
{
	const struct db_value was[] = { db_text(view->source), db_whole(view->highest),
		db_whole(level->time_ms) };
	const struct db_value now = db_text(level->source);
	struct replaced replaced = { 0 };

	if (!db_query(db, SQL_FIND_REPLACED_SOURCE, &now, 1, take_replaced, &replaced, fail))
		return fail_prefix(fail, "find a replaced source");
	*over = replaced.found &&
		(level->event_id <= replaced.highest || level->time_ms - replaced.at_ms < BACK_MS);
	if (*over)
		return true;
	if ((*view->source && !db_query(db, SQL_ADD_REPLACED_SOURCE, was, 3, NULL, NULL, fail)) ||
		!db_query(db, SQL_FORGET_REPLACED_SOURCE, &now, 1, NULL, NULL, fail) ||
		!db_query(db, SQL_FORGET_OTHER_SOURCES, &now, 1, NULL, NULL, fail))
		return fail_prefix(fail, "forget levels");
	strcpy(view->source, level->source);
	view->highest = view->believed = level->event_id;
	return true;
}

static bool learn_levels(struct outbox_tx *tx, struct learn_levels *asked, struct fail *fail)
{
	struct stock_view view = { 0 };

	asked->jumped = false;
	if (!store_view(tx->db, &view, fail))
		return false;
	view.next_offset = asked->next_offset;
	for (size_t i = 0; i < asked->count && !asked->jumped; i++) {
		const struct level *const level = &asked->levels[i];
		bool over = false;

		if (strcmp(level->source, view.source) != 0 &&
			!change_source(tx->db, &view, level, &over, fail))
			return false;
		if (over)
			continue;
		if (level->event_id > view.highest + 1 && level->event_id > view.believed &&
			!asked->believe) {
			asked->jumped = true;
			view.believed = level->event_id;
			continue;
		}
		if (!learn(tx->db, SQL_LEARN_LEVEL, level, fail))
			return false;
		if (level->event_id > view.highest)
			view.highest = level->event_id;
		view.anchor_offset = level->offset;
		view.anchor_id = level->event_id;
	}
	if (asked->again || asked->jumped)
		view.next_offset = view.anchor_offset = -1;
	const struct db_value values[] = { db_whole(view.next_offset), db_text(view.source),
		db_whole(view.highest), db_whole(view.believed), db_whole(view.anchor_offset),
		db_whole(view.anchor_id) };

	return db_query(tx->db, SQL_SET_VIEW, values, 6, NULL, NULL, fail) ||
	       fail_prefix(fail, "store the view of stock");
}

static bool take_count(void *context, const struct db_value *columns)
{
	*(int64_t *)context = columns[0].whole;
	return true;
}

static bool remove_items(struct outbox_tx *tx, struct removal *asked, struct fail *fail)
{
	const bool all = *asked->sku == '\0';
	const struct db_value key[] = { db_text(asked->cart_id), db_text(asked->sku) };
	struct event event = { .type = all ? EVENT_CART_CLEARED : EVENT_CART_ITEM_REMOVED };

	asked->removed = 0;
	if (!db_query(tx->db, all ? SQL_COUNT_ITEMS : SQL_FIND_ITEM, key, all ? 1 : 2, take_count,
		    &asked->removed, fail))
		return fail_prefix(fail, "find items");
	if (asked->removed == 0)
		return true;
	event.count = asked->removed;
	strcpy(event.cart_id, asked->cart_id);
	strcpy(event.sku, asked->sku);
	return (db_query(tx->db, all ? SQL_CLEAR_CART : SQL_REMOVE_ITEM, key, all ? 1 : 2, NULL,
			NULL, fail) ||
		       fail_prefix(fail, "remove items")) &&
	       rows_append(tx, &event, &asked->event_id, fail);
}

bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	(void)service;
	switch (((struct cart_command *)command)->kind) {
	case CART_ADD_ITEM:
		return add_item(tx, (struct add_item *)command, fail);
	case CART_REMOVE:
		return remove_items(tx, (struct removal *)command, fail);
	case CART_LEARN_LEVELS:
		return learn_levels(tx, (struct learn_levels *)command, fail);
	}
	return fail_set(fail, FAIL_FATAL, "a command of no kind");
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
