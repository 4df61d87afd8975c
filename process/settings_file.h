/* process/settings_file.h - the lines NAME=value of a file, for process/settings.c. */
#ifndef PROCESS_SETTINGS_FILE_H
#define PROCESS_SETTINGS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "process/fail.h"

#define SETTINGS_FILE_BYTES_MAX 65536
#define SETTINGS_FILE_LINES_MAX 256 /* with a setting */

struct settings_file {
	char bytes[SETTINGS_FILE_BYTES_MAX + 1];
	size_t count;
	struct {
		const char *name, *value; /* in bytes; the value is NULL where the line has no = */
		int number;
	} line[SETTINGS_FILE_LINES_MAX];
};

/* Reads the file at @path. FAIL_REFUSE: it cannot be read, is too long or holds a NUL, or is not
 * there, unless it @may_be_missing: then it has no lines. */
bool settings_file_read(
	struct settings_file *file, const char *path, bool may_be_missing, struct fail *fail);

#endif
