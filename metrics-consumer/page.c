#include "metrics-consumer/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer_openapi.h"

static bool check_holds(struct page *page, enum page_check check, char why[HEALTH_TEXT_MAX])
{
	pthread_mutex_lock(&page->lock);
	memcpy(why, page->why[check], HEALTH_TEXT_MAX);
	pthread_mutex_unlock(&page->lock);
	return *why == '\0';
}

static bool kafka_holds(void *context, char why[HEALTH_TEXT_MAX])
{
	return check_holds(context, PAGE_KAFKA, why);
}

static bool journal_holds(void *context, char why[HEALTH_TEXT_MAX])
{
	return check_holds(context, PAGE_JOURNAL, why);
}

static const struct health_check checks[PAGE_CHECKS] = {
	[PAGE_KAFKA] = { "kafka", kafka_holds },
	[PAGE_JOURNAL] = { "journal", journal_holds },
};

static void get_live(struct http_request *request, void *context)
{
	(void)context;
	health_answer_live(request);
}

static void get_ready(struct http_request *request, void *context)
{
	health_answer_ready(request, checks, PAGE_CHECKS, context);
}

static void write_printer(struct page *page, FILE *out)
{
	pthread_mutex_lock(&page->lock);
	if (page->printer)
		fprintf(out,
			"# HELP metrics_consumer_print_dropped_total Lines standard output "
			"missed.\n"
			"# TYPE metrics_consumer_print_dropped_total counter\n"
			"metrics_consumer_print_dropped_total %" PRIu64 "\n",
			printer_dropped(page->printer));
	pthread_mutex_unlock(&page->lock);
}

static void get_metrics(struct http_request *request, void *context)
{
	struct page *const page = context;
	struct counts counts;
	char *text = NULL;
	size_t length;
	FILE *const out = open_memstream(&text, &length);

	if (out) {
		counters_read(page->counters, &counts);
		counts_write_metrics(&counts, out);
		write_printer(page, out);
	}
	if (!out || fclose(out) != 0)
		http_answer_problem(request, 500, NULL, "out of memory");
	else
		http_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	free(text);
}

static void get_openapi(struct http_request *request, void *context)
{
	(void)context;
	http_answer_text(request, 200, "application/json", consumer_openapi);
}

static const struct http_route routes[] = {
	{ "GET", "/livez", get_live, false },
	{ "GET", "/readyz", get_ready, false },
	{ "GET", "/metrics", get_metrics, false },
	{ "GET", "/openapi.json", get_openapi, false },
};

bool page_start(struct page *page, const char *address, int64_t port, struct counters *counters,
	struct fail *fail)
{
	const struct http_options options = { .address = address,
		.port = port,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.context = page };

	page->counters = counters;
	page->printer = NULL;
	pthread_mutex_init(&page->lock, NULL);
	for (int check = 0; check < PAGE_CHECKS; check++)
		strcpy(page->why[check], "starting");
	if (http_server_start(&page->server, &options, fail))
		return true;
	pthread_mutex_destroy(&page->lock);
	return false;
}

void page_stop(struct page *page)
{
	http_server_stop(&page->server);
	pthread_mutex_destroy(&page->lock);
}

uint16_t page_port(const struct page *page)
{
	return http_server_port(page->server);
}

void page_say(struct page *page, enum page_check check, const char *why)
{
	const char *const text = why ? why : "";
	const size_t length = strnlen(text, HEALTH_TEXT_MAX - 1);

	pthread_mutex_lock(&page->lock);
	memcpy(page->why[check], text, length);
	page->why[check][length] = '\0';
	pthread_mutex_unlock(&page->lock);
}

void page_show_printer(struct page *page, struct printer *printer)
{
	pthread_mutex_lock(&page->lock);
	page->printer = printer;
	pthread_mutex_unlock(&page->lock);
}
