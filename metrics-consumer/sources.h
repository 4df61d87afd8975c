/* metrics-consumer/sources.h - which numbers of each source are known.
 *
 * A source numbers its events from 1 without a hole, and any of them may come to us more than
 * once. Kept are the highest number and the ranges missing below it, so that a copy is told
 * from a late arrival. What is known depends on the set of numbers taken, not on their order.
 * Beside it the checksums of recent numbers are kept, wherever those lie: a forged number far
 * ahead costs the memory of one other. One thread. */
#ifndef METRICS_CONSUMER_SOURCES_H
#define METRICS_CONSUMER_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kafka/client/headers.h"

#define SOURCES_MAX         1024    /* sources kept; records of further ones cannot be told apart */
#define SOURCES_MISSING_MAX 1024    /* missing ranges the consumer keeps of one source */
#define SOURCES_MISSING_ALL 16      /* and that many times as many of all sources together */
#define SOURCES_RECENT_MAX  65536   /* checksums kept of one source; a power of two */
#define SOURCES_RECENT_ALL  1048576 /* of all sources together: 16 MB */

enum source_verdict {
	SOURCE_NEW,  /* higher than all before */
	SOURCE_LATE, /* fills a missing place */
	SOURCE_COPY, /* known */
};

struct source_range {
	int64_t first, last; /* both included */
};

struct source_recent {
	int64_t id; /* 0: none */
	uint32_t checksum;
};

/* Read by anyone; written by sources.c. */
struct source {
	char name[SOURCE_MAX]; /* terminated */
	size_t length;
	size_t index; /* from 0, in the order of first sight */
	int64_t highest;
	struct source_range *missing; /* rising, never touching */
	size_t count, room;
	struct source_recent *recent; /* each at its number modulo the room; NULL: none */
	size_t recent_room;           /* a power of two */
	int64_t noted;                /* the number noted last */
	uint64_t used;                /* and when, counted in notes */
};

struct sources;

/* @missing_max bounds the missing ranges of each source, and SOURCES_MISSING_ALL times that those
 * of all together. NULL: out of memory. */
struct sources *sources_new(size_t missing_max);
void sources_free(struct sources **sources);

/* Finds a source, or begins to keep it. NULL where SOURCES_MAX are kept, or no memory is left. */
struct source *sources_find(struct sources *sources, const char *name, size_t length);
/* The same without keeping anything new. NULL: it is not kept. */
const struct source *sources_peek(const struct sources *sources, const char *name, size_t length);
size_t sources_count(const struct sources *sources);
const struct source *sources_at(const struct sources *sources, size_t index);

/* Takes number @id, from 1, of a source of ours. Beyond a bound on missing ranges the two lowest of
 * it, or of the source that has most, become one, numbers between them count as missing again, and
 * sources_merged rises: a copy of those would pass, an event would not be lost. */
enum source_verdict sources_take(struct sources *sources, struct source *source, int64_t id);
uint64_t sources_merged(const struct sources *sources);

/* How many numbers are missing now, of all sources together. */
uint64_t sources_missing(const struct sources *sources);

/* Keeps the checksum of number @id, which was just taken. It pushes out the one that is a
 * multiple of SOURCES_RECENT_MAX away. Where SOURCES_RECENT_ALL are kept, the source that noted
 * longest ago loses all of its own, and sources_forgotten rises; without memory it is not kept. */
void sources_note(struct sources *sources, struct source *source, int64_t id, uint32_t checksum);
uint64_t sources_forgotten(const struct sources *sources);
/* False: it is not kept. */
bool source_checksum(const struct source *source, int64_t id, uint32_t *checksum);

/* Makes a source that was just found, and of which nothing is known, what another process knew:
 * its highest number, and the ranges missing below it, rising and not touching. False where that
 * cannot be, or no memory is left. */
bool sources_restore(struct sources *sources, struct source *source, int64_t highest,
	const struct source_range *missing, size_t count);

/* Whether @first is known. *last, which is not below it, becomes the last number up to which the
 * same is true, if that is lower. */
bool source_knows(const struct source *source, int64_t first, int64_t *last);
/* How many numbers from @first to @last are known. */
int64_t source_known(const struct source *source, int64_t first, int64_t last);
/* Calls @tell with each known number, in rising order. */
void source_each_known(
	const struct source *source, void (*tell)(void *context, int64_t id), void *context);

#endif
