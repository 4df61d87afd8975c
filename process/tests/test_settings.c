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
	char url[SETTING_TEXT_MAX];
};

static const struct setting table[] = {
	{ "KAFKA_BROKERS", SETTING_TEXT, offsetof(struct wishes, brokers), "kafka1:9092", 1, 1000,
		"b", true },
	{ "HTTP_PORT", SETTING_NUMBER, offsetof(struct wishes, port), "8080", 0, 65535, "p", true },
	{ "PRINT", SETTING_SWITCH, offsetof(struct wishes, print), "on", 0, 0, "s", false },
	{ "LOG_LEVEL", SETTING_LEVEL, offsetof(struct wishes, level), "info", 0, 0, "l", true },
	{ "STOCK_URL", SETTING_URL, offsetof(struct wishes, url), "http://stock:8081", 8, 1000, "u",
		false },
};
/* A check across settings. */
static bool no_port_of_another(const struct program *of, const void *values,
	const struct settings_passed *passed, struct fail *fail)
{
	const struct wishes *const w = values;

	(void)passed;
	return w->port != 666 || settings_complain(of, "HTTP_PORT", "666", "another port", fail);
}

static const struct program program = {
	.name = "test-service",
	.summary = "s",
	.settings = table,
	.count = sizeof(table) / sizeof(table[0]),
	.size = sizeof(struct wishes),
	.check = no_port_of_another,
};

static bool read_with(struct wishes *w, struct settings_passed *passed, struct fail *fail, int argc,
	const char *const *argv)
{
	return settings_read(&program, argc, (char **)argv, w, passed, fail);
}

/* What settings_read says on standard error, as one text. */
static void complaints_of(int argc, const char *const *argv, char *out, size_t size)
{
	static struct settings_passed passed;
	struct fail fail = { 0 };
	struct wishes w;
	FILE *const file = tmpfile();
	const int before = dup(STDERR_FILENO);
	size_t length;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	assert_false(read_with(&w, &passed, &fail, argc, argv));
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
	unsetenv("RDKAFKA_SASL_PASSWORD");
	unsetenv("SETTINGS_FILE");
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

static void write_file(char path[32], const char *text)
{
	FILE *file;
	int fd;

	strcpy(path, "/tmp/settings-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void a_file_is_the_weakest_and_an_option_the_strongest(void **state)
{
	char path[32];
	const char *const args[] = { "--settings-file", path, "--log-level=error" };
	static struct settings_passed passed;
	struct fail fail = { 0 };
	struct wishes w;

	(void)state;
	write_file(path, "# ours\n\nHTTP_PORT=81\r\n  PRINT = off\nKAFKA_BROKERS=\"a:1,b:2\"\n"
			 "LOG_LEVEL=debug\nRDKAFKA_LINGER_MS='7'\nSTOCK_URL=\n");
	setenv("HTTP_PORT", "82", 1);
	assert_true(read_with(&w, &passed, &fail, 3, args));
	assert_int_equal(w.port, 82);
	assert_false(w.print);
	assert_string_equal(w.brokers, "a:1,b:2");
	assert_int_equal(w.level, LOG_ERROR);
	assert_string_equal(w.url, "http://stock:8081");
	assert_int_equal(passed.count, 1);
	assert_string_equal(passed.item[0].value, "7");
	assert_int_equal(passed.item[0].source, SETTING_OF_FILE);
	assert_int_equal(passed.item[0].line, 7);
	unlink(path);
}

static void what_is_wrong_in_a_file_is_said_with_its_line(void **state)
{
	char path[32], text[4096];
	const char *const args[] = { "--settings-file", path };

	(void)state;
	write_file(path, "HTTP_PORT=x\nHTP_PORT=1\nnonsense\nLOG_LEVEL=loud\n");
	complaints_of(2, args, text, sizeof(text));
	assert_non_null(strstr(text, "HTTP_PORT=x: a whole number"));
	assert_non_null(strstr(text, "line 2: no such setting"));
	assert_non_null(strstr(text, "line 3: a line is NAME=value"));
	assert_non_null(strstr(text, "LOG_LEVEL=loud"));
	unlink(path);
	complaints_of(2, args, text, sizeof(text));
	assert_non_null(strstr(text, "SETTINGS_FILE="));
	assert_non_null(strstr(text, "No such file"));
}

static void a_wrong_value_does_not_hide_a_check_across_settings(void **state)
{
	char text[4096];

	(void)state;
	setenv("HTTP_PORT", "666", 1);
	setenv("PRINT", "maybe", 1);
	setenv("STOCK_URL", "ftp://stock", 1);
	complaints_of(0, NULL, text, sizeof(text));
	assert_non_null(strstr(text, "PRINT=maybe"));
	assert_non_null(strstr(text, "HTTP_PORT=666: another port"));
	assert_non_null(strstr(text, "STOCK_URL=ftp://stock: a URL"));
}

static void secrets_are_not_shown(void **state)
{
	static const struct {
		const char *name, *value, *shown;
	} cases[] = {
		{ "RDKAFKA_SASL_PASSWORD", "hunter2", "***" },
		{ "sasl.password", "hunter2", "***" },
		{ "RDKAFKA_SASL_PASSWORD_FILE", "/run/secret", "/run/secret" },
		{ "RDKAFKA_SSL_KEY_PEM", "-----BEGIN", "***" },
		{ "RDKAFKA_SSL_KEY_LOCATION", "/etc/key", "/etc/key" },
		{ "RDKAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", "s", "***" },
		{ "OTEL_EXPORTER_OTLP_HEADERS", "authorization=x", "***" },
		{ "STORE", "postgresql://shop:hunter2@db/shop", "postgresql://shop:***@db/shop" },
		{ "STOCK_URL", "http://a:b@c@stock:1/x@y", "http://a:***@stock:1/x@y" },
		{ "STOCK_URL", "http://stock:1/x@y", "http://stock:1/x@y" },
		{ "SERVICES", "http://a:b@c,http://d,https://e:f@g/x",
			"http://a:***@c,http://d,https://e:***@g/x" },
		{ "TOPIC", "a\033[31m\nb", "a?[31m?b" },
		{ "RDKAFKA_SASL_PASSWORD", "", "" },
	};
	char shown[SETTING_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			setting_shown(cases[i].name, cases[i].value, shown), cases[i].shown);
}

static void a_secret_is_not_in_a_complaint_either(void **state)
{
	const char *const args[] = { "--sasl-password=hunter2" };
	char text[4096], secret[SETTING_TEXT_MAX + 8];

	(void)state;
	complaints_of(1, args, text, sizeof(text));
	assert_non_null(strstr(text, "--sasl-password: no such option"));
	assert_null(strstr(text, "hunter2"));
	memset(secret, 'x', sizeof(secret));
	secret[sizeof(secret) - 1] = '\0';
	setenv("RDKAFKA_SASL_PASSWORD", secret, 1);
	complaints_of(1, args, text, sizeof(text));
	assert_null(strstr(text, "xxx"));
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
		cmocka_unit_test_setup(a_file_is_the_weakest_and_an_option_the_strongest, clean),
		cmocka_unit_test_setup(what_is_wrong_in_a_file_is_said_with_its_line, clean),
		cmocka_unit_test_setup(a_wrong_value_does_not_hide_a_check_across_settings, clean),
		cmocka_unit_test_setup(secrets_are_not_shown, clean),
		cmocka_unit_test_setup(a_secret_is_not_in_a_complaint_either, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
