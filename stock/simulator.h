/* stock/simulator.h - what a simulated stock clerk does. */
#ifndef STOCK_SIMULATOR_H
#define STOCK_SIMULATOR_H

#include "service/service.h"

#define SIMULATED_SKUS  100
#define DELTA_PERCENT   4
#define DELETE_PERCENT  2
#define SIMULATED_DELTA 20 /* at most so many pieces come or go */

/* Mostly puts one of SIMULATED_SKUS SKUs, sku-000 to sku-099, to a level of 0 to 199. The rest are
 * pieces that came or went, and now and then a SKU that is not sold for a while: its level is 0. */
void stock_simulate(struct service *service, struct command *command, uint64_t random);

#endif
