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
#include "metrics-consumer/lag.h"
#include "process/histogram.h"

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
	struct histogram delay_ms; /* journaled: from the event's time to its line's, or 0 */
	struct histogram sync_us;  /* how long syncs of the journal took */
	struct counts_ever ever;
	/* Of now: */
	uint64_t missing; /* numbers that are passed over and not yet filled */
	bool group_ahead; /* the group knew more than the journal at the start */
	struct lag_next next[EVENT_PARTITIONS];
	/* Set by counters_read: */
	int64_t lag[EVENT_PARTITIONS];    /* records that are not in the journal; -1: not known */
	int64_t lag_ms[EVENT_PARTITIONS]; /* for how long the oldest of them has waited */
};

/* 1 ms to 35 minutes */
static const struct histogram_scale counts_delay_scale = {
	.first = 1, .per_second = 1000, .bounds = 22
};

uint64_t counts_dead(const struct counts *counts);

struct counters {
	pthread_mutex_t lock;
	struct counts published;
	struct lag lags[EVENT_PARTITIONS];
};

void counters_init(struct counters *counters);
void counters_fini(struct counters *counters);
/* Consumer's thread. */
void counters_publish(struct counters *counters, const struct counts *counts);
/* The thread that asks for the partitions' ends: what it heard; that it heard nothing. */
void counters_hear_end(struct counters *counters, int32_t partition, int64_t first, int64_t end);
void counters_lose_end(struct counters *counters, int32_t partition);
/* Any thread. */
void counters_read(struct counters *counters, struct counts *counts);

/* Writes them in Prometheus' text format. */
void counts_write_metrics(const struct counts *counts, FILE *out);
/* Writes them as one line of key=value, types and partitions included. */
void counts_write_totals(const struct counts *counts, FILE *out);

#endif
