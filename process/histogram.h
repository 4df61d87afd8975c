/* process/histogram.h - how often something took how long.
 *
 * The bounds of the buckets double, so that adding is a few instructions without a table. A struct
 * histogram belongs to one thread, which may copy it for others to read; to a shared one any thread
 * adds, without a lock, and a reader may see an addition by half: its sum, or its bucket. */
#ifndef PROCESS_HISTOGRAM_H
#define PROCESS_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 22

struct histogram_scale {
	uint64_t first;      /* the lowest bound; the next ones are 2, 4, 8, ... times as high */
	uint64_t per_second; /* what values are counted in: 1000, where they are milliseconds */
	size_t bounds;       /* at most HISTOGRAM_BOUNDS_MAX */
};

struct histogram {
	uint64_t bucket[HISTOGRAM_BOUNDS_MAX + 1]; /* not above the bound of its place; the rest */
	uint64_t sum;
};

struct histogram_shared {
	_Atomic uint64_t bucket[HISTOGRAM_BOUNDS_MAX + 1];
	_Atomic uint64_t sum;
};

/* The place of the lowest bound that @value is not above; scale->bounds where there is none. */
static inline size_t histogram_place(const struct histogram_scale *scale, uint64_t value)
{
	const uint64_t times = value / scale->first + (value % scale->first != 0);
	const size_t place = times <= 1 ? 0 : (size_t)(64 - __builtin_clzll(times - 1));

	return place < scale->bounds ? place : scale->bounds;
}

static inline void histogram_add(
	struct histogram *h, const struct histogram_scale *scale, uint64_t value)
{
	h->bucket[histogram_place(scale, value)]++;
	h->sum += value;
}

static inline void histogram_add_shared(
	struct histogram_shared *h, const struct histogram_scale *scale, uint64_t value)
{
	atomic_fetch_add_explicit(
		&h->bucket[histogram_place(scale, value)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

static inline void histogram_read(struct histogram_shared *h, struct histogram *out)
{
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++)
		out->bucket[i] = atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
	out->sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
}

#endif
