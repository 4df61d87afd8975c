/* Comparing journal and topic with what the services acknowledged.
 *
 * First each service, or its store, is asked for the last number it acknowledged, then the topic
 * for its ends; then the topic is read up to them by a thread of its own, and meanwhile the dead
 * letter and the journal, from the first line of its first file to the end of the active one.
 * Kept are the numbers of each source, as ranges, and a checksum of each event where there is
 * something to compare it with.
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
 * bytes than its record, and that is right.
 *
 * On a running system the last few events may still be on their way, so while anything is
 * missing topic and files are read on for a while as they grow. A torn last line is one that is
 * being written. */
#include "metrics-consumer/verify.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/checksum.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/outbox_status.h"
#include "metrics-consumer/store_status.h"
#include "metrics-consumer/verification.h"
#include "process/clock.h"
#include "process/stop.h"

#define AGAIN_MS      50    /* between two looks at what may grow */
#define REMOVED_AGAIN 5     /* times the journal is read again where files went away */
#define LINES_LOOK    65536 /* lines between two looks at the progress */

static bool out_of_memory(struct fail *fail)
{
	return fail_set(fail, FAIL_FATAL, "out of memory");
}

/* Room for the name of an offender, or NULL where enough are named. */
static char *next_name(struct verification *v, enum offence offence)
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
	char *const name = next_name(v, offence);

	v->total[offence]++;
	tally->offences[offence]++;
	if (name)
		(void)snprintf(name, sizeof(v->named[0][0].text),
			"source %.*s id %" PRId64 ", partition %" PRId32 " offset %" PRId64,
			line->source_length > 0 ? (int)line->source_length : 1,
			line->source_length > 0 ? line->source : "-", line->id, line->partition,
			line->offset);
}

static bool take_status(
	struct verification *v, const struct outbox_status *status, struct fail *fail)
{
	struct source *const source =
		sources_find(v->known, status->source, strlen(status->source));
	struct tally *tally;

	if (!source)
		return out_of_memory(fail);
	tally = &v->tally[source->index];
	if (!tally->asked || status->last >= tally->acknowledged) {
		tally->acknowledged = status->last;
		tally->published = status->published;
		tally->waiting = status->waiting;
	}
	tally->asked = true;
	return true;
}

static bool ask_services(struct verification *v, struct fail *fail)
{
	const struct verify_options *const o = v->options;
	struct outbox_status status;

	for (size_t i = 0; i < o->outbox_count; i++) {
		if (!outbox_status_ask(o->outboxes[i], &status, fail) ||
			!take_status(v, &status, fail))
			return false;
	}
	for (size_t i = 0; i < o->store_count; i++) {
		if (!store_status_read(o->stores[i], &status, fail) ||
			!take_status(v, &status, fail))
			return false;
	}
	return true;
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

static bool judge_line(struct verification *v, const char *bytes, size_t length, struct fail *fail)
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
			return out_of_memory(fail);
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
	name = next_name(v, ALTERED);
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

static bool judge_dead(struct verification *v, const char *bytes, size_t length, struct fail *fail)
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

static void show_progress(struct verification *v)
{
	char text[128];
	const int64_t journal = journal_walk_position(&v->journal);
	double done = (double)journal, all = (double)v->journal.bytes;
	int length = 0;

	if (!progress_bar_is_due(&v->bar))
		return;
	if (v->topic) {
		const int64_t records = topic_survey_done(v->topic);
		const int64_t there = topic_survey_all(v->topic);

		/* In halves: a record and a byte have nothing in common. */
		done = (all > 0 ? done / all : 1) +
		       (there > 0 ? (double)records / (double)there : 1);
		all = 2;
		length = snprintf(text, sizeof(text), "topic %" PRId64 " of %" PRId64 " records; ",
			records, there);
	}
	(void)snprintf(text + length, sizeof(text) - (size_t)length,
		"journal %" PRId64 " of %" PRId64 " MB", journal / 1000000,
		v->journal.bytes / 1000000);
	progress_bar_draw(&v->bar, done, all, text);
}

/* Reads on from where it was to the end of the journal. */
static bool read_journal(struct verification *v, struct fail *fail)
{
	const char *bytes;
	size_t length;

	for (uint64_t count = 1;; count++) {
		switch (journal_walk_next(&v->journal, &bytes, &length, fail)) {
		case FILE_LINES_LINE:
			break;
		case FILE_LINES_END:
			return true;
		case FILE_LINES_FAILED:
			return false;
		}
		if (!judge_line(v, bytes, length, fail))
			return false;
		if (count % LINES_LOOK == 0)
			show_progress(v);
	}
}

static bool read_dead(struct verification *v, struct fail *fail)
{
	const char *bytes;
	size_t length;

	while (v->dead_fd >= 0) {
		switch (file_lines_next(&v->dead, &bytes, &length, fail)) {
		case FILE_LINES_LINE:
			break;
		case FILE_LINES_END:
			return true;
		case FILE_LINES_FAILED:
			return false;
		}
		if (!judge_dead(v, bytes, length, fail))
			return false;
	}
	return true;
}

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
	name = next_name(v, (enum offence)offence);
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

static void forget(struct verification *v)
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

	forget(v);
	if (v->journal.deleted == 0 ||
		!checkpoint_read(v->options->journal_path, &checkpoint, &there, &ignored))
		return;
	if (there && place_open(&v->memory, NULL, &ignored)) {
		v->remembers = true;
		if (!place_restore(&v->memory, checkpoint.state, &ignored))
			forget(v);
	}
	checkpoint_clear(&checkpoint);
}

static void find_missing(struct verification *v)
{
	static const enum offence found[] = { MISSING, REMOVED };

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

static bool know_topic_sources(struct verification *v, struct fail *fail)
{
	const struct sources *const there = v->topic ? topic_survey_sources(v->topic) : NULL;

	for (size_t i = 0; there && i < sources_count(there); i++) {
		const struct source *const source = sources_at(there, i);

		if (!sources_find(v->known, source->name, source->length) &&
			sources_count(v->known) < SOURCES_MAX)
			return out_of_memory(fail);
	}
	return true;
}

static void find_altered(struct verification *v)
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

/* Whether a service acknowledged what we have not seen in the topic, and may yet. */
static bool topic_is_behind(const struct verification *v)
{
	for (size_t i = 0; v->topic && i < sources_count(v->known); i++) {
		const struct source *const source = sources_at(v->known, i);
		const struct source *const there =
			topic_survey_find(v->topic, source->name, source->length);

		if (v->tally[i].acknowledged == 0 || (!there && topic_survey_cut(v->topic, NULL)))
			continue;
		if (!there || checksums_highest(topic_survey_of(v->topic, there)) <
				      v->tally[i].acknowledged)
			return true;
	}
	return false;
}

static bool read_on(struct verification *v, struct fail *fail)
{
	const int64_t until = clock_mono_ms() + v->options->wait_ms;

	for (;;) {
		if (!know_topic_sources(v, fail) || !read_dead(v, fail) || !read_journal(v, fail) ||
			!read_dead(v, fail))
			return false;
		remember(v);
		find_missing(v);
		if ((v->total[MISSING] == 0 && !topic_is_behind(v)) || clock_mono_ms() >= until)
			return true;
		(void)poll(NULL, 0, AGAIN_MS);
		if (v->topic &&
			(!topic_survey_ask(v->topic, fail) || !topic_survey_read(v->topic, fail)))
			return false;
	}
}

struct surveyor { /* the thread that reads the topic */
	struct topic_survey *topic;
	bool good;
	struct fail fail;
	atomic_bool ended;
};

static void *survey(void *context)
{
	struct surveyor *const s = context;

	s->good = topic_survey_read(s->topic, &s->fail);
	atomic_store(&s->ended, true);
	return NULL;
}

static bool blame_topic(struct verification *v, struct fail *fail)
{
	const struct fail why = *fail;

	v->topic_failed = true;
	return fail_set(fail, why.kind, "topic %s: %.*s; --no-topic compares without it",
		v->options->kafka->topic, FAIL_TEXT_MAX / 2, why.text);
}

/* Reads topic and journal at the same time: neither knows of the other until both are read. */
static bool read_all(struct verification *v, struct fail *fail)
{
	struct surveyor surveyor = { .topic = v->topic, .good = true };
	pthread_t thread = 0;
	bool good;

	if (v->topic && !thread_start(&thread, "survey", survey, &surveyor, fail))
		return false;
	good = read_dead(v, fail) && read_journal(v, fail);
	while (v->topic && good && !atomic_load(&surveyor.ended)) {
		show_progress(v);
		(void)poll(NULL, 0, AGAIN_MS);
	}
	if (v->topic)
		pthread_join(thread, NULL);
	if (!surveyor.good && good) {
		*fail = surveyor.fail;
		return blame_topic(v, fail);
	}
	return good && read_on(v, fail);
}

static bool is_clean(const struct verification *v)
{
	bool clean = v->untracked == 0 && v->unsound == 0 &&
		     sources_merged(v->known) + sources_merged(v->dead_known) == 0 &&
		     (!v->topic || topic_survey_totals(v->topic)->untracked == 0);

	for (int offence = 0; offence < OFFENCES; offence++)
		clean = clean && v->total[offence] == 0;
	return clean;
}

/* A dead letter that is not there is an empty one. */
static bool open_files(struct verification *v, struct fail *fail)
{
	const struct verify_options *const o = v->options;

	v->dead_fd = open(o->dead_letter_path, O_RDONLY | O_CLOEXEC);
	if (v->dead_fd < 0 && errno != ENOENT)
		return fail_errno(fail, FAIL_FATAL, errno, "open %s", o->dead_letter_path);
	if (v->dead_fd >= 0 && !file_lines_open(&v->dead, v->dead_fd, fail))
		return false;
	v->dead.name = o->dead_letter_path;
	return journal_walk_open(&v->journal, o->journal_path, fail);
}

static bool open_topic(struct verification *v, struct fail *fail)
{
	if (!v->options->kafka || topic_survey_open(&v->topic, v->options->kafka, fail))
		return true;
	return blame_topic(v, fail);
}

static void close_all(struct verification *v)
{
	progress_bar_end(&v->bar);
	forget(v);
	topic_survey_close(&v->topic);
	journal_walk_close(&v->journal);
	file_lines_close(&v->dead);
	if (v->dead_fd >= 0)
		close(v->dead_fd);
	if (v->reader)
		event_reader_free(&v->reader);
	for (size_t i = 0; i < SOURCES_MAX; i++)
		checksums_free(&v->sums[i]);
	sources_free(&v->known);
	sources_free(&v->dead_known);
	sources_free(&v->altered);
	free(v);
}

/* *final: to begin again is of no use. */
static bool verify_once(const struct verify_options *options, FILE *out, bool *clean, bool *final,
	struct fail *fail)
{
	struct verification *const v = calloc(1, sizeof(*v));
	bool done = false;

	if (!v)
		return out_of_memory(fail);
	v->options = options;
	v->dead_fd = -1;
	progress_bar_start(&v->bar, options->progress_fd);
	v->known = sources_new(VERIFY_MISSING_MAX);
	v->dead_known = sources_new(VERIFY_MISSING_MAX);
	v->altered = sources_new(VERIFY_MISSING_MAX);
	v->reader = event_reader_new();
	if (!v->known || !v->dead_known || !v->altered || !v->reader)
		out_of_memory(fail);
	else
		done = ask_services(v, fail) && open_topic(v, fail) && open_files(v, fail) &&
		       read_all(v, fail);
	if (done) {
		find_altered(v);
		progress_bar_end(&v->bar);
		*clean = is_clean(v);
		verification_write(v, out);
	}
	*final = v->topic_failed;
	close_all(v);
	return done;
}

/* A consumer that was started again cuts a torn last line, which we may hold the beginning of:
 * what looks like damage is read again from its start, once; and more often where retention removed
 * a file before it was read. */
bool verify(const struct verify_options *options, FILE *out, bool *clean, struct fail *fail)
{
	bool final = false;

	for (int again = REMOVED_AGAIN;; again--) {
		if (verify_once(options, out, clean, &final, fail))
			return true;
		if (final || (fail->kind != FAIL_FATAL && fail->kind != FAIL_RETRY) || again <= 0)
			return false;
		if (fail->kind == FAIL_FATAL)
			again = 1;
		*fail = (struct fail){ 0 };
	}
}
