/* cart/simulator.h - what simulated shoppers do. */
#ifndef CART_SIMULATOR_H
#define CART_SIMULATOR_H

#include "service/service.h"

#define SIMULATED_CARTS 1000
#define SIMULATED_SKUS  100 /* the ones stock's simulator creates */

/* Puts 1 to 4 pieces of one of the simulated SKUs into one of SIMULATED_CARTS carts,
 * cart-0000 to cart-0999; one wish in eight asks for more than stock ever has. */
void cart_simulate(struct service *service, struct command *command, uint64_t random);

#endif
