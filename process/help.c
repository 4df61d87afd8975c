/* What --help says, in lines of at most 80 columns. */
#include <string.h>

#include "process/program_text.h"

#define WIDTH  80
#define COLUMN 24 /* where what stands right begins */

/* Writes words from column @at on, lines further down from column @indent on, and ends the line. */
static void wrap(FILE *out, size_t at, size_t indent, const char *text)
{
	bool first = true;

	while (*text) {
		const size_t length = strcspn(text, " ");

		if (!first && at + 1 + length > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		fprintf(out, "%s%.*s", first ? "" : " ", (int)length, text);
		at += length + !first;
		first = false;
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* A line of two columns. */
static void row(FILE *out, const char *left, const char *right)
{
	const size_t length = strlen(left);

	if (length + 4 > COLUMN) {
		fprintf(out, "  %s\n%*s", left, COLUMN, "");
	} else {
		fprintf(out, "  %-*s", COLUMN - 2, left);
	}
	wrap(out, COLUMN, COLUMN, right);
}

static void show_setting(FILE *out, const struct setting *s)
{
	char text[512];

	if (*s->initial)
		(void)snprintf(text, sizeof(text), "%s [%s]", s->help, s->initial);
	else
		(void)snprintf(text, sizeof(text), "%s", s->help);
	row(out, s->name, text);
}

static void show_settings(FILE *out, const struct program *program, bool all)
{
	fputs("Settings, in the environment or as options (HTTP_PORT=0 or --http-port 0):\n", out);
	for (size_t i = 0; i < program->count; i++) {
		if (all || program->settings[i].often)
			show_setting(out, &program->settings[i]);
	}
	if (!all) {
		row(out, "...", "all of them: config --help");
		return;
	}
	row(out, SETTING_PREFIX "...",
		"any property of librdkafka: RDKAFKA_SECURITY_PROTOCOL is security.protocol; "
		"..._FILE reads the value from a file");
	row(out, SETTINGS_FILE,
		*HW9_SETTINGS_DIRECTORY
			? "a file of lines NAME=value, which environment and options win over "
			  "[" HW9_SETTINGS_DIRECTORY "/PROGRAM.conf]"
			: "a file of lines NAME=value, which environment and options win over");
}

static void show_word(void *context, const struct program_word *word)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%s%s%s", *word->name ? word->name : "(no command)",
		*word->arguments ? " " : "", word->arguments);
	row(context, left, word->summary);
}

static void show_options(FILE *out, const struct program_word *word)
{
	char left[64];

	for (size_t i = 0; i < word->option_count; i++) {
		const struct program_option *const o = &word->options[i];

		(void)snprintf(left, sizeof(left), "%s%s%s", o->name, o->value ? " " : "",
			o->value ? o->value : "");
		row(out, left, o->help);
	}
}

static void help_of_word(FILE *out, const struct program *program, const struct program_word *word)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "Usage: %s %s%s%s [OPTION...]", program->name,
		word->name, *word->arguments ? " " : "", word->arguments);
	wrap(out, 0, 7, text);
	(void)snprintf(text, sizeof(text), "%s: %s", word->name, word->summary);
	wrap(out, 0, 0, text);
	if (word->help) {
		fputc('\n', out);
		wrap(out, 0, 0, word->help);
	}
	if (word->option_count > 0) {
		fputs("\nIts own options:\n", out);
		show_options(out, word);
	}
	fputc('\n', out);
	show_settings(out, program, strcmp(word->name, "config") == 0);
}

void program_help(FILE *out, const struct program *program, const struct program_word *word)
{
	if (word) {
		help_of_word(out, program, word);
		return;
	}
	fprintf(out, "%s: ", program->name);
	wrap(out, strlen(program->name) + 2, 2, program->summary);
	fprintf(out, "\nUsage: %s [COMMAND] [OPTION...]\n", program->name);
	program_each_word(program, show_word, out);
	for (size_t i = 0; i < program->word_count; i++) {
		if (*program->words[i].name == '\0')
			show_options(out, &program->words[i]);
	}
	row(out, "COMMAND --help", "more about one of them");
	row(out, "--version", "version and commit");
	fputc('\n', out);
	show_settings(out, program, false);
	fputs("\nExit status: 0 done, 1 failed, 2 wrong settings or usage, 3 another process "
	      "has\nwhat it needs.\n",
		out);
}
