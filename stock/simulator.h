/* stock/simulator.h - what a simulated stock clerk does. */
#ifndef STOCK_SIMULATOR_H
#define STOCK_SIMULATOR_H

#include "service/service.h"

#define SIMULATED_SKUS 100

/* Puts one of SIMULATED_SKUS SKUs, sku-000 to sku-099, to a level of 0 to 199. */
void stock_simulate(struct service *service, struct command *command, uint64_t random);

#endif
