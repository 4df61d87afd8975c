/* process/program_text.h - a program's tables as text, for process/program.c. */
#ifndef PROCESS_PROGRAM_TEXT_H
#define PROCESS_PROGRAM_TEXT_H

#include <stdio.h>

#include "process/program.h"

#define PROGRAM_EVERY 5 /* words that every program has */
extern const struct program_word program_every[PROGRAM_EVERY];

/* Calls @each for the program's own words, then for those that every program has. */
void program_each_word(const struct program *program,
	void (*each)(void *context, const struct program_word *word), void *context);

/* What `WORD --help` says; @word NULL: what --help says, in at most 40 lines. All lines of 80
 * columns. */
void program_help(FILE *out, const struct program *program, const struct program_word *word);

/* What `config` says. Returns the exit status: 0, or 2 where a setting is wrong. */
int program_config(FILE *out, const struct program *program, int argc, char **argv);

/* A script for bash, zsh or fish. False: another shell. */
bool program_completion(FILE *out, const struct program *program, const char *shell);

/* The manual page in mdoc. */
void program_manual(FILE *out, const struct program *program);

#endif
