#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/log.h"
#include "process/settings.h"

struct wishes {
	char brokers[SETTING_TEXT_MAX];
	int64_t port;
	bool print;
	enum log_level level;
};

static const struct setting table[] = {
	{ "KAFKA_BROKERS", SETTING_TEXT, offsetof(struct wishes, brokers), "kafka1:9092", 1, 1000,
		"b" },
	{ "HTTP_PORT", SETTING_NUMBER, offsetof(struct wishes, port), "8080", 0, 65535, "p" },
	{ "PRINT", SETTING_SWITCH, offsetof(struct wishes, print), "on", 0, 0, "s" },
	{ "LOG_LEVEL", SETTING_LEVEL, offsetof(struct wishes, level), "info", 0, 0, "l" },
};
static const struct program program = {
	.name = "test-service",
	.summary = "s",
	.usage = "",
	.settings = table,
	.count = 4,
};

static bool read_with(struct wishes *w, struct settings_passed *passed, struct fail *fail, int argc,
	const char *const *argv)
{
	return settings_read(&program, argc, (char **)argv, w, passed, fail);
}

/* What settings_read says on standard error, as one text. */
static void complaints_of(int argc, const char *const *argv, char *out, size_t size)
{
	struct fail fail = { 0 };
	struct wishes w;
	FILE *const file = tmpfile();
	const int before = dup(STDERR_FILENO);
	size_t length;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	assert_false(read_with(&w, NULL, &fail, argc, argv));
	dup2(before, STDERR_FILENO);
	close(before);
	assert_int_equal(fail.kind, FAIL_REFUSE);
	rewind(file);
	length = fread(out, 1, size - 1, file);
	out[length] = '\0';
	fclose(file);
}

static int clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < program.count; i++)
		unsetenv(table[i].name);
	unsetenv("RDKAFKA_LINGER_MS");
	return 0;
}

static void nothing_set_gives_the_defaults(void **state)
{
	struct fail fail = { 0 };
	struct wishes w;

	(void)state;
	assert_true(read_with(&w, NULL, &fail, 0, NULL));
	assert_string_equal(w.brokers, "kafka1:9092");
	assert_int_equal(w.port, 8080);
	assert_true(w.print);
	assert_int_equal(w.level, LOG_INFO);
}

static void an_option_wins_over_the_environment(void **state)
{
	const char *const args[] = { "--http-port", "81", "--print=off" };
	struct fail fail = { 0 };
	struct wishes w;

	(void)state;
	setenv("HTTP_PORT", "80", 1);
	setenv("LOG_LEVEL", "debug", 1);
	assert_true(read_with(&w, NULL, &fail, 3, args));
	assert_int_equal(w.port, 81);
	assert_false(w.print);
	assert_int_equal(w.level, LOG_DEBUG);
}

static void an_empty_variable_counts_as_not_set(void **state)
{
	struct fail fail = { 0 };
	struct wishes w;

	(void)state;
	setenv("HTTP_PORT", "", 1);
	assert_true(read_with(&w, NULL, &fail, 0, NULL));
	assert_int_equal(w.port, 8080);
}

static void every_wrong_setting_is_named_at_once(void **state)
{
	const char *const args[] = { "--htp-port", "--print=maybe" };
	char text[4096];

	(void)state;
	setenv("HTTP_PORT", "65536", 1);
	setenv("LOG_LEVEL", "loud", 1);
	complaints_of(2, args, text, sizeof(text));
	assert_non_null(
		strstr(text, "test-service: HTTP_PORT=65536: a whole number from 0 to 65535\n"));
	assert_non_null(strstr(text, "test-service: PRINT=maybe: on or off\n"));
	assert_non_null(strstr(text, "LOG_LEVEL=loud: debug, info, warning or error\n"));
	assert_non_null(strstr(text, "--htp-port"));
}

static void numbers_are_read_to_their_last_character(void **state)
{
	static const char *const wrong[] = { "80x", " 80", "8 0", "0x50", "1e3", "-1",
		"99999999999999999999", "--" };
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("HTTP_PORT", wrong[i], 1);
		complaints_of(0, NULL, text, sizeof(text));
		assert_non_null(strstr(text, wrong[i]));
	}
}

static void rdkafka_settings_are_passed_with_dots(void **state)
{
	const char *const args[] = { "--rdkafka-linger-ms=7", "--rdkafka-client-id", "me" };
	static struct settings_passed passed;
	struct fail fail = { 0 };
	struct wishes w;

	(void)state;
	setenv("RDKAFKA_LINGER_MS", "5", 1);
	assert_true(read_with(&w, &passed, &fail, 3, args));
	assert_int_equal(passed.count, 2);
	assert_string_equal(passed.item[0].name, "linger.ms");
	assert_string_equal(passed.item[0].value, "7");
	assert_string_equal(passed.item[1].name, "client.id");
	assert_string_equal(passed.item[1].value, "me");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_set_gives_the_defaults, clean),
		cmocka_unit_test_setup(an_option_wins_over_the_environment, clean),
		cmocka_unit_test_setup(an_empty_variable_counts_as_not_set, clean),
		cmocka_unit_test_setup(every_wrong_setting_is_named_at_once, clean),
		cmocka_unit_test_setup(numbers_are_read_to_their_last_character, clean),
		cmocka_unit_test_setup(rdkafka_settings_are_passed_with_dots, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
