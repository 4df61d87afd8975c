/* The commands that run once: what stands behind their word, and their exit status. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "metrics-consumer/redrive.h"
#include "metrics-consumer/settings.h"
#include "metrics-consumer/verify.h"
#include "process/clock.h"

/* FROM,TO: two times as in the journal. */
static bool read_between(struct verify_options *options, const char *text, struct fail *fail)
{
	const char *const comma = strchr(text, ',');

	options->between = comma && clock_parse(text, (size_t)(comma - text), &options->from_ms) &&
			   clock_parse(comma + 1, strlen(comma + 1), &options->to_ms) &&
			   options->from_ms <= options->to_ms;
	return options->between ||
	       settings_complain(&consumer_program, "--between", text,
		       "two times, 2025-07-08T19:15:32Z,2025-07-08T19:16:04Z", fail);
}

/* One of @list: a URL, a path. */
static bool read_listed(
	const char **list, size_t *count, const char *option, const char *value, struct fail *fail)
{
	if (*value == '\0' || *count == VERIFY_OUTBOXES_MAX)
		return settings_complain(&consumer_program, option, value,
			"a value, and the option at most 16 times", fail);
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

/* Who is asked where no option says it. */
static void take_services(struct verify_options *options, const struct outbox_urls *services)
{
	_Static_assert(OUTBOXES_MAX <= VERIFY_OUTBOXES_MAX, "all services fit");
	if (options->outbox_count > 0 || options->store_count > 0)
		return;
	for (size_t i = 0; i < services->count; i++)
		options->outboxes[options->outbox_count++] = outbox_url(services, i);
}

int command_verify(int argc, char **argv)
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
		settings_take(&settings, argc, argv, &fail)) {
		options.kafka = topic ? &kafka : NULL;
		take_services(&options, &settings.services);
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

bool command_take_word(const char *word, int *argc, char **argv)
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

int command_redrive(int argc, char **argv)
{
	static struct settings settings;
	struct redrive_options options = { .journal_path = settings.journal,
		.input_path = settings.dead_letter,
		.progress_fd = STDERR_FILENO };
	struct fail fail = { 0 };
	bool all = false;

	if (argc > 0 && (argv[0][0] != '-' || argv[0][1] == '\0')) {
		options.input_path = argv[0];
		argc--;
		argv++;
	}
	options.dry_run = command_take_word("--dry-run", &argc, argv);
	if (settings_take(&settings, argc, argv, &fail) && !redrive(&options, stdout, &all, &fail))
		fprintf(stderr, "metrics-consumer: redrive: %s\n", fail.text);
	if (fail.kind != FAIL_NONE)
		return fail_exit_status(&fail);
	return fflush(stdout) == 0 && !ferror(stdout) && all ? 0 : 1;
}
