#include "cart/http.h"

#include <stdlib.h>
#include <string.h>

#include "cart/add_item.h"
#include "cart/store.h"

struct post {
	struct add_item item; /* first */
	struct http_request *request;
	struct service *service;
};

static json_t *money(double cents)
{
	const double whole = cents / 100;

	if (whole < 1e15 && whole == (double)(int64_t)whole)
		return json_integer((int64_t)whole);
	return json_real(whole);
}

/* source and id name the event, so that a client can look for it in the journal. */
static json_t *event_json(const struct post *post)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:I}", "cartId", post->item.cart_id, "sku",
		post->item.sku, "count", (json_int_t)post->item.in_cart, "source",
		service_source(post->service), "id", (json_int_t)post->item.event_id);
}

/* @unanswered: stock was asked and did not say yes or no. */
static void answer_undecided(
	struct http_request *request, bool unanswered, const struct fail *refused)
{
	if (refused || !unanswered) {
		service_answer_refused(request, refused);
		return;
	}
	http_answer_header(request, "Retry-After", "1");
	http_answer_problem(request, 503, NULL,
		"not done, try again: the SKU is not known here and stock does not answer");
}

static void answer_post(struct add_item *item, bool decided, const struct fail *refused)
{
	struct post *const post = (struct post *)item;

	if (!decided)
		answer_undecided(post->request, item->asked_ms != 0 && !item->asked, refused);
	else if (item->result == ADD_DONE)
		http_answer_json(post->request, 201, event_json(post));
	else if (item->result == ADD_UNKNOWN_SKU)
		http_answer_problem_with(
			post->request, 404, event_json(post), "sku", "unknown sku");
	else
		http_answer_problem_with(
			post->request, 409, event_json(post), NULL, "not enough stock");
	free(post);
}

static void handle_post(struct http_request *request, void *context)
{
	static const struct field fields[] = {
		{ "sku", FIELD_NAME, offsetof(struct add_item, sku), 0, 0 },
		{ "count", FIELD_WHOLE, offsetof(struct add_item, count), 1, EVENT_COUNT_MAX },
	};
	struct post *const post = calloc(1, sizeof(*post));

	if (!post) {
		service_answer_refused(request, NULL);
		return;
	}
	post->request = request;
	post->service = context;
	if (!fields_path_name(request, "cartId", http_part(request, 0), &service_names) ||
		!fields_read(request, fields, 2, &service_names, &post->item)) {
		free(post);
		return;
	}
	strcpy(post->item.cart_id, http_part(request, 0));
	add_item_prepare(&post->item, context, answer_post);
	if (!service_put(context, &post->item.cart.command)) {
		service_answer_refused(request, NULL);
		free(post);
	}
}

struct cart_page {
	json_t *items;
	double total; /* cents */
	bool priced;  /* every item has a price */
};

static void add_to_cart(void *context, const char *sku, int64_t count, int64_t price_cents)
{
	struct cart_page *const page = context;
	const double total = (double)price_cents * (double)count;
	json_t *const item = json_pack("{s:s, s:I}", "sku", sku, "count", (json_int_t)count);

	page->priced = page->priced && price_cents >= 0;
	page->total += total;
	(void)json_object_set_new(
		item, "price", price_cents < 0 ? json_null() : money((double)price_cents));
	(void)json_object_set_new(item, "total", price_cents < 0 ? json_null() : money(total));
	(void)json_array_append_new(page->items, item);
}

static void handle_get(struct http_request *request, void *context)
{
	const char *const name = http_part(request, 0);
	struct cart_page page = { .priced = true };
	struct fail fail = { 0 };
	bool good;

	if (!fields_path_name(request, "cartId", name, &service_names))
		return;
	page.items = json_array();
	good = store_items(service_read_begin(context), name, add_to_cart, &page, &fail);
	service_read_end(context);
	if (good && json_array_size(page.items) > 0) {
		http_answer_json(request, 200,
			json_pack("{s:s, s:o, s:o}", "cartId", name, "items", page.items, "total",
				page.priced ? money(page.total) : json_null()));
		return;
	}
	json_decref(page.items);
	if (good)
		http_answer_problem(request, 404, NULL, "no such cart: %s", name);
	else
		service_answer_refused(request, &fail);
}

const struct http_route cart_routes[CART_ROUTES] = {
	{ "POST", "/carts/{cartId}/items", handle_post, true },
	{ "GET", "/carts/{cartId}", handle_get, false },
};
