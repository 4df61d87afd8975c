#include "cart/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cart/add_item.h"
#include "cart/store.h"
#include "service/once.h"

struct post {
	struct add_item item; /* first */
	struct once once;
	struct http_request *request;
	struct service *service;
};

struct delete
{
	struct removal removal; /* first */
	struct once once;
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
static json_t *event_json(const struct service *service, const struct add_item *item)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:I}", "cartId", item->cart_id, "sku", item->sku,
		"count", (json_int_t)item->in_cart, "source", service_source(service), "id",
		(json_int_t)item->event_id);
}

static unsigned describe_item(struct service *service, const struct add_item *item, json_t **body)
{
	switch (item->result) {
	case ADD_DONE:
		*body = event_json(service, item);
		return 201;
	case ADD_NOT_ENOUGH_STOCK:
		*body = http_problem(409, event_json(service, item), NULL, "not enough stock");
		return 409;
	case ADD_UNKNOWN_SKU:
		*body = http_problem(404, event_json(service, item), "sku", "unknown sku");
		return 404;
	case ADD_ASK_STOCK:
		break;
	}
	return 0;
}

static unsigned describe_removal(
	struct service *service, const struct removal *removal, json_t **body)
{
	json_t *const said = json_pack("{s:s}", "cartId", removal->cart_id);
	const bool all = *removal->sku == '\0';

	if (!all)
		(void)json_object_set_new(said, "sku", json_string(removal->sku));
	if (removal->removed == 0) {
		*body = http_problem(404, said, all ? "cartId" : "sku",
			all ? "no such cart" : "no such item in this cart");
		return 404;
	}
	(void)json_object_set_new(said, "removed", json_integer(removal->removed));
	(void)json_object_set_new(said, "source", json_string(service_source(service)));
	(void)json_object_set_new(said, "id", json_integer(removal->event_id));
	*body = said;
	return 200;
}

unsigned cart_describe(struct service *service, const struct command *command, json_t **body)
{
	switch (((const struct cart_command *)command)->kind) {
	case CART_ADD_ITEM:
		return describe_item(service, (const struct add_item *)command, body);
	case CART_REMOVE:
		return describe_removal(service, (const struct removal *)command, body);
	case CART_LEARN_LEVELS:
		break; /* nobody asks */
	}
	return 0;
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

	if (decided)
		service_answer(post->request, post->service, &item->cart.asked, NULL);
	else
		answer_undecided(post->request, item->asked_ms != 0 && !item->asked, refused);
	free(post);
}

static void handle_post(struct http_request *request, void *context)
{
	static const struct field fields[] = {
		{ "sku", FIELD_NAME, offsetof(struct add_item, sku), 0, 0, 0 },
		{ "count", FIELD_WHOLE, offsetof(struct add_item, count), 1, EVENT_COUNT_MAX, 0 },
	};
	struct post *const post = calloc(1, sizeof(*post));
	bool keyed;

	if (!post) {
		service_answer_refused(request, NULL);
		return;
	}
	post->request = request;
	post->service = context;
	if (!fields_path_name(request, "cartId", http_part(request, 0), &service_names) ||
		!fields_read(request, fields, 2, &service_names, &post->item) ||
		!once_read(request, &post->once, &keyed, "POST /carts/%s/items %s %" PRId64,
			http_part(request, 0), post->item.sku, post->item.count)) {
		free(post);
		return;
	}
	strcpy(post->item.cart_id, http_part(request, 0));
	strcpy(post->item.cart.asked.trace, http_traceparent(request));
	post->item.cart.asked.tracestate = http_tracestate(request);
	add_item_prepare(&post->item, context, answer_post);
	post->item.cart.asked.once = keyed ? &post->once : NULL;
	if (!service_put(context, &post->item.cart.asked.command)) {
		service_answer_refused(request, NULL);
		free(post);
	}
}

static void answer_delete(struct command *command, const struct fail *refused)
{
	struct delete *const asked = (struct delete *)command;

	service_answer(asked->request, asked->service, &asked->removal.cart.asked, refused);
	free(asked);
}

/* @sku "": the whole cart. */
static void delete_items(struct http_request *request, struct service *service, const char *sku)
{
	const char *const cart_id = http_part(request, 0);
	struct delete *asked;
	bool keyed;

	if (!fields_path_name(request, "cartId", cart_id, &service_names) ||
		(*sku && !fields_path_name(request, "sku", sku, &service_names)))
		return;
	asked = calloc(1, sizeof(*asked));
	if (!asked) {
		service_answer_refused(request, NULL);
		return;
	}
	asked->removal.cart.kind = CART_REMOVE;
	asked->removal.cart.asked.command =
		(struct command){ .makes_event = true, .answer = answer_delete };
	asked->request = request;
	asked->service = service;
	strcpy(asked->removal.cart_id, cart_id);
	strcpy(asked->removal.cart.asked.trace, http_traceparent(request));
	asked->removal.cart.asked.tracestate = http_tracestate(request);
	strcpy(asked->removal.sku, sku);
	if (!once_read(request, &asked->once, &keyed, "DELETE /carts/%s/items/%s", cart_id, sku)) {
		free(asked);
		return;
	}
	asked->removal.cart.asked.once = keyed ? &asked->once : NULL;
	if (!service_put(service, &asked->removal.cart.asked.command)) {
		service_answer_refused(request, NULL);
		free(asked);
	}
}

static void handle_delete_item(struct http_request *request, void *context)
{
	delete_items(request, context, http_part(request, 1));
}

static void handle_delete_cart(struct http_request *request, void *context)
{
	delete_items(request, context, "");
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
	{ "DELETE", "/carts/{cartId}/items/{sku}", handle_delete_item, true },
	{ "DELETE", "/carts/{cartId}", handle_delete_cart, true },
};
