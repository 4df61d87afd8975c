/* process/settings.h - what a user may set, from a table.
 *
 * A setting comes from the environment (NAME) or from an option, which wins
 * (--name value, --name=value, lower case with hyphens). An empty value counts as not set.
 * Everything that is wrong is said at once, a line each with name, value and range. */
#ifndef PROCESS_SETTINGS_H
#define PROCESS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

#define SETTING_TEXT_MAX   1024 /* bytes of a text with its NUL */
#define SETTING_PREFIX     "RDKAFKA_"
#define SETTING_PASSED_MAX 64 /* settings of that prefix */

enum setting_kind {
	SETTING_TEXT,    /* char[SETTING_TEXT_MAX]; smallest and largest bound its length */
	SETTING_NUMBER,  /* int64_t */
	SETTING_SWITCH,  /* bool; on, off, true, false, 1, 0 */
	SETTING_LEVEL,   /* enum log_level; debug, info, warning, error */
	SETTING_ADDRESS, /* char[SETTING_TEXT_MAX]; a numeric IPv4 or IPv6 address */
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;       /* where in the program's struct the value goes */
	const char *initial; /* value where nothing is set */
	int64_t smallest, largest;
	const char *help; /* a few words for --help */
};

/* Settings of the prefix RDKAFKA_, passed on as they are: the name without prefix, in lower
 * case, with dots (RDKAFKA_LINGER_MS is linger.ms). */
struct setting_passed {
	char name[128];
	char value[SETTING_TEXT_MAX];
};
struct settings_passed {
	size_t count;
	struct setting_passed item[SETTING_PASSED_MAX];
};

struct program {
	const char *name;
	const char *summary; /* a sentence */
	const char *usage;   /* further lines of --help: subcommands and exit statuses */
	const struct setting *settings;
	size_t count;
};

/* Fills @into from environment and @argv (the options alone, without program and
 * subcommand), and @passed if it is not NULL. Complaints go to standard error; with any,
 * it returns false with FAIL_REFUSE. --help and --version are the caller's. */
bool settings_read(const struct program *program, int argc, char **argv, void *into,
	struct settings_passed *passed, struct fail *fail);

/* For checks across settings: one more complaint in the same form. Returns false. */
bool settings_complain(const struct program *program, const char *name, const char *value,
	const char *range, struct fail *fail);

/* Answers --help or --version, wherever in @argv, on standard output. False: none of them. */
bool program_answers(const struct program *program, int argc, char **argv);
/* Version and commit, as --version prints them. */
const char *program_version_text(void);

#endif
