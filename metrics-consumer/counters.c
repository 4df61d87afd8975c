#include "metrics-consumer/counters.h"

#include <inttypes.h>

#include "metrics-consumer/journal.h"
#include "process/clock.h"
#include "process/metrics.h"

uint64_t counts_dead(const struct counts *counts)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < DEAD_REASONS; reason++)
		sum += counts->dead[reason];
	return sum;
}

void counters_init(struct counters *counters)
{
	*counters = (struct counters){ 0 };
	pthread_mutex_init(&counters->lock, NULL);
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		counters->published.next[p].offset = -1;
}

void counters_fini(struct counters *counters)
{
	pthread_mutex_destroy(&counters->lock);
}

void counters_publish(struct counters *counters, const struct counts *counts)
{
	pthread_mutex_lock(&counters->lock);
	counters->published = *counts;
	pthread_mutex_unlock(&counters->lock);
}

void counters_hear_end(struct counters *counters, int32_t partition, int64_t first, int64_t end)
{
	pthread_mutex_lock(&counters->lock);
	lag_heard(&counters->lags[partition], first, end, clock_mono_ms());
	pthread_mutex_unlock(&counters->lock);
}

void counters_lose_end(struct counters *counters, int32_t partition)
{
	pthread_mutex_lock(&counters->lock);
	lag_lost(&counters->lags[partition]);
	pthread_mutex_unlock(&counters->lock);
}

void counters_read(struct counters *counters, struct counts *counts)
{
	const int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();

	pthread_mutex_lock(&counters->lock);
	*counts = counters->published;
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (!lag_read(&counters->lags[p], &counts->next[p], wall_ms, mono_ms,
			    &counts->lag[p], &counts->lag_ms[p]))
			counts->lag[p] = counts->lag_ms[p] = -1;
	}
	pthread_mutex_unlock(&counters->lock);
}

static const char *const partitions[EVENT_PARTITIONS] = { "0", "1" };

/* Of a type the consumer does not know, it knows no service either. */
static const char *service_of(enum event_type type)
{
	return type == EVENT_OTHER ? event_type_name(type) : event_service(type);
}

static void write_events(FILE *out, const struct counts *c)
{
	static const char name[] = "metrics_consumer_events_total";

	metrics_begin(out, name, METRICS_COUNTER, "Events written to the journal.");
	for (enum event_type type = 0; type < EVENT_TYPES; type++) {
		for (int p = 0; p < EVENT_PARTITIONS; p++)
			metrics_whole(out, name,
				METRICS_LABELS({ "type", event_type_name(type) },
					{ "service", service_of(type) },
					{ "partition", partitions[p] }),
				c->ever.events[type][p]);
	}
}

static void write_dead(FILE *out, const struct counts *c)
{
	static const char name[] = "metrics_consumer_dead_letters_total";

	metrics_begin(out, name, METRICS_COUNTER, "Records put aside.");
	for (int reason = EVENT_SOUND + 1; reason < DEAD_REASONS; reason++)
		metrics_whole(out, name, METRICS_LABELS({ "reason", dead_letter_reason(reason) }),
			c->ever.dead[reason]);
}

static void write_lag(FILE *out, const struct counts *c)
{
	static const char messages[] = "metrics_consumer_lag_messages";
	static const char seconds[] = "metrics_consumer_lag_seconds";

	metrics_begin(out, messages, METRICS_GAUGE,
		"Records of the partition that are not in the journal; no sample where its end is "
		"not known.");
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (c->lag[p] >= 0)
			metrics_whole(out, messages, METRICS_LABELS({ "partition", partitions[p] }),
				(uint64_t)c->lag[p]);
	}
	metrics_begin(out, seconds, METRICS_GAUGE,
		"For how long the oldest of them has waited: since Kafka took it, or, where it was "
		"not fetched yet, since the partition's end was seen behind it.");
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (c->lag[p] >= 0)
			metrics_real(out, seconds, METRICS_LABELS({ "partition", partitions[p] }),
				(double)c->lag_ms[p] / 1000);
	}
}

static void write_times(FILE *out, const struct counts *c)
{
	metrics_begin(out, "metrics_consumer_delay_seconds", METRICS_HISTOGRAM,
		"From an event's time to its line's.");
	metrics_histogram(
		out, "metrics_consumer_delay_seconds", NULL, &counts_delay_scale, &c->delay_ms);
	metrics_begin(out, "metrics_consumer_journal_sync_seconds", METRICS_HISTOGRAM,
		"How long a sync of the journal took.");
	metrics_histogram(out, "metrics_consumer_journal_sync_seconds", NULL, &journal_sync_scale,
		&c->sync_us);
}

void counts_write_metrics(const struct counts *c, FILE *out)
{
	write_events(out, c);
	metrics_counter(out, "metrics_consumer_repeats_dropped_total", "Records known already.",
		c->repeats);
	write_dead(out, c);
	metrics_counter(
		out, "metrics_consumer_late_total", "Events that filled a missing place.", c->late);
	metrics_counter(out, "metrics_consumer_misplaced_total",
		"Events on the other service's partition.", c->misplaced);
	metrics_counter(out, "metrics_consumer_nameless_total", "Events without source and number.",
		c->nameless);
	metrics_counter(out, "metrics_consumer_untracked_total",
		"Events of a source beyond the bound.", c->untracked);
	metrics_counter(out, "metrics_consumer_holes_total",
		"Times that Kafka no longer had our offset.", c->ever.holes);
	metrics_counter(out, "metrics_consumer_topic_replaced_total",
		"Times that the topic was cut or made anew.", c->ever.replaced);
	metrics_counter(out, "metrics_consumer_number_holes_total",
		"Times that numbers of a source were passed over.", c->ever.number_holes);
	metrics_counter(out, "metrics_consumer_second_reads_total",
		"Readings from the last line again for that.", c->second_reads);
	metrics_gauge(out, "metrics_consumer_missing_numbers",
		"Numbers passed over and not filled yet.", c->missing);
	metrics_gauge(out, "metrics_consumer_group_ahead",
		"1: the group knew more than the journal at the start.", c->group_ahead);
	write_lag(out, c);
	write_times(out, c);
	metrics_counter(out, "metrics_consumer_journal_bytes_total",
		"Bytes written to the journal.", c->journal_bytes);
}

void counts_write_totals(const struct counts *c, FILE *out)
{
	fprintf(out,
		"taken=%" PRIu64 " journaled=%" PRIu64 " copies=%" PRIu64 " dead_letters=%" PRIu64,
		c->taken, c->journaled, c->repeats, counts_dead(c));
	fprintf(out,
		" late=%" PRIu64 " misplaced=%" PRIu64 " nameless=%" PRIu64 " untracked=%" PRIu64
		" missing=%" PRIu64,
		c->late, c->misplaced, c->nameless, c->untracked, c->missing);
	for (int type = 0; type < EVENT_TYPES; type++) {
		for (int p = 0; p < EVENT_PARTITIONS; p++) {
			if (c->events[type][p] > 0)
				fprintf(out, " %s/%d=%" PRIu64,
					event_type_name((enum event_type)type), p,
					c->events[type][p]);
		}
	}
	for (int reason = EVENT_SOUND + 1; reason < DEAD_REASONS; reason++) {
		if (c->dead[reason] > 0)
			fprintf(out, " %s=%" PRIu64, dead_letter_reason(reason), c->dead[reason]);
	}
}
