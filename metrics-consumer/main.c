/* metrics-consumer: take every event out of Kafka, write it down, count it, show it. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/health.h"
#include "metrics-consumer/consumer.h"
#include "metrics-consumer/redrive.h"
#include "metrics-consumer/verify.h"
#include "process/clock.h"
#include "process/log.h"
#include "process/reopen.h"
#include "process/settings.h"
#include "process/stop.h"
#include "trace/spans.h"

#define LOCK_AGAIN_MS 500  /* between two tries of a standby */
#define PRINT_LAST_MS 2000 /* how long standard output may still take at the end */

struct settings {
	char brokers[SETTING_TEXT_MAX], topic[SETTING_TEXT_MAX], group[SETTING_TEXT_MAX];
	char address[SETTING_TEXT_MAX];
	int64_t port;
	char state_directory[SETTING_TEXT_MAX];
	char journal_path[SETTING_TEXT_MAX], dead_letter_path[SETTING_TEXT_MAX];
	int64_t sync_ms, rotate_bytes, rotate_s, keep_files;
	bool compress, new_journal;
	bool print;
	enum log_level level;
	struct settings_passed passed;
	char journal[PATH_MAX], dead_letter[PATH_MAX]; /* where they really are */
};

#define AT(field) offsetof(struct settings, field)
static const struct setting table[] = {
	{ "KAFKA_BROKERS", SETTING_TEXT, AT(brokers), "kafka1:9092,kafka2:9092", 1, 1000,
		"bootstrap servers" },
	{ "TOPIC", SETTING_TEXT, AT(topic), "metrics", 1, 249, "topic" },
	{ "HTTP_ADDRESS", SETTING_ADDRESS, AT(address), "127.0.0.1", 0, 0, "bind address" },
	{ "HTTP_PORT", SETTING_NUMBER, AT(port), "8082", 0, 65535, "port; 0 is any" },
	{ "STATE_DIRECTORY", SETTING_TEXT, AT(state_directory), ".", 1, 1000, "where files go" },
	{ "GROUP_ID", SETTING_TEXT, AT(group), "metrics-consumer", 1, 249,
		"group under which offsets are stored for lag tools" },
	{ "JOURNAL_PATH", SETTING_TEXT, AT(journal_path), "metrics.log", 1, 1000,
		"journal; a relative path is in the state directory" },
	{ "JOURNAL_SYNC_MS", SETTING_NUMBER, AT(sync_ms), "100", 0, 60000,
		"longest time between two syncs" },
	{ "JOURNAL_ROTATE_BYTES", SETTING_NUMBER, AT(rotate_bytes), "1073741824", 0, INT64_MAX,
		"size at which the journal begins a new file; 0 is never" },
	{ "JOURNAL_ROTATE_SECONDS", SETTING_NUMBER, AT(rotate_s), "0", 0, 315360000,
		"age at which it does; 0 is never" },
	{ "JOURNAL_COMPRESS", SETTING_SWITCH, AT(compress), "on", 0, 0,
		"compress rotated files with zstd" },
	{ "JOURNAL_KEEP_FILES", SETTING_NUMBER, AT(keep_files), "0", 0, 1000000,
		"rotated files to keep; 0 is all" },
	{ "DEAD_LETTER_PATH", SETTING_TEXT, AT(dead_letter_path), "dead-letter.log", 1, 1000,
		"dead letter; a relative path is beside the journal" },
	{ "PRINT", SETTING_SWITCH, AT(print), "on", 0, 0, "journal lines on standard output too" },
	{ "LOG_LEVEL", SETTING_LEVEL, AT(level), "info", 0, 0, "debug, info, warning or error" },
};

static const struct program program = {
	.name = "metrics-consumer",
	.summary = "writes every event of the topic to a journal, once and in order",
	.usage = "metrics-consumer [OPTION...]              run\n"
		 "metrics-consumer --new-journal [OPTION...]\n"
		 "                                          run; begin a new journal file where "
		 "the old\n"
		 "                                          one is gone or damaged, and keep "
		 "numbers\n"
		 "                                          and positions\n"
		 "metrics-consumer healthcheck [OPTION...]  ask a running one whether it is ready\n"
		 "metrics-consumer verify [--outbox URL | --store FILE]... [--no-topic]\n"
		 "                        [--between FROM,TO] [OPTION...]\n"
		 "                  compare services, topic and journal, rotated files included; "
		 "any\n"
		 "                  difference is exit status 1. `removed` counts events that "
		 "Kafka's\n"
		 "                  retention removed before they were read: lost to the journal, "
		 "too\n"
		 "metrics-consumer redrive [FILE | -] [--dry-run] [OPTION...]\n"
		 "                  repaired dead letters into the journal; FILE has lines as the "
		 "dead\n"
		 "                  letter, which it is where none is given, with `value` (JSON, "
		 "or a\n"
		 "                  text of it) or `value_hex` repaired. What is there already or "
		 "not\n"
		 "                  sound is left out; stop the consumer first\n"
		 "metrics-consumer --help | --version\n"
		 "Exit status: 0 fine, 1 failure, 2 wrong settings, 3 somebody else has what we "
		 "need\n",
	.settings = table,
	.count = sizeof(table) / sizeof(table[0]),
};

/* @path as it is where it is absolute, otherwise in @directory. */
static bool place_path(char out[PATH_MAX], const char *directory, const char *path)
{
	const int length = path[0] == '/' ? snprintf(out, PATH_MAX, "%s", path)
					  : snprintf(out, PATH_MAX, "%s/%s", directory, path);

	return length > 0 && length < PATH_MAX;
}

static bool read_settings(struct settings *s, int argc, char **argv, struct fail *fail)
{
	char directory[PATH_MAX], rotate_bytes[24];

	const bool good = settings_read(&program, argc, argv, s, &s->passed, fail);
	const bool passed_good = kafka_settings_check(&program, &s->passed, topic_fixed, fail);

	if (!good || !passed_good) /* both have spoken: all complaints come at once */
		return false;
	log_level_set(s->level);
	if (!place_path(s->journal, s->state_directory, s->journal_path))
		return settings_complain(
			&program, "JOURNAL_PATH", s->journal_path, "a shorter path", fail);
	if (s->rotate_bytes > 0 && s->rotate_bytes < JOURNAL_ROTATE_BYTES_MIN) {
		(void)snprintf(rotate_bytes, sizeof(rotate_bytes), "%" PRId64, s->rotate_bytes);
		return settings_complain(&program, "JOURNAL_ROTATE_BYTES", rotate_bytes,
			"0 for never, or at least 4096", fail);
	}
	append_file_directory(s->journal, directory);
	if (!place_path(s->dead_letter, directory, s->dead_letter_path))
		return settings_complain(
			&program, "DEAD_LETTER_PATH", s->dead_letter_path, "a shorter path", fail);
	if (strcmp(s->dead_letter, s->journal) == 0)
		return settings_complain(&program, "DEAD_LETTER_PATH", s->dead_letter_path,
			"another file than the journal", fail);
	return true;
}

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

/* From the files to the topic: nothing is taken before there is a place to put it. */
static bool consume(const struct settings *s, struct journal *journal, struct counters *counters,
	struct page *page, struct fail *fail)
{
	const struct kafka_settings kafka = { s->brokers, s->topic, &s->passed };
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
	struct topic *topic;
	bool done = false;

	if (!place_open(&place, &dead, fail))
		return false;
	if (!journal_open(journal, s->journal, &settings, &reader, fail) ||
		!dead_letter_open(&dead, s->dead_letter, place.progress.next, place_recall_dead,
			&place, fail))
		goto close_files;
	if (!spans_start(&spans, program.name, fail) ||
		!line_spans_open(&place.spans, spans, s->topic, s->group, fail))
		goto close_files;
	if (s->print && !printer_start(&printer, STDOUT_FILENO, fail))
		goto close_files;
	page_show_printer(page, printer);
	if (!topic_open(&topic, &kafka, s->group, fail))
		goto stop_printer;

	done = consumer_run(&(struct consumer_parts){ .topic = topic,
				    .journal = journal,
				    .dead = &dead,
				    .place = &place,
				    .printer = printer,
				    .counters = counters,
				    .page = page,
				    .sync_ms = s->sync_ms },
		fail);
	topic_close(&topic);
stop_printer:
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
	struct page page;
	bool done;

	if (!stop_on_signals(fail) || !reopen_on_signal(fail))
		return false;
	counters_init(&counters);
	if (!page_start(&page, s->address, s->port, &counters, fail)) {
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

/* FROM,TO: two times as in the journal. */
static bool read_between(struct verify_options *options, const char *text, struct fail *fail)
{
	const char *const comma = strchr(text, ',');

	options->between = comma && clock_parse(text, (size_t)(comma - text), &options->from_ms) &&
			   clock_parse(comma + 1, strlen(comma + 1), &options->to_ms) &&
			   options->from_ms <= options->to_ms;
	return options->between ||
	       settings_complain(&program, "--between", text,
		       "two times, 2025-07-08T19:15:32Z,2025-07-08T19:16:04Z", fail);
}

/* One of @list: a URL, a path. */
static bool read_listed(
	const char **list, size_t *count, const char *option, const char *value, struct fail *fail)
{
	if (*value == '\0' || *count == VERIFY_OUTBOXES_MAX)
		return settings_complain(
			&program, option, value, "a value, and the option at most 16 times", fail);
	list[(*count)++] = value;
	return true;
}

/* What follows `--name` or `--name=` at argv[*i]; NULL where that is another option. */
static const char *option_value(int argc, char **argv, int *i, const char *name)
{
	const size_t length = strlen(name);
	const char *const end = argv[*i] + length;

	if (strncmp(argv[*i], name, length) != 0 || (*end != '\0' && *end != '='))
		return NULL;
	if (*end == '=')
		return end + 1;
	return *i + 1 < argc && argv[*i + 1] ? argv[++*i] : "";
}

/* Takes the options of verify out of @argv; the settings are left in it. */
static bool take_verify_options(
	struct verify_options *options, bool *topic, int *argc, char **argv, struct fail *fail)
{
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		const char *value;
		bool good = true;

		if (strcmp(argv[i], "--no-topic") == 0)
			*topic = false;
		else if ((value = option_value(*argc, argv, &i, "--outbox")))
			good = read_listed(
				options->outboxes, &options->outbox_count, "--outbox", value, fail);
		else if ((value = option_value(*argc, argv, &i, "--store")))
			good = read_listed(
				options->stores, &options->store_count, "--store", value, fail);
		else if ((value = option_value(*argc, argv, &i, "--between")))
			good = read_between(options, value, fail);
		else
			argv[kept++] = argv[i];
		if (!good)
			return false;
	}
	*argc = kept;
	return true;
}

static int run_verify(int argc, char **argv)
{
	static struct settings settings;
	struct verify_options options = { .journal_path = settings.journal,
		.dead_letter_path = settings.dead_letter,
		.wait_ms = 5000,
		.progress_fd = STDERR_FILENO };
	const struct kafka_settings kafka = { settings.brokers, settings.topic, &settings.passed };
	struct fail fail = { 0 };
	bool clean = false, topic = true;

	if (take_verify_options(&options, &topic, &argc, argv, &fail) &&
		read_settings(&settings, argc, argv, &fail)) {
		options.kafka = topic ? &kafka : NULL;
		if (!verify(&options, stdout, &clean, &fail))
			fprintf(stderr, "metrics-consumer: verify: %s\n", fail.text);
	}
	if (fail.kind != FAIL_NONE)
		return fail_exit_status(&fail);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "metrics-consumer: verify: the report could not be written\n");
		return 1;
	}
	return clean ? 0 : 1;
}

/* Takes an option without a value out of @argv; the settings are left in it. */
static bool take_word(const char *word, int *argc, char **argv)
{
	int kept = 0;
	bool taken = false;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], word) == 0)
			taken = true;
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	return taken;
}

static int run_redrive(int argc, char **argv)
{
	static struct settings settings;
	struct redrive_options options = { .journal_path = settings.journal,
		.input_path = settings.dead_letter };
	struct fail fail = { 0 };
	bool all = false;

	if (argc > 0 && (argv[0][0] != '-' || argv[0][1] == '\0')) {
		options.input_path = argv[0];
		argc--;
		argv++;
	}
	options.dry_run = take_word("--dry-run", &argc, argv);
	if (read_settings(&settings, argc, argv, &fail) && !redrive(&options, stdout, &all, &fail))
		fprintf(stderr, "metrics-consumer: redrive: %s\n", fail.text);
	if (fail.kind != FAIL_NONE)
		return fail_exit_status(&fail);
	return fflush(stdout) == 0 && !ferror(stdout) && all ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct settings settings;
	const char *const word = argc > 1 ? argv[1] : "";
	struct fail fail = { 0 };

	if (program_answers(&program, argc, argv))
		return 0;
	if (strcmp(word, "verify") == 0)
		return run_verify(argc - 2, argv + 2);
	if (strcmp(word, "redrive") == 0)
		return run_redrive(argc - 2, argv + 2);
	if (strcmp(word, "healthcheck") == 0)
		return read_settings(&settings, argc - 2, argv + 2, &fail)
			       ? health_ask(settings.address, settings.port)
			       : fail_exit_status(&fail);
	argc--;
	settings.new_journal = take_word("--new-journal", &argc, argv + 1);
	if (!read_settings(&settings, argc, argv + 1, &fail))
		return fail_exit_status(&fail);
	if (!run(&settings, &fail))
		log_error("consumer", "%s", fail.text);
	return fail_exit_status(&fail);
}
