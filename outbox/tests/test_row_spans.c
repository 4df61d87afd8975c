/* What a row that belongs to a trace carries to its reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outbox/row_spans.h"
#include "trace/spans.h"

#define TRACE     "4bf92f3577b34da6a3ce929d0e0e4736"
#define SAMPLED   "00-" TRACE "-00f067aa0ba902b7-01"
#define UNSAMPLED "00-" TRACE "-00f067aa0ba902b7-00"

struct fixture {
	struct relay_options options;
	struct row_spans *spans;
};

static int setup(void **state)
{
	static struct fixture f;
	struct fail fail = { 0 };

	f.options = (struct relay_options){ .source = "cart/00000001", .kafka.topic = "metrics" };
	*state = &f;
	/* Nobody listens there: they are dropped at the end. */
	if (setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9", 1) != 0)
		return -1;
	return spans_start(&f.options.spans, "test", &fail) &&
			       row_spans_open(&f.spans, &f.options, &fail)
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	row_spans_close(&f->spans);
	spans_stop(&f->options.spans);
	return 0;
}

static const char *name(struct fixture *f, int64_t id, const char *trace, char *out)
{
	const struct row row = { .id = id, .type = EVENT_CART_ITEM_ADDED, .trace = trace };

	return row_spans_name(f->spans, &row, out);
}

static void a_row_that_is_sent_again_carries_the_same(void **state)
{
	char first[TRACEPARENT_MAX], second[TRACEPARENT_MAX], other[TRACEPARENT_MAX];
	struct fixture *const f = *state;
	struct trace_context context;

	assert_string_equal(name(f, 1, SAMPLED, first), name(f, 1, SAMPLED, second));
	assert_true(traceparent_read(first, strlen(first), &context));
	assert_non_null(strstr(first, TRACE));
	assert_string_not_equal(first, SAMPLED);
	assert_string_not_equal(name(f, 2, SAMPLED, other), first);
	f->options.source = "cart/00000002";
	assert_string_not_equal(name(f, 1, SAMPLED, other), first);
}

static void a_row_without_a_span_carries_what_it_has(void **state)
{
	char out[TRACEPARENT_MAX];
	struct fixture *const f = *state;
	const struct row row = { .id = 1, .trace = SAMPLED };

	assert_string_equal(name(f, 1, UNSAMPLED, out), UNSAMPLED);
	assert_null(name(f, 1, NULL, out));
	assert_string_equal(row_spans_name(NULL, &row, out), SAMPLED);
}

static void rows_beyond_the_bound_have_none(void **state)
{
	struct fixture *const f = *state;

	for (int64_t id = 1; id <= 3 * ROW_SPANS_MAX; id++)
		row_spans_begin(f->spans, &(struct row){ .id = id, .trace = SAMPLED });
	row_spans_acknowledge(f->spans, 3 * ROW_SPANS_MAX, 7);
	for (int64_t id = 1; id <= 3 * ROW_SPANS_MAX; id++) {
		row_spans_begin(f->spans, &(struct row){ .id = id, .trace = SAMPLED });
		row_spans_acknowledge(f->spans, id, id);
	}
	row_spans_begin(f->spans, &(struct row){ .id = 1, .trace = SAMPLED });
	row_spans_fail(f->spans);
	row_spans_acknowledge(f->spans, 1, 1); /* nothing is left */
}

int main(void)
{
#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_row_that_is_sent_again_carries_the_same),
		TEST(a_row_without_a_span_carries_what_it_has),
		TEST(rows_beyond_the_bound_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
