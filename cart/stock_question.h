/* cart/stock_question.h - asks stock for a SKU that cart has never heard of.
 *
 * The asking is done here, on a thread of its own, never by the writer, and for at most
 * QUESTION_MS from the moment it was handed over. */
#ifndef CART_STOCK_QUESTION_H
#define CART_STOCK_QUESTION_H

#include "cart/command.h"
#include "service/service.h"

#define QUESTIONS_MAX 256 /* that wait; further ones are refused */
#define QUESTION_MS   1000

struct stock_question;

bool stock_question_start(struct stock_question **question, struct service *service,
	const char *stock_url, struct fail *fail);
/* Asks for @item's SKU, then puts the item into the queue again with what stock said, or
 * calls its `done` with @decided false. False where the item was not taken. */
bool stock_question_ask(struct stock_question *question, struct add_item *item);
/* Items that wait are given back undecided. */
void stock_question_stop(struct stock_question *question);
void stock_question_free(struct stock_question **question);

#endif
