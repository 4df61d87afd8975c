/* The manual page in mdoc: what the tables know, and behind it what a person wrote. */
#include <ctype.h>
#include <string.h>

#include "process/program_text.h"

#define WIDTH 79

/* One word, nothing in it taken for a request. */
static void put_word_of(FILE *out, const char *word, size_t length, bool first)
{
	if (first && (*word == '.' || *word == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < length; i++) {
		if (word[i] == '\\')
			fputs("\\e", out);
		else if (word[i] == '-' && (i == 0 || word[0] == '-'))
			fputs("\\-", out);
		else
			fputc(word[i], out);
	}
}

/* Running text, from column @at on: short lines, and a new one for each sentence. */
static void put_text(FILE *out, size_t at, const char *text)
{
	bool start = true;

	while (*text) {
		const size_t length = strcspn(text, " ");

		if (!start && at + 1 + length > WIDTH) {
			fputc('\n', out);
			start = true;
			at = 0;
		}
		if (!start)
			fputc(' ', out);
		put_word_of(out, text, length, start && at == 0);
		at += length + !start;
		start = false;
		if (strchr(".!?", text[length - 1]) && text[length] == ' ') {
			fputc('\n', out);
			start = true;
			at = 0;
		}
		text += length;
		text += strspn(text, " ");
	}
}

static void put_line(FILE *out, const char *text)
{
	put_text(out, 0, text);
	fputc('\n', out);
}

/* A few words as a sentence. */
static void put_sentence(FILE *out, const char *text)
{
	fputc(toupper((unsigned char)*text), out);
	put_text(out, 1, text + 1);
	fputs(".\n", out);
}

struct page {
	FILE *out;
	const char *program;
};

/* [FILE | -] is an argument, verify a command. */
static void put_synopsis(void *context, const struct program_word *word)
{
	const struct page *const p = context;

	fprintf(p->out, ".Nm\n");
	if (*word->name)
		fprintf(p->out, ".Cm %s\n", word->name);
	if (*word->arguments)
		fprintf(p->out, ".Ar %s\n", word->arguments);
	for (size_t i = 0; i < word->option_count; i++) {
		const struct program_option *const o = &word->options[i];

		fprintf(p->out, ".Op Fl %s%s%s\n", o->name + 1, o->value ? " Ar " : "",
			o->value ? o->value : "");
	}
	fprintf(p->out, ".Op Ar OPTION ...\n");
}

static void put_word(void *context, const struct program_word *word)
{
	const struct page *const p = context;

	if (*word->name)
		fprintf(p->out, ".It Cm %s", word->name);
	else
		fprintf(p->out, ".It (no command)");
	if (*word->arguments)
		fprintf(p->out, " Ar %s", word->arguments);
	fputc('\n', p->out);
	put_sentence(p->out, word->summary);
	if (word->help) {
		fputs(".Pp\n", p->out);
		put_line(p->out, word->help);
	}
	if (word->option_count == 0)
		return;
	fputs(".Bl -tag -width Ds\n", p->out);
	for (size_t i = 0; i < word->option_count; i++) {
		const struct program_option *const o = &word->options[i];

		fprintf(p->out, ".It Fl %s%s%s\n", o->name + 1, o->value ? " Ar " : "",
			o->value ? o->value : "");
		put_sentence(p->out, o->help);
	}
	fputs(".El\n", p->out);
}

static void put_setting(FILE *out, const struct setting *s)
{
	char option[SETTING_NAME_MAX], range[SETTING_RANGE_MAX];

	setting_option(s->name, option);
	setting_range(s, range);
	fprintf(out, ".It Ev %s , Fl -%s\n", s->name, option);
	put_sentence(out, s->help);
	if (s->kind == SETTING_NUMBER || s->kind == SETTING_ADDRESS || s->kind == SETTING_URL)
		fprintf(out, ".br\nIt is %s.\n", range);
	if (*s->initial) {
		fputs(".br\nDefault:\n", out);
		put_line(out, s->initial);
	}
}

void program_manual(FILE *out, const struct program *program)
{
	struct page page = { out, program->name };

	fputs(".Dd " HW9_DATE "\n.Dt ", out);
	for (const char *c = program->name; *c; c++)
		fputc(toupper((unsigned char)*c), out);
	fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n", program->name,
		program->summary);
	program_each_word(program, put_synopsis, &page);
	fputs(".Nm\n.Fl -help | -version\n.Sh DESCRIPTION\n.Nm\n", out);
	put_text(out, 0, program->summary);
	fputs(".\n.Pp\nThe commands are:\n.Bl -tag -width Ds\n", out);
	program_each_word(program, put_word, &page);
	fputs(".El\n.Sh ENVIRONMENT\n"
	      "Each setting is a variable or an option of the same meaning, which wins.\n"
	      "An empty value counts as not set.\n"
	      "All that are wrong are named at once.\n"
	      ".Bl -tag -width Ds\n",
		out);
	for (size_t i = 0; i < program->count; i++)
		put_setting(out, &program->settings[i]);
	fputs(".It Ev RDKAFKA_... , Fl -rdkafka-...\n"
	      "Any property of librdkafka:\n.Ev RDKAFKA_SECURITY_PROTOCOL\nis security.protocol.\n"
	      "A name that ends with\n.Ev _FILE\n"
	      "has the path of a file that holds the value, such as a password.\n"
	      ".It Ev SETTINGS_FILE , Fl -settings-file\n"
	      "A file of lines NAME=value.\n"
	      "Variables and options win over it; a name in it that is no setting is wrong.\n",
		out);
	if (*HW9_SETTINGS_DIRECTORY)
		fprintf(out, ".br\nDefault:\n" HW9_SETTINGS_DIRECTORY "/%s.conf, if it is there\n",
			program->name);
	fputs(".It Ev NO_COLOR\nWhere it is set, there are no colours on a terminal either.\n.El\n",
		out);
	fputs(program->manual, out);
}
