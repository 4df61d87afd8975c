#include "bench/arrive_times.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
	struct timespec now = { 0 };

	(void)clock_gettime(id, &now); /* both clocks exist on every Linux */
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t thread_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

bool times_init(struct times *times, int64_t after, int64_t count, struct fail *fail)
{
	const size_t size = (size_t)count;

	*times = (struct times){ .after = after,
		.count = count,
		.late = calloc(size, sizeof(int64_t)),
		.waited = calloc(size, sizeof(int64_t)),
		.answered = calloc(size, sizeof(int64_t)),
		.journaled = calloc(size, sizeof(int64_t)) };
	if (times->late && times->waited && times->answered && times->journaled)
		return true;
	times_fini(times);
	return fail_set(fail, FAIL_FATAL, "out of memory");
}

void times_fini(struct times *times)
{
	free(times->late);
	free(times->waited);
	free(times->answered);
	free(times->journaled);
	*times = (struct times){ 0 };
}

bool times_place(const struct times *times, int64_t id, size_t *place)
{
	if (id <= times->after || id > times->after + times->count)
		return false;
	*place = (size_t)(id - times->after - 1);
	return true;
}

static int compare(const void *one, const void *other)
{
	const int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

	return (a > b) - (a < b);
}

/* The smallest value that at least @share of them do not exceed, in microseconds. */
static double at_share(const int64_t *sorted, int64_t count, double share)
{
	const double exact = share * (double)count;
	int64_t rank = (int64_t)exact;

	if ((double)rank < exact)
		rank++;
	if (rank < 1)
		rank = 1;
	return (double)sorted[rank - 1] / 1000;
}

void times_print(const char *name, int64_t *ns, int64_t count)
{
	if (count == 0) {
		printf("\"%s\":{\"count\":0}", name);
		return;
	}
	qsort(ns, (size_t)count, sizeof(*ns), compare);
	printf("\"%s\":{\"count\":%" PRId64 ",\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
	       "\"p999\":%.1f,\"max\":%.1f}",
		name, count, (double)ns[0] / 1000, at_share(ns, count, 0.5),
		at_share(ns, count, 0.9), at_share(ns, count, 0.99), at_share(ns, count, 0.999),
		(double)ns[count - 1] / 1000);
}

int64_t times_between(struct times *times)
{
	int64_t both = 0;

	for (int64_t i = 0; i < times->count; i++) {
		if (times->answered[i] != 0 && times->journaled[i] != 0)
			times->journaled[both++] = times->journaled[i] - times->answered[i];
	}
	return both;
}
