#include "stock/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "service/once.h"
#include "stock/store.h"

#define PAGE_MAX     1000 /* SKUs in one answer */
#define PAGE_DEFAULT 100

struct asking {
	struct stock_command stock; /* first */
	struct once once;
	struct http_request *request;
	struct service *service;
};

static json_t *price_json(int64_t cents)
{
	return cents % 100 == 0 ? json_integer(cents / 100) : json_real((double)cents / 100);
}

static json_t *sku_json(const char *source, const struct sku *sku)
{
	return json_pack("{s:s, s:o, s:I, s:s, s:I}", "sku", sku->sku, "price",
		price_json(sku->price_cents), "count", (json_int_t)sku->count, "source", source,
		"id", (json_int_t)sku->event_id);
}

static json_t *no_such_sku(const char *name)
{
	return http_problem(404, json_pack("{s:s}", "sku", name), "sku", "no such SKU");
}

unsigned stock_describe(struct service *service, const struct command *command, json_t **body)
{
	const struct stock_command *const done = (const struct stock_command *)command;
	struct sku sku = {
		.count = done->count, .price_cents = done->price_cents, .event_id = done->event_id
	};

	strcpy(sku.sku, done->sku);
	switch (done->result) {
	case STOCK_CREATED:
		*body = sku_json(service_source(service), &sku);
		return 201;
	case STOCK_CHANGED:
		*body = sku_json(service_source(service), &sku);
		return 200;
	case STOCK_UNKNOWN:
		*body = no_such_sku(done->sku);
		return 404;
	case STOCK_OUT_OF_RANGE:
		*body = http_problem(409, sku_json(service_source(service), &sku), "delta",
			done->delta < 0 ? "not enough stock" : "too much stock");
		return 409;
	}
	return 0;
}

static void answer_asking(struct command *command, const struct fail *refused)
{
	struct asking *const asking = (struct asking *)command;

	service_answer(asking->request, asking->service, &asking->stock.asked, refused);
	free(asking);
}

/* What is asked of the SKU in the path; NULL where the request has been answered. */
static struct asking *asking_new(
	struct http_request *request, struct service *service, enum stock_kind kind)
{
	struct asking *asking;

	if (!fields_path_name(request, "sku", http_part(request, 0), &service_names))
		return NULL;
	asking = calloc(1, sizeof(*asking));
	if (!asking) {
		service_answer_refused(request, NULL);
		return NULL;
	}
	asking->stock.asked.command =
		(struct command){ .makes_event = true, .answer = answer_asking };
	asking->stock.kind = kind;
	asking->request = request;
	asking->service = service;
	strcpy(asking->stock.sku, http_part(request, 0));
	strcpy(asking->stock.asked.trace, http_traceparent(request));
	asking->stock.asked.tracestate = http_tracestate(request);
	return asking;
}

/* @good: it was read whole; otherwise the request has been answered. */
static void ask(struct asking *asking, bool good, bool keyed)
{
	asking->stock.asked.once = keyed ? &asking->once : NULL;
	if (good && service_put(asking->service, &asking->stock.asked.command))
		return;
	if (good)
		service_answer_refused(asking->request, NULL);
	free(asking);
}

static void handle_put(struct http_request *request, void *context)
{
	static const struct field fields[] = {
		{ "price", FIELD_CENTS, offsetof(struct stock_command, asked_price_cents), 0,
			EVENT_CENTS_MAX, 0 },
		{ "count", FIELD_WHOLE, offsetof(struct stock_command, asked_count), 0,
			EVENT_LEVEL_MAX, 0 },
	};
	struct asking *const asking = asking_new(request, context, STOCK_PUT);
	bool good, keyed = false;

	if (!asking)
		return;
	good = fields_read(request, fields, 2, &service_names, &asking->stock) &&
	       once_read(request, &asking->once, &keyed, "PUT /stocks/%s %" PRId64 " %" PRId64,
		       asking->stock.sku, asking->stock.asked_price_cents,
		       asking->stock.asked_count);
	ask(asking, good, keyed);
}

/* A difference and a level at once would depend on which comes first. */
static bool is_change(struct http_request *request, const struct stock_command *stock)
{
	if (stock->has_delta && stock->has_count) {
		http_answer_problem(request, 400, "delta", "delta: not together with count");
		return false;
	}
	if (!stock->has_delta && !stock->has_count && !stock->has_price) {
		http_answer_problem(request, 400, NULL, "one of count, delta, price is missing");
		return false;
	}
	return true;
}

static void handle_patch(struct http_request *request, void *context)
{
	static const struct field fields[] = {
		{ "price", FIELD_CENTS, offsetof(struct stock_command, asked_price_cents), 0,
			EVENT_CENTS_MAX, offsetof(struct stock_command, has_price) },
		{ "count", FIELD_WHOLE, offsetof(struct stock_command, asked_count), 0,
			EVENT_LEVEL_MAX, offsetof(struct stock_command, has_count) },
		{ "delta", FIELD_WHOLE, offsetof(struct stock_command, delta), -EVENT_LEVEL_MAX,
			EVENT_LEVEL_MAX, offsetof(struct stock_command, has_delta) },
	};
	struct asking *const asking = asking_new(request, context, STOCK_CHANGE);
	bool good, keyed = false;

	if (!asking)
		return;
	const struct stock_command *const s = &asking->stock;

	good = fields_read(request, fields, 3, &service_names, &asking->stock) &&
	       is_change(request, s) &&
	       once_read(request, &asking->once, &keyed,
		       "PATCH /stocks/%s %d %" PRId64 " %d %" PRId64 " %d %" PRId64, s->sku,
		       s->has_price, s->asked_price_cents, s->has_count, s->asked_count,
		       s->has_delta, s->delta);
	ask(asking, good, keyed);
}

/* What is not sold any more has a level of 0, and keeps its price. */
static void handle_delete(struct http_request *request, void *context)
{
	struct asking *const asking = asking_new(request, context, STOCK_CHANGE);
	bool good, keyed = false;

	if (!asking)
		return;
	asking->stock.has_count = true;
	good = once_read(request, &asking->once, &keyed, "DELETE /stocks/%s", asking->stock.sku);
	ask(asking, good, keyed);
}

static void handle_get(struct http_request *request, void *context)
{
	struct service *const service = context;
	const char *const name = http_part(request, 0);
	struct fail fail = { 0 };
	struct sku sku;
	bool found, good;

	if (!fields_path_name(request, "sku", name, &service_names))
		return;
	good = store_find(service_read_begin(service), name, &sku, &found, &fail);
	service_read_end(service);
	if (!good)
		service_answer_refused(request, &fail);
	else if (found)
		http_answer_json(request, 200, sku_json(service_source(service), &sku));
	else
		http_answer_json(request, 404, no_such_sku(name));
}

struct page {
	const struct service *service;
	json_t *items;
};

static void add_to_page(void *context, const struct sku *sku)
{
	const struct page *const page = context;

	(void)json_array_append_new(page->items, sku_json(service_source(page->service), sku));
}

static bool page_limit(struct http_request *request, int64_t *limit)
{
	const char *const text = http_query(request, "limit");
	char *end;

	*limit = PAGE_DEFAULT;
	if (!text)
		return true;
	*limit = strtoll(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && *limit >= 1 && *limit <= PAGE_MAX)
		return true;
	http_answer_problem(
		request, 400, "limit", "limit: must be a whole number from 1 to %d", PAGE_MAX);
	return false;
}

/* The SKUs behind `after`; `next` is the `after` of the following page, where there may be
 * one. */
static void handle_list(struct http_request *request, void *context)
{
	const char *const asked = http_query(request, "after");
	const char *const after = asked ? asked : "";
	struct page page = { .service = context };
	struct fail fail = { 0 };
	int64_t limit;
	bool good;

	if (!page_limit(request, &limit) ||
		(*after && !fields_path_name(request, "after", after, &service_names)))
		return;
	page.items = json_array();
	good = store_list(service_read_begin(context), after, limit, add_to_page, &page, &fail);
	service_read_end(context);
	if (!good) {
		json_decref(page.items);
		service_answer_refused(request, &fail);
		return;
	}
	const size_t count = json_array_size(page.items);
	const json_t *const last =
		(int64_t)count == limit ? json_array_get(page.items, count - 1) : NULL;
	json_t *const answer = json_pack("{s:o}", "stocks", page.items);

	if (last)
		(void)json_object_set(answer, "next", json_object_get(last, "sku"));
	http_answer_json(request, 200, answer);
}

const struct http_route stock_routes[STOCK_ROUTES] = {
	{ "PUT", "/stocks/{sku}", handle_put, true },
	{ "PATCH", "/stocks/{sku}", handle_patch, true },
	{ "DELETE", "/stocks/{sku}", handle_delete, true },
	{ "GET", "/stocks/{sku}", handle_get, false },
	{ "GET", "/stocks{?after,limit}", handle_list, false },
};
