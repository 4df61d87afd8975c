/* What the page shows of lines: SKUs, events, seconds, pauses and the timeline, and their bounds.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/brokers.h"
#include "metrics-consumer/picture.h"

#define START_MS 1752002132000

static struct timeline timeline;
static struct picture picture;
static struct line_second second;
static int64_t position;

static int open_picture(void **state)
{
	(void)state;
	timeline_init(&timeline);
	position = 0;
	return picture_init(&picture, &timeline) ? 0 : -1;
}

static int close_picture(void **state)
{
	(void)state;
	picture_fini(&picture);
	timeline_fini(&timeline);
	return 0;
}

/* A line of @event, which was journaled at @at_ms after it had waited for @delay_ms. */
static void see(
	const struct event *event, const char *source, int64_t id, int64_t at_ms, int64_t delay_ms)
{
	char value[EVENT_JSON_MAX], bytes[EVENT_JSON_MAX + LINE_HEAD_MAX];
	const struct line line = { .time_ms = at_ms,
		.partition = event_partition(event->type),
		.offset = id,
		.source = source,
		.source_length = strlen(source),
		.id = id,
		.delay_ms = delay_ms,
		.value = value,
		.length = event_encode(event, value) };
	const size_t length = line_write(&second, &line, bytes);

	position += (int64_t)length;
	picture_line(&picture, bytes, length - 1, 1, position);
}

static struct event event_of(enum event_type type, const char *sku, int64_t count)
{
	struct event event = {
		.type = type, .at_ms = START_MS, .count = count, .price_cents = 125
	};

	(void)snprintf(event.sku, sizeof(event.sku), "%s", sku);
	strcpy(event.cart_id, "cart-1");
	strcpy(event.reason, "not enough stock");
	return event;
}

static void see_stock(const char *source, int64_t id, const char *sku, int64_t level)
{
	const struct event event = event_of(EVENT_STOCK_CHANGED, sku, level);

	see(&event, source, id, START_MS, 3);
}

static const struct sku *sku_of(const char *name)
{
	for (size_t i = 0; i < picture.skus.count; i++) {
		if (strcmp(picture.skus.list[i].name, name) == 0)
			return &picture.skus.list[i];
	}
	return NULL;
}

static void a_sku_has_its_last_level_and_every_addition_and_failure(void **state)
{
	const struct event added = event_of(EVENT_CART_ITEM_ADDED, "a", 3),
			   failed = event_of(EVENT_CART_ITEM_FAILED, "a", 9);

	(void)state;
	see_stock("stock/1", 1, "a", 10);
	see_stock("stock/1", 3, "a", 7);
	see(&added, "cart/1", 1, START_MS, 3);
	see(&added, "cart/1", 2, START_MS, 3);
	see(&failed, "cart/1", 3, START_MS, 3);
	assert_int_equal(sku_of("a")->level, 7);
	assert_int_equal(sku_of("a")->price_cents, 125);
	assert_int_equal(sku_of("a")->added, 2);
	assert_int_equal(sku_of("a")->units, 6);
	assert_int_equal(sku_of("a")->failed, 1);
	assert_string_equal(sku_of("a")->reason, "not enough stock");
}

static void a_level_that_comes_late_changes_nothing_but_a_new_store_does(void **state)
{
	(void)state;
	see_stock("stock/1", 3, "a", 7);
	see_stock("stock/1", 2, "a", 99);
	assert_int_equal(sku_of("a")->level, 7);
	see_stock("stock/2", 1, "a", 50);
	assert_int_equal(sku_of("a")->level, 50);
}

static void beyond_the_bound_events_of_skus_are_counted_and_left_out(void **state)
{
	char name[32];
	json_t *const message = json_object();

	(void)state;
	for (int64_t i = 0; i < SKUS_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "sku-%" PRId64, i);
		see_stock("stock/1", i + 1, name, i);
	}
	see_stock("stock/1", SKUS_MAX + 6, "sku-0", 77); /* one that is in it */
	assert_int_equal(picture.skus.count, SKUS_MAX);
	assert_int_equal(picture.skus.left_out, 5);
	assert_int_equal(sku_of("sku-0")->level, 77);
	picture_tell(&picture, message, true);
	assert_int_equal(json_array_size(json_object_get(message, "skus")), SKUS_MAX);
	assert_int_equal(json_integer_value(json_object_get(message, "skus_left_out")), 5);
	json_decref(message);
}

/* Everything changes, and each telling has its bound: all of it comes, once. */
static void changes_beyond_one_telling_come_with_the_next_ones(void **state)
{
	size_t told = 0, tellings = 0;
	char name[32];

	(void)state;
	for (int64_t i = 0; i < 2 * PICTURE_SKUS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "sku-%" PRId64, i);
		see_stock("stock/1", i + 1, name, i);
	}
	while (picture.skus.changed > 0) {
		json_t *const message = json_object();

		picture_tell(&picture, message, false);
		told += json_array_size(json_object_get(message, "skus"));
		tellings++;
		json_decref(message);
	}
	assert_int_equal(told, 2 * PICTURE_SKUS_MAX + 10);
	assert_int_equal(tellings, 3);
}

static void a_telling_has_the_newest_events_and_counts_the_others(void **state)
{
	json_t *message = json_object();
	const json_t *events;

	(void)state;
	for (int64_t i = 1; i <= PICTURE_EVENTS + 50; i++)
		see_stock("stock/1", i, "a", i);
	picture_tell(&picture, message, false);
	events = json_object_get(message, "events");
	assert_int_equal(json_array_size(events), PICTURE_TELL_MAX);
	assert_int_equal(json_integer_value(json_object_get(message, "passed")),
		PICTURE_EVENTS + 50 - PICTURE_TELL_MAX);
	assert_int_equal(
		json_integer_value(json_array_get(json_array_get(events, PICTURE_TELL_MAX - 1), 5)),
		PICTURE_EVENTS + 50);
	json_decref(message);
	message = json_object();
	picture_tell(&picture, message, false);
	assert_int_equal(json_array_size(json_object_get(message, "events")), 0);
	json_decref(message);
}

static size_t count_recent(const char *type, const char *cart, const char *sku, size_t most)
{
	json_t *const list = picture_recent(&picture,
		&(struct picture_filter){ .type = type, .cart = cart, .sku = sku, .most = most });
	const size_t count = json_array_size(list);

	json_decref(list);
	return count;
}

static void a_filter_finds_what_is_kept(void **state)
{
	const struct event added = event_of(EVENT_CART_ITEM_ADDED, "b", 3);

	(void)state;
	for (int64_t i = 1; i <= 300; i++)
		see_stock("stock/1", i, i % 3 == 0 ? "a" : "c", i);
	see(&added, "cart/1", 1, START_MS, 3);
	assert_int_equal(count_recent(NULL, NULL, "a", 1000), 100);
	assert_int_equal(count_recent(NULL, NULL, "a", 7), 7);
	assert_int_equal(count_recent("cart_item_added", NULL, NULL, 1000), 1);
	assert_int_equal(count_recent(NULL, "cart-1", "b", 1000), 1);
	assert_int_equal(count_recent("stock_changed", "cart-1", NULL, 1000), 0);
}

static void what_is_no_line_is_counted_and_stops_nothing(void **state)
{
	(void)state;
	picture_line(&picture, "nonsense", 8, 1, 9);
	see_stock("stock/1", 1, "a", 10);
	assert_int_equal(picture.unreadable, 1);
	assert_int_equal(picture.event_count, 1);
}

/* Others may write up to 1 kB of any text; what is shown of it is cut between two characters. */
static void a_long_text_is_cut_and_stays_what_it_is(void **state)
{
	static const char line[] =
		"2025-07-08T19:15:33.000Z partition=0 offset=1 source=cart/1 id=1 delay_ms=3 "
		"{\"type\":\"cart_item_failed\",\"service\":\"cart\",\"timestamp\":"
		"\"2025-07-08T19:15:32Z\",\"payload\":{\"cartId\":\"Bücher\",\"sku\":\"Stück\","
		"\"count\":2,\"status\":\"failed\",\"reason\":"
		"\"0123456789012345678901234567890123456789012345678901234567890 €\"}}";
	static const char shown[] =
		"0123456789012345678901234567890123456789012345678901234567890 ";
	json_t *const message = json_object();
	const json_t *row;

	(void)state;
	see_stock("stock/1", 1, "Stuck", 5);
	picture_line(&picture, line, sizeof(line) - 1, 1, sizeof(line));
	picture_tell(&picture, message, true);
	row = json_array_get(json_object_get(message, "skus"), 1);
	assert_string_equal(json_string_value(json_array_get(row, 0)), "Stück");
	assert_int_equal(json_integer_value(json_array_get(row, 5)), 1);
	assert_string_equal(json_string_value(json_array_get(row, 6)), shown);
	row = json_array_get(json_object_get(message, "events"), 1);
	assert_string_equal(json_string_value(json_array_get(row, 7)), "Stück");
	assert_string_equal(json_string_value(json_array_get(row, 8)), "Bücher");
	assert_string_equal(json_string_value(json_array_get(row, 11)), shown);
	json_decref(message);
}

static json_t *happenings(void)
{
	uint64_t change = 0;

	return timeline_json(&timeline, &change);
}

static const char *kind_of(const json_t *list, size_t at)
{
	return json_string_value(json_object_get(json_array_get(list, at), "kind"));
}

static int64_t pause_of(const json_t *list, size_t at)
{
	return json_integer_value(json_object_get(json_array_get(list, at), "pause_ms"));
}

static void silence_is_no_pause_and_a_wait_without_silence_neither(void **state)
{
	const struct event event = event_of(EVENT_STOCK_CHANGED, "a", 1);
	json_t *list;

	(void)state;
	see(&event, "stock/1", 1, START_MS, 3);
	see(&event, "stock/1", 2, START_MS + 60000, 5);    /* nobody bought anything */
	see(&event, "stock/1", 3, START_MS + 60001, 9000); /* a slow consumer */
	list = happenings();
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	see(&event, "stock/1", 4, START_MS + 63001, 2500); /* it waited, and nothing came */
	list = happenings();
	assert_string_equal(kind_of(list, 0), "pause");
	assert_int_equal(pause_of(list, 0), 2500);
	json_decref(list);
}

static void move_leader(int64_t at_ms)
{
	timeline_add(&timeline, &(struct timeline_entry){ .kind = TIMELINE_LEADER,
					.at_ms = at_ms,
					.partition = 1,
					.from = 1,
					.to = 2 });
}

static void a_pause_belongs_to_the_move_of_the_leader_whichever_is_seen_first(void **state)
{
	json_t *list;

	(void)state;
	move_leader(START_MS);
	timeline_note_pause(&timeline, 1, START_MS + 400, 203);
	timeline_note_pause(&timeline, 0, START_MS + 400, 999); /* the other partition */
	list = happenings();
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(pause_of(list, 0), 203);
	json_decref(list);

	timeline_note_pause(&timeline, 1, START_MS + 60000, 6100);
	move_leader(START_MS + 60800);
	list = happenings();
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(kind_of(list, 1), "gone");
	assert_string_equal(kind_of(list, 2), "leader");
	assert_int_equal(pause_of(list, 2), 6100);
	json_decref(list);
}

static void the_timeline_keeps_the_newest_and_tells_only_what_changed(void **state)
{
	uint64_t change = 0;
	json_t *list;

	(void)state;
	for (int i = 0; i < TIMELINE_MAX + 10; i++)
		move_leader(START_MS + i * 60000);
	list = timeline_json(&timeline, &change);
	assert_int_equal(json_array_size(list), TIMELINE_MAX);
	json_decref(list);
	timeline_note_pause(&timeline, 1, START_MS + (TIMELINE_MAX + 9) * 60000, 300);
	list = timeline_json(&timeline, &change);
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(pause_of(list, 0), 300);
	json_decref(list);
}

static void take(struct brokers_view *view, int leader, int brokers, int64_t now_ms)
{
	char one[] = "one", two[] = "two", metrics[] = "metrics";
	rd_kafka_metadata_broker_t list[] = { { 2, two, 9092 }, { 1, one, 9092 } };
	int32_t both[] = { 2, 1 };
	rd_kafka_metadata_partition_t partitions[] = {
		{ 0, RD_KAFKA_RESP_ERR_NO_ERROR, leader, 2, both, brokers, both },
		{ 1, RD_KAFKA_RESP_ERR_NO_ERROR, 2, 2, both, brokers, both },
	};
	rd_kafka_metadata_topic_t topic = { metrics, 2, partitions, RD_KAFKA_RESP_ERR_NO_ERROR };
	const struct rd_kafka_metadata metadata = { brokers, list, 1, &topic, 2, two };

	brokers_take(view, &metadata, "metrics", now_ms, &timeline);
}

static void what_kafka_says_is_compared_with_what_it_said_before(void **state)
{
	struct brokers_view view = { 0 };
	json_t *list;

	(void)state;
	take(&view, 1, 2, START_MS); /* the first answer is no news */
	list = happenings();
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	take(&view, 2, 1, START_MS + 1000);
	list = happenings();
	assert_int_equal(json_array_size(list), 4);
	assert_string_equal(kind_of(list, 0), "broker");
	assert_string_equal(kind_of(list, 1), "leader");
	assert_string_equal(kind_of(list, 2), "replicas");
	json_decref(list);
	assert_false(view.list[1].here);
	assert_int_equal(view.partition[0].leader, 2);
	assert_int_equal(view.partition[0].in_sync_count, 1);
	take(&view, 2, 2, START_MS + 2000);
	assert_true(view.list[1].here);
	assert_int_equal(view.list[1].since_ms, START_MS + 2000);
	assert_int_equal(view.count, 2);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, open_picture, close_picture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(a_sku_has_its_last_level_and_every_addition_and_failure),
		CLAIM(a_level_that_comes_late_changes_nothing_but_a_new_store_does),
		CLAIM(beyond_the_bound_events_of_skus_are_counted_and_left_out),
		CLAIM(changes_beyond_one_telling_come_with_the_next_ones),
		CLAIM(a_telling_has_the_newest_events_and_counts_the_others),
		CLAIM(a_filter_finds_what_is_kept),
		CLAIM(what_is_no_line_is_counted_and_stops_nothing),
		CLAIM(a_long_text_is_cut_and_stays_what_it_is),
		CLAIM(silence_is_no_pause_and_a_wait_without_silence_neither),
		CLAIM(a_pause_belongs_to_the_move_of_the_leader_whichever_is_seen_first),
		CLAIM(the_timeline_keeps_the_newest_and_tells_only_what_changed),
		CLAIM(what_kafka_says_is_compared_with_what_it_said_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
