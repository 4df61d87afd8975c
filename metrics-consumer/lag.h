/* metrics-consumer/lag.h - how far the journal is behind a partition, in records and in time.
 *
 * The partition's end is asked for (ends.h), whether anything arrives or not; where nobody answers
 * nothing is known. The waiting time of the oldest record that is not in the journal is, by what is
 * known of it, one of two:
 * - it was fetched: since the time that Kafka gave it;
 * - it was not: since the end was seen behind it for the first time. That is by a second too short,
 *   or, where it waits for longer than a minute, by a thirtieth; and by as much as it has waited
 *   before we began to ask.
 * How far Kafka is behind an outbox is reckoned alike, in numbers of events: outboxes.h.
 * No clock or lock of its own: the caller's. */
#ifndef METRICS_CONSUMER_LAG_H
#define METRICS_CONSUMER_LAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAG_MARKS    64
#define LAG_STALE_MS 15000 /* an end heard longer ago is not known: whoever asks hangs */

struct lag {
	bool known;
	int64_t first, end; /* offset of the first record, and behind the last one */
	int64_t heard_ms;   /* monotonic; the marks, too */
	struct {
		int64_t end, at_ms;
	} marks[LAG_MARKS]; /* when the end was seen to be there; rising */
	size_t count;
	int64_t apart_ms; /* between two marks */
};

/* The partition was asked at @now_ms, and holds records from @first to before @end. */
void lag_heard(struct lag *lag, int64_t first, int64_t end, int64_t now_ms);
/* It was asked and did not answer. */
void lag_lost(struct lag *lag);

/* What is known of the record that the journal needs next. */
struct lag_next {
	int64_t offset;   /* below 0: the first there is */
	int64_t taken_ms; /* wall clock of Kafka; 0: it was not fetched yet */
};

/* False: not known. Otherwise how many records are not in the journal, and for how long the oldest
 * of them has waited; both 0 where there is none. */
bool lag_read(struct lag *lag, const struct lag_next *next, int64_t wall_ms, int64_t mono_ms,
	int64_t *messages, int64_t *waited_ms);

#endif
