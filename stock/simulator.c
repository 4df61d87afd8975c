#include "stock/simulator.h"

#include <stdio.h>

#include "stock/store.h"

void stock_simulate(struct service *service, struct command *command, uint64_t random)
{
	struct stock_command *const asked = (struct stock_command *)command;
	const unsigned sku = (unsigned)(random % SIMULATED_SKUS);
	const unsigned percent = (unsigned)((random >> 50) % 100);
	const int64_t pieces = 1 + (int64_t)((random >> 16) % SIMULATED_DELTA);

	(void)service;
	command->makes_event = true;
	(void)snprintf(asked->sku, sizeof(asked->sku), "sku-%03u", sku);
	if (percent < DELTA_PERCENT) {
		asked->kind = STOCK_CHANGE;
		asked->has_delta = true;
		asked->delta = (random >> 40) % 2 == 0 ? pieces : -pieces;
	} else if (percent < DELTA_PERCENT + DELETE_PERCENT) { /* as DELETE /stocks/{sku} asks */
		asked->kind = STOCK_CHANGE;
		asked->has_count = true;
	} else {
		asked->asked_price_cents = 50 + sku * 25; /* a SKU keeps its price */
		asked->asked_count = (int64_t)(random >> 32) % 200;
	}
}
