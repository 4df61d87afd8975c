/* cart/command.h - what is asked of cart's writer. */
#ifndef CART_COMMAND_H
#define CART_COMMAND_H

#include "kafka/client/headers.h"
#include "service/service.h"

#define LEVELS_MAX 256 /* levels in one command */

enum cart_kind { CART_ADD_ITEM, CART_LEARN_LEVELS, CART_REMOVE };

struct cart_command {
	struct service_command asked; /* first */
	enum cart_kind kind;
};

/* A stock level as one event of stock told it. */
struct level {
	char sku[EVENT_NAME_MAX];
	char source[SOURCE_MAX];
	int64_t event_id;
	int64_t offset, time_ms; /* of its record; unused where stock was asked */
	int64_t count, price_cents;
};

enum add_result {
	ADD_DONE,             /* cart_item_added */
	ADD_NOT_ENOUGH_STOCK, /* cart_item_failed */
	ADD_UNKNOWN_SKU,      /* cart_item_failed: stock said that there is none */
	ADD_ASK_STOCK,        /* nothing was decided: stock has to be asked first */
};

struct add_item;
/* Called once. @decided: `result` holds; otherwise nothing is kept, and @refused says why, or
 * is NULL where the queue or the asking did not take it, or stock did not answer. */
typedef void add_item_done(struct add_item *item, bool decided, const struct fail *refused);

struct add_item {
	struct cart_command cart; /* first */
	/* asked */
	char cart_id[EVENT_NAME_MAX], sku[EVENT_NAME_MAX];
	int64_t count;
	/* where stock was asked: what it said */
	bool asked, known;
	struct level level;
	/* answered */
	enum add_result result;
	int64_t in_cart; /* pieces of the SKU in the cart now */
	int64_t event_id;
	add_item_done *done; /* who wants to know */
	void (*simulated)(struct command *command, const struct fail *refused); /* simulator's */
	struct stock_question *question;                                        /* who asks stock */
	int64_t asked_ms; /* when it was handed over for asking */
};

/* Takes an item out of a cart, or everything. Stock has no say in it. */
struct removal {
	struct cart_command cart;                          /* first */
	char cart_id[EVENT_NAME_MAX], sku[EVENT_NAME_MAX]; /* sku "": everything */
	/* answered */
	int64_t removed; /* pieces of the SKU, or different SKUs; 0: there were none, and no event
			  */
	int64_t event_id;
};

/* What the reader of partition 1 found: levels in the order of the partition, and the offset
 * behind them. Makes no event. */
struct learn_levels {
	struct cart_command cart; /* first */
	struct level levels[LEVELS_MAX];
	size_t count;
	int64_t next_offset;
	bool again;   /* the partition is read from its start again: -1 is stored as the offset */
	bool believe; /* holes in stock's numbers are not worth another reading */
	/* answered */
	bool jumped; /* numbers are left out: to be read from its start again, with the rest */
};

#endif
