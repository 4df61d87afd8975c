/* Completions, out of the tables: words, options, and the values of those that have only a few. */
#include <string.h>

#include "process/program_text.h"

static bool is_path(const struct setting *s)
{
	return s->kind == SETTING_PATH;
}

/* A name of our own in a shell: cart-service is cart_service. */
static void write_name(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == '-' ? '_' : *name, out);
}

static void write_first_word(void *context, const struct program_word *word)
{
	fprintf(context, "%.*s ", (int)strcspn(word->name, " "), word->name);
}

/* --- bash --------------------------------------------------------------------------------------
 */

static void bash_own_options(FILE *out, const struct program_word *word)
{
	for (size_t i = 0; i < word->option_count; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", word->options[i].name);
}

static void bash_word(void *context, const struct program_word *word)
{
	const char *const space = strchr(word->name, ' ');

	if (space)
		fprintf(context, "\t%.*s) words='%s' ;;\n", (int)(space - word->name), word->name,
			space + 1);
	else if (strcmp(word->name, "completion") == 0)
		fprintf(context, "\tcompletion) words='bash zsh fish' ;;\n");
	if (word->option_count == 0 || *word->name == '\0')
		return;
	fprintf(context, "\t%s) own='", word->name);
	bash_own_options(context, word);
	fputs("' ;;\n", context);
}

static void bash_options(FILE *out, const struct program *program)
{
	char name[SETTING_NAME_MAX];

	fputs("\tlocal options='--help --version --settings-file", out);
	for (size_t i = 0; i < program->count; i++) {
		setting_option(program->settings[i].name, name);
		fprintf(out, " --%s", name);
	}
	for (size_t i = 0; i < program->word_count; i++) {
		if (*program->words[i].name == '\0' && program->words[i].option_count > 0) {
			fputc(' ', out);
			bash_own_options(out, &program->words[i]);
		}
	}
	fputs("'\n", out);
}

static void bash_values(FILE *out, const struct program *program)
{
	char name[SETTING_NAME_MAX];

	fputs("\tcase $before in\n"
	      "\t--settings-file",
		out);
	for (size_t i = 0; i < program->count; i++) {
		if (is_path(&program->settings[i])) {
			setting_option(program->settings[i].name, name);
			fprintf(out, " | --%s", name);
		}
	}
	fputs(")\n\t\tcompopt -o filenames\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
	      "\t\treturn ;;\n",
		out);
	for (size_t i = 0; i < program->count; i++) {
		const char *const *const words = setting_words(program->settings[i].kind);

		if (!words)
			continue;
		setting_option(program->settings[i].name, name);
		fprintf(out, "\t--%s)\n\t\tmapfile -t COMPREPLY < <(compgen -W '", name);
		for (size_t w = 0; words[w]; w++)
			fprintf(out, "%s%s", w > 0 ? " " : "", words[w]);
		fputs("' -- \"$word\")\n\t\treturn ;;\n", out);
	}
	fputs("\tesac\n", out);
}

static void bash(FILE *out, const struct program *program)
{
	fprintf(out, "# Made by `%s completion bash`.\n_", program->name);
	write_name(out, program->name);
	fputs("()\n{\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal first=${COMP_WORDS[1]} words= own=\n",
		out);
	bash_options(out, program);
	fputs("\t# --name=value comes as three words\n"
	      "\tif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\telif [[ $word == = ]]; then word=; fi\n",
		out);
	bash_values(out, program);
	fputs("\tcase $first in\n", out);
	program_each_word(program, bash_word, out);
	fputs("\tesac\n"
	      "\tif ((COMP_CWORD == 1)); then\n\t\twords='",
		out);
	program_each_word(program, write_first_word, out);
	fputs("'\n\telif ((COMP_CWORD > 2)); then words=; fi\n"
	      "\tif [[ $word == -* || -z $words ]]; then words=\"$own $options\"; fi\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "}\ncomplete -F _",
		out);
	write_name(out, program->name);
	fprintf(out, " %s\n", program->name);
}

/* --- zsh ---------------------------------------------------------------------------------------
 */

/* Inside '...' and [...]. */
static void zsh_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr("[]:\\", *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void zsh_word(void *context, const struct program_word *word)
{
	FILE *const out = context;

	if (*word->name == '\0')
		return;
	fprintf(out, "\t\t'%.*s:", (int)strcspn(word->name, " "), word->name);
	zsh_text(out, word->summary);
	fputs("'\n", out);
}

static void zsh_setting(FILE *out, const struct setting *s)
{
	const char *const *const words = setting_words(s->kind);
	char name[SETTING_NAME_MAX];

	setting_option(s->name, name);
	fprintf(out, "\t\t'--%s=[", name);
	zsh_text(out, s->help);
	fputs("]:value:", out);
	if (is_path(s))
		fputs("_files", out);
	for (size_t i = 0; words && words[i]; i++)
		fprintf(out, "%s%s%s", i == 0 ? "(" : " ", words[i], words[i + 1] ? "" : ")");
	fputs("'\n", out);
}

static void zsh_options(FILE *out, const struct program_word *word, const char *array)
{
	fprintf(out, "%s=(\n", array);
	for (size_t i = 0; i < word->option_count; i++) {
		const struct program_option *const o = &word->options[i];

		fprintf(out, "\t\t'%s%s[", o->name, o->value ? "=" : "");
		zsh_text(out, o->help);
		fprintf(out, "]%s'\n", o->value ? ":value:_files" : "");
	}
	fputs("\t)", out);
}

static void zsh_own(void *context, const struct program_word *word)
{
	FILE *const out = context;
	const char *const space = strchr(word->name, ' ');

	if (space)
		fprintf(out, "\t%.*s) rest='2:word:(%s)' ;;\n", (int)(space - word->name),
			word->name, space + 1);
	else if (strcmp(word->name, "completion") == 0)
		fputs("\tcompletion) rest='2:shell:(bash zsh fish)' ;;\n", out);
	else if (word->option_count > 0 && *word->name) {
		fprintf(out, "\t%s) %s", word->name,
			*word->arguments ? "rest='*:file:_files' " : "");
		zsh_options(out, word, "own");
		fputs(" ;;\n", out);
	}
}

static void zsh(FILE *out, const struct program *program)
{
	fprintf(out,
		"#compdef %s\n# Made by `%s completion zsh`.\n"
		"local curcontext=$curcontext state line\nlocal -a commands options own\n"
		"local rest='*: :'\ncommands=(\n",
		program->name, program->name);
	program_each_word(program, zsh_word, out);
	fputs("\t)\noptions=(\n\t\t'--help[help]'\n\t\t'--version[version and commit]'\n"
	      "\t\t'--settings-file=[lines NAME=value]:file:_files'\n",
		out);
	for (size_t i = 0; i < program->count; i++)
		zsh_setting(out, &program->settings[i]);
	fputs("\t)\n", out);
	for (size_t i = 0; i < program->word_count; i++) {
		if (*program->words[i].name == '\0' && program->words[i].option_count > 0) {
			zsh_options(out, &program->words[i], "own");
			fputc('\n', out);
		}
	}
	fputs("case $words[2] in\n", out);
	program_each_word(program, zsh_own, out);
	fputs("esac\n_arguments -C $options $own '1: :->command' $rest && return 0\n"
	      "[[ $state == command ]] && _describe command commands\n",
		out);
}

/* --- fish --------------------------------------------------------------------------------------
 */

static void fish_text(FILE *out, const char *text)
{
	fputs(" -d '", out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("'\n", out);
}

struct fish {
	FILE *out;
	const char *program;
};

static void fish_word(void *context, const struct program_word *word)
{
	const struct fish *const f = context;
	const char *const space = strchr(word->name, ' ');
	const int first = (int)strcspn(word->name, " ");

	if (*word->name) {
		fprintf(f->out, "complete -c %s -n __fish_use_subcommand -a %.*s", f->program,
			first, word->name);
		fish_text(f->out, word->summary);
	}
	if (space || strcmp(word->name, "completion") == 0)
		fprintf(f->out, "complete -c %s -n '__fish_seen_subcommand_from %.*s' -a '%s'\n",
			f->program, first, word->name, space ? space + 1 : "bash zsh fish");
	for (size_t i = 0; i < word->option_count; i++) {
		const struct program_option *const o = &word->options[i];

		fprintf(f->out, "complete -c %s", f->program);
		if (*word->name)
			fprintf(f->out, " -n '__fish_seen_subcommand_from %.*s'", first,
				word->name);
		fprintf(f->out, " -l %s%s", o->name + 2, o->value ? " -r" : "");
		fish_text(f->out, o->help);
	}
}

static void fish_setting(const struct fish *f, const struct setting *s)
{
	const char *const *const words = setting_words(s->kind);
	char name[SETTING_NAME_MAX];

	setting_option(s->name, name);
	fprintf(f->out, "complete -c %s -l %s %s", f->program, name, is_path(s) ? "-r -F" : "-x");
	for (size_t i = 0; words && words[i]; i++)
		fprintf(f->out, "%s%s%s", i == 0 ? " -a '" : " ", words[i],
			words[i + 1] ? "" : "'");
	fish_text(f->out, s->help);
}

static void fish(FILE *out, const struct program *program)
{
	struct fish f = { out, program->name };

	fprintf(out, "# Made by `%s completion fish`.\ncomplete -c %s -f\n", f.program, f.program);
	program_each_word(program, fish_word, &f);
	for (size_t i = 0; i < program->count; i++)
		fish_setting(&f, &program->settings[i]);
	fprintf(out, "complete -c %s -l settings-file -r -F", f.program);
	fish_text(out, "lines NAME=value");
	fprintf(out, "complete -c %s -l help", f.program);
	fish_text(out, "help");
	fprintf(out, "complete -c %s -l version", f.program);
	fish_text(out, "version and commit");
}

bool program_completion(FILE *out, const struct program *program, const char *shell)
{
	static const struct {
		const char *name;
		void (*write)(FILE *out, const struct program *program);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shell, shells[i].name) == 0) {
			shells[i].write(out, program);
			return true;
		}
	}
	return false;
}
