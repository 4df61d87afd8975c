/* metrics-consumer: take every event out of Kafka, write it down, count it, show it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "http/health.h"
#include "metrics-consumer/append_file.h"
#include "metrics-consumer/consumer.h"
#include "metrics-consumer/ends.h"
#include "metrics-consumer/settings.h"
#include "process/log.h"
#include "process/reopen.h"
#include "process/stop.h"
#include "trace/spans.h"

#define LOCK_AGAIN_MS 500  /* between two tries of a standby */
#define PRINT_LAST_MS 2000 /* how long standard output may still take at the end */

static void log_start(const struct settings *s)
{
	log_info("consumer",
		"starts version=%s brokers=%s topic=%s group=%s journal=%s sync_ms=%" PRId64
		" dead_letter=%s print=%s",
		program_version_text(), s->brokers, s->topic, s->group, s->journal, s->sync_ms,
		s->dead_letter, s->print ? "on" : "off");
	/* Values may be secrets. */
	for (size_t i = 0; i < s->passed.count; i++)
		log_info("consumer", "librdkafka property set name=%s", s->passed.item[i].name);
}

static void log_totals(struct counters *counters)
{
	struct counts counts;
	char *text = NULL;
	size_t length;
	FILE *const out = open_memstream(&text, &length);

	if (!out)
		return;
	counters_read(counters, &counts);
	counts_write_totals(&counts, out);
	if (fclose(out) == 0)
		log_info("consumer", "stopped %s", text);
	free(text);
}

/* A second consumer on a journal is a standby: it waits until the first one is gone.
 * False with no failure: a stop was wished first. */
static bool lock_journal(
	struct journal *journal, const char *path, struct page *page, struct fail *fail)
{
	struct log_repeat repeat = { 0 };

	while (!journal_lock(journal, path, fail)) {
		if (fail->kind != FAIL_OWNED)
			return false;
		page_say(page, PAGE_JOURNAL, "standby: another consumer owns this journal");
		page_say(page, PAGE_KAFKA, "not asked: standby");
		log_repeating(
			&repeat, LOG_INFO, "journal", "standby: %s path=%s", fail->text, path);
		*fail = (struct fail){ 0 };
		if (stop_wait(LOCK_AGAIN_MS))
			return false;
	}
	page_say(page, PAGE_JOURNAL, "reading the journal");
	page_say(page, PAGE_KAFKA, "not asked yet");
	return true;
}

/* Until a stop is wished, or *@gone: the topic was deleted, and another client has to look. */
static bool read_topic(
	const struct settings *s, struct consumer_parts *parts, bool *gone, struct fail *fail)
{
	const struct kafka_settings kafka = { s->brokers, s->topic, &s->passed };
	struct ends *ends;
	bool done = false;

	if (!topic_open(&parts->topic, &kafka, s->group, fail))
		return false;
	if (ends_start(&ends, parts->topic, parts->counters, fail)) {
		page_show_brokers(parts->page, topic_client(parts->topic), s->topic);
		done = consumer_run(parts, fail);
		page_show_brokers(parts->page, NULL, NULL);
		ends_stop(&ends);
	}
	*gone = topic_is_gone(parts->topic);
	topic_close(&parts->topic);
	return done;
}

/* From the files to the topic: nothing is taken before there is a place to put it. */
static bool consume(const struct settings *s, struct journal *journal, struct counters *counters,
	struct page *page, struct fail *fail)
{
	const struct journal_settings settings = { .rotate_bytes = s->rotate_bytes,
		.rotate_ms = s->rotate_s * 1000,
		.keep_files = s->keep_files,
		.compress = s->compress,
		.begin_anew = s->new_journal };
	struct dead_letter dead = { .file.fd = -1 };
	struct place place;
	const struct journal_reader reader = { .restore = place_restore,
		.seen = place_recall_line,
		.context = &place,
		.next = place.progress.next };
	struct printer *printer = NULL;
	struct spans *spans = NULL;
	struct consumer_parts parts = { .journal = journal,
		.dead = &dead,
		.place = &place,
		.counters = counters,
		.page = page,
		.sync_ms = s->sync_ms };
	bool done = false, gone = true;

	if (!place_open(&place, &dead, fail))
		return false;
	if (!journal_open(journal, s->journal, &settings, &reader, fail) ||
		!dead_letter_open(&dead, s->dead_letter, place.progress.next, place_recall_dead,
			&place, fail))
		goto close_files;
	if (!spans_start(&spans, consumer_program.name, fail) ||
		!line_spans_open(&place.spans, spans, s->topic, s->group, fail))
		goto close_files;
	if (s->print && !printer_start(&printer, STDOUT_FILENO, fail))
		goto close_files;
	parts.printer = printer;
	page_show_printer(page, printer);
	while ((done = read_topic(s, &parts, &gone, fail)) && gone && !stop_requested())
		log_warning("consumer", "the topic was gone, it is looked for with a new client");
	page_show_printer(page, NULL);
	printer_stop(&printer, PRINT_LAST_MS);
close_files:
	line_spans_close(&place.spans);
	spans_stop(&spans);
	dead_letter_close(&dead);
	place_close(&place);
	return done;
}

static bool run(const struct settings *s, struct fail *fail)
{
	struct journal journal = { .file.fd = -1, .directory = -1 };
	struct counters counters;
	static struct page page; /* it is large */
	bool done;

	if (!stop_on_signals(fail) || !reopen_on_signal(fail))
		return false;
	counters_init(&counters);
	if (!page_start(&page,
		    &(struct page_options){
			    s->address, s->port, &counters, s->dead_letter, &s->services },
		    fail)) {
		counters_fini(&counters);
		return false;
	}
	log_start(s);
	log_info("consumer", "listening address=%s port=%u", s->address, page_port(&page));
	if (lock_journal(&journal, s->journal, &page, fail))
		done = consume(s, &journal, &counters, &page, fail);
	else
		done = fail->kind == FAIL_NONE;
	if (done)
		log_totals(&counters);
	page_stop(&page);
	journal_close(&journal);
	counters_fini(&counters);
	return done;
}

/* Who has the journal locks its directory. */
static int see_doctor(const struct settings *s)
{
	char directory[PATH_MAX];

	append_file_directory(s->journal, directory);
	return doctor_visit(&(struct doctor_visit){ .program = consumer_program.name,
		.kafka = { s->brokers, s->topic, &s->passed },
		.http_address = s->address,
		.http_port = s->port,
		.state_directory = directory,
		.owned = directory,
		.owned_name = "journal" });
}

int main(int argc, char **argv)
{
	static struct settings settings;
	struct command_line line;
	struct fail fail = { 0 };
	bool new_journal;
	int status;

	if (!program_begin(&consumer_program, argc, argv, &line, &status))
		return status;
	if (strcmp(line.word, "verify") == 0)
		return command_verify(line.argc, line.argv);
	if (strcmp(line.word, "redrive") == 0)
		return command_redrive(line.argc, line.argv);
	new_journal =
		*line.word == '\0' && command_take_word("--new-journal", &line.argc, line.argv);
	if (!settings_take(&settings, line.argc, line.argv, &fail))
		return fail_exit_status(&fail);
	settings.new_journal = new_journal;
	if (strcmp(line.word, "healthcheck") == 0)
		return health_ask(settings.address, settings.port);
	if (strcmp(line.word, "doctor") == 0)
		return see_doctor(&settings);
	if (!run(&settings, &fail))
		log_error("consumer", "%s", fail.text);
	return fail_exit_status(&fail);
}
