/* metrics-consumer/redrive.h - `metrics-consumer redrive`: dead letters that a person has repaired
 * become lines of the journal.
 *
 * Never of the topic, where nothing but the services may write. The consumer must not run: the
 * journal's lock is taken. What the journal holds already is left out, so it may be repeated. */
#ifndef METRICS_CONSUMER_REDRIVE_H
#define METRICS_CONSUMER_REDRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "process/fail.h"

#define REDRIVE_BYTES_MAX (512 * 1024 * 1024) /* of values that are held in memory */

struct redrive_options {
	const char *journal_path;
	const char *input_path; /* lines as in the dead letter; "-": standard input */
	bool dry_run;           /* says what it would do; needs no lock */
	int progress_fd;        /* see progress_bar_start; or -1 */
};

/* Names what is refused, and the totals, on @out. *all: each input line is in the journal now.
 * FAIL_OWNED: a consumer runs. */
bool redrive(const struct redrive_options *options, FILE *out, bool *all, struct fail *fail);

#endif
