#include "cart/simulator.h"

#include <stdio.h>

#include "cart/add_item.h"

#define TOO_MANY 500

_Static_assert(sizeof(struct removal) <= sizeof(struct add_item), "a slot has room for both");

struct wish shoppers_next(struct shoppers *s, uint64_t random)
{
	const unsigned percent = (unsigned)((random >> 50) % 100);
	const uint64_t known = s->count < SIMULATED_MEMORY ? s->count : SIMULATED_MEMORY;
	struct wish wish = { .what = WISH_ADD,
		.cart = (unsigned)(random % SIMULATED_CARTS),
		.sku = (unsigned)((random >> 16) % SIMULATED_SKUS) };

	if (known > 0 && percent < REMOVE_PERCENT + CLEAR_PERCENT) {
		const uint64_t at = (random >> 24) % known;

		wish.what = percent < REMOVE_PERCENT ? WISH_REMOVE : WISH_CLEAR;
		wish.cart = s->added[at].cart;
		wish.sku = s->added[at].sku;
		return wish;
	}
	wish.count = (random >> 40) % 8 == 0 ? TOO_MANY : 1 + (int64_t)((random >> 48) % 4);
	s->added[s->count % SIMULATED_MEMORY].cart = (uint16_t)wish.cart;
	s->added[s->count++ % SIMULATED_MEMORY].sku = (uint16_t)wish.sku;
	return wish;
}

static void name_both(
	const struct wish *wish, char cart_id[EVENT_NAME_MAX], char sku[EVENT_NAME_MAX])
{
	(void)snprintf(cart_id, EVENT_NAME_MAX, "cart-%04u", wish->cart);
	(void)snprintf(sku, EVENT_NAME_MAX, "sku-%03u", wish->sku);
}

static void on_done(struct add_item *item, bool decided, const struct fail *refused)
{
	static const struct fail undecided = { FAIL_RETRY, "not decided" };

	if (!decided && !refused)
		refused = &undecided;
	item->simulated(&item->cart.asked.command, refused);
}

static void make_addition(struct add_item *item, const struct wish *wish, struct service *service)
{
	item->simulated = item->cart.asked.command.answer;
	item->count = wish->count;
	name_both(wish, item->cart_id, item->sku);
	add_item_prepare(item, service, on_done);
}

static void make_removal(struct removal *removal, const struct wish *wish)
{
	removal->cart.kind = CART_REMOVE;
	removal->cart.asked.command.makes_event = true;
	name_both(wish, removal->cart_id, removal->sku);
	if (wish->what == WISH_CLEAR)
		*removal->sku = '\0';
}

void cart_simulate(struct service *service, struct command *command, uint64_t random)
{
	struct cart *const cart = service_state(service);
	const struct wish wish = shoppers_next(&cart->shoppers, random);

	if (wish.what == WISH_ADD)
		make_addition((struct add_item *)command, &wish, service);
	else
		make_removal((struct removal *)command, &wish);
}
