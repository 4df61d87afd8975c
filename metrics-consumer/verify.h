/* metrics-consumer/verify.h - `metrics-consumer verify`: does the journal hold what the services
 * acknowledged, each event once, in its source's order, from its service's partition, with its
 * bytes?
 *
 * It asks the services first, then where the topic ends, and reads topic and journal up to
 * there, so it can be run at any time, on a running system too. Memory: 16 bytes an event, 8 of
 * the topic and 8 of the journal, at most twice that while it grows, and 50 MB; without the topic
 * nearly none. */
#ifndef METRICS_CONSUMER_VERIFY_H
#define METRICS_CONSUMER_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kafka/client/client.h"
#include "process/fail.h"

#define VERIFY_OUTBOXES_MAX 16

struct verify_options {
	const char *journal_path;
	const char *dead_letter_path;
	const char *outboxes[VERIFY_OUTBOXES_MAX]; /* base URLs of services */
	size_t outbox_count;
	const char *stores[VERIFY_OUTBOXES_MAX]; /* paths of services' stores */
	size_t store_count;
	const struct kafka_settings *kafka; /* NULL: the topic is left out */
	bool between;                       /* a span of time whose delays are shown apart */
	int64_t from_ms, to_ms;
	int64_t wait_ms; /* how long acknowledged events may still be on their way */
	int progress_fd; /* where progress is drawn if it is a terminal; -1: nowhere */
};

/* Writes the report to @out. Sets *clean to whether there is nothing to complain of; false
 * where the question could not be answered. */
bool verify(const struct verify_options *options, FILE *out, bool *clean, struct fail *fail);

#endif
