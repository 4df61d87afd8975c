/* metrics-consumer/outbox_status.h - what a service says of its outbox: GET URL/outbox. */
#ifndef METRICS_CONSUMER_OUTBOX_STATUS_H
#define METRICS_CONSUMER_OUTBOX_STATUS_H

#include <stdbool.h>
#include <stddef.h>
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

struct outbox_answer {
	bool good;
	struct outbox_status status; /* where it is good */
	struct fail why;             /* where it is not */
};

/* Several services, asked at once and again and again, on connections that stay. One thread. */
struct outbox_asker;
/* Copies @urls. */
bool outbox_asker_new(
	struct outbox_asker **asker, const char *const *urls, size_t count, struct fail *fail);
void outbox_asker_free(struct outbox_asker **asker);
/* Fills an answer for each of them, in @wait_ms at most. False: it was given up, and nothing is
 * filled. */
bool outbox_asker_ask(struct outbox_asker *asker, long wait_ms, struct outbox_answer *answers);
/* Any thread, until the asker is freed: ends a question that is under way, and all later ones. */
void outbox_asker_give_up(struct outbox_asker *asker);

#endif
