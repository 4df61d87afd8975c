#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/line.h"

#define DESIGN                                                                                     \
	"2025-07-08T19:15:32.481Z partition=0 offset=17 source=cart/5f2c9e1b id=18 "               \
	"delay_ms=3 {\"type\":\"cart_item_added\"}"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static const struct line design = { .time_ms = 1752002132481,
	.partition = 0,
	.offset = 17,
	.source = "cart/5f2c9e1b",
	.source_length = 13,
	.id = 18,
	.delay_ms = 3,
	.value = "{\"type\":\"cart_item_added\"}",
	.length = 26 };

static void assert_same(const struct line *a, const struct line *b)
{
	assert_int_equal(a->time_ms, b->time_ms);
	assert_int_equal(a->partition, b->partition);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->source_length, b->source_length);
	if (a->source_length > 0)
		assert_memory_equal(a->source, b->source, a->source_length);
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->delay_ms, b->delay_ms);
	assert_int_equal(a->trace != NULL, b->trace != NULL);
	if (a->trace)
		assert_memory_equal(a->trace, b->trace, strlen(TRACE));
	assert_int_equal(a->length, b->length);
	assert_memory_equal(a->value, b->value, a->length);
}

static bool is_line(const char *text)
{
	struct line_second second = { 0 };
	struct line line;

	return line_read(&second, text, strlen(text), &line);
}

static void a_line_comes_out_as_the_design_shows_it(void **state)
{
	struct line_second second = { 0 };
	struct line nameless = design;
	char text[LINE_HEAD_MAX + 64];
	size_t length = line_write(&second, &design, text);

	(void)state;
	assert_int_equal(length, strlen(DESIGN) + 1);
	assert_memory_equal(text, DESIGN "\n", length);
	nameless.source_length = 0;
	nameless.id = 0;
	nameless.delay_ms = -12;
	length = line_write(&second, &nameless, text);
	text[length - 1] = '\0';
	assert_string_equal(text, "2025-07-08T19:15:32.481Z partition=0 offset=17 source=- id=- "
				  "delay_ms=-12 {\"type\":\"cart_item_added\"}");
}

static void every_line_is_read_back_as_it_was_written(void **state)
{
	static const int64_t numbers[] = { 0, 1, 9, 10, 999, 1000, 4294967296, INT64_MAX };
	static const int64_t times[] = { 1752002132481, 1752002132999, 1752002133000, 1752002132000,
		0, 999, 253402300799999, 951782400001 };
	struct line_second writing = { 0 }, reading = { 0 };
	char text[LINE_HEAD_MAX + 64], source[127];

	(void)state;
	memset(source, '!', sizeof(source));
	for (int i = 0; i < 8 * 8 * 8; i++) {
		const int64_t number = numbers[i % 8];
		struct line line = design, back;
		size_t length;

		line.time_ms = times[i / 8 % 8];
		line.offset = number;
		line.partition = i % 2 == 0 ? INT32_MAX : 1;
		line.id = number > 0 ? number : 1;
		line.delay_ms = i % 3 == 0 ? -number : number;
		line.source = i / 64 % 2 == 0 ? source : "stock/1";
		line.source_length = i / 64 % 2 == 0 ? sizeof(source) : 7;
		if (i / 64 == 7) {
			line.source_length = 0;
			line.id = 0;
		}
		line.trace = i % 2 == 0 ? TRACE "-01" : NULL; /* only its digits are */
		length = line_write(&writing, &line, text);
		assert_true(length <= LINE_HEAD_MAX + line.length);
		assert_int_equal(text[length - 1], '\n');
		assert_true(line_read(&reading, text, length - 1, &back));
		assert_same(&line, &back);
	}
}

static void a_line_that_breaks_off_anywhere_before_its_value_is_none(void **state)
{
	char text[] = DESIGN;

	(void)state;
	for (size_t length = 0; length < sizeof(DESIGN); length++) {
		const bool whole_head = length > sizeof(DESIGN) - 1 - design.length;
		struct line_second second = { 0 };
		struct line line;

		/* Within the value only the missing line break tells. */
		assert_int_equal(line_read(&second, text, length, &line), whole_head);
	}
}

static void the_trace_stands_before_the_value_where_there_is_one(void **state)
{
	struct line_second second = { 0 };
	struct line traced = design, line;
	char text[LINE_HEAD_MAX + 64];
	size_t length;

	(void)state;
	traced.trace = TRACE;
	length = line_write(&second, &traced, text);
	text[length - 1] = '\0';
	assert_non_null(strstr(text, " delay_ms=3 trace=" TRACE " {\"type\":"));
	for (size_t cut = 0; cut < length; cut++) {
		const bool whole_head = cut > length - 1 - design.length;

		assert_int_equal(line_read(&second, text, cut, &line), whole_head);
	}
}

static void what_is_not_exactly_a_line_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{\"type\":\"cart_item_added\"}",
		" 2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32Z partition=0 offset=17 source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.48xZ partition=0 offset=17 source=a id=18 delay_ms=3 {}",
		"2025-13-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z  partition=0 offset=17 source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=-1 offset=17 source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=2147483648 offset=17 source=a id=1 delay_ms=3 "
		"{}",
		"2025-07-08T19:15:32.481Z partition=0 offset= source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=017 source=a id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=9223372036854775808 source=a id=1 "
		"delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source= id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=0 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=- delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=- id=18 delay_ms=3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=--3 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 ",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 "
		"trace= {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 "
		"trace=4bf92f3577b34da6a3ce929d0e0e473 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 "
		"trace=4bf92f3577b34da6a3ce929d0e0e47361 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 "
		"trace=4BF92f3577b34da6a3ce929d0e0e4736 {}",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 "
		"trace=4bf92f3577b34da6a3ce929d0e0e4736",
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 "
		"trace=4bf92f3577b34da6a3ce929d0e0e4736 ",
		"2025-07-08T19:15:32.481Z offset=17 partition=0 source=a id=18 delay_ms=3 {}",
	};
	static const char zeros[] =
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 {\0\0}";
	struct line_second second = { 0 };
	struct line line;

	(void)state;
	assert_true(is_line(DESIGN));
	assert_true(is_line(
		"2025-07-08T19:15:32.481Z partition=0 offset=17 source=a id=18 delay_ms=3 {}"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (is_line(bad[i]))
			fail_msg("taken for a line: %s", bad[i]);
	}
	assert_false(line_read(&second, zeros, sizeof(zeros) - 1, &line));
}

static void a_bad_fraction_is_seen_in_a_known_second_too(void **state)
{
	static const char bad[] =
		"2025-07-08T19:15:32.4:1Z partition=0 offset=17 source=a id=18 delay_ms=3 {}";
	struct line_second second = { 0 };
	struct line line;

	(void)state;
	assert_true(line_read(&second, DESIGN, sizeof(DESIGN) - 1, &line));
	assert_false(line_read(&second, bad, sizeof(bad) - 1, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_comes_out_as_the_design_shows_it),
		cmocka_unit_test(every_line_is_read_back_as_it_was_written),
		cmocka_unit_test(a_line_that_breaks_off_anywhere_before_its_value_is_none),
		cmocka_unit_test(the_trace_stands_before_the_value_where_there_is_one),
		cmocka_unit_test(what_is_not_exactly_a_line_is_refused),
		cmocka_unit_test(a_bad_fraction_is_seen_in_a_known_second_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
