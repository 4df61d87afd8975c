#include "http/times.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "http/strict.h"
#include "process/metrics.h"

#define PATH_MAX_LENGTH 128 /* of a route, cut behind it */

/* 100 us to 6.6 s */
static const struct histogram_scale scale = { .first = 100, .per_second = 1000000, .bounds = 17 };

struct place {
	_Atomic unsigned status; /* 0: free, and for good in the last place of a route */
	struct histogram_shared took;
};

struct times {
	const struct http_route *routes;
	size_t count;
	struct place places[][TIMES_STATUSES + 1]; /* one more than there are routes */
};

struct times *times_new(const struct http_route *routes, size_t count)
{
	struct times *const t = calloc(1, sizeof(*t) + (count + 1) * sizeof(t->places[0]));

	if (!t)
		return NULL;
	t->routes = routes;
	t->count = count;
	return t;
}

void times_free(struct times **times)
{
	free(*times);
	*times = NULL;
}

/* A route answers a handful of statuses: the place of this one, which is taken if there is none. */
static struct place *find_place(struct place *places, unsigned status)
{
	for (size_t i = 0; i < TIMES_STATUSES; i++) {
		unsigned there = atomic_load_explicit(&places[i].status, memory_order_relaxed);

		if (there == 0 && atomic_compare_exchange_strong(&places[i].status, &there, status))
			return &places[i];
		if (there == status)
			return &places[i];
	}
	return &places[TIMES_STATUSES];
}

void times_add(struct times *t, const struct http_route *route, unsigned status, int64_t took_us)
{
	const size_t row = route ? (size_t)(route - t->routes) : t->count;

	assert(row <= t->count && status != 0);
	histogram_add_shared(&find_place(t->places[row], status)->took, &scale,
		took_us > 0 ? (uint64_t)took_us : 0);
}

void times_write(struct times *t, FILE *out)
{
	static const char name[] = "http_request_duration_seconds";
	static const struct http_route none = { .method = "other", .path = "none" };

	metrics_begin(out, name, METRICS_HISTOGRAM,
		"From a request's head to its answer. HEAD counts as GET; route none: no such "
		"path, or "
		"not this method.");
	for (size_t row = 0; row <= t->count; row++) {
		const struct http_route *const route = row < t->count ? &t->routes[row] : &none;

		for (size_t i = 0; i <= TIMES_STATUSES; i++) {
			struct place *const place = &t->places[row][i];
			struct histogram took;
			char code[12], path[PATH_MAX_LENGTH];
			uint64_t count = 0;

			histogram_read(&place->took, &took);
			for (size_t k = 0; k <= scale.bounds; k++)
				count += took.bucket[k];
			if (count == 0)
				continue;
			(void)snprintf(code, sizeof(code), "%u", atomic_load(&place->status));
			(void)snprintf(path, sizeof(path), "%.*s",
				(int)strict_path_length(route->path), route->path);
			metrics_histogram(out, name,
				METRICS_LABELS({ "method", route->method }, { "route", path },
					{ "code", code }),
				&scale, &took);
		}
	}
}
