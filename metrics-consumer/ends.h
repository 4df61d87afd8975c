/* metrics-consumer/ends.h - a thread that asks Kafka each second where the partitions end, so that
 * the lag is right also where the consumer's own thread takes nothing: nothing arrives, the disk is
 * full, a leader is away. */
#ifndef METRICS_CONSUMER_ENDS_H
#define METRICS_CONSUMER_ENDS_H

#include <stdbool.h>

#include "metrics-consumer/counters.h"
#include "metrics-consumer/topic.h"
#include "process/fail.h"

struct ends;

/* Borrows @topic and @counters until ends_stop. */
bool ends_start(
	struct ends **ends, struct topic *topic, struct counters *counters, struct fail *fail);
#define ENDS_WAIT_MS 1000
/* Waits for the answers that are due, at most twice ENDS_WAIT_MS. NULL is fine. */
void ends_stop(struct ends **ends);

#endif
