/* process/settings.h - what a user may set, from a table.
 *
 * A setting comes from an option (--name value, --name=value, lower case with hyphens), else
 * from the environment (NAME), else from the settings file (a line NAME=value), else it has its
 * default. An empty value counts as not set. Everything that is wrong is said at once, a line
 * each with name, value and range; secrets are never shown.
 *
 * The file is named by SETTINGS_FILE or --settings-file; packages have /etc/PROGRAM.conf for
 * where neither is given. Lines that are empty or begin with # are passed over; a value may
 * stand between quotation marks. A name that is no setting is wrong. */
#ifndef PROCESS_SETTINGS_H
#define PROCESS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"
#include "process/setting_value.h"

#define SETTING_PREFIX     "RDKAFKA_"
#define SETTING_PASSED_MAX 64 /* settings of that prefix */
#define SETTINGS_FILE      "SETTINGS_FILE"

enum setting_source { SETTING_DEFAULT = 0, SETTING_OF_FILE, SETTING_ENVIRONMENT, SETTING_OPTION };

/* Settings of the prefix RDKAFKA_, passed on as they are: the name without prefix, in lower
 * case, with dots (RDKAFKA_LINGER_MS is linger.ms). */
struct setting_passed {
	char name[128];
	char value[SETTING_TEXT_MAX];
	enum setting_source source;
	int line; /* of the file */
};
struct settings_passed {
	size_t count;
	struct setting_passed item[SETTING_PASSED_MAX];
};

struct program {
	const char *name;
	const char *summary; /* a sentence; with the name and ": " at most 80 bytes */
	const struct setting *settings;
	size_t count;
	size_t size; /* of the struct that they go into; zeroed before it is filled */
	/* Checks across settings, by settings_complain; or NULL. It is called with others wrong,
	 * too: those are left zero. False where it complained. */
	bool (*check)(const struct program *program, const void *values,
		const struct settings_passed *passed, struct fail *fail);

	/* For process/program.h. */
	const struct program_word *words;
	size_t word_count;
	const char *manual; /* mdoc: what comes behind the settings in its manual page */
};

/* Fills @into from file, environment and @argv (the options alone, without program and
 * subcommand), and @passed if it is not NULL. Complaints go to standard error; with any,
 * it returns false with FAIL_REFUSE. */
bool settings_read(const struct program *program, int argc, char **argv, void *into,
	struct settings_passed *passed, struct fail *fail);

/* Told of each setting as it was given, before any is checked. @line is of the file. */
typedef void settings_told(
	void *context, const char *name, const char *value, enum setting_source source, int line);
/* As settings_read; tells the value of every setting, the default ones too, the file as one
 * of the name SETTINGS_FILE, and RDKAFKA_... behind them. */
bool settings_tell(const struct program *program, int argc, char **argv, void *into,
	struct settings_passed *passed, settings_told *tell, void *context, struct fail *fail);

/* For checks across settings: one more complaint in the same form. Returns false. */
bool settings_complain(const struct program *program, const char *name, const char *value,
	const char *range, struct fail *fail);

#endif
