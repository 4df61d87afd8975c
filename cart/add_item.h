/* cart/add_item.h - the way of one wish to add an item: to the writer; where the SKU is
 * unknown to stock and back to the writer; then to whoever asked. */
#ifndef CART_ADD_ITEM_H
#define CART_ADD_ITEM_H

#include "cart/command.h"
#include "cart/simulator.h"
#include "cart/stock_levels.h"
#include "cart/stock_question.h"

/* What cart runs beside its store; service_state. */
struct cart {
	struct stock_levels *levels;
	struct stock_question *question;
	struct shoppers shoppers;
};

/* Makes @item ready to be put into the queue: its `cart`, `done` and `question`. What is
 * asked is filled in by the caller, who has zeroed the rest. */
void add_item_prepare(struct add_item *item, struct service *service, add_item_done *done);

#endif
