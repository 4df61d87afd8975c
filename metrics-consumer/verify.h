/* metrics-consumer/verify.h - `metrics-consumer verify`: does the journal hold what the services
 * acknowledged, each event once, in its source's order, from its service's partition?
 *
 * It asks the services first and reads the journal afterwards, so it can be run at any time,
 * on a running system too. */
#ifndef METRICS_CONSUMER_VERIFY_H
#define METRICS_CONSUMER_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "process/fail.h"

#define VERIFY_OUTBOXES_MAX 16

struct verify_options {
	const char *journal_path;
	const char *dead_letter_path;
	const char *outboxes[VERIFY_OUTBOXES_MAX]; /* base URLs of services */
	size_t outbox_count;
	bool between; /* a span of time whose delays are shown apart */
	int64_t from_ms, to_ms;
	int64_t wait_ms; /* how long acknowledged events may still be on their way */
};

/* Writes the report to @out. Sets *clean to whether there is nothing to complain of; false
 * where the question could not be answered. */
bool verify(const struct verify_options *options, FILE *out, bool *clean, struct fail *fail);

#endif
