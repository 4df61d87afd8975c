/* What is handed on of a tracestate. The cases of what is sound are those of the W3C's own test
 * suite (https://github.com/w3c/trace-context, test/test.py), for level 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "trace/tracestate.h"

/* What is handed on of one header, or of two. */
static const char *handed_on(const char *first, const char *second)
{
	static char out[TRACESTATE_MAX];
	struct tracestate state = { 0 };

	tracestate_read(&state, first, strlen(first));
	if (second)
		tracestate_read(&state, second, strlen(second));
	tracestate_write(&state, out);
	return out;
}

/* @count times the same letter. */
static const char *letters(char letter, size_t count)
{
	static char texts[4][600];
	static size_t next;
	char *const text = texts[next++ % 4];

	assert_true(count < sizeof(texts[0]));
	memset(text, letter, count);
	text[count] = '\0';
	return text;
}

static void what_is_sound_is_handed_on_without_spaces(void **state)
{
	static const char *const pairs[][2] = {
		{ "foo=1", "foo=1" },
		{ "foo=1,bar=2", "foo=1,bar=2" },
		{ "foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3" },
		{ "foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3" },
		{ " foo=1", "foo=1" },
		{ "\tfoo=1\t", "foo=1" },
		{ "foo= 1", "foo= 1" }, /* it belongs to the value */
		{ "", "" },
		{ ",", "" },
		{ "foo=1,", "foo=1" },
		{ "foo=1,,bar=2", "foo=1,bar=2" },
		{ "foo=1, ,bar=2", "foo=1,bar=2" },
		{ "foo=1,foo=1", "foo=1" },
		{ "foo=1,foo=2,bar=3", "foo=1,bar=3" },
		{ "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
			"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" },
		{ "fw529a3039@dt=FfSAN,0@a=1", "fw529a3039@dt=FfSAN,0@a=1" },
		{ "abcdefghijklmnopqrstuvwxyz0123456789_-*/= !\"#$%&'()*+-./0123456789:;<>?@ABC"
		  "DEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
			"abcdefghijklmnopqrstuvwxyz0123456789_-*/= !\"#$%&'()*+-./0123456789:;<>?@"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_string_equal(handed_on(pairs[i][0], NULL), pairs[i][1]);
}

static void of_several_headers_one_list_is_made(void **state)
{
	(void)state;
	assert_string_equal(handed_on("foo=1,", "bar=2"), "foo=1,bar=2");
	assert_string_equal(handed_on("foo=1", ""), "foo=1");
	assert_string_equal(handed_on("", "foo=1"), "foo=1");
	assert_string_equal(handed_on("foo=1", "foo=2"), "foo=1");
	assert_string_equal(handed_on("foo=1", "BAR=2"), "");
	assert_string_equal(handed_on("BAR=2", "foo=1"), "");
}

static void what_is_not_sound_drops_the_whole(void **state)
{
	static const char *const bad[] = { "foo", "foo=", "=1", "foo =1", "FOO=1", "foo.bar=1",
		"foo@=1,bar=2", "@foo=1,bar=2", "foo@@bar=1,bar=2", "foo@bar@baz=1,bar=2",
		"foo@1a=1", "1foo=1", "_foo=1", "foo=1;bar=2", "foo=bar=baz", "foo=,bar=3",
		"foo=1\x7f", "foo=\xc3\xa4", "foo=a\tb", "foo=1,bar", "\n", "foo=1\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (*handed_on(bad[i], NULL))
			fail_msg("taken: %s", bad[i]);
	}
}

static void lengths_have_their_limits(void **state)
{
	static const struct {
		size_t tenant, system, value; /* tenant 0: no @ */
		bool sound;
	} cases[] = { { 0, 256, 1, true }, { 0, 257, 1, false }, { 241, 14, 1, true },
		{ 242, 14, 1, false }, { 241, 15, 1, false }, { 1, 1, 1, true },
		{ 0, 1, 256, true }, { 0, 1, 257, false } };
	char text[1100];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s%s%s=%s", letters('t', cases[i].tenant),
			cases[i].tenant > 0 ? "@" : "", letters('v', cases[i].system),
			letters('x', cases[i].value));
		assert_string_equal(handed_on(text, NULL), cases[i].sound ? text : "");
	}
}

static void more_than_32_members_are_none(void **state)
{
	char text[33 * 8] = "";

	(void)state;
	for (int i = 1; i <= 33; i++) {
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sa%02d=%d",
			i > 1 ? "," : "", i, i % 10);
		assert_string_equal(handed_on(text, NULL), i <= 32 ? text : "");
	}
}

static void of_one_that_is_too_long_large_members_go_first_and_then_the_last(void **state)
{
	char text[4096], wanted[TRACESTATE_MAX];

	(void)state;
	/* 512 bytes fit */
	(void)snprintf(text, sizeof(text), "a=%s,b=%s", letters('x', 253), letters('y', 254));
	assert_int_equal(strlen(text), 512);
	assert_string_equal(handed_on(text, NULL), text);
	/* 513 do not: the last one of the large */
	(void)snprintf(text, sizeof(text), "a=%s,b=%s,c=1", letters('x', 252), letters('y', 252));
	assert_int_equal(strlen(text), 513);
	(void)snprintf(wanted, sizeof(wanted), "a=%s,c=1", letters('x', 252));
	assert_string_equal(handed_on(text, NULL), wanted);
	/* 128 bytes are not large: five of them, and the last one goes */
	(void)snprintf(text, sizeof(text), "a=%s,b=%s,c=%s,", letters('x', 126), letters('x', 126),
		letters('x', 126));
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "d=%s", letters('x', 126));
	(void)snprintf(wanted, sizeof(wanted), "a=%s,b=%s,c=%s", letters('x', 126),
		letters('x', 126), letters('x', 126));
	assert_string_equal(handed_on(text, NULL), wanted);
	/* one of 129 goes before them, though it is the first */
	(void)snprintf(text, sizeof(text), "a=%s,b=%s,c=%s,", letters('x', 127), letters('x', 126),
		letters('x', 126));
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "d=%s", letters('x', 126));
	assert_string_equal(handed_on(text, NULL), strchr(text, ',') + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sound_is_handed_on_without_spaces),
		cmocka_unit_test(of_several_headers_one_list_is_made),
		cmocka_unit_test(what_is_not_sound_drops_the_whole),
		cmocka_unit_test(lengths_have_their_limits),
		cmocka_unit_test(more_than_32_members_are_none),
		cmocka_unit_test(of_one_that_is_too_long_large_members_go_first_and_then_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
