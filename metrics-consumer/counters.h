/* metrics-consumer/counters.h - what has been done, in numbers.
 *
 * The consumer's thread counts in a struct of its own and publishes it once a turn; whoever
 * asks gets a whole one, never half of a turn. */
#ifndef METRICS_CONSUMER_COUNTERS_H
#define METRICS_CONSUMER_COUNTERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "event/event.h"
#include "metrics-consumer/dead_letter.h"

/* Since the journal and the dead letter began, as far as the files and the checkpoint tell:
 * recounted from the lines where there is no checkpoint. */
struct counts_ever {
	uint64_t events[EVENT_TYPES][EVENT_PARTITIONS]; /* lines of the journal */
	uint64_t dead[DEAD_REASONS];                    /* lines of the dead letter */
	/* Only the checkpoint knows these: */
	uint64_t holes;        /* times that Kafka no longer had our offset */
	uint64_t replaced;     /* times that the topic was cut or made anew */
	uint64_t number_holes; /* times that numbers of a source were passed over */
};

struct counts {         /* since the process started, but for `ever` and what is of now */
	uint64_t taken; /* = journaled + repeats + the dead letters */
	uint64_t journaled;
	uint64_t repeats; /* known already, and dropped */
	uint64_t dead[DEAD_REASONS];
	uint64_t events[EVENT_TYPES][EVENT_PARTITIONS]; /* what journaled is made of */
	uint64_t late;         /* journaled: filled a missing place of its source */
	uint64_t misplaced;    /* journaled: a known type on the other service's partition */
	uint64_t nameless;     /* journaled: no sound source and number */
	uint64_t untracked;    /* journaled: of a source beyond the bound */
	uint64_t second_reads; /* from the last line again, because numbers were passed over */
	uint64_t journal_bytes;
	struct counts_ever ever;
	/* Of now: */
	uint64_t missing;              /* numbers that are passed over and not yet filled */
	bool group_ahead;              /* the group knew more than the journal at the start */
	int64_t lag[EVENT_PARTITIONS]; /* records behind the end; -1: not known */
};

uint64_t counts_dead(const struct counts *counts);

struct counters {
	pthread_mutex_t lock;
	struct counts published;
};

void counters_init(struct counters *counters);
void counters_fini(struct counters *counters);
/* Consumer's thread. */
void counters_publish(struct counters *counters, const struct counts *counts);
/* Any thread. */
void counters_read(struct counters *counters, struct counts *counts);

/* Writes them in Prometheus' text format. */
void counts_write_metrics(const struct counts *counts, FILE *out);
/* Writes them as one line of key=value, types and partitions included. */
void counts_write_totals(const struct counts *counts, FILE *out);

#endif
