/* Which numbers are missing, and why.
 *
 * A number that should be in the journal and is not is missing, unless
 * - it is a dead letter, and no service says that it acknowledged an event under it;
 * - it is lower than all that the journal still has of its source, and files of the journal were
 *   deleted by age or number: it stood in one of them, if the checkpoint knows it, or, where no
 *   checkpoint can be read, as far as can be told;
 * - it is lower than the first that the topic still has of its source, and the partition no
 *   longer begins at offset 0: retention removed it before it was read. That is a loss as well, and
 *   named as such.
 * A line whose number is a dead letter was repaired and redriven: it stands late and with other
 * bytes than its record, and that is right. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/verification.h"

static int64_t lowest_known(const struct source *source)
{
	return source->count > 0 && source->missing[0].first == 1 ? source->missing[0].last + 1 : 1;
}

/* Counts the numbers from @first to @last as an offence, or (OFFENCES) as those of deleted files.
 * An unsound record counts as its source's number, unless the service says that it acknowledged
 * an event under it: that one is nowhere in the journal. */
static void count_absent(struct verification *v, int offence, const struct source *source,
	int64_t first, int64_t last)
{
	struct tally *const tally = &v->tally[source->index];
	const struct source *const dead =
		tally->asked ? NULL : sources_peek(v->dead_known, source->name, source->length);
	const int64_t count =
		first > last ? 0 : last - first + 1 - (dead ? source_known(dead, first, last) : 0);
	char *name;

	if (count == 0)
		return;
	if (offence == OFFENCES) {
		v->in_deleted += count;
		return;
	}
	tally->offences[offence] += count;
	v->total[offence] += count;
	name = verification_next_name(v, (enum offence)offence);
	if (name)
		(void)snprintf(name, sizeof(v->named[0][0].text),
			"source %s id %" PRId64 " to %" PRId64 "%s", source->name, first, last,
			offence == MISSING && tally->waiting > 0
				? " (the service has rows that wait for Kafka)"
				: "");
}

/* Numbers below this one were removed from the topic, if they are nowhere. */
static int64_t removed_below(const struct verification *v, const struct source *source)
{
	const struct tally *const tally = &v->tally[source->index];
	const struct source *there;

	if (!v->topic)
		return 0;
	there = topic_survey_find(v->topic, source->name, source->length);
	if (!topic_survey_cut(v->topic, there))
		return 0;
	if (there)
		return topic_survey_first(v->topic, there);
	return tally->asked ? tally->published + 1 : INT64_MAX;
}

/* The numbers from @first to @last are not in the journal, and never were. */
static void judge_lost(
	struct verification *v, const struct source *source, int64_t first, int64_t last)
{
	const int64_t limit = removed_below(v, source), to = last < limit ? last : limit - 1;

	if (first <= to) {
		count_absent(v, REMOVED, source, first, to);
		first = to + 1;
	}
	count_absent(v, MISSING, source, first, last);
}

/* Whether number @first of those below all that the journal still has of @source stood in a file
 * that was deleted; *last becomes the last one up to which the same is true. */
static bool was_there(
	const struct verification *v, const struct source *source, int64_t first, int64_t *last)
{
	const struct source *then;

	if (!v->remembers)
		return source->highest > 0;
	then = sources_peek(v->memory.sources, source->name, source->length);
	return then && source_knows(then, first, last);
}

/* The numbers from @first to @last are not in the journal. */
static void judge_absent(
	struct verification *v, const struct source *source, int64_t first, int64_t last)
{
	int64_t end = source->highest > 0 ? lowest_known(source) - 1 : last, to;

	if (v->journal.deleted == 0)
		end = 0;
	if (end > last)
		end = last;
	for (; first <= end; first = to + 1) {
		to = end;
		if (was_there(v, source, first, &to))
			count_absent(v, OFFENCES, source, first, to);
		else
			judge_lost(v, source, first, to);
	}
	judge_lost(v, source, first, last);
}

void verification_forget(struct verification *v)
{
	if (v->remembers)
		place_close(&v->memory);
	v->remembers = false;
}

/* What the consumer knew at its last checkpoint: also what stood in files that were deleted. */
static void remember(struct verification *v)
{
	struct fail ignored = { 0 };
	struct checkpoint checkpoint;
	bool there;

	verification_forget(v);
	if (v->journal.deleted == 0 ||
		!checkpoint_read(v->options->journal_path, &checkpoint, &there, &ignored))
		return;
	if (there && place_open(&v->memory, NULL, &ignored)) {
		v->remembers = true;
		if (!place_restore(&v->memory, checkpoint.state, &ignored))
			verification_forget(v);
	}
	checkpoint_clear(&checkpoint);
}

void verification_find_missing(struct verification *v)
{
	static const enum offence found[] = { MISSING, REMOVED };

	remember(v);
	v->in_deleted = 0;
	for (size_t i = 0; i < 2; i++) {
		v->total[found[i]] = 0;
		memset(v->named[found[i]], 0, sizeof(v->named[0]));
	}
	for (size_t i = 0; i < sources_count(v->known); i++) {
		const struct source *const source = sources_at(v->known, i);
		struct tally *const tally = &v->tally[i];
		const struct source *const there =
			v->topic ? topic_survey_find(v->topic, source->name, source->length) : NULL;
		int64_t last = tally->acknowledged;

		if (there && checksums_highest(topic_survey_of(v->topic, there)) > last)
			last = checksums_highest(topic_survey_of(v->topic, there));
		tally->offences[MISSING] = tally->offences[REMOVED] = 0;
		for (size_t r = 0; r < source->count; r++)
			judge_absent(v, source, source->missing[r].first, source->missing[r].last);
		judge_absent(v, source, source->highest + 1, last);
	}
}
