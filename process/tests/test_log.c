#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "process/log.h"

#define LINE_MAX_BYTES (7 * LOG_LINE_MAX)

/* The line as a second opinion reads it: strictly, no key twice. */
static json_t *object_of(const char *text)
{
	char line[LINE_MAX_BYTES];
	json_error_t error;
	const size_t length =
		log_json(line, sizeof(line), "2026-01-02T03:04:05.678Z", "info", "room", text);
	json_t *object;

	assert_int_equal(strlen(line), length);
	assert_int_equal(line[length - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + length - 1);
	object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s in %s", error.text, line);
	return object;
}

static void assert_field(const char *text, const char *key, const char *expected)
{
	json_t *const object = object_of(text);
	const char *const found = json_string_value(json_object_get(object, key));

	assert_non_null(found);
	assert_string_equal(found, expected);
	json_decref(object);
}

static void a_line_has_time_level_room_and_message(void **state)
{
	(void)state;
	assert_field("stopping", "time", "2026-01-02T03:04:05.678Z");
	assert_field("stopping", "level", "info");
	assert_field("stopping", "room", "room");
	assert_field("stopping", "message", "stopping");
}

static void pairs_become_fields_and_numbers_stay_numbers(void **state)
{
	json_t *const object = object_of("listening at address=127.0.0.1 port=8080 low=-3 id=007 "
					 "big=1234567890123456 empty=");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(object, "message")), "listening at");
	assert_string_equal(json_string_value(json_object_get(object, "address")), "127.0.0.1");
	assert_int_equal(json_integer_value(json_object_get(object, "port")), 8080);
	assert_int_equal(json_integer_value(json_object_get(object, "low")), -3);
	assert_true(json_is_string(json_object_get(object, "id")));
	assert_true(json_is_string(json_object_get(object, "big")));
	assert_string_equal(json_string_value(json_object_get(object, "empty")), "");
	json_decref(object);
}

static void a_value_goes_on_until_the_next_key(void **state)
{
	(void)state;
	assert_field("open path=/a b/c d number=3", "path", "/a b/c d");
	assert_field("HTTP_PORT=x: a number", "message", "HTTP_PORT=x: a number");
	assert_field("path=/x", "message", "");
}

static void a_key_that_is_there_already_is_told_apart(void **state)
{
	(void)state;
	assert_field("m room=a level=b x=c x=d x=e", "room_1", "a");
	assert_field("m room=a level=b x=c x=d x=e", "x_4", "d");
	assert_field("m room=a level=b x=c x=d x=e", "x_5", "e");
}

static void any_bytes_make_json(void **state)
{
	uint64_t x = 1;
	char text[LOG_LINE_MAX];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t length;

		x = x * 6364136223846793005u + 1442695040888963407u;
		length = (size_t)(x >> 33) % 80;
		for (size_t i = 0; i < length; i++) {
			static const char often[] = "ab= \"\\=\n\xc3\xa4\xf0\x9f\xed\xa0\x80\x7f";

			x = x * 6364136223846793005u + 1442695040888963407u;
			text[i] = x >> 63 ? often[(x >> 40) % (sizeof(often) - 1)]
					  : (char)(1 + (x >> 40) % 255);
		}
		text[length] = '\0';
		json_decref(object_of(text));
	}
}

static void utf8_is_kept_and_what_is_none_is_replaced(void **state)
{
	(void)state;
	assert_field("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "message",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_field("a\xff\x62\xed\xa0\x80", "message",
		"a\xef\xbf\xbd\x62\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_field("a\tb\"c\\d\n", "message", "a\tb\"c\\d\n");
}

static void a_line_without_room_is_cut_and_stays_json(void **state)
{
	char text[LOG_LINE_MAX], line[LINE_MAX_BYTES];

	(void)state;
	memset(text, '\1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text + 500, " key=", 5);
	for (size_t size = 512; size < 600; size++) {
		const size_t length = log_json(line, size, "t", "info", "room", text);
		json_t *const object = json_loadb(line, length, 0, NULL);

		assert_non_null(object);
		assert_true(length < size);
		json_decref(object);
	}
	assert_true(log_json(line, sizeof(line), "t", "info", "room", text) > 6 * 1000);
}

static void the_format_is_what_was_set(void **state)
{
	FILE *const file = tmpfile();
	const int before = dup(STDERR_FILENO);
	enum log_format format;
	char text[512] = "";
	json_t *object;

	(void)state;
	assert_non_null(file);
	assert_false(log_format_parse("xml", &format));
	assert_true(log_format_parse("json", &format));
	dup2(fileno(file), STDERR_FILENO);
	log_format_set(format);
	log_info("main", "two\nlines port=%d", 3);
	log_format_set(LOG_TEXT);
	log_info("main", "two\nlines port=%d", 3);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	assert_non_null(fgets(text, sizeof(text), file));
	object = json_loads(text, 0, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "message")), "two\nlines");
	json_decref(object);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_non_null(strstr(text, " info main two lines port=3\n"));
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_room_and_message),
		cmocka_unit_test(pairs_become_fields_and_numbers_stay_numbers),
		cmocka_unit_test(a_value_goes_on_until_the_next_key),
		cmocka_unit_test(a_key_that_is_there_already_is_told_apart),
		cmocka_unit_test(any_bytes_make_json),
		cmocka_unit_test(utf8_is_kept_and_what_is_none_is_replaced),
		cmocka_unit_test(a_line_without_room_is_cut_and_stays_json),
		cmocka_unit_test(the_format_is_what_was_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
