/* stock-service: keeps the stock, and tells partition 1 of every change. */
#include "manual_text.h"
#include "stock/http.h"
#include "stock/simulator.h"
#include "stock/store.h"
#include "stock_openapi.h"

int main(int argc, char **argv)
{
	const struct service_definition stock = {
		.name = "stock",
		.program = "stock-service",
		.summary = "keeps prices and stock levels; every change is an event in partition 1",
		.port = "8081",
		.store = "stock.db",
		.manual = TEXT_MANUAL,
		.partition = event_partition(EVENT_STOCK_CHANGED),
		.settings_size = sizeof(struct service_settings),
		.routes = stock_routes,
		.route_count = STOCK_ROUTES,
		.openapi = stock_openapi,
		.make_tables = store_make_tables,
		.renumber = store_renumber,
		.apply = store_apply,
		.describe = stock_describe,
		.simulate = stock_simulate,
		.command_size = sizeof(struct stock_command),
	};

	return service_main(&stock, argc, argv);
}
