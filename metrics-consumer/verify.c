/* Comparing journal and topic with what the services acknowledged.
 *
 * First each service, or its store, is asked for the last number it acknowledged, then the topic
 * for its ends; then the topic is read up to them by a thread of its own, and meanwhile the dead
 * letter and the journal, from the first line of its first file to the end of the active one.
 * Kept are the numbers of each source, as ranges, and a checksum of each event where there is
 * something to compare it with.
 *
 * On a running system the last few events may still be on their way, so while anything is
 * missing topic and files are read on for a while as they grow. A torn last line is one that is
 * being written. */
#include "metrics-consumer/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
		if (!verification_take_line(v, bytes, length, fail))
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
		if (!verification_take_letter(v, bytes, length, fail))
			return false;
	}
	return true;
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
		verification_find_missing(v);
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
	verification_forget(v);
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
		verification_find_altered(v);
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
