#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/metrics.h"

static const struct histogram_scale scale = { .first = 100, .per_second = 1000000, .bounds = 4 };

struct page {
	FILE *out;
	char *text;
	size_t length;
};

static void open_page(struct page *page)
{
	page->out = open_memstream(&page->text, &page->length);
	assert_non_null(page->out);
}

static void assert_page(struct page *page, const char *wanted)
{
	assert_int_equal(fclose(page->out), 0);
	assert_string_equal(page->text, wanted);
	free(page->text);
}

static void a_value_goes_to_the_lowest_bound_it_is_not_above(void **state)
{
	static const struct {
		uint64_t value;
		size_t place;
	} cases[] = { { 0, 0 }, { 1, 0 }, { 100, 0 }, { 101, 1 }, { 200, 1 }, { 201, 2 },
		{ 400, 2 }, { 401, 3 }, { 800, 3 }, { 801, 4 }, { 1000000, 4 }, { UINT64_MAX, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(histogram_place(&scale, cases[i].value), cases[i].place);
}

/* As slowly as it can be said, for every value around every bound of every scale. */
static void the_place_is_the_one_that_a_search_finds(void **state)
{
	(void)state;
	for (uint64_t first = 1; first <= 1000; first = first * 3 + 1) {
		const struct histogram_scale s = { first, 1000, HISTOGRAM_BOUNDS_MAX };

		for (size_t i = 0; i < s.bounds; i++) {
			for (uint64_t value = (first << i) - 1; value <= (first << i) + 1;
				value++) {
				size_t place = 0;

				while (place < s.bounds && value > first << place)
					place++;
				assert_int_equal(histogram_place(&s, value), place);
			}
		}
	}
}

static void a_histogram_is_written_in_seconds_and_adds_up(void **state)
{
	struct histogram h = { 0 };
	struct page page;

	(void)state;
	histogram_add(&h, &scale, 50);
	histogram_add(&h, &scale, 100);
	histogram_add(&h, &scale, 300);
	histogram_add(&h, &scale, 5000000);
	open_page(&page);
	metrics_begin(page.out, "took_seconds", METRICS_HISTOGRAM, "How long.");
	metrics_histogram(page.out, "took_seconds", METRICS_LABELS({ "code", "200" }), &scale, &h);
	assert_page(&page, "# HELP took_seconds How long.\n"
			   "# TYPE took_seconds histogram\n"
			   "took_seconds_bucket{code=\"200\",le=\"0.0001\"} 2\n"
			   "took_seconds_bucket{code=\"200\",le=\"0.0002\"} 2\n"
			   "took_seconds_bucket{code=\"200\",le=\"0.0004\"} 3\n"
			   "took_seconds_bucket{code=\"200\",le=\"0.0008\"} 3\n"
			   "took_seconds_bucket{code=\"200\",le=\"+Inf\"} 4\n"
			   "took_seconds_sum{code=\"200\"} 5.00045\n"
			   "took_seconds_count{code=\"200\"} 4\n");
}

static void a_histogram_without_labels_has_only_its_bounds(void **state)
{
	static const struct histogram_scale one = { .first = 1, .per_second = 1000, .bounds = 1 };
	const struct histogram none = { 0 };
	struct page page;

	(void)state;
	open_page(&page);
	metrics_histogram(page.out, "t", NULL, &one, &none);
	assert_page(
		&page, "t_bucket{le=\"0.001\"} 0\nt_bucket{le=\"+Inf\"} 0\nt_sum 0\nt_count 0\n");
}

static void what_ends_a_text_is_escaped(void **state)
{
	struct page page;

	(void)state;
	open_page(&page);
	metrics_begin(page.out, "m", METRICS_GAUGE, "a \"b\" \\ c\nd");
	metrics_whole(page.out, "m", METRICS_LABELS({ "x", "a \"b\" \\ c\nd" }, { "y", "" }), 7);
	metrics_real(page.out, "m", NULL, 1764140123.45);
	assert_page(&page, "# HELP m a \"b\" \\\\ c\\nd\n"
			   "# TYPE m gauge\n"
			   "m{x=\"a \\\"b\\\" \\\\ c\\nd\",y=\"\"} 7\n"
			   "m 1764140123.45\n");
}

static void a_shared_histogram_reads_as_what_was_added(void **state)
{
	struct histogram_shared shared = { 0 };
	struct histogram read, wanted = { 0 };

	(void)state;
	for (uint64_t value = 1; value < 10000; value *= 3) {
		histogram_add_shared(&shared, &scale, value);
		histogram_add(&wanted, &scale, value);
	}
	histogram_read(&shared, &read);
	assert_memory_equal(&read, &wanted, sizeof(read));
}

static double number_of(const char *text, const char *name)
{
	const char *at = text;
	const size_t length = strlen(name);

	while ((at = strstr(at, name))) {
		if (at[length] == ' ' && at > text && at[-1] == '\n')
			return strtod(at + length, NULL);
		at += length;
	}
	fail_msg("%s is not there: %s", name, text);
	return 0;
}

static void the_process_tells_what_the_kernel_knows(void **state)
{
	struct page page;
	double files;
	int more[2];

	(void)state;
	open_page(&page);
	metrics_write_process(page.out, "a-program");
	assert_int_equal(fflush(page.out), 0);
	assert_non_null(strstr(page.text, "\nbuild_info{program=\"a-program\",version=\""));
	assert_true(number_of(page.text, "process_cpu_seconds_total") >= 0);
	assert_true(number_of(page.text, "process_cpu_seconds_total") < 60);
	assert_true(number_of(page.text, "process_resident_memory_bytes") > 100000);
	assert_true(number_of(page.text, "process_virtual_memory_bytes") >=
		    number_of(page.text, "process_resident_memory_bytes"));
	assert_true(number_of(page.text, "process_threads") >= 1);
	assert_true(
		number_of(page.text, "process_max_fds") > number_of(page.text, "process_open_fds"));
	/* This process started a moment ago. */
	assert_true(number_of(page.text, "process_start_time_seconds") <= (double)time(NULL) + 2);
	assert_true(number_of(page.text, "process_start_time_seconds") > (double)time(NULL) - 600);

	files = number_of(page.text, "process_open_fds");
	assert_int_equal(fclose(page.out), 0);
	free(page.text);
	assert_int_equal(pipe(more), 0);
	open_page(&page);
	metrics_write_process(page.out, "a-program");
	assert_int_equal(fflush(page.out), 0);
	assert_true(number_of(page.text, "process_open_fds") == files + 2);
	assert_int_equal(fclose(page.out), 0);
	free(page.text);
	close(more[0]);
	close(more[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_goes_to_the_lowest_bound_it_is_not_above),
		cmocka_unit_test(the_place_is_the_one_that_a_search_finds),
		cmocka_unit_test(a_histogram_is_written_in_seconds_and_adds_up),
		cmocka_unit_test(a_histogram_without_labels_has_only_its_bounds),
		cmocka_unit_test(what_ends_a_text_is_escaped),
		cmocka_unit_test(a_shared_histogram_reads_as_what_was_added),
		cmocka_unit_test(the_process_tells_what_the_kernel_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
