#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "trace/traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"
#define SOUND "00-" TRACE "-" SPAN "-01"

static bool is_sound(const char *text)
{
	struct trace_context context;

	return traceparent_read(text, strlen(text), &context);
}

static void a_sound_one_is_read_and_written_alike(void **state)
{
	struct trace_context context;
	char text[TRACEPARENT_MAX];

	(void)state;
	assert_true(traceparent_read(SOUND, strlen(SOUND), &context));
	assert_int_equal(context.trace[0], 0x4b);
	assert_int_equal(context.span[7], 0xb7);
	assert_int_equal(context.flags, TRACE_SAMPLED);
	traceparent_write(&context, text);
	assert_string_equal(text, SOUND);
}

static void one_of_a_later_version_is_read_as_far_as_it_is_known(void **state)
{
	struct trace_context context;
	char text[TRACEPARENT_MAX];

	(void)state;
	assert_true(is_sound("cc-" TRACE "-" SPAN "-01"));
	assert_true(is_sound("cc-" TRACE "-" SPAN "-01-what-comes"));
	assert_false(is_sound("cc-" TRACE "-" SPAN "-01.what-comes"));
	assert_false(is_sound("cc-" TRACE "-" SPAN "-0102"));
	assert_true(traceparent_read("01-" TRACE "-" SPAN "-00-", strlen(SOUND) + 1, &context));
	traceparent_write(&context, text);
	assert_string_equal(text, "00-" TRACE "-" SPAN "-00");
}

static void what_is_not_sound_is_none(void **state)
{
	static const char *const bad[] = { "", "00", "nonsense", "ff-" TRACE "-" SPAN "-01",
		SOUND "-", SOUND "-more", "00-" TRACE "-" SPAN "-0", "00-" TRACE "-" SPAN "-",
		"0-" TRACE "-" SPAN "-001", "00-00000000000000000000000000000000-" SPAN "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
		"00-" TRACE "-00F067AA0BA902B7-01", "0X-" TRACE "-" SPAN "-01",
		"00-" TRACE "-" SPAN "-0G", "00_" TRACE "_" SPAN "_01", " " SOUND, SOUND " ",
		"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (is_sound(bad[i]))
			fail_msg("taken: %s", bad[i]);
	}
}

/* Every byte of a sound one, put to every value. */
static void each_byte_has_its_digits(void **state)
{
	char text[] = SOUND;

	(void)state;
	for (size_t at = 0; at < strlen(SOUND); at++) {
		for (int byte = 1; byte < 256; byte++) {
			const bool dash = SOUND[at] == '-';
			const bool digit = strchr("0123456789abcdef", byte) != NULL;

			text[at] = (char)byte;
			assert_int_equal(is_sound(text), dash ? byte == '-' : digit);
		}
		text[at] = SOUND[at];
	}
}

static void new_ones_are_sound_and_differ(void **state)
{
	struct trace_context first, second, read;
	char text[TRACEPARENT_MAX];

	(void)state;
	assert_true(trace_make_id(&first) && trace_make_id(&second));
	assert_memory_not_equal(first.trace, second.trace, 16);
	traceparent_write(&first, text);
	assert_true(traceparent_read(text, strlen(text), &read));
	assert_memory_equal(&read, &first, sizeof(read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_one_is_read_and_written_alike),
		cmocka_unit_test(one_of_a_later_version_is_read_as_far_as_it_is_known),
		cmocka_unit_test(what_is_not_sound_is_none),
		cmocka_unit_test(each_byte_has_its_digits),
		cmocka_unit_test(new_ones_are_sound_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
