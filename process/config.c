/* What `config` says: a line a setting, its value as it would be taken, and where that is from. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/program_text.h"

#define NAME_WIDTH  23
#define VALUE_WIDTH 36

static void show(
	void *context, const char *name, const char *value, enum setting_source source, int line)
{
	static const char *const words[] = { "default", "file", "environment", "option" };
	FILE *const out = context;
	char shown[SETTING_TEXT_MAX];

	fprintf(out, "%-*s %-*s %s", NAME_WIDTH, name, VALUE_WIDTH,
		setting_shown(name, value, shown), words[source]);
	if (source == SETTING_OF_FILE)
		fprintf(out, ", line %d", line);
	fputc('\n', out);
	(void)fflush(out); /* complaints, on standard error, come behind */
}

/* Names that the standard for tracing gives, which each library of it reads by itself. Only those
 * that are there, from the environment alone. */
static void show_standard(FILE *out)
{
	char name[128];

	for (char **each = environ; *each; each++) {
		const size_t length = strcspn(*each, "=");

		if (strncmp(*each, "OTEL_", 5) != 0 || length >= sizeof(name) ||
			(*each)[length] == '\0')
			continue;
		memcpy(name, *each, length);
		name[length] = '\0';
		show(out, name, *each + length + 1, SETTING_ENVIRONMENT, 0);
	}
}

int program_config(FILE *out, const struct program *program, int argc, char **argv)
{
	void *const values = calloc(1, program->size);
	struct settings_passed *const passed = calloc(1, sizeof(*passed));
	struct fail fail = { 0 };

	if (!values || !passed)
		fail_set(&fail, FAIL_FATAL, "out of memory");
	else
		(void)settings_tell(program, argc, argv, values, passed, show, out, &fail);
	show_standard(out);
	free(passed);
	free(values);
	return fail_exit_status(&fail);
}
