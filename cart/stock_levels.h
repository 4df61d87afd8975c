/* cart/stock_levels.h - what cart knows of stock: reads partition 1 and hands what it finds to
 * the writer, so that adding an item waits for no other process and goes on while stock is
 * down. */
#ifndef CART_STOCK_LEVELS_H
#define CART_STOCK_LEVELS_H

#include "service/service.h"

struct stock_levels;

bool stock_levels_start(struct stock_levels **levels, struct service *service, struct fail *fail);
/* Ends the thread. What it has put is answered by then, or will be by outbox_stop. */
void stock_levels_stop(struct stock_levels *levels);
/* After the last answer. */
void stock_levels_free(struct stock_levels **levels);

#endif
