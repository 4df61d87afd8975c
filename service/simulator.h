/* service/simulator.h - commands at a steady rate, through the same queue as everybody's.
 *
 * At most SIMULATOR_SLOTS wait for their answers at once; a service that is slower than the
 * rate is not overrun, the rate is then lower. A seed makes a run repeatable. */
#ifndef SERVICE_SIMULATOR_H
#define SERVICE_SIMULATOR_H

#include "service/service.h"

#define SIMULATOR_SLOTS 256

struct simulator;

bool simulator_start(struct simulator **simulator, struct service *service,
	const struct service_definition *definition, struct fail *fail);
/* No more commands; those under way are answered later. */
void simulator_stop(struct simulator *simulator);
/* After the last answer. */
void simulator_free(struct simulator **simulator);

#endif
