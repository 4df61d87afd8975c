#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/times.h"

static const struct http_route routes[] = {
	{ "GET", "/carts/{cartId}", NULL, false },
	{ "POST", "/carts/{cartId}/items", NULL, true },
};

#define THREADS   4
#define ADDITIONS 20000

/* What is written, to be freed. */
static char *text_of(struct times *times)
{
	char *text;
	size_t length;
	FILE *const out = open_memstream(&text, &length);

	assert_non_null(out);
	times_write(times, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_holds(struct times *times, const char *line)
{
	char *const text = text_of(times);

	if (!strstr(text, line))
		fail_msg("'%s' is not in: %s", line, text);
	free(text);
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	while ((text = strstr(text, part))) {
		count++;
		text++;
	}
	return count;
}

static void each_route_and_status_has_its_own(void **state)
{
	struct times *times = times_new(routes, 2);
	char *text;

	(void)state;
	times_add(times, &routes[0], 200, 90);
	times_add(times, &routes[0], 200, 250);
	times_add(times, &routes[1], 503, -7);
	times_add(times, NULL, 404, 1000000);
	assert_holds(times,
		"_bucket{method=\"GET\",route=\"/carts/{cartId}\",code=\"200\",le=\"0.0001\"} 1\n");
	assert_holds(times,
		"_bucket{method=\"GET\",route=\"/carts/{cartId}\",code=\"200\",le=\"0.0004\"} 2\n");
	assert_holds(
		times, "_sum{method=\"GET\",route=\"/carts/{cartId}\",code=\"200\"} 0.00034\n");
	assert_holds(
		times, "_count{method=\"POST\",route=\"/carts/{cartId}/items\",code=\"503\"} 1\n");
	assert_holds(
		times, "_sum{method=\"POST\",route=\"/carts/{cartId}/items\",code=\"503\"} 0\n");
	assert_holds(times, "_sum{method=\"other\",route=\"none\",code=\"404\"} 1\n");
	text = text_of(times);
	assert_int_equal(count_of(text, "_count{"), 3); /* and nothing for what did not happen */
	free(text);
	times_free(&times);
}

static void statuses_without_end_become_one(void **state)
{
	struct times *times = times_new(routes, 2);
	char *text;

	(void)state;
	for (unsigned status = 200; status < 600; status++)
		times_add(times, &routes[0], status, 1);
	text = text_of(times);
	assert_int_equal(count_of(text, "_count{"), TIMES_STATUSES + 1);
	free(text);
	assert_holds(times, "_count{method=\"GET\",route=\"/carts/{cartId}\",code=\"0\"} 388\n");
	times_free(&times);
}

static void *add_many(void *context)
{
	for (unsigned i = 0; i < ADDITIONS; i++)
		times_add(context, &routes[i % 2], 200 + i % 8, i);
	return NULL;
}

static void threads_that_add_at_once_lose_nothing(void **state)
{
	struct times *times = times_new(routes, 2);
	pthread_t threads[THREADS];
	uint64_t sum = 0;
	char *text;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, times), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	text = text_of(times);
	assert_int_equal(count_of(text, "_count{"), 8); /* no status has two places */
	for (const char *at = text; (at = strstr(at, "_count{")); at++)
		sum += strtoull(strstr(at, "} ") + 2, NULL, 10);
	assert_int_equal(sum, THREADS * ADDITIONS);
	free(text);
	times_free(&times);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_route_and_status_has_its_own),
		cmocka_unit_test(statuses_without_end_become_one),
		cmocka_unit_test(threads_that_add_at_once_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
