/* cart/simulator.h - what simulated shoppers do. */
#ifndef CART_SIMULATOR_H
#define CART_SIMULATOR_H

#include "service/service.h"

#define SIMULATED_CARTS  1000
#define SIMULATED_SKUS   100 /* the ones stock's simulator creates */
#define SIMULATED_MEMORY 64  /* wishes that may be taken back */
#define REMOVE_PERCENT   4
#define CLEAR_PERCENT    2

struct wish {
	enum { WISH_ADD, WISH_REMOVE, WISH_CLEAR } what;
	unsigned cart, sku;
	int64_t count; /* of WISH_ADD */
};

/* What they wished lately; the simulator's thread has it. Zeroed at first. */
struct shoppers {
	struct {
		uint16_t cart, sku;
	} added[SIMULATED_MEMORY];
	uint64_t
		count; /* of all that was added; it is kept at its number modulo SIMULATED_MEMORY */
};

/* Mostly 1 to 4 pieces of one of the simulated SKUs are put into one of SIMULATED_CARTS carts,
 * cart-0000 to cart-0999; one wish in eight asks for more than stock ever has. The rest takes one
 * of the last wishes back, or clears its cart, so that carts do not grow for ever. The same numbers
 * make the same wishes. */
struct wish shoppers_next(struct shoppers *shoppers, uint64_t random);

/* A command for the next wish of the shoppers of the struct cart that is the service's state. */
void cart_simulate(struct service *service, struct command *command, uint64_t random);

#endif
