#include "stock/simulator.h"

#include <stdio.h>

#include "stock/store.h"

void stock_simulate(struct service *service, struct command *command, uint64_t random)
{
	struct stock_command *const asked = (struct stock_command *)command;
	const unsigned sku = (unsigned)(random % SIMULATED_SKUS);

	(void)service;
	command->makes_event = true;
	(void)snprintf(asked->sku, sizeof(asked->sku), "sku-%03u", sku);
	asked->asked_price_cents = 50 + sku * 25; /* a SKU keeps its price */
	asked->asked_count = (int64_t)(random >> 32) % 200;
}
