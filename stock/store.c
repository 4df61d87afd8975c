#include "stock/store.h"

#include <stdio.h>
#include <string.h>

#include "stock_sql.h"

struct finding {
	struct sku *sku;
	bool found;
};

static bool take_found(void *context, const struct db_value *columns)
{
	struct finding *const finding = context;

	finding->found = true;
	finding->sku->price_cents = columns[0].whole;
	finding->sku->count = columns[1].whole;
	finding->sku->event_id = columns[2].whole;
	return true;
}

bool store_make_tables(struct db *db, struct fail *fail)
{
	return db_script(db, SQL_SCHEMA, fail) || fail_prefix(fail, "make tables");
}

bool store_find(struct db *db, const char *sku, struct sku *out, bool *found, struct fail *fail)
{
	struct finding finding = { .sku = out };
	const struct db_value key = db_text(sku);

	(void)snprintf(out->sku, sizeof(out->sku), "%s", sku);
	if (!db_query(db, SQL_FIND_SKU, &key, 1, take_found, &finding, fail))
		return fail_prefix(fail, "find SKU");
	*found = finding.found;
	return true;
}

/* What becomes of @known, or of nothing where it was not found. */
static enum stock_result decide(struct stock_command *asked, const struct sku *known, bool found)
{
	const bool put = asked->kind == STOCK_PUT;
	const int64_t level =
		put || asked->has_count ? asked->asked_count : known->count + asked->delta;

	if (!put && !found)
		return STOCK_UNKNOWN;
	asked->count = known->count;
	asked->price_cents = known->price_cents;
	asked->event_id = known->event_id;
	if (level < 0 || level > EVENT_LEVEL_MAX)
		return STOCK_OUT_OF_RANGE;
	asked->count = level;
	if (put || asked->has_price)
		asked->price_cents = asked->asked_price_cents;
	return found ? STOCK_CHANGED : STOCK_CREATED;
}

bool store_apply(void *service, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	struct stock_command *const asked = (struct stock_command *)command;
	struct event event = { .type = EVENT_STOCK_CHANGED };
	struct sku known = { 0 };
	bool found = false;

	(void)service;
	if (!store_find(tx->db, asked->sku, &known, &found, fail))
		return false;
	asked->result = decide(asked, &known, found);
	if (asked->result == STOCK_UNKNOWN || asked->result == STOCK_OUT_OF_RANGE)
		return true;
	if (asked->result == STOCK_CREATED)
		event.type = EVENT_SKU_CREATED;
	event.count = asked->count;
	event.price_cents = asked->price_cents;
	strcpy(event.sku, asked->sku);
	if (!rows_append(tx, &event, &asked->event_id, fail))
		return false;
	const struct db_value values[] = { db_text(asked->sku), db_whole(asked->price_cents),
		db_whole(asked->count), db_whole(asked->event_id) };

	return db_query(tx->db, SQL_PUT_SKU, values, 4, NULL, NULL, fail) ||
	       fail_prefix(fail, "put SKU");
}

bool store_renumber(struct db *db, int64_t sent, struct fail *fail)
{
	const struct db_value number = db_whole(sent);

	return db_query(db, SQL_RENUMBER, &number, 1, NULL, NULL, fail) ||
	       fail_prefix(fail, "renumber SKUs");
}

struct listing {
	store_each *each;
	void *context;
};

static bool take_listed(void *context, const struct db_value *columns)
{
	const struct listing *const listing = context;
	struct sku sku = { .price_cents = columns[1].whole,
		.count = columns[2].whole,
		.event_id = columns[3].whole };

	(void)snprintf(sku.sku, sizeof(sku.sku), "%s", (const char *)columns[0].bytes);
	listing->each(listing->context, &sku);
	return true;
}

bool store_list(struct db *db, const char *after, int64_t limit, store_each *each, void *context,
	struct fail *fail)
{
	const struct db_value values[] = { db_text(after), db_whole(limit) };
	struct listing listing = { each, context };

	return db_query(db, SQL_LIST_SKUS, values, 2, take_listed, &listing, fail) ||
	       fail_prefix(fail, "list SKUs");
}
