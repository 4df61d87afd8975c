#include "metrics-consumer/counters.h"

#include <inttypes.h>

uint64_t counts_dead(const struct counts *counts)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < DEAD_REASONS; reason++)
		sum += counts->dead[reason];
	return sum;
}

void counters_init(struct counters *counters)
{
	pthread_mutex_init(&counters->lock, NULL);
	counters->published = (struct counts){ 0 };
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		counters->published.lag[p] = -1;
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

void counters_read(struct counters *counters, struct counts *counts)
{
	pthread_mutex_lock(&counters->lock);
	*counts = counters->published;
	pthread_mutex_unlock(&counters->lock);
}

static void write_number(
	FILE *out, const char *kind, const char *name, const char *help, uint64_t value)
{
	fprintf(out, "# HELP metrics_consumer_%s %s\n# TYPE metrics_consumer_%s %s\n", name, help,
		name, kind);
	fprintf(out, "metrics_consumer_%s %" PRIu64 "\n", name, value);
}

static void write_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	write_number(out, "counter", name, help, value);
}

static void write_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	write_number(out, "gauge", name, help, value);
}

static void write_events(FILE *out, const struct counts *c)
{
	fputs("# HELP metrics_consumer_events_total Events written to the journal.\n"
	      "# TYPE metrics_consumer_events_total counter\n",
		out);
	for (int type = 0; type < EVENT_TYPES; type++) {
		for (int p = 0; p < EVENT_PARTITIONS; p++)
			fprintf(out,
				"metrics_consumer_events_total{type=\"%s\",partition=\"%d\"} "
				"%" PRIu64 "\n",
				event_type_name((enum event_type)type), p, c->ever.events[type][p]);
	}
}

static void write_dead(FILE *out, const struct counts *c)
{
	fputs("# HELP metrics_consumer_dead_letters_total Records put aside.\n"
	      "# TYPE metrics_consumer_dead_letters_total counter\n",
		out);
	for (int reason = EVENT_SOUND + 1; reason < DEAD_REASONS; reason++)
		fprintf(out, "metrics_consumer_dead_letters_total{reason=\"%s\"} %" PRIu64 "\n",
			dead_letter_reason(reason), c->ever.dead[reason]);
}

static void write_lag(FILE *out, const struct counts *c)
{
	fputs("# HELP metrics_consumer_lag_messages Records behind the partition's end.\n"
	      "# TYPE metrics_consumer_lag_messages gauge\n",
		out);
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		if (c->lag[p] >= 0)
			fprintf(out,
				"metrics_consumer_lag_messages{partition=\"%d\"} %" PRId64 "\n", p,
				c->lag[p]);
	}
}

void counts_write_metrics(const struct counts *c, FILE *out)
{
	write_events(out, c);
	write_counter(out, "repeats_dropped_total", "Records known already.", c->repeats);
	write_dead(out, c);
	write_counter(out, "late_total", "Events that filled a missing place.", c->late);
	write_counter(
		out, "misplaced_total", "Events on the other service's partition.", c->misplaced);
	write_counter(out, "nameless_total", "Events without source and number.", c->nameless);
	write_counter(out, "untracked_total", "Events of a source beyond the bound.", c->untracked);
	write_counter(
		out, "holes_total", "Times that Kafka no longer had our offset.", c->ever.holes);
	write_counter(out, "topic_replaced_total", "Times that the topic was cut or made anew.",
		c->ever.replaced);
	write_counter(out, "number_holes_total", "Times that numbers of a source were passed over.",
		c->ever.number_holes);
	write_counter(out, "second_reads_total", "Readings from the last line again for that.",
		c->second_reads);
	write_gauge(out, "missing_numbers", "Numbers passed over and not filled yet.", c->missing);
	write_gauge(out, "group_ahead", "1: the group knew more than the journal at the start.",
		c->group_ahead);
	write_lag(out, c);
	write_counter(
		out, "journal_bytes_total", "Bytes written to the journal.", c->journal_bytes);
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
