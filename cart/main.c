/* cart-service: puts items into carts, and tells partition 0 of every one, added or failed. */
#include <stdlib.h>

#include "cart/add_item.h"
#include "cart/http.h"
#include "cart/simulator.h"
#include "cart/store.h"
#include "cart_openapi.h"
#include "manual_text.h"

struct cart_settings {
	struct service_settings service; /* first */
	char stock_url[SETTING_TEXT_MAX];
};

static const struct setting own_settings[] = {
	{ "STOCK_URL", SETTING_URL, offsetof(struct cart_settings, stock_url), "http://stock:8081",
		8, 1000, "where an unknown SKU is asked for", true },
};

static bool start(struct service *service, void **state, struct fail *fail)
{
	const struct cart_settings *const settings =
		(const struct cart_settings *)service_settings(service);
	struct cart *cart;

	cart = calloc(1, sizeof(*cart));
	if (!cart)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	if (!stock_question_start(&cart->question, service, settings->stock_url, fail))
		goto free_cart;
	if (!stock_levels_start(&cart->levels, service, fail))
		goto stop_question;
	*state = cart;
	return true;

stop_question:
	stock_question_stop(cart->question);
	stock_question_free(&cart->question);
free_cart:
	free(cart);
	return false;
}

static void stop(void *state)
{
	struct cart *const cart = state;

	stock_levels_stop(cart->levels);
	stock_question_stop(cart->question);
}

static void free_state(void *state)
{
	struct cart *const cart = state;

	stock_levels_free(&cart->levels);
	stock_question_free(&cart->question);
	free(cart);
}

int main(int argc, char **argv)
{
	const struct service_definition cart = {
		.name = "cart",
		.program = "cart-service",
		.summary = "keeps carts; every item added or failed is an event in partition 0",
		.port = "8080",
		.store = "cart.db",
		.manual = TEXT_MANUAL,
		.partition = event_partition(EVENT_CART_ITEM_ADDED),
		.settings = own_settings,
		.setting_count = sizeof(own_settings) / sizeof(own_settings[0]),
		.settings_size = sizeof(struct cart_settings),
		.routes = cart_routes,
		.route_count = CART_ROUTES,
		.openapi = cart_openapi,
		.make_tables = store_make_tables,
		.apply = store_apply,
		.describe = cart_describe,
		.start = start,
		.stop = stop,
		.free = free_state,
		.simulate = cart_simulate,
		.command_size = sizeof(struct add_item),
	};

	return service_main(&cart, argc, argv);
}
