#include "metrics-consumer/lag.h"

#include <string.h>

/* Every other mark goes, and new ones come half as often: so 64 of them last for any time. */
static void thin_out(struct lag *lag)
{
	size_t kept = 0;

	for (size_t i = 0; i < lag->count; i += 2)
		lag->marks[kept++] = lag->marks[i];
	lag->count = kept;
	lag->apart_ms = lag->apart_ms > 0 ? 2 * lag->apart_ms : 2000;
}

static void mark(struct lag *lag, int64_t end, int64_t now_ms)
{
	if (lag->count > 0 && (end <= lag->marks[lag->count - 1].end ||
				      now_ms - lag->marks[lag->count - 1].at_ms < lag->apart_ms))
		return;
	if (lag->count == LAG_MARKS)
		thin_out(lag);
	lag->marks[lag->count].end = end;
	lag->marks[lag->count++].at_ms = now_ms;
}

void lag_heard(struct lag *lag, int64_t first, int64_t end, int64_t now_ms)
{
	if (end < lag->end) /* cut, or made anew */
		lag->count = 0;
	lag->known = true;
	lag->first = first;
	lag->end = end;
	lag->heard_ms = now_ms;
	mark(lag, end, now_ms);
}

void lag_lost(struct lag *lag)
{
	lag->known = false;
}

/* What is in the journal waits no more. */
static void drop_marks(struct lag *lag, int64_t next)
{
	size_t done = 0;

	while (done < lag->count && lag->marks[done].end <= next)
		done++;
	lag->count -= done;
	memmove(lag->marks, lag->marks + done, lag->count * sizeof(lag->marks[0]));
	if (lag->count == 0)
		lag->apart_ms = 0;
}

bool lag_read(struct lag *lag, const struct lag_next *next, int64_t wall_ms, int64_t mono_ms,
	int64_t *messages, int64_t *waited_ms)
{
	const int64_t offset = next->offset < lag->first ? lag->first : next->offset;

	*messages = *waited_ms = 0;
	drop_marks(lag, offset);
	if (!lag->known || mono_ms - lag->heard_ms > LAG_STALE_MS)
		return false;
	if (offset >= lag->end)
		return true;
	*messages = lag->end - offset;
	if (next->taken_ms > 0)
		*waited_ms = wall_ms - next->taken_ms;
	else if (lag->count > 0)
		*waited_ms = mono_ms - lag->marks[0].at_ms;
	if (*waited_ms < 0)
		*waited_ms = 0;
	return true;
}
