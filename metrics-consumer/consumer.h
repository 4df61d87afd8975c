/* metrics-consumer/consumer.h - the turn: take a batch, place each record, write, show, sync,
 * tell Kafka; in this order, which is the promise. One thread. */
#ifndef METRICS_CONSUMER_CONSUMER_H
#define METRICS_CONSUMER_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics-consumer/counters.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/page.h"
#include "metrics-consumer/place.h"
#include "metrics-consumer/printer.h"
#include "metrics-consumer/topic.h"
#include "process/fail.h"

/* What it works with; all borrowed, and open, until consumer_run returns. */
struct consumer_parts {
	struct topic *topic;
	struct journal *journal;
	struct dead_letter *dead;
	struct place *place;
	struct printer *printer; /* NULL: nothing goes to standard output */
	struct counters *counters;
	struct page *page;
	int64_t sync_ms; /* longest time from a write to its sync */
};

/* Runs until a stop is wished, or the topic is gone (topic_is_gone); then everything taken is
 * written and synced, or was left where the next start reads it again. False: the process has to
 * end. */
bool consumer_run(const struct consumer_parts *parts, struct fail *fail);

#endif
