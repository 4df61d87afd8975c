/* The whole consumer as a process, between librdkafka's mock cluster and a directory. */
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/tests/flow.h"
#include "metrics-consumer/verify.h"
#include "process/clock.h"

#define CART_ADDED                                                                                 \
	"{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":"                        \
	"\"2025-07-08T19:15:32Z\",\"payload\":{\"cartId\":\"xyz123\",\"sku\":\"A123\","            \
	"\"count\":2,\"status\":\"success\"}}"
#define SKU_CREATED                                                                                \
	"{\"type\":\"sku_created\",\"service\":\"stock\",\"timestamp\":"                           \
	"\"2025-07-08T19:20:17Z\",\"payload\":{\"sku\":\"A123\",\"price\":12.5,\"count\":100}}"
#define UNKNOWN                                                                                    \
	"{\"type\":\"cart_emptied\",\"service\":\"cart\",\"timestamp\":"                           \
	"\"2025-07-08T19:15:32Z\",\"payload\":{}}"

#define FETCH         1 /* keys of APIs, for the mock cluster */
#define OFFSET_COMMIT 8

static int setup(void **state)
{
	struct flow *const f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	flow_start(f, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	flow_stop(*state);
	free(*state);
	return 0;
}

static void assert_has(struct flow *f, const char *file, const char *wanted, size_t count)
{
	char *const text = scratch_read(&f->scratch, file, NULL);

	if (scratch_count(text, wanted) != count)
		fail_msg("%s has %s %zu times, not %zu:\n%s", file, wanted,
			scratch_count(text, wanted), count, text);
	free(text);
}

static void assert_metric(struct flow *f, const char *line)
{
	long status;
	char *const text = flow_get(f, "/metrics", &status);

	assert_int_equal(status, 200);
	if (!strstr(text, line))
		fail_msg("/metrics has no %s:\n%s", line, text);
	free(text);
}

/* Until /metrics has the line. */
static void wait_metric(struct flow *f, const char *line)
{
	const int64_t until = clock_mono_ms() + 40000;
	bool found = false;
	long status;

	while (!found) {
		char *const text = flow_get(f, "/metrics", &status);

		found = strstr(text, line) != NULL;
		if (!found && clock_mono_ms() > until)
			fail_msg("/metrics has no %s:\n%s", line, text);
		free(text);
		(void)poll(NULL, 0, 10);
	}
}

/* Whether `verify` finds each number from 1 to @last of both sources once and in order. */
static void assert_once_and_in_order(struct flow *f, int64_t last)
{
	char journal[PATH_MAX], dead[PATH_MAX], head[128];
	struct verify_options options = { .journal_path = journal, .dead_letter_path = dead };
	struct fail fail = { 0 };
	bool clean = false;
	char *text = NULL;
	size_t length;
	FILE *const out = open_memstream(&text, &length);

	assert_non_null(out);
	strcpy(journal, scratch_path(&f->scratch, "metrics.log"));
	strcpy(dead, scratch_path(&f->scratch, "dead-letter.log"));
	if (!verify(&options, out, &clean, &fail))
		fail_msg("%s", fail.text);
	assert_int_equal(fclose(out), 0);
	if (!clean)
		fail_msg("%s", text);
	free(text);
	for (int p = 0; p < 2; p++) {
		(void)snprintf(head, sizeof(head), " source=%s id=%" PRId64 " ",
			p == 0 ? "cart/a" : "stock/b", last);
		assert_has(f, "metrics.log", head, 1);
	}
}

static void send_one_of_each(struct flow *f)
{
	const int64_t now = clock_wall_ms();
	const struct record records[] = {
		{ 0, "xyz123", CART_ADDED, 0, "cart/a", 1, now },
		{ 0, "xyz123", "{\"type\":\"cart_item", 0, "cart/a", 2, now },
		{ 0, "xyz123", CART_ADDED, 0, "cart/a", 1, now }, /* a copy */
		{ 0, "xyz123", "{\"type\":\"cart_item", 0, "cart/a", 2,
			now }, /* of a dead letter */
		{ 0, "xyz123",
			"{\n \"type\" : \"cart_emptied\",\r\n\"service\":\"cart\",\n"
			"\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{}}\n",
			0, "cart/a", 3, now },
		{ 0, "A123", SKU_CREATED, 0, "stock/b", 2,
			now }, /* misplaced, and 1 is not there yet */
		{ 0, "xyz123", UNKNOWN, 0, "cart/a", 5, 0 },
		{ 0, "xyz123", CART_ADDED, 0, "cart/a", 4, now }, /* late */
		{ 0, NULL, CART_ADDED, 0, NULL, 0, 0 },
		{ 0, "xyz123", NULL, 0, NULL, 0, 0 }, /* a tombstone */
		{ 0, "xyz123", CART_ADDED, 0, "cart/a", 6, now },
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		flow_send(f, &records[i]);
	flow_flush(f);
	flow_send(f, &(struct record){ 1, "A123", SKU_CREATED, 0, "stock/b", 1, now });
	flow_flush(f);
}

static void assert_one_of_each(struct flow *f)
{
	assert_has(f, "metrics.log", "\n", 8);
	assert_has(f, "metrics.log", "partition=0 offset=0 source=cart/a id=1 delay_ms=", 1);
	assert_has(f, "metrics.log",
		" {\"type\":\"cart_emptied\",\"service\":\"cart\","
		"\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{}}\n",
		2);
	assert_has(f, "metrics.log", "partition=0 offset=5 source=stock/b id=2 delay_ms=", 1);
	assert_has(f, "metrics.log", "partition=0 offset=7 source=cart/a id=4 delay_ms=", 1);
	assert_has(f, "metrics.log", "partition=0 offset=8 source=- id=- delay_ms=", 1);
	assert_has(f, "metrics.log", "partition=0 offset=10 source=cart/a id=6 delay_ms=", 1);
	assert_has(f, "metrics.log", "partition=1 offset=0 source=stock/b id=1 delay_ms=", 1);
	assert_has(f, "dead-letter.log", "\n", 2);
	assert_has(f, "dead-letter.log",
		"\"partition\":0,\"offset\":1,\"source\":\"cart/a\",\"id\":2,\"reason\":"
		"\"not_json\",\"key_hex\":\"78797a313233\",\"value_hex\":\"7b",
		1);
	assert_has(f, "dead-letter.log",
		"\"offset\":9,\"reason\":\"not_json\",\"key_hex\":\"78797a313233\","
		"\"value_hex\":null}",
		1);
}

static void every_record_finds_its_place(void **state)
{
	struct flow *const f = *state;
	char *journal, *out;

	send_one_of_each(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_ready(f, 200, "\"ready\":true");
	flow_wait_lines(f, 8);
	assert_one_of_each(f);
	assert_metric(f, "metrics_consumer_events_total{type=\"cart_item_added\",service=\"cart\","
			 "partition=\"0\"} 4\n");
	assert_metric(f, "metrics_consumer_events_total{type=\"sku_created\",service=\"stock\","
			 "partition=\"1\"} 1\n");
	assert_metric(f, "metrics_consumer_events_total{type=\"other\",service=\"other\",partition="
			 "\"0\"} 2\n");
	assert_metric(f, "metrics_consumer_repeats_dropped_total 2\n");
	assert_metric(f, "metrics_consumer_dead_letters_total{reason=\"not_json\"} 2\n");
	assert_metric(f, "metrics_consumer_misplaced_total 1\n");
	assert_metric(f, "metrics_consumer_nameless_total 1\n");
	wait_metric(f, "metrics_consumer_lag_messages{partition=\"0\"} 0\n");
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "stopped taken=12 journaled=8 copies=2 dead_letters=2 ", 1);

	journal = scratch_read(&f->scratch, "metrics.log", NULL);
	out = scratch_read(&f->scratch, flow_out(f), NULL);
	assert_string_equal(out, journal);
	free(journal);
	free(out);
}

static void a_restart_writes_nothing_twice(void **state)
{
	static const char *const quiet[] = { "PRINT=off", NULL };
	struct flow *const f = *state;

	/* The last records of partition 0 are no events: the journal's position is before them. */
	send_one_of_each(f);
	flow_send(f, &(struct record){ 0, NULL, "[]", 0, NULL, 0, 0 });
	flow_send(f, &(struct record){ 0, NULL, "3", 0, "cart/a", 7, 0 });
	flow_flush(f);
	for (int i = 0; i < 3; i++) {
		f->child = flow_consumer(f, quiet);
		flow_wait_lines(f, 8);
		flow_wait_for(f, "dead-letter.log", "\n", 4);
		flow_wait_ready(f, 200, "\"ready\":true");
		flow_kill(&f->child);
	}
	f->child = flow_consumer(f, quiet);
	/* A copy of the dead letter that is before the journal's position. */
	flow_send(f, &(struct record){ 0, NULL, "{\"type\":\"cart_item", 0, "cart/a", 2, 0 });
	flow_send_event(f, 0, 8);
	flow_flush(f);
	flow_wait_lines(f, 9);
	assert_has(f, "metrics.log", "\n", 9);
	assert_has(f, "dead-letter.log", "\n", 4);
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "taken=4 journaled=1 copies=3 dead_letters=0 ", 1);
	assert_has(f, flow_out(f), "\n", 0);
	f->child = flow_consumer(f, quiet); /* after a clean stop there is nothing to read */
	flow_wait_for(f, flow_err(f), " lines=0 ", 1);
	flow_wait_for(f, flow_err(f), "checkpoint=yes", 1);
	assert_int_equal(flow_end(&f->child), 0);
}

/* Killed again and again while both sources write, with copies and broken records between. */
static void killed_anywhere_it_writes_each_event_once_and_in_order(void **state)
{
	const int64_t step = 400, rounds = 8;
	struct flow *const f = *state;
	int64_t id = 0;
	size_t dead = 0;

	for (int64_t round = 1; round <= rounds; round++) {
		f->child = flow_consumer(f, NULL);
		for (int64_t i = 0; i < step; i++) {
			id++;
			flow_send_event(f, 0, id);
			flow_send_event(f, 1, id);
			if (id % 7 == 0) /* sent again, with two before it */
				for (int64_t again = id - 2; again <= id; again++)
					flow_send_event(f, (int32_t)(id % 2), again);
			if (id % 50 == 0) {
				flow_send(f, &(struct record){ 0, "k", "{}", 0, NULL, 0, 0 });
				dead++;
			}
			if (i == step / 2 || i == step - 1)
				flow_flush(f);
		}
		/* At a different place each time, from the start of reading to its end. */
		flow_wait_lines(
			f, (size_t)(2 * step * (round - 1) + 1 + (round * 97) % (2 * step)));
		flow_kill(&f->child);
	}
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, (size_t)(2 * id));
	flow_wait_for(f, "dead-letter.log", "\n", dead);
	flow_wait_ready(f, 200, "\"ready\":true");
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, "metrics.log", "\n", (size_t)(2 * id));
	assert_has(f, "dead-letter.log", "\n", dead);
	assert_once_and_in_order(f, id);
}

static void a_journal_that_ends_in_the_middle_of_a_line_goes_on(void **state)
{
	struct flow *const f = *state;
	char *journal;
	size_t length;

	for (int64_t id = 1; id <= 20; id++) {
		flow_send_event(f, 0, id);
		flow_send_event(f, 1, id);
	}
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 40);
	flow_kill(&f->child);
	journal = scratch_read(&f->scratch, "metrics.log", &length);
	scratch_write(&f->scratch, "metrics.log", journal, length - 300); /* more than a line */
	free(journal);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 40);
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "cut a torn last line", 1);
	assert_once_and_in_order(f, 20);
}

/* How often @wanted stands in all files of the journal together. */
static size_t count_in_journal(struct flow *f, const char *wanted)
{
	struct journal_file active = { 0 };
	struct journal_files files;
	struct fail fail = { 0 };
	size_t count = 0;

	strcpy(active.path, scratch_path(&f->scratch, "metrics.log"));
	assert_true(journal_files_list(active.path, &files, &fail));
	for (size_t i = 0; i <= files.count; i++) {
		struct file_lines lines;
		const char *bytes;
		size_t length;

		/* One that was compressed meanwhile is looked for again by the caller. */
		if (!journal_file_open(&lines, i < files.count ? &files.list[i] : &active, &fail))
			continue;
		while (file_lines_next(&lines, &bytes, &length, &fail) == FILE_LINES_LINE)
			count += memmem(bytes, length, wanted, strlen(wanted)) != NULL;
		journal_file_close(&lines);
	}
	journal_files_free(&files);
	return count;
}

static void wait_in_journal(struct flow *f, const char *wanted, size_t count)
{
	const int64_t until = clock_mono_ms() + 30000;

	while (count_in_journal(f, wanted) < count) {
		if (clock_mono_ms() > until)
			fail_msg("the journal has %s %zu times, not %zu", wanted,
				count_in_journal(f, wanted), count);
		(void)poll(NULL, 0, 10);
	}
}

/* 4096 bytes are some twenty lines; each start is killed at any moment, the last one ends. */
static void rotated_and_killed_it_writes_each_event_once(void **state)
{
	static const char *const small[] = { "JOURNAL_ROTATE_BYTES=4096", NULL };
	struct flow *const f = *state;
	const char *second;
	char head[64];
	int64_t id = 0;

	for (int round = 0; round < 6; round++) {
		f->child = flow_consumer(f, small);
		for (int i = 0; i < 200; i++) {
			id++;
			flow_send_event(f, 0, id);
			flow_send_event(f, 1, id);
			if (i % 10 == 9)
				flow_flush(f);
		}
		if (round < 5)
			flow_kill(&f->child);
	}
	(void)snprintf(head, sizeof(head), " id=%" PRId64 " ", id);
	wait_in_journal(f, head, 2);
	/* It is compressed at its leisure. */
	second = scratch_path(&f->scratch, "metrics.log.000002.zst");
	for (int i = 0; i < 3000 && access(second, F_OK) != 0; i++)
		(void)usleep(10000);
	assert_int_equal(access(second, F_OK), 0);
	assert_int_equal(flow_end(&f->child), 0);
	assert_int_equal(count_in_journal(f, " source="), 2 * id);
	for (; id > 0; id--) {
		(void)snprintf(head, sizeof(head), " source=cart/a id=%" PRId64 " ", id);
		if (id % 50 == 0)
			assert_int_equal(count_in_journal(f, head), 1);
	}
}

/* mv, SIGHUP, as logrotate does it; without the move the signal changes nothing. */
static void after_a_move_and_a_signal_it_writes_to_a_new_file(void **state)
{
	struct flow *const f = *state;
	char moved[PATH_MAX];

	flow_send_event(f, 0, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 1);
	assert_int_equal(kill(f->child, SIGHUP), 0);
	flow_wait_for(f, flow_err(f), "nothing to reopen", 1);
	strcpy(moved, scratch_path(&f->scratch, "metrics.log.1"));
	assert_int_equal(rename(scratch_path(&f->scratch, "metrics.log"), moved), 0);
	flow_send_event(f, 0, 2); /* into the one it has open */
	flow_flush(f);
	flow_wait_for(f, "metrics.log.1", "\n", 2);
	assert_int_equal(kill(f->child, SIGHUP), 0);
	flow_wait_for(f, flow_err(f), "began a new one", 1);
	flow_send_event(f, 0, 3);
	flow_flush(f);
	flow_wait_lines(f, 1);
	flow_kill(&f->child);
	f->child = flow_consumer(f, NULL);
	flow_send_event(f, 0, 4);
	flow_flush(f);
	flow_wait_lines(f, 2);
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, "metrics.log.1", "\n", 2);
	assert_has(f, "metrics.log", "\n", 2);
	/* Gone, it is not begun again unasked. */
	assert_int_equal(unlink(scratch_path(&f->scratch, "metrics.log")), 0);
	f->child = flow_consumer(f, NULL);
	flow_wait_for(f, flow_err(f), "is gone", 1);
	assert_int_equal(flow_end(&f->child), 1);
	assert_int_equal(access(scratch_path(&f->scratch, "metrics.log"), F_OK), -1);
}

/* Lines that go to a file without a name are in no journal, and nobody may be told that they are.
 */
static void a_journal_that_is_deleted_ends_it_at_the_next_line(void **state)
{
	struct flow *const f = *state;
	int status = 0;

	flow_send_event(f, 0, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 1);
	flow_wait_ready(f, 200, "\"ready\":true");
	assert_int_equal(remove(scratch_path(&f->scratch, "metrics.log")), 0);
	flow_send_event(f, 0, 2);
	flow_flush(f);
	flow_wait_for(f, flow_err(f), "metrics.log was deleted while it was written to", 1);
	assert_int_equal(waitpid(f->child, &status, 0), f->child);
	f->child = 0;
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void a_damaged_journal_is_not_touched(void **state)
{
	struct flow *const f = *state;
	int status;

	scratch_write(&f->scratch, "metrics.log", "this is\nno journal\n", 19);
	f->child = flow_consumer(f, NULL);
	flow_wait_for(f, flow_err(f), "line 1 at byte 0 is not a journal line", 1);
	status = flow_end(&f->child);
	assert_int_equal(status, 1);
	assert_has(f, "metrics.log", "this is\nno journal\n", 1);
}

/* The log was cut below our position, or the topic is a new one. */
static void an_offset_above_the_log_is_a_hole_and_what_is_known_is_dropped(void **state)
{
	static const char line[] = "2025-07-08T19:15:32.481Z partition=0 offset=5000 source=cart/a "
				   "id=3 delay_ms=3 " CART_ADDED "\n";
	struct flow *const f = *state;

	scratch_write(&f->scratch, "metrics.log", line, strlen(line));
	for (int64_t id = 1; id <= 10; id++) {
		flow_send_event(f, 0, id);
		flow_send_event(f, 1, id);
	}
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 20);
	assert_has(f, "metrics.log", "source=cart/a id=3 ", 1);
	wait_metric(f, "metrics_consumer_holes_total 1\n");
	flow_send_event(f, 0, 11);
	flow_send_event(f, 1, 11);
	flow_flush(f);
	flow_wait_lines(f, 22);
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "expected=5000 earliest=0", 1);
	assert_has(f, flow_err(f), "taken=22 journaled=21 copies=1 ", 1);
}

/* The mock keeps 5 MB of a partition. */
static void an_offset_below_the_log_is_a_hole_and_reading_goes_on(void **state)
{
	struct flow *const f = *state;
	const size_t length = 200000;
	char *const large = malloc(length + 1);

	assert_non_null(large);
	memset(large, ' ', length);
	memcpy(large, UNKNOWN, strlen(UNKNOWN));
	large[length] = '\0';
	flow_send_event(f, 0, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 1);
	flow_kill(&f->child);
	for (int64_t id = 2; id <= 60; id++) {
		flow_send(f, &(struct record){ 0, NULL, large, length, "cart/a", id, 0 });
		flow_flush(f);
	}
	free(large);
	f->child = flow_consumer(f, NULL);
	flow_wait_for(f, "metrics.log", "source=cart/a id=60 ", 1);
	assert_metric(f, "metrics_consumer_holes_total 1\n");
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f),
		"records are gone from Kafka that were not read partition=0 from=1 ", 1);
}

/* The topic was made anew, and has grown past our position. */
static void another_record_at_the_last_lines_offset_means_reading_everything(void **state)
{
	static const char line[] = "2025-07-08T19:15:32.481Z partition=0 offset=3 source=cart/old "
				   "id=4 delay_ms=3 " CART_ADDED "\n";
	struct flow *const f = *state;

	scratch_write(&f->scratch, "metrics.log", line, strlen(line));
	for (int64_t id = 1; id <= 10; id++)
		flow_send_event(f, 0, id);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 11);
	wait_metric(f, "metrics_consumer_topic_replaced_total 1\n");
	wait_metric(f, "metrics_consumer_holes_total 0\n");
	wait_metric(f, "metrics_consumer_missing_numbers 3\n"); /* of cart/old */
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "expected_source=cart/old expected_id=4", 1);
	assert_has(f, flow_err(f), "taken=10 journaled=10 copies=0 ", 1);
}

/* As a broker does that was paused and does not know yet that it leads no longer. */
static void an_offset_that_is_there_after_all_is_no_hole(void **state)
{
	struct flow *const f = *state;

	flow_send_event(f, 0, 1);
	flow_send_event(f, 1, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 2);
	rd_kafka_mock_push_request_errors(
		f->cluster, FETCH, 1, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
	flow_wait_for(f, flow_err(f), "Kafka says that an offset is not there", 1);
	for (int64_t id = 2; id <= 20; id++) {
		flow_send_event(f, 0, id);
		flow_send_event(f, 1, id);
	}
	flow_flush(f);
	flow_wait_lines(f, 40);
	wait_metric(f, "metrics_consumer_holes_total 0\n");
	wait_metric(f, "metrics_consumer_topic_replaced_total 0\n");
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "taken=40 journaled=40 copies=0 ", 1);
}

static void a_known_number_with_other_bytes_is_kept_and_an_alarm(void **state)
{
	struct flow *const f = *state;

	flow_send_event(f, 0, 1);
	flow_send_event(f, 0, 2);
	flow_send(f, &(struct record){ 0, "xyz123", UNKNOWN, 0, "cart/a", 2, 0 });
	flow_send_event(f, 0, 2);
	flow_send_event(f, 0, 3);
	flow_flush(f);
	for (int i = 0; i < 2; i++) {
		f->child = flow_consumer(f, NULL);
		flow_wait_lines(f, 3);
		flow_wait_ready(f, 200, "\"ready\":true");
		wait_metric(f, "metrics_consumer_dead_letters_total{reason=\"altered\"} 1\n");
		flow_kill(&f->child);
		assert_has(f, "dead-letter.log",
			"\"offset\":2,\"source\":\"cart/a\",\"id\":2,\"reason\":\"altered\"", 1);
		assert_has(f, flow_err(f),
			"a known number came with other bytes, they are in the dead letter "
			"source=cart/a id=2 partition=0 offset=2",
			i == 0);
	}
	assert_has(f, "metrics.log", "\n", 3);
}

static void passed_over_numbers_are_read_twice_counted_and_still_welcome(void **state)
{
	struct flow *const f = *state;
	static const int64_t ids[] = { 1, 2, 5, 6 };

	for (size_t i = 0; i < 4; i++) {
		flow_send_event(f, 0, ids[i]);
		flow_send_event(f, 1, (int64_t)i + 1);
	}
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 8);
	wait_metric(f, "metrics_consumer_second_reads_total 1\n");
	wait_metric(f, "metrics_consumer_number_holes_total 1\n");
	wait_metric(f, "metrics_consumer_missing_numbers 2\n");
	assert_has(f, flow_err(f),
		"numbers of a source are missing source=cart/a first=3 last=4 partition=0 offset=2",
		1);
	flow_send_event(f, 0, 4);
	flow_send_event(f, 0, 3);
	flow_flush(f);
	flow_wait_lines(f, 10);
	wait_metric(f, "metrics_consumer_missing_numbers 0\n");
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "taken=10 journaled=10 copies=0 dead_letters=0 late=2 ", 1);
}

static void a_group_that_is_ahead_of_the_journal_is_an_alarm_and_decides_nothing(void **state)
{
	static const char alarm[] = "the group is ahead of this journal";
	struct flow *const f = *state;

	for (int64_t id = 1; id <= 10; id++)
		flow_send_event(f, 0, id);
	flow_send(f, &(struct record){ 0, NULL, "[]", 0, NULL, 0, 0 }); /* behind the last line */
	flow_flush(f);
	for (int i = 0; i < 3; i++) {
		const bool cut = i == 2;

		if (cut) {
			assert_int_equal(remove(scratch_path(&f->scratch, "metrics.log")), 0);
			(void)remove(scratch_path(&f->scratch, "metrics.log.checkpoint"));
		}
		f->child = flow_consumer(f, NULL);
		flow_wait_lines(f, 10);
		flow_wait_for(f, flow_err(f), "the group was heard", 1);
		if (cut)
			wait_metric(f, "metrics_consumer_group_ahead 1\n");
		else
			assert_metric(f, "metrics_consumer_group_ahead 0\n");
		assert_int_equal(flow_end(&f->child), 0);
		assert_has(f, flow_err(f), alarm, cut);
	}
	assert_has(f, flow_err(f), "partition=0 group=11 journal=-1", 1);
	assert_has(f, "metrics.log", "\n", 10);
}

/* And nothing else comes, with which it would be told. */
static void what_the_group_could_not_be_told_it_is_told_again(void **state)
{
	struct flow *const f = *state;

	rd_kafka_mock_push_request_errors(
		f->cluster, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
	flow_send_event(f, 0, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_for(f, flow_err(f), "offsets for lag tools were not stored", 1);
	assert_int_equal(flow_end(&f->child), 0);
	f->child = flow_consumer(f, NULL);
	flow_wait_for(f, flow_err(f), "it was told 1 in partition 0", 1);
	assert_int_equal(flow_end(&f->child), 0);
}

static void a_topic_with_three_partitions_is_not_read(void **state)
{
	struct flow *const f = *state;

	flow_stop(f);
	flow_start(f, 3);
	flow_send_event(f, 0, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_ready(f, 503, "topic metrics has 3 partitions and must have 2");
	assert_has(f, "metrics.log", "\n", 0);
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "stopped taken=0 ", 1);
}

static void without_a_broker_it_waits_and_says_so(void **state)
{
	struct flow *const f = *state;

	flow_send_event(f, 0, 1);
	flow_flush(f);
	for (int32_t broker = 1; broker <= 2; broker++)
		assert_int_equal(rd_kafka_mock_broker_set_down(f->cluster, broker), 0);
	f->child = flow_consumer(f, NULL);
	flow_wait_ready(f, 503, "no broker answers");
	for (int32_t broker = 1; broker <= 2; broker++)
		assert_int_equal(rd_kafka_mock_broker_set_up(f->cluster, broker), 0);
	flow_wait_lines(f, 1);
	flow_wait_ready(f, 200, "\"kafka\":\"ok\"");

	for (int32_t broker = 1; broker <= 2; broker++)
		assert_int_equal(rd_kafka_mock_broker_set_down(f->cluster, broker), 0);
	flow_wait_ready(f, 503, "no broker answers");
	flow_send_event(f, 0, 2); /* is there as soon as they are: ATTACKS B11 */
	for (int32_t broker = 1; broker <= 2; broker++)
		assert_int_equal(rd_kafka_mock_broker_set_up(f->cluster, broker), 0);
	flow_wait_ready(f, 200, "\"kafka\":\"ok\"");
	flow_flush(f);
	flow_wait_lines(f, 2);
	flow_wait_for(f, flow_err(f), "brokers are back", 1);
	assert_int_equal(flow_end(&f->child), 0);
}

static void a_second_consumer_waits_until_the_first_is_gone(void **state)
{
	struct flow *const f = *state;

	flow_send_event(f, 0, 1);
	flow_flush(f);
	f->child = flow_consumer(f, NULL);
	flow_wait_lines(f, 1);
	f->standby = flow_consumer(f, NULL);
	flow_wait_ready(f, 503, "standby: another consumer owns this journal");
	flow_send_event(f, 0, 2);
	flow_flush(f);
	flow_wait_lines(f, 2);
	flow_kill(&f->child);
	flow_send_event(f, 0, 3);
	flow_flush(f);
	flow_wait_lines(f, 3);
	flow_wait_ready(f, 200, "\"ready\":true");
	assert_has(f, "metrics.log", "\n", 3);
	assert_int_equal(flow_end(&f->standby), 0);
	assert_has(f, flow_err(f), "taken=1 journaled=1 ", 1);
}

static void a_full_disk_holds_it_up_and_loses_nothing(void **state)
{
	struct flow *const f = *state;
	struct scratch small;
	char filler[24576], journal[PATH_MAX + 32];
	const char *const settings[] = { journal, "PRINT=off", NULL };

	if (!scratch_make_small(&small, 49152)) {
		print_message("skipped: this process may not mount a tmpfs\n");
		skip();
	}
	memset(filler, 'x', sizeof(filler));
	scratch_write(&small, "filler", filler, sizeof(filler));
	(void)snprintf(
		journal, sizeof(journal), "JOURNAL_PATH=%s", scratch_path(&small, "metrics.log"));
	for (int64_t id = 1; id <= 50; id++) {
		flow_send_event(f, 0, id);
		if (id % 10 == 0)
			flow_send(f, &(struct record){ 0, "k", "{}", 0, NULL, 0, 0 });
	}
	flow_flush(f);
	f->child = flow_consumer(f, settings);
	flow_wait_for(f, flow_err(f), "reads partition 0", 1);
	for (int64_t id = 51; id <= 150; id++) {
		flow_send_event(f, 0, id);
		flow_flush(f);
	}
	flow_wait_ready(f, 503, "No space left on device");
	assert_int_equal(remove(scratch_path(&small, "filler")), 0);
	flow_wait_ready(f, 200, "\"journal\":\"ok\"");
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "taken=155 journaled=150 copies=0 dead_letters=5 ", 1);
	scratch_remove(&small);
}

/* ATTACKS C1: a line is a position, and a dead letter in front of it would be nowhere. */
static void no_line_is_written_before_a_dead_letter_in_front_of_it(void **state)
{
	struct flow *const f = *state;
	struct scratch small;
	char filler[8192], path[PATH_MAX + 32];
	const char *const settings[] = { path, NULL };

	if (!scratch_make_small(&small, sizeof(filler))) {
		print_message("skipped: this process may not mount a tmpfs\n");
		skip();
	}
	memset(filler, 'x', sizeof(filler));
	scratch_write(&small, "filler", filler, sizeof(filler));
	(void)snprintf(
		path, sizeof(path), "DEAD_LETTER_PATH=%s", scratch_path(&small, "dead-letter.log"));
	flow_send(f, &(struct record){ 0, "k", "{}", 0, NULL, 0, 0 });
	flow_send_event(f, 0, 1); /* in one batch with it: nothing was flushed between */
	flow_flush(f);
	f->child = flow_consumer(f, settings);
	flow_wait_ready(f, 503, "No space left on device");
	assert_has(f, "metrics.log", "\n", 0);
	assert_int_equal(remove(scratch_path(&small, "filler")), 0);
	flow_wait_lines(f, 1);
	assert_int_equal(flow_end(&f->child), 0);
	assert_has(f, flow_err(f), "taken=2 journaled=1 copies=0 dead_letters=1 ", 1);
	scratch_remove(&small);
}

/* librdkafka 2.0.2 looks at a queue that was full only once a second. */
static void a_queue_that_was_full_does_not_hold_it_up(void **state)
{
	static const char *const small[] = { "RDKAFKA_QUEUED_MIN_MESSAGES=100", "PRINT=off", NULL };
	struct flow *const f = *state;
	const int64_t last = 12000;
	int64_t begin;

	for (int64_t id = 1; id <= last; id++) {
		flow_send_event(f, 0, id);
		flow_send_event(f, 1, id);
		if (id % 1000 == 0)
			flow_flush(f);
	}
	begin = clock_mono_ms();
	f->child = flow_consumer(f, small);
	flow_wait_lines(f, (size_t)(2 * last));
	assert_true(clock_mono_ms() - begin < 15000); /* 0.3 s; 35 s where nobody looks again */
	assert_int_equal(flow_end(&f->child), 0);
	assert_once_and_in_order(f, last);
}

static int end_by_itself(pid_t *child)
{
	int status = 0;

	assert_int_equal(waitpid(*child, &status, 0), *child);
	*child = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void wrong_settings_are_named_all_at_once_with_status_2(void **state)
{
	static const char *const wrong[] = { "JOURNAL_SYNC_MS=60001", "PRINT=maybe",
		"LOG_LEVEL=loud", "DEAD_LETTER_PATH=", NULL };
	static const char *const same[][2] = { { "DEAD_LETTER_PATH=metrics.log" },
		{ "DEAD_LETTER_PATH=metrics.log.checkpoint" },
		{ "DEAD_LETTER_PATH=metrics.log.000001" } };
	static const char *const ours[] = { "RDKAFKA_AUTO_OFFSET_RESET=latest",
		"RDKAFKA_GROUP_ID=x", "RDKAFKA_NO_SUCH_THING=1", NULL };
	struct flow *const f = *state;

	f->child = flow_consumer(f, wrong);
	assert_int_equal(end_by_itself(&f->child), 2);
	assert_has(f, flow_err(f), "JOURNAL_SYNC_MS=60001: a whole number from 0 to 60000", 1);
	assert_has(f, flow_err(f), "PRINT=maybe: on or off", 1);
	assert_has(f, flow_err(f), "LOG_LEVEL=loud: ", 1);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		f->child = flow_consumer(f, same[i]);
		assert_int_equal(end_by_itself(&f->child), 2);
		assert_has(f, flow_err(f), "another file than the journal", 1);
	}
	f->child = flow_consumer(f, ours);
	assert_int_equal(end_by_itself(&f->child), 2);
	assert_has(f, flow_err(f), "(auto.offset.reset)", 1);
	assert_has(f, flow_err(f), "(group.id)", 1);
	assert_has(f, flow_err(f), "(no.such.thing)", 1);
	assert_has(f, "metrics.log", "\n", 0);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_record_finds_its_place),
		TEST(a_restart_writes_nothing_twice),
		TEST(killed_anywhere_it_writes_each_event_once_and_in_order),
		TEST(a_journal_that_ends_in_the_middle_of_a_line_goes_on),
		TEST(rotated_and_killed_it_writes_each_event_once),
		TEST(after_a_move_and_a_signal_it_writes_to_a_new_file),
		TEST(a_journal_that_is_deleted_ends_it_at_the_next_line),
		TEST(a_damaged_journal_is_not_touched),
		TEST(an_offset_above_the_log_is_a_hole_and_what_is_known_is_dropped),
		TEST(an_offset_below_the_log_is_a_hole_and_reading_goes_on),
		TEST(another_record_at_the_last_lines_offset_means_reading_everything),
		TEST(an_offset_that_is_there_after_all_is_no_hole),
		TEST(a_known_number_with_other_bytes_is_kept_and_an_alarm),
		TEST(passed_over_numbers_are_read_twice_counted_and_still_welcome),
		TEST(a_group_that_is_ahead_of_the_journal_is_an_alarm_and_decides_nothing),
		TEST(what_the_group_could_not_be_told_it_is_told_again),
		TEST(a_topic_with_three_partitions_is_not_read),
		TEST(without_a_broker_it_waits_and_says_so),
		TEST(a_second_consumer_waits_until_the_first_is_gone),
		TEST(a_full_disk_holds_it_up_and_loses_nothing),
		TEST(no_line_is_written_before_a_dead_letter_in_front_of_it),
		TEST(a_queue_that_was_full_does_not_hold_it_up),
		TEST(wrong_settings_are_named_all_at_once_with_status_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
