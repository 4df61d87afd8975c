#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "event/own.h"

/* The seed's four, and our two. */
static const struct event examples[] = {
	{ .type = EVENT_CART_ITEM_ADDED,
		.at_ms = 1752002132000,
		.sku = "A123",
		.count = 2,
		.cart_id = "xyz123" },
	{ .type = EVENT_CART_ITEM_FAILED,
		.at_ms = 1752002164000,
		.sku = "A123",
		.count = 5,
		.cart_id = "xyz123",
		.reason = "not enough stock" },
	{ .type = EVENT_SKU_CREATED,
		.at_ms = 1752002417000,
		.sku = "A123",
		.count = 100,
		.price_cents = 1250 },
	{ .type = EVENT_STOCK_CHANGED,
		.at_ms = 1752002510000,
		.sku = "A123",
		.count = 12,
		.price_cents = 1250 },
	{ .type = EVENT_CART_ITEM_REMOVED,
		.at_ms = 1752002241000,
		.sku = "A123",
		.count = 2,
		.cart_id = "xyz123" },
	{ .type = EVENT_CART_CLEARED, .at_ms = 1752002320000, .count = 3, .cart_id = "xyz123" },
};
#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))

static int reader_setup(void **state)
{
	*state = event_reader_new();
	return *state ? 0 : -1;
}

static int reader_teardown(void **state)
{
	struct event_reader *reader = *state;

	event_reader_free(&reader);
	return 0;
}

static size_t golden(enum event_type type, char out[EVENT_JSON_MAX])
{
	char path[512];
	size_t length;
	FILE *file;

	(void)snprintf(
		path, sizeof(path), "%s/examples/%s.json", ROOM_DIRECTORY, event_type_name(type));
	file = fopen(path, "rb");
	assert_non_null(file);
	length = fread(out, 1, EVENT_JSON_MAX - 1, file);
	fclose(file);
	out[length] = '\0';
	return length;
}

static enum event_flaw decode_text(void **state, const char *text)
{
	struct event event;

	return event_decode(*state, text, strlen(text), &event);
}

static void the_examples_come_out_byte_for_byte(void **state)
{
	char ours[EVENT_JSON_MAX], theirs[EVENT_JSON_MAX];

	(void)state;
	for (size_t i = 0; i < EXAMPLES; i++) {
		const size_t length = golden(examples[i].type, theirs);

		assert_int_equal(event_encode(&examples[i], ours), length);
		assert_string_equal(ours, theirs);
	}
}

static void the_examples_are_read_back(void **state)
{
	char text[EVENT_JSON_MAX];
	static struct event event;

	for (size_t i = 0; i < EXAMPLES; i++) {
		const struct event *const want = &examples[i];
		const size_t length = golden(want->type, text);

		assert_int_equal(event_decode(*state, text, length, &event), EVENT_SOUND);
		assert_int_equal(event.type, want->type);
		assert_int_equal(event.at_ms, want->at_ms);
		assert_string_equal(event.sku, want->sku);
		assert_string_equal(event.cart_id, want->cart_id);
		assert_string_equal(event.reason, want->reason);
		assert_int_equal(event.count, want->count);
		assert_int_equal(event.price_cents, want->price_cents);
	}
}

static void cart_goes_to_partition_0_and_stock_to_1(void **state)
{
	(void)state;
	assert_int_equal(event_partition(EVENT_CART_ITEM_ADDED), 0);
	assert_int_equal(event_partition(EVENT_CART_ITEM_FAILED), 0);
	assert_int_equal(event_partition(EVENT_CART_ITEM_REMOVED), 0);
	assert_int_equal(event_partition(EVENT_CART_CLEARED), 0);
	assert_int_equal(event_partition(EVENT_SKU_CREATED), 1);
	assert_int_equal(event_partition(EVENT_STOCK_CHANGED), 1);
	assert_int_equal(event_partition(EVENT_OTHER), -1);
	assert_string_equal(event_key(&examples[0]), "xyz123");
	assert_string_equal(event_key(&examples[2]), "A123");
}

static void the_longest_event_fits(void **state)
{
	struct event event = {
		.type = EVENT_CART_ITEM_FAILED, .at_ms = 253402300799999, .count = EVENT_COUNT_MAX
	};
	char text[EVENT_JSON_MAX];

	memset(event.sku, 's', EVENT_NAME_MAX - 1);
	memset(event.cart_id, 'c', EVENT_NAME_MAX - 1);
	memset(event.reason, 'r', EVENT_NAME_MAX - 1);
	assert_true(event_encode(&event, text) < EVENT_JSON_MAX);
	assert_int_equal(decode_text(state, text), EVENT_SOUND);
	event.type = EVENT_STOCK_CHANGED;
	event.count = EVENT_LEVEL_MAX;
	event.price_cents = EVENT_CENTS_MAX;
	assert_true(event_encode(&event, text) < EVENT_JSON_MAX);
	assert_non_null(strstr(text, "\"price\":9999999999.99"));
	assert_int_equal(decode_text(state, text), EVENT_SOUND);
}

static void a_price_is_written_in_its_shortest_form(void **state)
{
	static const struct {
		int64_t cents;
		const char *text;
	} prices[] = { { 0, "0" }, { 1, "0.01" }, { 10, "0.1" }, { 100, "1" }, { 1250, "12.5" },
		{ 1205, "12.05" }, { EVENT_CENTS_MAX, "9999999999.99" } };
	char text[EVENT_PRICE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
		assert_int_equal(event_price(prices[i].cents, text), strlen(prices[i].text));
		assert_string_equal(text, prices[i].text);
	}
}

static void ids_are_short_and_plain(void **state)
{
	char longest[EVENT_NAME_MAX + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(event_name_valid(longest, EVENT_NAME_MAX - 1));
	assert_false(event_name_valid(longest, EVENT_NAME_MAX));
	assert_true(event_name_valid("aZ09._~-", 8));
	assert_false(event_name_valid("", 0));
	assert_false(event_name_valid("a b", 3));
	assert_false(event_name_valid("a/b", 3));
	assert_false(event_name_valid("a\0b", 3));
	assert_false(event_name_valid("\xc3\xa9", 2));
}

static void each_flaw_has_its_name(void **state)
{
	static const struct {
		enum event_flaw flaw;
		const char *text;
	} records[] = {
		{ EVENT_NOT_JSON, "" },
		{ EVENT_NOT_JSON, "{" },
		{ EVENT_NOT_JSON, "{\"type\":\"\xff\"}" },
		{ EVENT_NOT_JSON, "{} {}" },
		{ EVENT_NOT_OBJECT, "[1]" },
		{ EVENT_NOT_OBJECT, "\"cart_item_added\"" },
		{ EVENT_MISSING_FIELD, "{}" },
		{ EVENT_REPEATED_FIELD,
			"{\"type\":\"a\",\"type\":\"b\",\"service\":\"c\",\"timestamp\":"
			"\"2025-07-08T19:15:32Z\",\"payload\":{}}" },
		{ EVENT_WRONG_KIND, "{\"type\":1,\"service\":\"c\",\"timestamp\":"
				    "\"2025-07-08T19:15:32Z\",\"payload\":{}}" },
		{ EVENT_OUT_OF_RANGE, "{\"type\":\"a\",\"service\":\"c\",\"timestamp\":"
				      "\"2025-02-30T19:15:32Z\",\"payload\":{}}" },
		{ EVENT_OUT_OF_RANGE,
			"{\"type\":\"sku_created\",\"service\":\"cart\",\"timestamp\":"
			"\"2025-07-08T19:15:32Z\",\"payload\":{\"sku\":\"A\",\"price\":1,"
			"\"count\":1}}" },
		{ EVENT_SOUND, "{\"type\":\"order_paid\",\"service\":\"till\",\"timestamp\":"
			       "\"2025-07-08T19:15:32.5Z\",\"payload\":{},\"more\":[]}" },
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		assert_string_equal(event_flaw_name(decode_text(state, records[i].text)),
			event_flaw_name(records[i].flaw));
}

static void a_value_with_line_breaks_fits_a_line(void **state)
{
	static const char text[] = "{ \"a\" :\n [ 1,\r\n 2 ], \"b\": \"x y\\n\" }\n";
	char out[sizeof(text)];
	size_t length;

	(void)state;
	length = event_minify(text, sizeof(text) - 1, out);
	assert_int_equal(length, strlen("{\"a\":[1,2],\"b\":\"x y\\n\"}"));
	assert_memory_equal(out, "{\"a\":[1,2],\"b\":\"x y\\n\"}", length);
}

/* Changes a few bytes of an example, from a fixed seed. */
static size_t mutate(uint64_t *seed, char *text, size_t length)
{
	static const char bytes[] = "{}[]\":,0123456789eE+-.tfn\\u \n\x01\x7f\x80\xc3\xff";

	for (unsigned n = (unsigned)(*seed >> 40) % 4 + 1; n > 0; n--) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		const size_t at = (size_t)(*seed >> 33) % length;

		if ((*seed >> 20) % 8 == 0) {
			memmove(text + at, text + at + 1, length - at - 1);
			length--;
		} else {
			text[at] = bytes[(*seed >> 12) % (sizeof(bytes) - 1)];
		}
	}
	return length;
}

/* Two parsers that share no code: what one takes for JSON the other takes too. jansson
 * refuses \u0000 unless told to take it. */
static void jansson_agrees_on_what_json_is(void **state)
{
	char text[EVENT_JSON_MAX], first[EVENT_JSON_MAX];
	static struct event event;
	uint64_t seed = 9;
	unsigned sound = 0, not_json = 0;

	for (unsigned i = 0; i < 40000; i++) {
		size_t length = golden((enum event_type)(i % EXAMPLES + 1), first);
		enum event_flaw flaw;
		json_t *second;

		memcpy(text, first, length);
		length = mutate(&seed, text, length);
		flaw = event_decode(*state, text, length, &event);
		second = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if ((flaw == EVENT_NOT_JSON) != (second == NULL))
			fail_msg("simdjson says %s, jansson %s: %.*s", event_flaw_name(flaw),
				second ? "JSON" : "not JSON", (int)length, text);
		sound += flaw == EVENT_SOUND;
		not_json += flaw == EVENT_NOT_JSON;
		json_decref(second);
	}
	assert_true(sound > 1000);
	assert_true(not_json > 1000);
}

static void assert_same(const struct event *own, const struct event *any, const char *text)
{
	if (own->type != any->type || own->at_ms != any->at_ms || own->count != any->count ||
		own->price_cents != any->price_cents || strcmp(own->sku, any->sku) != 0 ||
		strcmp(own->cart_id, any->cart_id) != 0 || strcmp(own->reason, any->reason) != 0)
		fail_msg("read in two ways: %s", text);
}

/* Gives whether it is in the form our services write. */
static bool read_both_ways(void **state, const char *text, size_t length)
{
	static struct event own, any;
	char *const copy = malloc(length); /* of this size: a sanitizer sees what is read beyond */
	bool is_own;

	assert_non_null(copy);
	memcpy(copy, text, length);
	memset(&own, 'x', sizeof(own));
	is_own = event_decode_own(copy, length, &own);
	free(copy);
	if (!is_own)
		return false;
	if (event_decode_any(*state, text, length, &any) != EVENT_SOUND)
		fail_msg("not sound in any form: %.*s", (int)length, text);
	assert_same(&own, &any, text);
	return true;
}

/* The next number of a fixed row, below @end. */
static int64_t draw(uint64_t *seed, int64_t end)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((*seed >> 11) % (uint64_t)end);
}

static void draw_name(uint64_t *seed, char *out)
{
	static const char allowed[] = "AZaz09._~-";
	const int64_t length = 1 + draw(seed, EVENT_NAME_MAX - 1);

	for (int64_t i = 0; i < length; i++)
		out[i] = allowed[draw(seed, sizeof(allowed) - 1)];
	out[length] = '\0';
}

static void what_our_services_write_is_read_alike_by_both_readers(void **state)
{
	static struct event event;
	char text[EVENT_JSON_MAX];
	uint64_t seed = 7;

	for (int i = 0; i < 20000; i++) {
		const enum event_type type = (enum event_type)(i % (int)EXAMPLES + 1);
		const bool cart = event_partition(type) == 0;
		size_t length;

		event = (struct event){ .type = type,
			.at_ms = draw(&seed, 253402300800) * 1000,
			.count = cart ? 1 + draw(&seed, EVENT_COUNT_MAX)
				      : draw(&seed, i % 3 == 0 ? 10 : EVENT_LEVEL_MAX + 1),
			.price_cents = cart ? 0 : draw(&seed, i % 5 == 0 ? 200 : EVENT_CENTS_MAX) };
		if (type != EVENT_CART_CLEARED)
			draw_name(&seed, event.sku);
		if (cart)
			draw_name(&seed, event.cart_id);
		if (event.type == EVENT_CART_ITEM_FAILED)
			strcpy(event.reason, "not enough stock");
		length = event_encode(&event, text);
		assert_true(read_both_ways(state, text, length));
		assert_int_equal(event_decode(*state, text, length, &event), EVENT_SOUND);
	}
}

static void what_looks_like_ours_and_is_none_is_left_to_the_parser(void **state)
{
	char text[EVENT_JSON_MAX], first[EVENT_JSON_MAX];
	uint64_t seed = 11;
	unsigned own = 0;

	for (unsigned i = 0; i < 100000; i++) {
		size_t length = golden((enum event_type)(i % EXAMPLES + 1), first);

		memcpy(text, first, sizeof(text));
		length = mutate(&seed, text, length);
		own += read_both_ways(state, text, length);
		for (size_t cut = 1; i < 4 && cut < length; cut++)
			assert_false(read_both_ways(state, first, cut));
	}
	assert_true(own > 1000);
}

static void assert_left_to_the_parser(const char *count, const char *price)
{
	static struct event event;
	char text[EVENT_JSON_MAX];

	(void)snprintf(text, sizeof(text),
		"{\"type\":\"stock_changed\",\"service\":\"stock\",\"timestamp\":"
		"\"2025-07-08T19:15:32Z\",\"payload\":{\"sku\":\"A\",\"count\":%s,\"price\":%s}}",
		count, price);
	assert_false(event_decode_own(text, strlen(text), &event));
}

static void numbers_and_texts_are_compared_as_strictly_as_json_is(void **state)
{
	static const char *const counts[] = { "01", "-1", "1.0", "1e2", "+1", "", "1.", ".5",
		"1234567890123456", "\"1\"" };
	static const char *const prices[] = { "01", "1.", "1.234", "1e2", "-1", ".5",
		"1234567890123" };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		assert_left_to_the_parser(counts[i], "1");
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++)
		assert_left_to_the_parser("1", prices[i]);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_come_out_byte_for_byte),
		cmocka_unit_test(the_examples_are_read_back),
		cmocka_unit_test(cart_goes_to_partition_0_and_stock_to_1),
		cmocka_unit_test(the_longest_event_fits),
		cmocka_unit_test(a_price_is_written_in_its_shortest_form),
		cmocka_unit_test(ids_are_short_and_plain),
		cmocka_unit_test(each_flaw_has_its_name),
		cmocka_unit_test(a_value_with_line_breaks_fits_a_line),
		cmocka_unit_test(jansson_agrees_on_what_json_is),
		cmocka_unit_test(what_our_services_write_is_read_alike_by_both_readers),
		cmocka_unit_test(what_looks_like_ours_and_is_none_is_left_to_the_parser),
		cmocka_unit_test(numbers_and_texts_are_compared_as_strictly_as_json_is),
	};

	return cmocka_run_group_tests(tests, reader_setup, reader_teardown);
}
