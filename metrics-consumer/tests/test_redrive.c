/* `redrive`: repaired dead letters become journal lines, once, and bad input is named. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/journal.h"
#include "metrics-consumer/redrive.h"
#include "metrics-consumer/tests/scratch.h"
#include "metrics-consumer/verify.h"
#include "process/clock.h"

#define EVENT                                                                                      \
	"{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":"                        \
	"\"2025-07-08T19:15:32Z\",\"payload\":{\"cartId\":\"x\",\"sku\":\"A\",\"count\":2,"        \
	"\"status\":\"success\"}}"
#define LINE(offset, id)                                                                           \
	"2025-07-08T19:15:33.000Z partition=0 offset=" #offset " source=cart/a id=" #id            \
	" delay_ms=3 " EVENT "\n"
#define LETTER(offset, id, rest)                                                                   \
	"{\"time\":\"2025-07-08T19:15:32.481Z\",\"partition\":0,\"offset\":" #offset               \
	",\"source\":\"cart/a\",\"id\":" #id ",\"reason\":\"not_json\",\"key_hex\":null,"          \
	"\"value_hex\":\"7b\"" rest "}\n"
#define REPAIRED ",\"value\":" EVENT

struct fixture {
	struct scratch scratch;
	char journal[PATH_MAX], input[PATH_MAX];
	struct redrive_options options;
	char *said;
	bool all;
	struct fail fail;
};

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_make(&f->scratch);
	strcpy(f->journal, scratch_path(&f->scratch, "metrics.log"));
	strcpy(f->input, scratch_path(&f->scratch, "dead-letter.log"));
	f->options = (struct redrive_options){
		.journal_path = f->journal, .input_path = f->input, .progress_fd = -1
	};
	clock_set(1752002200000); /* 19:16:40 */
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	clock_set(0);
	scratch_remove(&f->scratch);
	free(f->said);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
	scratch_write(&f->scratch, name, text, strlen(text));
}

static bool run(struct fixture *f)
{
	size_t length;
	FILE *out;
	bool done;

	free(f->said);
	out = open_memstream(&f->said, &length);
	assert_non_null(out);
	f->fail = (struct fail){ 0 };
	done = redrive(&f->options, out, &f->all, &f->fail);
	assert_int_equal(fclose(out), 0);
	return done;
}

static void assert_said(struct fixture *f, const char *wanted)
{
	if (!strstr(f->said, wanted))
		fail_msg("no %s in:\n%s", wanted, f->said);
}

static void assert_journal(struct fixture *f, const char *wanted)
{
	char *const text = scratch_read(&f->scratch, "metrics.log", NULL);

	assert_string_equal(text, wanted);
	free(text);
}

#define REDRIVEN(offset, id)                                                                       \
	"2025-07-08T19:16:40.000Z partition=0 offset=" #offset " source=cart/a id=" #id            \
	" delay_ms=68000 " EVENT "\n"

static void a_repaired_letter_becomes_a_line_once(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log", LINE(0, 1) LINE(2, 3));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_true(run(f));
	assert_true(f->all);
	assert_said(f, "1 redriven, 0 already there, 0 refused\n");
	assert_journal(f, LINE(0, 1) LINE(2, 3) REDRIVEN(1, 2));
	assert_true(run(f));
	assert_true(f->all);
	assert_said(f, "0 redriven, 1 already there, 0 refused\n");
	assert_journal(f, LINE(0, 1) LINE(2, 3) REDRIVEN(1, 2));
}

/* Also where the dead letter is no more when the consumer starts. */
static void its_number_is_missing_no_more(void **state)
{
	struct fixture *const f = *state;
	char *checkpoint;

	put(f, "metrics.log", LINE(0, 1) LINE(2, 3));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_true(run(f));
	checkpoint = scratch_read(&f->scratch, "metrics.log.checkpoint", NULL);
	if (!strstr(checkpoint, "\"missing\":[]"))
		fail_msg("%s", checkpoint);
	free(checkpoint);
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACED(sound)                                                                              \
	",\"traceparent\":\"00-" TRACE "-" sound "-01\",\"tracestate\":\"rojo=1\"" REPAIRED

static void the_line_has_the_trace_of_the_record(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log", LINE(0, 1));
	put(f, "dead-letter.log",
		LETTER(1, 2, TRACED("00f067aa0ba902b7")) LETTER(2, 3, TRACED("0000000000000000")));
	assert_true(run(f));
	assert_true(f->all);
	assert_journal(f,
		LINE(0, 1) "2025-07-08T19:16:40.000Z partition=0 offset=1 source=cart/a id=2 "
			   "delay_ms=68000 trace=" TRACE " " EVENT "\n" REDRIVEN(2, 3));
	assert_true(run(f)); /* and is the same line for whoever reads it */
	assert_said(f, "0 redriven, 2 already there, 0 refused\n");
}

static void what_a_rotated_file_has_is_there(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log.000001", LINE(0, 1) LINE(2, 3) REDRIVEN(1, 2));
	put(f, "metrics.log", LINE(3, 4));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_true(run(f));
	assert_said(f, "0 redriven, 1 already there, 0 refused\n");
	assert_journal(f, LINE(3, 4));
}

static void a_dry_run_changes_nothing(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log", LINE(0, 1));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED) LETTER(2, 3, ""));
	f->options.dry_run = true;
	assert_true(run(f));
	assert_false(f->all);
	assert_said(f, "line 2, partition 0 offset 2 source cart/a id 3: not_json\n");
	assert_said(f, "1 would be redriven, 0 already there, 1 refused\n");
	assert_journal(f, LINE(0, 1));
}

/* As hex, as a text, with line breaks, and with the time of the record. */
static void a_value_is_repaired_in_any_form(void **state)
{
	static const char event[] = EVENT;
	struct fixture *const f = *state;
	char hex[2 * sizeof(event)] = "", letters[4096];

	for (size_t i = 0; i + 1 < sizeof(event); i++)
		(void)sprintf(hex + 2 * i, "%02x", (unsigned char)event[i]);
	(void)snprintf(letters, sizeof(letters),
		"{\"partition\":0,\"offset\":5,\"value_hex\":\"%s\","
		"\"ce_time\":\"2025-07-08T19:16:39.500Z\"}\n"
		"{\"partition\":0,\"offset\":6,\"value\":\"{\\n\\\"type\\\":\\\"other\\\","
		"\\\"service\\\":\\\"x\\\",\\n\\\"timestamp\\\":\\\"2025-07-08T19:15:32Z\\\","
		"\\\"payload\\\":{\\\"price\\\":12.10}}\"}\n"
		"{\"partition\":0,\"offset\":7,\"value\":{\"type\":\"other\",\"service\":\"x\","
		"\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{\"price\":0.1}}}",
		hex);
	put(f, "metrics.log", LINE(0, 1));
	put(f, "dead-letter.log", letters);
	assert_true(run(f));
	assert_true(f->all);
#define HEAD(offset)                                                                               \
	"2025-07-08T19:16:40.000Z partition=0 offset=" #offset " source=- id=- delay_ms="
#define OTHER(price)                                                                               \
	"68000 {\"type\":\"other\",\"service\":\"x\",\"timestamp\":\"2025-07-08T19:15:32Z\","      \
	"\"payload\":{\"price\":" price "}}\n"
	assert_journal(f,
		LINE(0, 1) HEAD(5) "500 " EVENT "\n" HEAD(6) OTHER("12.10") HEAD(7) OTHER("0.1"));
}

static void what_is_not_sound_or_no_letter_is_named_and_the_rest_goes_on(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log", LINE(0, 1) LINE(9, 9));
	put(f, "dead-letter.log",
		LETTER(1, 2, "") "{broken\n" LINE(
			0, 1) "[1]\n"
			      "{\"partition\":7,\"offset\":1}\n"
			      "{\"partition\":0,\"offset\":1,\"value_hex\":"
			      "\"7\"}\n" LETTER(3, 4, ",\"value\":{\"type\":\"cart_item_added\"}")
				      LETTER(4, 5, REPAIRED) LETTER(4, 9, REPAIRED));
	assert_true(run(f));
	assert_false(f->all);
	assert_said(f, "line 1, partition 0 offset 1 source cart/a id 2: not_json\n");
	assert_said(f, "line 2 is no dead letter: ");
	assert_said(f, "line 3 is no dead letter: ");
	assert_said(f, "line 4 is no dead letter: partition, offset, source with id");
	assert_said(f, "line 5 is no dead letter: ");
	assert_said(f, "line 6 is no dead letter: ");
	assert_said(f, "line 7, partition 0 offset 3 source cart/a id 4: missing_field\n");
	assert_said(f, "source cart/a id 9: the journal has this number, from another place\n");
	assert_said(f, "1 redriven, 0 already there, 8 refused\n");
	assert_journal(f, LINE(0, 1) LINE(9, 9) REDRIVEN(4, 5));
}

/* A person may append the repaired line to the file instead of changing the first. */
static void of_two_letters_of_an_event_the_sound_one_counts(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log", LINE(0, 1));
	put(f, "dead-letter.log", LETTER(1, 2, "") LETTER(1, 2, REPAIRED) LETTER(1, 2, REPAIRED));
	assert_true(run(f));
	assert_true(f->all);
	assert_said(f, "1 redriven, 2 already there, 0 refused\n");
	assert_journal(f, LINE(0, 1) REDRIVEN(1, 2));
}

static void a_redriven_line_is_neither_out_of_order_nor_missing(void **state)
{
	struct fixture *const f = *state;
	const struct verify_options options = {
		.journal_path = f->journal, .dead_letter_path = f->input, .progress_fd = -1
	};
	bool clean = false;

	put(f, "metrics.log", LINE(0, 1) LINE(2, 3));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_true(run(f));
	free(f->said);
	f->said = NULL;
	size_t length;
	FILE *const out = open_memstream(&f->said, &length);

	assert_true(verify(&options, out, &clean, &f->fail));
	assert_int_equal(fclose(out), 0);
	assert_said(f, "1 lines were dead letters, repaired and redriven\n");
	assert_said(f, "\n0 missing, 0 repeated, 0 out of order,");
	assert_true(clean);
}

static void a_consumer_that_runs_is_not_disturbed(void **state)
{
	struct fixture *const f = *state;
	struct journal journal;

	put(f, "metrics.log", LINE(0, 1));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_true(journal_lock(&journal, f->journal, &f->fail));
	assert_false(run(f));
	assert_int_equal(f->fail.kind, FAIL_OWNED);
	assert_string_equal(f->fail.text, "the consumer runs: stop it first");
	f->options.dry_run = true;
	assert_true(run(f));
	journal_close(&journal);
	assert_journal(f, LINE(0, 1));
}

/* What was written behind the last checkpoint is cut by whoever opens the journal next. */
static void killed_before_its_checkpoint_it_does_the_same_again(void **state)
{
	struct fixture *const f = *state;

	put(f, "metrics.log", LINE(0, 1) LINE(3, 4));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_true(run(f));
	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED) LETTER(2, 3, REPAIRED));
	put(f, "metrics.log", LINE(0, 1) LINE(3, 4) REDRIVEN(1, 2) REDRIVEN(2, 3));
	assert_true(run(f));
	assert_said(f, "1 redriven, 1 already there, 0 refused\n");
	assert_journal(f, LINE(0, 1) LINE(3, 4) REDRIVEN(1, 2) REDRIVEN(2, 3));
	assert_true(run(f));
	assert_said(f, "0 redriven, 2 already there, 0 refused\n");
}

static void a_torn_line_is_cut_first(void **state)
{
	struct fixture *const f = *state;

	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	put(f, "metrics.log", LINE(0, 1) "2025-07-08T19:15:33");
	assert_true(run(f));
	assert_journal(f, LINE(0, 1) REDRIVEN(1, 2));
}

static void a_journal_that_is_damaged_or_not_there_is_left_alone(void **state)
{
	struct fixture *const f = *state;

	put(f, "dead-letter.log", LETTER(1, 2, REPAIRED));
	assert_false(run(f));
	assert_non_null(strstr(f->fail.text, "metrics.log: No such file"));
	put(f, "metrics.log", "hello\n");
	assert_false(run(f));
	assert_non_null(strstr(f->fail.text, "metrics.log is damaged: line 1 at byte 0"));
	f->options.input_path = "/nowhere";
	assert_false(run(f));
	assert_non_null(strstr(f->fail.text, "open /nowhere: No such file"));
	assert_int_equal(f->fail.kind, FAIL_REFUSE);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_repaired_letter_becomes_a_line_once),
		TEST(its_number_is_missing_no_more),
		TEST(the_line_has_the_trace_of_the_record),
		TEST(what_a_rotated_file_has_is_there),
		TEST(a_dry_run_changes_nothing),
		TEST(a_value_is_repaired_in_any_form),
		TEST(what_is_not_sound_or_no_letter_is_named_and_the_rest_goes_on),
		TEST(of_two_letters_of_an_event_the_sound_one_counts),
		TEST(a_redriven_line_is_neither_out_of_order_nor_missing),
		TEST(a_consumer_that_runs_is_not_disturbed),
		TEST(killed_before_its_checkpoint_it_does_the_same_again),
		TEST(a_torn_line_is_cut_first),
		TEST(a_journal_that_is_damaged_or_not_there_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
