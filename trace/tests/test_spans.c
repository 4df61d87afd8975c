/* Spans whose collector cannot be found. Whoever asks for the address of a name here waits longer
 * than any test: a name server that does not answer. */
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/clock.h"
#include "trace/spans.h"

#define SLOW_SECONDS 20

static atomic_int asked;

/* In place of the C library's. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)result;
	atomic_fetch_add(&asked, 1);
	(void)sleep(SLOW_SECONDS);
	return EAI_AGAIN;
}

static void a_name_that_is_not_found_in_time_does_not_hold_up_the_end(void **state)
{
	const struct span span = { .kind = SPAN_SERVER, .name = "GET /" };
	struct spans *spans;
	struct fail fail = { 0 };
	int64_t began;

	(void)state;
	assert_int_equal(
		setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318", 1), 0);
	assert_int_equal(setenv("OTEL_BSP_SCHEDULE_DELAY", "10", 1), 0);
	assert_true(spans_start(&spans, "test", &fail));
	assert_non_null(spans);
	spans_put(spans, &span);
	for (int i = 0; i < 1000 && atomic_load(&asked) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(atomic_load(&asked), 1);
	began = clock_mono_ms();
	spans_stop(&spans); /* "for at most two seconds" */
	assert_in_range(clock_mono_ms() - began, 0, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_is_not_found_in_time_does_not_hold_up_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
