#include "process/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/settings_file.h"

extern char **environ;

struct found { /* a setting as it was given */
	const char *text;
	enum setting_source source;
	int line;
};

struct reading {
	const struct program *program;
	struct settings_passed *passed;
	unsigned complaints;
	int argc;
	char **argv;
	struct settings_file file;
	struct found path; /* of the file */
	char usual_path[128];
	struct found *found;
};

static void complain_of(
	const struct program *program, const char *name, const char *value, const char *range)
{
	char shown[SETTING_TEXT_MAX];

	fprintf(stderr, "%s: %s%s%s: %s\n", program->name, name, *value ? "=" : "",
		setting_shown(name, value, shown), range);
}

static void complain(struct reading *r, const char *name, const char *value, const char *range)
{
	complain_of(r->program, name, value, range);
	r->complaints++;
}

bool settings_complain(const struct program *program, const char *name, const char *value,
	const char *range, struct fail *fail)
{
	complain_of(program, name, value, range);
	return fail_set(fail, FAIL_REFUSE, "a setting is wrong");
}

/* The value of `--name value` or `--name=value` with @arg at index *at, or NULL where @arg is
 * another option. Steps over a value that stands alone. */
static const char *option_value(const struct reading *r, int *at, const char *name)
{
	const char *const arg = r->argv[*at];
	const size_t length = strlen(name);

	if (strncmp(arg, "--", 2) != 0 || strncmp(arg + 2, name, length) != 0)
		return NULL;
	if (arg[2 + length] == '=')
		return arg + 2 + length + 1;
	if (arg[2 + length] != '\0')
		return NULL;
	if (*at + 1 >= r->argc || !r->argv[*at + 1])
		return "";
	return r->argv[++*at];
}

/* RDKAFKA_LINGER_MS, or linger-ms of an option, becomes linger.ms; a later one wins. */
static void pass_on(struct reading *r, const char *name, size_t length, const struct found *given)
{
	struct setting_passed item = { .source = given->source, .line = given->line };
	size_t i;

	if (*given->text == '\0')
		return;
	if (length == 0 || length >= sizeof(item.name)) {
		complain(r, SETTING_PREFIX "...", "", "the name of a property, 1 to 127 bytes");
		return;
	}
	for (i = 0; i < length; i++)
		item.name[i] = name[i] == '_' || name[i] == '-'
				       ? '.'
				       : (char)tolower((unsigned char)name[i]);
	if (strlen(given->text) >= sizeof(item.value)) {
		complain(r, SETTING_PREFIX "...", item.name, "a value of at most 1023 bytes");
		return;
	}
	strcpy(item.value, given->text);
	for (i = 0; i < r->passed->count; i++) {
		if (strcmp(r->passed->item[i].name, item.name) == 0)
			break;
	}
	if (i == SETTING_PASSED_MAX) {
		complain(r, SETTING_PREFIX "...", item.name, "at most 64 of them");
		return;
	}
	r->passed->item[i] = item;
	if (i == r->passed->count)
		r->passed->count++;
}

static bool has_prefix(const char *name)
{
	return strncmp(name, SETTING_PREFIX, strlen(SETTING_PREFIX)) == 0;
}

static void pass_environment(struct reading *r)
{
	const size_t prefix = strlen(SETTING_PREFIX);

	for (char **e = environ; *e; e++) {
		const char *const equals = strchr(*e, '=');

		if (equals && has_prefix(*e))
			pass_on(r, *e + prefix, (size_t)(equals - *e) - prefix,
				&(struct found){ equals + 1, SETTING_ENVIRONMENT, 0 });
	}
}

/* `--rdkafka-linger-ms 5` or `--rdkafka-linger-ms=5`; true where @arg was one. */
static bool pass_option(struct reading *r, int *at)
{
	static const char prefix[] = "--rdkafka-";
	const char *const arg = r->argv[*at];
	const char *const name = arg + sizeof(prefix) - 1;
	struct found given = { "", SETTING_OPTION, 0 };
	const char *equals;

	if (!r->passed || strncmp(arg, prefix, sizeof(prefix) - 1) != 0)
		return false;
	equals = strchr(name, '=');
	if (equals)
		given.text = equals + 1;
	else if (*at + 1 < r->argc)
		given.text = r->argv[++*at];
	else
		complain(r, arg, "", "an option needs a value");
	pass_on(r, name, equals ? (size_t)(equals - name) : strlen(name), &given);
	return true;
}

/* Where what was found for @option goes, or NULL. */
static struct found *place_of_option(struct reading *r, int *at, const char **value)
{
	char name[SETTING_NAME_MAX];

	setting_option(SETTINGS_FILE, name);
	*value = option_value(r, at, name);
	if (*value)
		return &r->path;
	for (size_t i = 0; i < r->program->count; i++) {
		setting_option(r->program->settings[i].name, name);
		*value = option_value(r, at, name);
		if (*value)
			return &r->found[i];
	}
	return NULL;
}

static void take_option(struct reading *r, int *at)
{
	char arg[SETTING_TEXT_MAX];
	const char *value;
	struct found *const place = place_of_option(r, at, &value);

	if (place && *value != '\0') {
		*place = (struct found){ value, SETTING_OPTION, 0 };
		return;
	}
	if (!place && pass_option(r, at))
		return;
	/* What stands behind = could be a secret. */
	(void)snprintf(arg, sizeof(arg), "%s", r->argv[*at]);
	arg[strcspn(arg, "=")] = '\0';
	complain(r, arg, "",
		place ? "an option needs a value" : "no such option; `config --help` lists them");
}

static void take_environment(struct found *place, const char *name)
{
	const char *const value = getenv(name);

	if (value && *value != '\0')
		*place = (struct found){ value, SETTING_ENVIRONMENT, 0 };
}

static void take_line(struct reading *r, size_t at)
{
	const char *const name = r->file.line[at].name, *const value = r->file.line[at].value;
	const struct found given = { value, SETTING_OF_FILE, r->file.line[at].number };
	char where[SETTING_TEXT_MAX + 32];

	for (size_t i = 0; value && i < r->program->count; i++) {
		if (strcmp(r->program->settings[i].name, name) != 0)
			continue;
		if (*value != '\0')
			r->found[i] = given;
		return;
	}
	if (value && r->passed && has_prefix(name)) {
		pass_on(r, name + strlen(SETTING_PREFIX), strlen(name) - strlen(SETTING_PREFIX),
			&given);
		return;
	}
	(void)snprintf(where, sizeof(where), "%s, line %d", r->path.text, given.line);
	complain(r, where, "",
		value ? "no such setting; `config --help` lists them" : "a line is NAME=value");
}

static void take_file(struct reading *r)
{
	struct fail why = { 0 };

	if (*HW9_SETTINGS_DIRECTORY && r->path.source == SETTING_DEFAULT) {
		(void)snprintf(r->usual_path, sizeof(r->usual_path),
			HW9_SETTINGS_DIRECTORY "/%s.conf", r->program->name);
		r->path.text = r->usual_path;
	}
	if (*r->path.text == '\0')
		return;
	if (settings_file_read(&r->file, r->path.text, r->path.source == SETTING_DEFAULT, &why)) {
		for (size_t i = 0; i < r->file.count; i++)
			take_line(r, i);
	} else {
		complain(r, SETTINGS_FILE, r->path.text, why.text);
	}
}

/* The weakest first; but the file's name may be an option. */
static void gather(struct reading *r)
{
	struct found nowhere = { "", SETTING_DEFAULT, 0 };
	char name[SETTING_NAME_MAX];

	setting_option(SETTINGS_FILE, name);
	r->path = nowhere;
	take_environment(&r->path, SETTINGS_FILE);
	for (int at = 0; at < r->argc && r->argv[at]; at++) {
		const char *const value = option_value(r, &at, name);

		if (value && *value != '\0')
			r->path = (struct found){ value, SETTING_OPTION, 0 };
	}
	for (size_t i = 0; i < r->program->count; i++)
		r->found[i] = (struct found){ r->program->settings[i].initial, SETTING_DEFAULT, 0 };
	if (r->passed)
		r->passed->count = 0;
	take_file(r);
	for (size_t i = 0; i < r->program->count; i++)
		take_environment(&r->found[i], r->program->settings[i].name);
	if (r->passed)
		pass_environment(r);
	for (int at = 0; at < r->argc && r->argv[at]; at++)
		take_option(r, &at);
}

static void tell_all(const struct reading *r, settings_told *tell, void *context)
{
	char name[sizeof(r->passed->item[0].name) + sizeof(SETTING_PREFIX)];

	tell(context, SETTINGS_FILE, r->path.text, r->path.source, 0);
	for (size_t i = 0; i < r->program->count; i++)
		tell(context, r->program->settings[i].name, r->found[i].text, r->found[i].source,
			r->found[i].line);
	for (size_t i = 0; r->passed && i < r->passed->count; i++) {
		const struct setting_passed *const item = &r->passed->item[i];

		(void)snprintf(name, sizeof(name), SETTING_PREFIX "%s", item->name);
		for (char *c = name; *c; c++)
			*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
		tell(context, name, item->value, item->source, item->line);
	}
}

static void store_all(struct reading *r, void *into)
{
	char range[SETTING_RANGE_MAX];

	for (size_t i = 0; i < r->program->count; i++) {
		const struct setting *const s = &r->program->settings[i];

		if (*r->found[i].text == '\0' && *s->initial == '\0' && s->smallest == 0)
			continue;
		if (!setting_store(s, r->found[i].text, into)) {
			setting_range(s, range);
			complain(r, s->name, r->found[i].text, range);
		}
	}
}

bool settings_tell(const struct program *program, int argc, char **argv, void *into,
	struct settings_passed *passed, settings_told *tell, void *context, struct fail *fail)
{
	struct reading *const r = calloc(1, sizeof(*r));
	bool good = false;

	if (r)
		r->found = calloc(program->count + 1, sizeof(*r->found));
	if (!r || !r->found) {
		fail_set(fail, FAIL_FATAL, "out of memory");
	} else {
		r->program = program;
		r->passed = passed;
		r->argc = argc;
		r->argv = argv;
		memset(into, 0, program->size); /* it may hold @passed */
		gather(r);
		if (tell)
			tell_all(r, tell, context);
		store_all(r, into);
		good = !program->check || program->check(program, into, passed, fail);
		if (!good || r->complaints > 0)
			good = fail_set(fail, FAIL_REFUSE, "settings are wrong");
	}
	if (r)
		free(r->found);
	free(r);
	return good;
}

bool settings_read(const struct program *program, int argc, char **argv, void *into,
	struct settings_passed *passed, struct fail *fail)
{
	return settings_tell(program, argc, argv, into, passed, NULL, NULL, fail);
}
