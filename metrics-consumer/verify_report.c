#include <inttypes.h>

#include "metrics-consumer/verification.h"

static const char *const names[OFFENCES] = { "missing", "repeated", "out of order",
	"on a wrong partition", "altered", "removed unread" };

static void write_number(FILE *out, bool there, int64_t number, int width)
{
	if (there)
		fprintf(out, " %*" PRId64, width, number);
	else
		fprintf(out, " %*s", width, "-");
}

static void write_row(const struct verification *v, FILE *out, const char *name,
	const struct tally *t, int64_t in_topic, bool numbered)
{
	const bool topic = v->topic != NULL;

	fprintf(out, "%-24s", name);
	write_number(out, t->asked, t->acknowledged, 12);
	write_number(out, topic, in_topic, 12);
	write_number(out, true, t->lines, 14);
	write_number(out, numbered, t->offences[MISSING], 8);
	write_number(out, numbered, t->offences[REPEATED], 8);
	write_number(out, numbered, t->offences[OUT_OF_ORDER], 12);
	write_number(out, true, t->offences[MISPLACED], 15);
	write_number(out, numbered, t->offences[ALTERED], 7);
	write_number(out, topic && numbered, t->offences[REMOVED], 8);
	fputc('\n', out);
}

static void write_sources(const struct verification *v, FILE *out)
{
	const struct tally *const nameless = &v->tally[SOURCES_MAX];
	int64_t rest = 0;

	fprintf(out, "%-24s %12s %12s %14s %8s %8s %12s %15s %7s %8s\n", "source", "acknowledged",
		"in the topic", "in the journal", "missing", "repeated", "out of order",
		"wrong partition", "altered", "removed");
	for (size_t i = 0; i < sources_count(v->known); i++) {
		const struct source *const source = sources_at(v->known, i);
		const struct source *const there =
			v->topic ? topic_survey_find(v->topic, source->name, source->length) : NULL;

		write_row(v, out, source->name, &v->tally[i],
			there ? topic_survey_of(v->topic, there)->total : 0, true);
	}
	if (v->topic)
		rest = topic_survey_totals(v->topic)->nameless +
		       topic_survey_totals(v->topic)->untracked;
	if (nameless->lines > 0 || rest > 0)
		write_row(v, out, "-", nameless, rest, false);
}

static void write_events(const struct verification *v, FILE *out)
{
	fprintf(out, "%-24s %12s %12s\n", "events by type", "partition 0", "partition 1");
	for (int type = EVENT_TYPES - 1; type >= 0; type--)
		fprintf(out, "%-24s %12" PRId64 " %12" PRId64 "\n",
			event_type_name((enum event_type)type), v->events[type][0],
			v->events[type][1]);
}

static void write_delays(const struct verification *v, FILE *out)
{
	static const char *const spans[SPANS] = { "before", "during", "after" };

	fputs("longest delay_ms:", out);
	for (int span = 0; span < (v->options->between ? SPANS : 1); span++) {
		if (v->options->between)
			fprintf(out, "%s %s", span > 0 ? "," : "", spans[span]);
		write_number(out, v->seen[span], v->longest_ms[span], 1);
	}
	fputc('\n', out);
}

static void write_offenders(const struct verification *v, FILE *out)
{
	for (int offence = 0; offence < OFFENCES; offence++) {
		for (int i = 0; i < VERIFY_NAMED_MAX && v->named[offence][i].text[0] != '\0'; i++)
			fprintf(out, "%s: %s\n", names[offence], v->named[offence][i].text);
	}
	if (v->untracked > 0)
		fprintf(out, "%" PRId64 " lines are of sources beyond %d and were not compared\n",
			v->untracked, SOURCES_MAX);
	if (v->topic && topic_survey_totals(v->topic)->untracked > 0)
		fprintf(out,
			"%" PRId64 " records of the topic are of too many sources or have "
			"too many gaps, and were not compared\n",
			topic_survey_totals(v->topic)->untracked);
	if (sources_merged(v->known) + sources_merged(v->dead_known) > 0)
		fprintf(out, "more than %d missing ranges of a source: not all were compared\n",
			VERIFY_MISSING_MAX);
	if (v->unsound > 0)
		fprintf(out, "%" PRId64 " lines hold no sound event\n", v->unsound);
}

void verification_write(const struct verification *v, FILE *out)
{
	fprintf(out, "%s: %" PRIu64 " lines in %zu file%s; dead letters: %" PRId64 "\n",
		v->options->journal_path, v->journal.count, v->journal.files_read,
		v->journal.files_read == 1 ? "" : "s", v->dead_letters);
	if (v->topic)
		fprintf(out,
			"topic %s: %" PRId64 " records, %" PRId64
			" of them copies, which the consumer drops\n",
			v->options->kafka->topic, topic_survey_totals(v->topic)->records,
			topic_survey_totals(v->topic)->copies);
	if (v->in_deleted > 0)
		fprintf(out,
			"%" PRId64 " events stood in the %" PRId64
			" journal files that were deleted by age or number, and are not missing\n",
			v->in_deleted, v->journal.deleted);
	if (v->redriven > 0)
		fprintf(out, "%" PRId64 " lines were dead letters, repaired and redriven\n",
			v->redriven);
	write_sources(v, out);
	write_events(v, out);
	write_delays(v, out);
	write_offenders(v, out);
	for (int offence = 0; offence < OFFENCES; offence++)
		fprintf(out, "%s%" PRId64 " %s", offence > 0 ? ", " : "", v->total[offence],
			names[offence]);
	fputc('\n', out);
}
