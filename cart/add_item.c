#include "cart/add_item.h"

#include "service/once.h"

/* A request that was done before under the same key has its answer, and no result of its own. */
static bool needs_stock(const struct add_item *item)
{
	const struct once *const once = item->cart.asked.once;

	return item->result == ADD_ASK_STOCK && (!once || once->verdict == ONCE_NEW);
}

static void on_answer(struct command *command, const struct fail *refused)
{
	struct add_item *const item = (struct add_item *)command;

	if (refused || !needs_stock(item))
		item->done(item, refused == NULL, refused);
	else if (!stock_question_ask(item->question, item))
		item->done(item, false, NULL);
}

void add_item_prepare(struct add_item *item, struct service *service, add_item_done *done)
{
	item->cart.kind = CART_ADD_ITEM;
	item->cart.asked.command.makes_event = true;
	item->cart.asked.command.answer = on_answer;
	item->done = done;
	item->question = ((struct cart *)service_state(service))->question;
}
