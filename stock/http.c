#include "stock/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "service/once.h"
#include "stock/store.h"

#define PAGE_MAX     1000 /* SKUs in one answer */
#define PAGE_DEFAULT 100

struct put {
	struct stock_command asked; /* first */
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

unsigned stock_describe(struct service *service, const struct command *command, json_t **body)
{
	const struct stock_command *const done = (const struct stock_command *)command;
	struct sku sku = {
		.count = done->count, .price_cents = done->price_cents, .event_id = done->event_id
	};

	strcpy(sku.sku, done->sku);
	*body = sku_json(service_source(service), &sku);
	return done->created ? 201 : 200;
}

static void answer_put(struct command *command, const struct fail *refused)
{
	struct put *const put = (struct put *)command;

	service_answer(put->request, put->service, &put->asked.asked, refused);
	free(put);
}

static void handle_put(struct http_request *request, void *context)
{
	static const struct field fields[] = {
		{ "price", FIELD_CENTS, offsetof(struct stock_command, price_cents), 0,
			EVENT_CENTS_MAX },
		{ "count", FIELD_WHOLE, offsetof(struct stock_command, count), 0, EVENT_LEVEL_MAX },
	};
	struct put *const put = calloc(1, sizeof(*put));

	if (!put) {
		service_answer_refused(request, NULL);
		return;
	}
	bool keyed;

	put->asked.asked.command = (struct command){ .makes_event = true, .answer = answer_put };
	put->request = request;
	put->service = context;
	if (!fields_path_name(request, "sku", http_part(request, 0), &service_names)) {
		free(put);
		return;
	}
	strcpy(put->asked.sku, http_part(request, 0));
	if (!fields_read(request, fields, 2, &service_names, &put->asked) ||
		!once_read(request, &put->once, &keyed, "PUT /stocks/%s %" PRId64 " %" PRId64,
			put->asked.sku, put->asked.price_cents, put->asked.count)) {
		free(put);
		return;
	}
	put->asked.asked.once = keyed ? &put->once : NULL;
	if (!service_put(put->service, &put->asked.asked.command)) {
		service_answer_refused(request, NULL);
		free(put);
	}
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
		http_answer_json(request, 404,
			http_problem(404, json_pack("{s:s}", "sku", name), "sku", "no such SKU"));
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
	{ "GET", "/stocks/{sku}", handle_get, false },
	{ "GET", "/stocks", handle_list, false },
};
