/* What `verify` makes of each line of the journal and of each dead letter, by itself and beside the
 * numbers that came before it. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "metrics-consumer/checksum.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/verification.h"

char *verification_next_name(struct verification *v, enum offence offence)
{
	for (int i = 0; i < VERIFY_NAMED_MAX; i++) {
		if (v->named[offence][i].text[0] == '\0')
			return v->named[offence][i].text;
	}
	return NULL;
}

static void note(
	struct verification *v, enum offence offence, struct tally *tally, const struct line *line)
{
	char *const name = verification_next_name(v, offence);

	v->total[offence]++;
	tally->offences[offence]++;
	if (name)
		(void)snprintf(name, sizeof(v->named[0][0].text),
			"source %.*s id %" PRId64 ", partition %" PRId32 " offset %" PRId64,
			line->source_length > 0 ? (int)line->source_length : 1,
			line->source_length > 0 ? line->source : "-", line->id, line->partition,
			line->offset);
}

static void judge_delay(struct verification *v, const struct line *line)
{
	const struct verify_options *const o = v->options;
	const enum span span = !o->between || line->time_ms < o->from_ms ? BEFORE
			       : line->time_ms <= o->to_ms               ? DURING
									 : AFTER;

	if (!v->seen[span] || line->delay_ms > v->longest_ms[span])
		v->longest_ms[span] = line->delay_ms;
	v->seen[span] = true;
}

static bool is_dead(const struct verification *v, const struct source *source, int64_t id)
{
	const struct source *dead;

	if (sources_count(v->dead_known) == 0)
		return false;
	dead = sources_peek(v->dead_known, source->name, source->length);
	return dead && source_known(dead, id, id) > 0;
}

static void judge_number(struct verification *v, struct source *source, const struct line *line)
{
	struct tally *const tally = &v->tally[source->index];
	const bool redriven = is_dead(v, source, line->id);

	if (sources_take(v->known, source, line->id) == SOURCE_COPY)
		note(v, REPEATED, tally, line);
	else if (redriven)
		v->redriven++;
	else if (line->id < tally->highest)
		note(v, OUT_OF_ORDER, tally, line);
	else
		tally->highest = line->id;
}

bool verification_take_line(
	struct verification *v, const char *bytes, size_t length, struct fail *fail)
{
	struct tally *tally = &v->tally[SOURCES_MAX];
	struct source *source = NULL;
	struct line line;
	enum event_type type;

	if (!line_read(&v->second, bytes, length, &line) || line.source_length >= SOURCE_MAX ||
		line.partition >= EVENT_PARTITIONS)
		return journal_walk_damaged(&v->journal, fail);
	if (line.source_length > 0) {
		source = sources_find(v->known, line.source, line.source_length);
		v->untracked += source == NULL;
	}
	if (source) {
		tally = &v->tally[source->index];
		judge_number(v, source, &line);
		if (v->topic && checksums_add(&v->sums[source->index], line.id,
					checksum64(line.value, line.length)) == CHECKSUMS_NO_MEMORY)
			return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	tally->lines++;
	judge_delay(v, &line);
	if (event_decode(v->reader, line.value, line.length, &v->event) != EVENT_SOUND) {
		v->unsound++;
		return true;
	}
	type = v->event.type;
	v->events[type][line.partition]++;
	if (type != EVENT_OTHER && event_partition(type) != line.partition)
		note(v, MISPLACED, tally, &line);
	return true;
}

struct altered {
	struct verification *v;
	const struct source *source; /* of v->known */
};

static void note_altered(void *context, int64_t id)
{
	const struct altered *const at = context;
	struct verification *const v = at->v;
	struct source *const seen = sources_find(v->altered, at->source->name, at->source->length);
	char *name;

	if (seen && sources_take(v->altered, seen, id) == SOURCE_COPY)
		return;
	v->total[ALTERED]++;
	v->tally[at->source->index].offences[ALTERED]++;
	name = verification_next_name(v, ALTERED);
	if (name)
		(void)snprintf(name, sizeof(v->named[0][0].text), "source %s id %" PRId64,
			at->source->name, id);
}

/* A line that differs from its record: that of a dead letter was repaired. */
static void note_other_line(void *context, int64_t id)
{
	const struct altered *const at = context;

	if (!is_dead(at->v, at->source, id))
		note_altered(context, id);
}

/* A copy with other bytes than the event of its number is put aside as `altered`. */
static bool is_altered(const char *bytes, size_t length)
{
	json_t *const line = json_loadb(bytes, length, 0, NULL);
	const char *const reason = json_string_value(json_object_get(line, "reason"));
	const bool altered = reason && strcmp(reason, "altered") == 0;

	json_decref(line);
	return altered;
}

bool verification_take_letter(
	struct verification *v, const char *bytes, size_t length, struct fail *fail)
{
	char name[SOURCE_MAX];
	struct dead_record record;
	struct source *source;

	if (!dead_letter_parse(bytes, length, &record, name))
		return fail_set(fail, FAIL_FATAL,
			"%s is damaged: line %" PRIu64 " at byte %" PRId64,
			v->options->dead_letter_path, v->dead.number, v->dead.line_at);
	v->dead_letters++;
	if (record.id == 0)
		return true;
	if (is_altered(bytes, length)) {
		source = sources_find(v->known, name, strlen(name));
		if (source)
			note_altered(&(struct altered){ v, source }, record.id);
		return true;
	}
	source = sources_find(v->dead_known, name, strlen(name));
	if (source)
		(void)sources_take(v->dead_known, source, record.id);
	return true;
}

void verification_find_altered(struct verification *v)
{
	for (size_t i = 0; v->topic && i < sources_count(v->known); i++) {
		struct altered at = { v, sources_at(v->known, i) };
		const struct source *const there =
			topic_survey_find(v->topic, at.source->name, at.source->length);

		if (!there)
			continue;
		checksums_compare(
			&v->sums[i], topic_survey_of(v->topic, there), note_other_line, &at);
		topic_survey_altered(v->topic, there, note_altered, &at);
	}
}
