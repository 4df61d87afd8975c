#include "cart/add_item.h"

static void on_answer(struct command *command, const struct fail *refused)
{
	struct add_item *const item = (struct add_item *)command;

	if (refused || item->result != ADD_ASK_STOCK)
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
