#include "process/settings.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/log.h"

extern char **environ;

struct reading {
	const struct program *program;
	struct settings_passed *passed;
	unsigned complaints;
	int argc;
	char **argv;
};

static void complain(struct reading *r, const char *name, const char *value, const char *range)
{
	fprintf(stderr, "%s: %s=%s: %s\n", r->program->name, name, value, range);
	r->complaints++;
}

bool settings_complain(const struct program *program, const char *name, const char *value,
	const char *range, struct fail *fail)
{
	struct reading r = { .program = program };

	complain(&r, name, value, range);
	return fail_set(fail, FAIL_REFUSE, "a setting is wrong");
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* HTTP_PORT is --http-port. */
static void option_name(const char *name, char *out, size_t size)
{
	size_t i = 0;

	for (; name[i] && i + 1 < size; i++)
		out[i] = name[i] == '_' ? '-' : lower(name[i]);
	out[i] = '\0';
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

static void store_number(struct reading *r, const struct setting *s, const char *text, void *into)
{
	char range[128];
	char *end = NULL;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)text[0]) ||
		value < s->smallest || value > s->largest) {
		(void)snprintf(range, sizeof(range), "a whole number from %" PRId64 " to %" PRId64,
			s->smallest, s->largest);
		complain(r, s->name, text, range);
		return;
	}
	memcpy(into, &(int64_t){ value }, sizeof(int64_t));
}

static void store_text(struct reading *r, const struct setting *s, const char *text, void *into)
{
	const int64_t length = (int64_t)strlen(text);
	char range[128];

	assert(s->largest < SETTING_TEXT_MAX);
	if (length < s->smallest || length > s->largest) {
		(void)snprintf(range, sizeof(range), "a text of %" PRId64 " to %" PRId64 " bytes",
			s->smallest, s->largest);
		complain(r, s->name, text, range);
		return;
	}
	memcpy(into, text, (size_t)length + 1);
}

static void store_switch(struct reading *r, const struct setting *s, const char *text, void *into)
{
	static const char *const words[][2] = { { "off", "on" }, { "false", "true" },
		{ "0", "1" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int on = 0; on < 2; on++) {
			if (strcmp(text, words[i][on]) == 0) {
				memcpy(into, &(bool){ on == 1 }, sizeof(bool));
				return;
			}
		}
	}
	complain(r, s->name, text, "on or off");
}

static void store(struct reading *r, const struct setting *s, const char *text, void *base)
{
	void *const into = (char *)base + s->offset;
	unsigned char address[sizeof(struct in6_addr)];
	enum log_level level;

	switch (s->kind) {
	case SETTING_TEXT:
		store_text(r, s, text, into);
		return;
	case SETTING_NUMBER:
		store_number(r, s, text, into);
		return;
	case SETTING_SWITCH:
		store_switch(r, s, text, into);
		return;
	case SETTING_ADDRESS:
		if (inet_pton(AF_INET, text, address) == 1 ||
			inet_pton(AF_INET6, text, address) == 1)
			strcpy(into, text); /* so it is short */
		else
			complain(r, s->name, text, "a numeric IPv4 or IPv6 address");
		return;
	case SETTING_LEVEL:
		if (log_level_parse(text, &level))
			memcpy(into, &level, sizeof(level));
		else
			complain(r, s->name, text, "debug, info, warning or error");
		return;
	}
}

/* RDKAFKA_LINGER_MS, or linger-ms of an option, becomes linger.ms; a later one wins. */
static void pass_on(struct reading *r, const char *name, size_t length, const char *value)
{
	struct setting_passed item = { 0 };
	size_t i;

	if (*value == '\0')
		return;
	if (length == 0 || length >= sizeof(item.name) || strlen(value) >= sizeof(item.value)) {
		complain(r, SETTING_PREFIX "...", value,
			"a property name and a value of 1 to 1023 bytes");
		return;
	}
	for (i = 0; i < length; i++)
		item.name[i] = name[i] == '_' || name[i] == '-' ? '.' : lower(name[i]);
	strcpy(item.value, value);
	for (i = 0; i < r->passed->count; i++) {
		if (strcmp(r->passed->item[i].name, item.name) == 0)
			break;
	}
	if (i == SETTING_PASSED_MAX) {
		complain(r, SETTING_PREFIX "...", value, "at most 64 of them");
		return;
	}
	r->passed->item[i] = item;
	if (i == r->passed->count)
		r->passed->count++;
}

static void pass_environment(struct reading *r)
{
	const size_t prefix = strlen(SETTING_PREFIX);

	for (char **e = environ; *e; e++) {
		const char *const equals = strchr(*e, '=');

		if (equals && strncmp(*e, SETTING_PREFIX, prefix) == 0)
			pass_on(r, *e + prefix, (size_t)(equals - *e) - prefix, equals + 1);
	}
}

/* `--rdkafka-linger-ms 5` or `--rdkafka-linger-ms=5`; true where @arg was one. */
static bool pass_option(struct reading *r, int *at)
{
	static const char prefix[] = "--rdkafka-";
	const char *const arg = r->argv[*at];
	const char *const name = arg + sizeof(prefix) - 1;
	const char *equals;

	if (!r->passed || strncmp(arg, prefix, sizeof(prefix) - 1) != 0)
		return false;
	equals = strchr(name, '=');
	if (equals)
		pass_on(r, name, (size_t)(equals - name), equals + 1);
	else if (*at + 1 < r->argc)
		pass_on(r, name, strlen(name), r->argv[++*at]);
	else
		complain(r, arg, "", "an option needs a value");
	return true;
}

static bool take_option(struct reading *r, int *at, const char **chosen)
{
	for (size_t i = 0; i < r->program->count; i++) {
		char name[128];
		const char *value;

		option_name(r->program->settings[i].name, name, sizeof(name));
		value = option_value(r, at, name);
		if (!value)
			continue;
		if (*value == '\0')
			complain(r, r->program->settings[i].name, "", "an option needs a value");
		chosen[i] = value;
		return true;
	}
	return pass_option(r, at);
}

bool settings_read(const struct program *program, int argc, char **argv, void *into,
	struct settings_passed *passed, struct fail *fail)
{
	struct reading r = { .program = program, .passed = passed, .argc = argc, .argv = argv };
	const char **chosen = calloc(program->count + 1, sizeof(*chosen));

	if (!chosen)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	for (size_t i = 0; i < program->count; i++)
		chosen[i] = getenv(program->settings[i].name);
	if (passed) {
		passed->count = 0;
		pass_environment(&r);
	}
	for (int at = 0; at < argc && argv[at]; at++) {
		const char *const arg = argv[at];

		if (!take_option(&r, &at, chosen))
			complain(&r, arg, "", "no such option; --help lists them");
	}
	for (size_t i = 0; i < program->count; i++) {
		const struct setting *const s = &program->settings[i];
		const bool set = chosen[i] && *chosen[i] != '\0';

		store(&r, s, set ? chosen[i] : s->initial, into);
	}
	free(chosen);
	if (r.complaints > 0)
		return fail_set(fail, FAIL_REFUSE, "%u %s wrong; --help lists them", r.complaints,
			r.complaints == 1 ? "setting is" : "settings are");
	return true;
}

const char *program_version_text(void)
{
	return *HW9_COMMIT ? HW9_VERSION " (" HW9_COMMIT ")" : HW9_VERSION;
}

static void help(const struct program *program)
{
	printf("%s: %s\n\n%s\nSettings, from the environment or as options "
	       "(HTTP_PORT=0 or --http-port 0):\n",
		program->name, program->summary, program->usage);
	for (size_t i = 0; i < program->count; i++) {
		const struct setting *const s = &program->settings[i];

		printf("  %-22s %s%s%s%s\n", s->name, s->help, *s->initial ? " [" : "", s->initial,
			*s->initial ? "]" : "");
	}
	printf("  %-22s any librdkafka property: RDKAFKA_SECURITY_PROTOCOL is security.protocol\n",
		SETTING_PREFIX "...");
}

bool program_answers(const struct program *program, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			help(program);
			return true;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("%s %s\n", program->name, program_version_text());
			return true;
		}
	}
	return false;
}
