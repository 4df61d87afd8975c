/* metrics-consumer/checksums.h - the checksum of each numbered event of a source.
 *
 * Numbers rise without a hole as a rule, so they are kept as runs: 8 bytes an event and 32 a
 * run, at most CHECKSUM_RUNS_MAX runs. One thread. */
#ifndef METRICS_CONSUMER_CHECKSUMS_H
#define METRICS_CONSUMER_CHECKSUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_RUNS_MAX 1048576

struct checksum_run {
	int64_t first;
	size_t count, room;
	uint64_t *list;
};

/* Starts zeroed. The runs rise and do not overlap; two may touch. */
struct checksums {
	struct checksum_run *runs;
	size_t count, room;
	int64_t total; /* numbers kept */
};

enum checksums_verdict {
	CHECKSUMS_NEW,
	CHECKSUMS_SAME,  /* the number is known, with these bytes */
	CHECKSUMS_OTHER, /* the number is known with other bytes, which stay */
	CHECKSUMS_FULL,  /* not kept: too many runs */
	CHECKSUMS_NO_MEMORY,
};

/* Takes the checksum of number @id, from 1. */
enum checksums_verdict checksums_add(struct checksums *checksums, int64_t id, uint64_t checksum);
void checksums_free(struct checksums *checksums);

/* 0 where there is none. */
int64_t checksums_highest(const struct checksums *checksums);

/* Called with a number. */
typedef void checksums_told(void *context, int64_t id);
/* Tells, in rising order, each number that both have with different checksums. */
void checksums_compare(const struct checksums *one, const struct checksums *other,
	checksums_told *tell, void *context);

#endif
