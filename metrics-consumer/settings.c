#include "metrics-consumer/settings.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "manual_text.h"
#include "metrics-consumer/append_file.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/topic.h"

#define AT(field) offsetof(struct settings, field)
static const struct setting table[] = {
	{ "KAFKA_BROKERS", SETTING_TEXT, AT(brokers), "kafka1:9092,kafka2:9092", 1, 1000,
		"bootstrap servers", true },
	{ "TOPIC", SETTING_TEXT, AT(topic), "metrics", 1, 249, "topic", true },
	{ "HTTP_ADDRESS", SETTING_ADDRESS, AT(address), "127.0.0.1", 0, 0, "bind address", true },
	{ "HTTP_PORT", SETTING_NUMBER, AT(port), "8082", 0, 65535, "port; 0 is any", true },
	{ "STATE_DIRECTORY", SETTING_PATH, AT(state_directory), ".", 1, 1000, "where files go",
		true },
	{ "GROUP_ID", SETTING_TEXT, AT(group), "metrics-consumer", 1, 249,
		"group under which offsets are stored for lag tools", false },
	{ "JOURNAL_PATH", SETTING_PATH, AT(journal_path), "metrics.log", 1, 1000,
		"journal; a relative path is in the state directory", true },
	{ "JOURNAL_SYNC_MS", SETTING_NUMBER, AT(sync_ms), "100", 0, 60000,
		"longest time between two syncs", false },
	{ "JOURNAL_ROTATE_BYTES", SETTING_NUMBER, AT(rotate_bytes), "1073741824", 0, INT64_MAX,
		"size at which the journal begins a new file; 0 is never", false },
	{ "JOURNAL_ROTATE_SECONDS", SETTING_NUMBER, AT(rotate_s), "0", 0, 315360000,
		"age at which it does; 0 is never", false },
	{ "JOURNAL_COMPRESS", SETTING_SWITCH, AT(compress), "on", 0, 0,
		"compress rotated files with zstd", false },
	{ "JOURNAL_KEEP_FILES", SETTING_NUMBER, AT(keep_files), "0", 0, 1000000,
		"rotated files to keep; 0 is all", false },
	{ "DEAD_LETTER_PATH", SETTING_PATH, AT(dead_letter_path), "dead-letter.log", 1, 1000,
		"dead letter; a relative path is beside the journal", false },
	{ "SERVICES", SETTING_TEXT, AT(services_list), "", 0, 1000,
		"URLs of the services whose outboxes the page shows and verify asks, with commas "
		"between; at most 16",
		true },
	{ "PRINT", SETTING_SWITCH, AT(print), "on", 0, 0, "journal lines on standard output too",
		true },
	{ "LOG_LEVEL", SETTING_LEVEL, AT(level), "info", 0, 0, "debug, info, warning or error",
		true },
	{ "LOG_FORMAT", SETTING_FORMAT, AT(format), "text", 0, 0, "text, or json: an object a line",
		false },
};

static const struct program_option run_options[] = {
	{ "--new-journal", NULL,
		"begin a new journal file where the old one is gone or damaged; numbers and "
		"positions go on" },
};

static const struct program_option verify_options[] = {
	{ "--outbox", "URL",
		"ask this service what it acknowledged, instead of SERVICES; up to 16 times" },
	{ "--store", "FILE", "read it from a store whose service is down; up to 16 times" },
	{ "--no-topic", NULL, "leave the topic out" },
	{ "--between", "FROM,TO",
		"count the delays in this time apart: 2025-07-08T19:15:32Z,2025-07-08T19:16:04Z" },
};

static const struct program_option redrive_options[] = {
	{ "--dry-run", NULL, "say what would be done" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
static const struct program_word words[] = {
	{ "", "", "writes down events until SIGTERM; SIGHUP: reopens a moved journal", NULL,
		run_options, COUNT(run_options) },
	{ "verify", "", "compares services, topic and journal",
		"Reads all of the topic and of the journal, rotated files included, and prints for "
		"each source what is missing, repeated, out of order, on the wrong partition or "
		"altered; `removed` counts events that the topic's retention removed before they "
		"were read: lost to the journal, too. Any difference is exit status 1. The "
		"consumer may run meanwhile.",
		verify_options, COUNT(verify_options) },
	{ "redrive", "[FILE | -]", "repaired dead letters into the journal",
		"FILE has lines as the dead letter, which it is where none is given, with `value` "
		"(JSON, or a text of it) or `value_hex` repaired. What is in the journal already, "
		"or is not sound, is left out. Stop the consumer first.",
		redrive_options, COUNT(redrive_options) },
};

/* @path as it is where it is absolute, otherwise in @directory. */
static void place_path(char out[PATH_MAX], const char *directory, const char *path)
{
	const int length = path[0] == '/' ? snprintf(out, PATH_MAX, "%s", path)
					  : snprintf(out, PATH_MAX, "%s/%s", directory, path);

	assert(length >= 0 && length < PATH_MAX); /* both are shorter than SETTING_TEXT_MAX */
}

static void place_files(
	const struct settings *s, char journal[PATH_MAX], char dead_letter[PATH_MAX])
{
	char directory[PATH_MAX];

	place_path(journal, s->state_directory, s->journal_path);
	append_file_directory(journal, directory);
	place_path(dead_letter, directory, s->dead_letter_path);
}

static bool is_of_journal(const char *path, const char *journal)
{
	const size_t length = strlen(journal);

	return strncmp(path, journal, length) == 0 &&
	       (path[length] == '\0' ||
		       (path[length] == '.' && journal_files_has(path + length + 1)));
}

static bool check(const struct program *program, const void *values,
	const struct settings_passed *passed, struct fail *fail)
{
	const struct settings *const s = values;
	char journal[PATH_MAX], dead_letter[PATH_MAX], rotate_bytes[24], wrong[SETTING_TEXT_MAX];
	struct outbox_urls services;
	bool good = kafka_settings_check(program, passed, topic_fixed, fail);

	if (s->rotate_bytes > 0 && s->rotate_bytes < JOURNAL_ROTATE_BYTES_MIN) {
		(void)snprintf(rotate_bytes, sizeof(rotate_bytes), "%" PRId64, s->rotate_bytes);
		good = settings_complain(program, "JOURNAL_ROTATE_BYTES", rotate_bytes,
			"0 for never, or at least 4096", fail);
	}
	if (!outbox_urls_read(&services, s->services_list, wrong))
		good = settings_complain(program, "SERVICES", wrong,
			"at most 16 URLs with commas between, each as http://cart:8080", fail);
	if (*s->state_directory == '\0' || *s->journal_path == '\0' || *s->dead_letter_path == '\0')
		return good; /* it was said that they are wrong */
	place_files(s, journal, dead_letter);
	if (is_of_journal(dead_letter, journal))
		good = settings_complain(program, "DEAD_LETTER_PATH", s->dead_letter_path,
			"another file than the journal, its rotated files and its checkpoint",
			fail);
	return good;
}

const struct program consumer_program = {
	.name = "metrics-consumer",
	.summary = "writes every event of the topic to a journal, once and in order",
	.settings = table,
	.count = COUNT(table),
	.size = sizeof(struct settings),
	.check = check,
	.words = words,
	.word_count = COUNT(words),
	.manual = TEXT_MANUAL,
};

bool settings_take(struct settings *s, int argc, char **argv, struct fail *fail)
{
	char wrong[SETTING_TEXT_MAX];

	if (!settings_read(&consumer_program, argc, argv, s, &s->passed, fail))
		return false;
	(void)outbox_urls_read(&s->services, s->services_list, wrong); /* it was checked */
	log_level_set(s->level);
	log_format_set(s->format);
	place_files(s, s->journal, s->dead_letter);
	return true;
}
