/* metrics-consumer/sources.h - which numbers of each source are known.
 *
 * A source numbers its events from 1 without a hole, and any of them may come to us more than
 * once. Kept are the highest number and the ranges missing below it, so that a copy is told
 * from a late arrival. What is known depends on the set of numbers taken, not on their order.
 * One thread. */
#ifndef METRICS_CONSUMER_SOURCES_H
#define METRICS_CONSUMER_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kafka/client/headers.h"

#define SOURCES_MAX         1024 /* sources kept; records of further ones cannot be told apart */
#define SOURCES_MISSING_MAX 1024 /* missing ranges the consumer keeps of one source */

enum source_verdict {
	SOURCE_NEW,  /* higher than all before */
	SOURCE_LATE, /* fills a missing place */
	SOURCE_COPY, /* known */
};

struct source_range {
	int64_t first, last; /* both included */
};

/* Read by anyone; written by sources.c. */
struct source {
	char name[SOURCE_MAX]; /* terminated */
	size_t length;
	size_t index; /* from 0, in the order of first sight */
	int64_t highest;
	struct source_range *missing; /* rising, never touching */
	size_t count, room;
};

struct sources;

/* @missing_max bounds the missing ranges of each source. NULL: out of memory. */
struct sources *sources_new(size_t missing_max);
void sources_free(struct sources **sources);

/* Finds a source, or begins to keep it. NULL where SOURCES_MAX are kept, or no memory is left. */
struct source *sources_find(struct sources *sources, const char *name, size_t length);
/* The same without keeping anything new. NULL: it is not kept. */
const struct source *sources_peek(const struct sources *sources, const char *name, size_t length);
size_t sources_count(const struct sources *sources);
const struct source *sources_at(const struct sources *sources, size_t index);

/* Takes number @id, from 1, of a source of ours. Beyond the bound on missing ranges the two
 * lowest become one, numbers between them count as missing again, and sources_merged rises:
 * a copy of those would pass, an event would not be lost. */
enum source_verdict sources_take(struct sources *sources, struct source *source, int64_t id);
uint64_t sources_merged(const struct sources *sources);

/* How many numbers from @first to @last are known. */
int64_t source_known(const struct source *source, int64_t first, int64_t last);
/* Calls @tell with each known number, in rising order. */
void source_each_known(
	const struct source *source, void (*tell)(void *context, int64_t id), void *context);

#endif
