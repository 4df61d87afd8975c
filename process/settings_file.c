#include "process/settings_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool load(
	struct settings_file *file, const char *path, bool may_be_missing, struct fail *fail)
{
	FILE *const stream = fopen(path, "re");
	size_t length;
	bool good;

	file->count = 0;
	file->bytes[0] = '\0';
	if (!stream)
		return (errno == ENOENT && may_be_missing) ||
		       fail_errno(fail, FAIL_REFUSE, errno, "open it");
	errno = 0;
	length = fread(file->bytes, 1, sizeof(file->bytes), stream);
	good = !ferror(stream) || fail_errno(fail, FAIL_REFUSE, errno, "read it");
	fclose(stream);
	if (good && length > SETTINGS_FILE_BYTES_MAX)
		return fail_set(
			fail, FAIL_REFUSE, "it is longer than %d bytes", SETTINGS_FILE_BYTES_MAX);
	file->bytes[good ? length : 0] = '\0';
	if (good && strlen(file->bytes) != length)
		return fail_set(fail, FAIL_REFUSE, "it is no text: it holds a NUL");
	return good;
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

/* "a b" and 'a b' are a b. */
static char *unquote(char *value)
{
	const size_t length = strlen(value);

	if (length < 2 || (*value != '"' && *value != '\'') || value[length - 1] != *value)
		return value;
	value[length - 1] = '\0';
	return value + 1;
}

bool settings_file_read(
	struct settings_file *file, const char *path, bool may_be_missing, struct fail *fail)
{
	char *next = file->bytes;

	if (!load(file, path, may_be_missing, fail))
		return false;
	for (int number = 1; next && *next; number++) {
		char *line = next, *equals;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line = trim(line);
		if (*line == '\0' || *line == '#')
			continue;
		if (file->count == SETTINGS_FILE_LINES_MAX)
			return fail_set(fail, FAIL_REFUSE, "it has more than %d settings",
				SETTINGS_FILE_LINES_MAX);
		equals = strchr(line, '=');
		if (equals)
			*equals = '\0';
		file->line[file->count].name = trim(line);
		file->line[file->count].value = equals ? unquote(trim(equals + 1)) : NULL;
		file->line[file->count++].number = number;
	}
	return true;
}
