/* Comparing the journal with what the services acknowledged.
 *
 * First each service is asked for the last number it acknowledged, then the journal is read
 * from its first line to its end, line by line; the numbers of each source are kept as ranges,
 * not the lines. What stands in the dead letter is missing if its service acknowledged it. On a
 * running system the last few events may still be on their way, so while anything is missing both
 * files are read on for a while as they grow. A torn last line is one that is being written. */
#include "metrics-consumer/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/event.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/file_lines.h"
#include "metrics-consumer/line.h"
#include "metrics-consumer/outbox_status.h"
#include "metrics-consumer/sources.h"
#include "process/clock.h"

#define AGAIN_MS    50      /* between two looks at files that may grow */
#define MISSING_MAX 1048576 /* ranges kept of one source */
#define NAMED_MAX   5       /* offenders of a kind that are named */

enum offence { MISSING, REPEATED, OUT_OF_ORDER, MISPLACED };
#define OFFENCES 4
static const char *const offence_names[OFFENCES] = { "missing", "repeated", "out of order",
	"on a wrong partition" };

struct tally { /* of a source */
	bool asked;
	int64_t acknowledged, waiting;
	int64_t lines, highest;
	int64_t offences[OFFENCES];
};

enum span { BEFORE, DURING, AFTER };
#define SPANS 3

struct file {
	int fd; /* -1: not there */
	struct file_lines lines;
};

struct verification {
	const struct verify_options *options;
	FILE *out;
	struct file journal, dead;
	struct sources *known, *dead_known;
	struct event_reader *reader;
	struct line_second second;
	struct event event;
	struct tally tally[SOURCES_MAX + 1]; /* the last one: lines of no source we keep */
	int64_t events[EVENT_TYPES][EVENT_PARTITIONS];
	int64_t total[OFFENCES];
	int64_t nameless, untracked, unsound, dead_letters;
	int64_t longest_ms[SPANS];
	bool seen[SPANS];
	struct {
		char text[2 * SOURCE_MAX];
	} named[OFFENCES][NAMED_MAX];
};

static void note(
	struct verification *v, enum offence offence, struct tally *tally, const struct line *line)
{
	const int64_t nth = v->total[offence]++;

	tally->offences[offence]++;
	if (nth < NAMED_MAX)
		(void)snprintf(v->named[offence][nth].text, sizeof(v->named[offence][nth].text),
			"source %.*s id %" PRId64 ", partition %" PRId32 " offset %" PRId64,
			line->source_length > 0 ? (int)line->source_length : 1,
			line->source_length > 0 ? line->source : "-", line->id, line->partition,
			line->offset);
}

static bool ask_services(struct verification *v, struct fail *fail)
{
	for (size_t i = 0; i < v->options->outbox_count; i++) {
		struct outbox_status status;
		struct source *source;
		struct tally *tally;

		if (!outbox_status_ask(v->options->outboxes[i], &status, fail))
			return false;
		source = sources_find(v->known, status.source, strlen(status.source));
		if (!source)
			return fail_set(fail, FAIL_FATAL, "out of memory");
		tally = &v->tally[source->index];
		tally->asked = true;
		tally->waiting = status.waiting;
		if (status.last > tally->acknowledged)
			tally->acknowledged = status.last;
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

/* The source's tally, after its number was taken. */
static struct tally *judge_number(struct verification *v, const struct line *line)
{
	struct tally *tally = &v->tally[SOURCES_MAX];
	struct source *source = NULL;

	if (line->source_length > 0)
		source = sources_find(v->known, line->source, line->source_length);
	if (!source) {
		v->nameless += line->source_length == 0;
		v->untracked += line->source_length > 0;
		tally->lines++;
		return tally;
	}
	tally = &v->tally[source->index];
	tally->lines++;
	if (sources_take(v->known, source, line->id) == SOURCE_COPY)
		note(v, REPEATED, tally, line);
	else if (line->id < tally->highest)
		note(v, OUT_OF_ORDER, tally, line);
	else
		tally->highest = line->id;
	return tally;
}

static bool judge_line(struct verification *v, const char *bytes, size_t length)
{
	struct tally *tally;
	struct line line;
	enum event_type type;

	if (!line_read(&v->second, bytes, length, &line) || line.source_length >= SOURCE_MAX ||
		line.partition >= EVENT_PARTITIONS)
		return false;
	tally = judge_number(v, &line);
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

static bool judge_dead(struct verification *v, const char *bytes, size_t length)
{
	char name[SOURCE_MAX];
	struct dead_record record;
	struct source *source;

	if (!dead_letter_parse(bytes, length, &record, name))
		return false;
	v->dead_letters++;
	source = record.id > 0 ? sources_find(v->dead_known, name, strlen(name)) : NULL;
	if (source)
		(void)sources_take(v->dead_known, source, record.id);
	return true;
}

/* Reads on from where it was to the end of the file. */
static bool read_on(struct verification *v, struct file *file, const char *path,
	bool (*judge)(struct verification *, const char *, size_t), struct fail *fail)
{
	const char *bytes;
	size_t length;

	if (file->fd < 0)
		return true;
	for (;;) {
		switch (file_lines_next(&file->lines, &bytes, &length, fail)) {
		case FILE_LINES_LINE:
			break;
		case FILE_LINES_END:
			return true;
		case FILE_LINES_FAILED:
			return fail_prefix(fail, "%s", path);
		}
		if (!judge(v, bytes, length))
			return fail_set(fail, FAIL_FATAL,
				"%s is damaged: line %" PRIu64 " at byte %" PRId64, path,
				file->lines.number, file->lines.line_at);
	}
}

/* Counts the numbers from @first to @last, which are not in the journal. */
static void count_missing(
	struct verification *v, const struct source *source, int64_t first, int64_t last)
{
	struct tally *const tally = &v->tally[source->index];
	/* An unsound record counts as its source's number, unless the service says that it
	 * acknowledged an event under it: that one is nowhere in the journal. */
	const struct source *const dead =
		tally->asked ? NULL : sources_find(v->dead_known, source->name, source->length);
	const int64_t count =
		first > last ? 0 : last - first + 1 - (dead ? source_known(dead, first, last) : 0);
	int64_t named = 0;

	if (count == 0)
		return;
	while (named < NAMED_MAX && v->named[MISSING][named].text[0] != '\0')
		named++;
	if (named < NAMED_MAX)
		(void)snprintf(v->named[MISSING][named].text, sizeof(v->named[MISSING][named].text),
			"source %s id %" PRId64 " to %" PRId64 "%s", source->name, first, last,
			tally->waiting > 0 ? " (the service has rows that wait for Kafka)" : "");
	tally->offences[MISSING] += count;
	v->total[MISSING] += count;
}

static void find_missing(struct verification *v)
{
	v->total[MISSING] = 0;
	memset(v->named[MISSING], 0, sizeof(v->named[MISSING]));
	for (size_t i = 0; i < sources_count(v->known); i++) {
		const struct source *const source = sources_at(v->known, i);

		v->tally[i].offences[MISSING] = 0;
		for (size_t r = 0; r < source->count; r++)
			count_missing(v, source, source->missing[r].first, source->missing[r].last);
		count_missing(v, source, source->highest + 1, v->tally[i].acknowledged);
	}
}

static bool read_files(struct verification *v, struct fail *fail)
{
	const int64_t until = clock_mono_ms() + v->options->wait_ms;

	for (;;) {
		if (!read_on(v, &v->journal, v->options->journal_path, judge_line, fail) ||
			!read_on(v, &v->dead, v->options->dead_letter_path, judge_dead, fail))
			return false;
		find_missing(v);
		if (v->total[MISSING] == 0 || clock_mono_ms() >= until)
			return true;
		(void)poll(NULL, 0, AGAIN_MS);
	}
}

static void write_number(FILE *out, bool there, int64_t number, int width)
{
	if (there)
		fprintf(out, " %*" PRId64, width, number);
	else
		fprintf(out, " %*s", width, "-");
}

static void write_source(FILE *out, const char *name, const struct tally *t, bool numbered)
{
	fprintf(out, "%-32s", name);
	write_number(out, t->asked, t->acknowledged, 12);
	write_number(out, true, t->lines, 14);
	write_number(out, numbered, t->offences[MISSING], 9);
	write_number(out, numbered, t->offences[REPEATED], 9);
	write_number(out, numbered, t->offences[OUT_OF_ORDER], 13);
	write_number(out, true, t->offences[MISPLACED], 16);
	fputc('\n', out);
}

static void write_delays(struct verification *v)
{
	static const char *const names[SPANS] = { "before", "during", "after" };

	fputs("longest delay_ms:", v->out);
	for (int span = 0; span < (v->options->between ? SPANS : 1); span++) {
		if (v->options->between)
			fprintf(v->out, "%s %s", span > 0 ? "," : "", names[span]);
		write_number(v->out, v->seen[span], v->longest_ms[span], 1);
	}
	fputc('\n', v->out);
}

static void write_offenders(const struct verification *v)
{
	for (int offence = 0; offence < OFFENCES; offence++) {
		for (int i = 0; i < NAMED_MAX && v->named[offence][i].text[0] != '\0'; i++)
			fprintf(v->out, "%s: %s\n", offence_names[offence],
				v->named[offence][i].text);
	}
	if (v->untracked > 0)
		fprintf(v->out,
			"%" PRId64 " lines are of sources beyond %d and were not compared\n",
			v->untracked, SOURCES_MAX);
	if (sources_merged(v->known) + sources_merged(v->dead_known) > 0)
		fprintf(v->out, "more than %d missing ranges of a source: not all were compared\n",
			MISSING_MAX);
	if (v->unsound > 0)
		fprintf(v->out, "%" PRId64 " lines hold no sound event\n", v->unsound);
}

static void write_report(struct verification *v)
{
	const struct tally *const nameless = &v->tally[SOURCES_MAX];
	FILE *const out = v->out;

	fprintf(out, "%s: %" PRIu64 " lines; dead letters: %" PRId64 "\n", v->options->journal_path,
		v->journal.lines.number, v->dead_letters);
	fprintf(out, "%-32s %12s %14s %9s %9s %13s %16s\n", "source", "acknowledged",
		"in the journal", "missing", "repeated", "out of order", "wrong partition");
	for (size_t i = 0; i < sources_count(v->known); i++)
		write_source(out, sources_at(v->known, i)->name, &v->tally[i], true);
	if (nameless->lines > 0)
		write_source(out, "-", nameless, false);
	fprintf(out, "%-32s %12s %14s\n", "events by type", "partition 0", "partition 1");
	for (int type = EVENT_TYPES - 1; type >= 0; type--)
		fprintf(out, "%-32s %12" PRId64 " %14" PRId64 "\n",
			event_type_name((enum event_type)type), v->events[type][0],
			v->events[type][1]);
	write_delays(v);
	write_offenders(v);
	for (int offence = 0; offence < OFFENCES; offence++)
		fprintf(out, "%s%" PRId64 " %s", offence > 0 ? ", " : "", v->total[offence],
			offence_names[offence]);
	fputc('\n', out);
}

static bool is_clean(const struct verification *v)
{
	bool clean = v->untracked == 0 && v->unsound == 0 &&
		     sources_merged(v->known) + sources_merged(v->dead_known) == 0;

	for (int offence = 0; offence < OFFENCES; offence++)
		clean = clean && v->total[offence] == 0;
	return clean;
}

/* A file that is not there is an empty one where @optional. */
static bool open_file(struct file *file, const char *path, bool optional, struct fail *fail)
{
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 && optional && errno == ENOENT)
		return true;
	if (file->fd < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "open %s", path);
	return file_lines_open(&file->lines, file->fd, fail);
}

static void close_file(struct file *file)
{
	file_lines_close(&file->lines);
	if (file->fd >= 0)
		close(file->fd);
}

static bool verify_once(
	const struct verify_options *options, FILE *out, bool *clean, struct fail *fail)
{
	struct verification *const v = calloc(1, sizeof(*v));
	bool done = false;

	if (!v)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	v->options = options;
	v->out = out;
	v->journal.fd = v->dead.fd = -1;
	v->known = sources_new(MISSING_MAX);
	v->dead_known = sources_new(MISSING_MAX);
	v->reader = event_reader_new();
	if (!v->known || !v->dead_known || !v->reader)
		fail_set(fail, FAIL_FATAL, "out of memory");
	else
		done = ask_services(v, fail) &&
		       open_file(&v->journal, options->journal_path, false, fail) &&
		       open_file(&v->dead, options->dead_letter_path, true, fail) &&
		       read_files(v, fail);
	if (done) {
		*clean = is_clean(v);
		write_report(v);
	}
	if (v->reader)
		event_reader_free(&v->reader);
	sources_free(&v->known);
	sources_free(&v->dead_known);
	close_file(&v->journal);
	close_file(&v->dead);
	free(v);
	return done;
}

/* A consumer that was started again cuts a torn last line, which we may hold the beginning of:
 * what looks like damage is read again from its start, once. */
bool verify(const struct verify_options *options, FILE *out, bool *clean, struct fail *fail)
{
	if (verify_once(options, out, clean, fail))
		return true;
	*fail = (struct fail){ 0 };
	return verify_once(options, out, clean, fail);
}
