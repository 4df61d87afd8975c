/* metrics-consumer/checksum.h - a short name for bytes, to tell a copy from something else.
 *
 * XXH3 (xxhash.com, specification 0.8): it finds accidents, not somebody who wants to be
 * overlooked. Its values are stored, so they must never change. */
#ifndef METRICS_CONSUMER_CHECKSUM_H
#define METRICS_CONSUMER_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t checksum64(const void *bytes, size_t length)
{
	return XXH3_64bits(bytes, length);
}

/* The lower half: for 65,536 of them a source. */
static inline uint32_t checksum32(const void *bytes, size_t length)
{
	return (uint32_t)XXH3_64bits(bytes, length);
}

#endif
