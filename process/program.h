/* process/program.h - the words of a program's command line, and the answers that need nothing
 * but the tables: --help, --version, config, completion, manual. All of them are made from the
 * tables that the program itself reads, so that none can be behind it. */
#ifndef PROCESS_PROGRAM_H
#define PROCESS_PROGRAM_H

#include "process/settings.h"

struct program_option {    /* of one word, beyond the settings */
	const char *name;  /* "--between" */
	const char *value; /* "FROM,TO", in capitals; NULL where it stands alone */
	const char *help;
};

struct program_word {
	const char *name;      /* "store fork"; "" is the program without a word */
	const char *arguments; /* behind it, before the options: "[FILE | -]"; or "" */
	const char *summary;   /* a few words for the list in --help */
	const char *help;      /* sentences for `WORD --help`; or NULL */
	const struct program_option *options;
	size_t option_count;
};

struct command_line {
	const char *word; /* of the table, or "healthcheck" or "doctor", which every program has */
	int argc;         /* what stands behind it */
	char **argv;
};

/* Takes the word out of @argv. False: it was answered here, or is none, which was said on
 * standard error; then *status is the exit status. */
bool program_begin(const struct program *program, int argc, char **argv, struct command_line *line,
	int *status);

/* Version and commit, as --version prints them. */
const char *program_version_text(void);

#endif
