/* metrics-consumer/outbox_status.h - what a service says of its outbox: GET URL/outbox. */
#ifndef METRICS_CONSUMER_OUTBOX_STATUS_H
#define METRICS_CONSUMER_OUTBOX_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "kafka/client/headers.h"
#include "process/fail.h"

struct outbox_status {
	char source[SOURCE_MAX];
	int64_t last;      /* number of the last event it acknowledged; 0: none yet */
	int64_t published; /* of the last one Kafka acknowledged */
	int64_t waiting;   /* rows that wait for Kafka */
};

/* Asks the service at @url, waits at most 5 s. */
bool outbox_status_ask(const char *url, struct outbox_status *status, struct fail *fail);

#endif
