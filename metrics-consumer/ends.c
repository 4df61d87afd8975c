#include "metrics-consumer/ends.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "process/stop.h"

#define EVERY_MS 1000

struct ends {
	struct topic *topic;
	struct counters *counters;
	int stop; /* eventfd */
	pthread_t thread;
};

static bool is_to_stop(const struct ends *e, int wait_ms)
{
	struct pollfd on = { .fd = e->stop, .events = POLLIN };

	return poll(&on, 1, wait_ms) > 0;
}

static void ask(struct ends *e, int32_t partition)
{
	struct fail why = { 0 };
	int64_t first, end;

	if (topic_ask_bounds(e->topic, partition, ENDS_WAIT_MS, &first, &end, &why))
		counters_hear_end(e->counters, partition, first, end);
	else
		counters_lose_end(e->counters, partition);
}

static void *run(void *context)
{
	struct ends *const e = context;

	do {
		for (int32_t p = 0; p < EVENT_PARTITIONS && !is_to_stop(e, 0); p++)
			ask(e, p);
	} while (!is_to_stop(e, EVERY_MS));
	return NULL;
}

bool ends_start(
	struct ends **ends, struct topic *topic, struct counters *counters, struct fail *fail)
{
	struct ends *const e = calloc(1, sizeof(*e));

	*ends = NULL;
	if (!e)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	*e = (struct ends){ .topic = topic, .counters = counters };
	e->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop < 0) {
		fail_errno(fail, FAIL_FATAL, errno, "eventfd");
		goto undo;
	}
	if (!thread_start(&e->thread, "ends", run, e, fail))
		goto undo;
	*ends = e;
	return true;

undo:
	if (e->stop >= 0)
		close(e->stop);
	free(e);
	return false;
}

void ends_stop(struct ends **ends)
{
	struct ends *const e = *ends;

	if (!e)
		return;
	(void)!write(e->stop, &(uint64_t){ 1 }, sizeof(uint64_t)); /* it was empty */
	pthread_join(e->thread, NULL);
	close(e->stop);
	free(e);
	*ends = NULL;
}
