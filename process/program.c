#include "process/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/program_text.h"

const struct program_word program_every[PROGRAM_EVERY] = {
	{ "healthcheck", "", "asks a running one whether it is ready",
		"Asks /readyz on HTTP_ADDRESS and HTTP_PORT, waits at most 3 seconds, and prints "
		"the answer. Exit status 0: ready; 1: not.",
		NULL, 0 },
	{ "config", "", "each setting, its value, and where that comes from",
		"Prints the settings as the program would take them, and for each whether it is "
		"the default, or comes from the file, the environment or an option. Secrets are "
		"***. Then says everything that is wrong; exit status 2 where anything is.",
		NULL, 0 },
	{ "doctor", "", "what is wrong around it, and how to mend it",
		"Looks at the settings, the process, its files and their owner, the disk, the "
		"brokers and the addresses they tell, the topic, its copies, and the clocks. "
		"Changes nothing, takes no lock, and may be asked while the service runs. A line a "
		"check: ok, warn or bad, and how to mend it. Takes at most some 10 seconds. Exit "
		"status 0: nothing is bad; 1: something is.",
		NULL, 0 },
	{ "completion", "bash|zsh|fish", "completions for a shell",
		"Prints them. For bash: source <(PROGRAM completion bash). The packages bring "
		"them.",
		NULL, 0 },
	{ "manual", "", "the manual page, for man -l -", "Prints it in mdoc.", NULL, 0 },
};

void program_each_word(const struct program *program,
	void (*each)(void *context, const struct program_word *word), void *context)
{
	for (size_t i = 0; i < program->word_count; i++)
		each(context, &program->words[i]);
	for (size_t i = 0; i < PROGRAM_EVERY; i++)
		each(context, &program_every[i]);
}

const char *program_version_text(void)
{
	return *HW9_COMMIT ? HW9_VERSION " (" HW9_COMMIT ")" : HW9_VERSION;
}

/* How many of @argv make the word @name, which may be two: `store fork`. 0: they do not. */
static int match(const char *name, int argc, char **argv)
{
	const char *const space = strchr(name, ' ');
	const size_t first = space ? (size_t)(space - name) : strlen(name);

	if (argc < 1 || first == 0 || strncmp(argv[0], name, first) != 0 || argv[0][first] != '\0')
		return 0;
	if (!space)
		return 1;
	return argc >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static const struct program_word *find(
	const struct program *program, int argc, char **argv, int *taken)
{
	const struct program_word *plain = NULL;

	for (size_t i = 0; i < program->word_count + PROGRAM_EVERY; i++) {
		const struct program_word *const word =
			i < program->word_count ? &program->words[i]
						: &program_every[i - program->word_count];

		if (*word->name == '\0')
			plain = word;
		*taken = match(word->name, argc, argv);
		if (*taken > 0)
			return word;
	}
	*taken = 0;
	return argc < 1 || argv[0][0] == '-' ? plain : NULL;
}

/* The first half of `store fork` alone deserves to be told the second. */
static int refuse(const struct program *program, const char *word)
{
	const size_t length = strlen(word);

	for (size_t i = 0; i < program->word_count; i++) {
		const char *const name = program->words[i].name;

		if (length > 0 && strncmp(name, word, length) == 0 && name[length] == ' ') {
			fprintf(stderr, "%s: the word after `%s` is `%s`; see --help\n",
				program->name, word, name + length + 1);
			return 2;
		}
	}
	fprintf(stderr, "%s: %s: no such command; --help lists them\n", program->name, word);
	return 2;
}

static bool has(int argc, char **argv, const char *wanted)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], wanted) == 0)
			return true;
	}
	return false;
}

static int end_output(int status)
{
	return fflush(stdout) == 0 && !ferror(stdout) ? status : 1;
}

static int answer_completion(const struct program *program, const struct command_line *line)
{
	if (line->argc == 1 && program_completion(stdout, program, line->argv[0]))
		return end_output(0);
	fprintf(stderr, "%s: completion: the word behind it is bash, zsh or fish\n", program->name);
	return 2;
}

bool program_begin(const struct program *program, int argc, char **argv, struct command_line *line,
	int *status)
{
	int taken = 0;
	const struct program_word *const word = find(program, argc - 1, argv + 1, &taken);

	*line = (struct command_line){ "", argc - 1 - taken, argv + 1 + taken };
	if (has(argc - 1, argv + 1, "--help")) {
		program_help(stdout, program, taken > 0 ? word : NULL);
		*status = end_output(0);
		return false;
	}
	if (has(argc - 1, argv + 1, "--version")) {
		printf("%s %s\n", program->name, program_version_text());
		*status = end_output(0);
		return false;
	}
	if (!word) {
		*status = refuse(program, argv[1]);
		return false;
	}
	line->word = word->name;
	if (strcmp(word->name, "config") == 0)
		*status = end_output(program_config(stdout, program, line->argc, line->argv));
	else if (strcmp(word->name, "completion") == 0)
		*status = answer_completion(program, line);
	else if (strcmp(word->name, "manual") == 0) {
		program_manual(stdout, program);
		*status = end_output(0);
	} else
		return true;
	return false;
}
