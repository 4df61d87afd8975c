#include "cart/simulator.h"

#include <stdio.h>

#include "cart/add_item.h"

#define TOO_MANY 500

static void on_done(struct add_item *item, bool decided, const struct fail *refused)
{
	static const struct fail undecided = { FAIL_RETRY, "not decided" };

	if (!decided && !refused)
		refused = &undecided;
	item->simulated(&item->cart.asked.command, refused);
}

void cart_simulate(struct service *service, struct command *command, uint64_t random)
{
	struct add_item *const item = (struct add_item *)command;

	item->simulated = command->answer;
	(void)snprintf(item->cart_id, sizeof(item->cart_id), "cart-%04u",
		(unsigned)(random % SIMULATED_CARTS));
	(void)snprintf(item->sku, sizeof(item->sku), "sku-%03u",
		(unsigned)((random >> 16) % SIMULATED_SKUS));
	item->count = (random >> 40) % 8 == 0 ? TOO_MANY : 1 + (int64_t)((random >> 48) % 4);
	add_item_prepare(item, service, on_done);
}
