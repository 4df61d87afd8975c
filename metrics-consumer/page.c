#include "metrics-consumer/page.h"

#include <stdlib.h>
#include <string.h>

#include "consumer_openapi.h"
#include "http/files.h"
#include "http/metrics.h"
#include "kafka/client/statistics.h"
#include "metrics-consumer/page_files.h"
#include "process/log.h"
#include "process/metrics.h"

#define RECENT_MAX 200 /* events of one answer */

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
		metrics_counter(out, "metrics_consumer_print_dropped_total",
			"Lines standard output missed.", printer_dropped(page->printer));
	pthread_mutex_unlock(&page->lock);
}

static void write_metrics(void *context, FILE *out)
{
	struct page *const page = context;
	struct counts counts;

	counters_read(page->counters, &counts);
	counts_write_metrics(&counts, out);
	write_printer(page, out);
	kafka_statistics_write(out);
}

static void get_metrics(struct http_request *request, void *context)
{
	http_answer_metrics(request, "metrics-consumer", write_metrics, context);
}

static void get_file(struct http_request *request, void *context)
{
	(void)context;
	http_answer_file(request, page_files, page_file_count);
}

/* journal:file:byte:run:message, as feed_message and viewers write it. */
static bool is_event_id(const char *id)
{
	size_t digits = strspn(id, "0123456789abcdef");

	if (digits != CHECKPOINT_ID_MAX - 1)
		return false;
	id += digits;
	for (int i = 0; i < 4; i++) {
		if (*id++ != ':')
			return false;
		digits = strspn(id, "0123456789");
		if (digits == 0 || digits > 19)
			return false;
		id += digits;
	}
	return *id == '\0';
}

static void get_feed(struct http_request *request, void *context)
{
	struct page *const page = context;
	const char *const last_id = http_header(request, "Last-Event-ID");

	if (last_id && *last_id && !is_event_id(last_id))
		http_answer_problem(request, 400, "Last-Event-ID",
			"Last-Event-ID is not one that we gave: journal:file:byte:run:message");
	else
		viewers_join(&page->feed.viewers, request, last_id);
}

static bool is_type(const char *name)
{
	for (int type = 0; type < EVENT_TYPES; type++) {
		if (strcmp(event_type_name((enum event_type)type), name) == 0)
			return true;
	}
	return false;
}

static bool read_limit(const char *text, size_t *limit)
{
	char *end;
	const unsigned long value = text ? strtoul(text, &end, 10) : RECENT_MAX;

	if (text && (*text < '0' || *text > '9' || *end != '\0'))
		return false;
	*limit = value;
	return value >= 1 && value <= RECENT_MAX;
}

static void get_recent(struct http_request *request, void *context)
{
	struct page *const page = context;
	struct picture_filter filter = { .type = http_query(request, "type"),
		.cart = http_query(request, "cart"),
		.sku = http_query(request, "sku") };

	if (filter.type && !is_type(filter.type)) {
		http_answer_problem(
			request, 400, "type", "type=%.64s: no type of event", filter.type);
	} else if (!read_limit(http_query(request, "limit"), &filter.most)) {
		http_answer_problem(
			request, 400, "limit", "limit is a number from 1 to %d", RECENT_MAX);
	} else {
		http_answer_header(request, "Cache-Control", "no-store");
		http_answer_json(request, 200,
			json_pack("{s:o}", "events", feed_recent(&page->feed, &filter)));
	}
}

static void get_openapi(struct http_request *request, void *context)
{
	(void)context;
	http_answer_text(request, 200, "application/json", consumer_openapi);
}

const struct http_route page_routes[PAGE_ROUTES] = {
	{ "GET", "/livez", get_live, false },
	{ "GET", "/readyz", get_ready, false },
	{ "GET", "/metrics", get_metrics, false },
	{ "GET", "/openapi.json", get_openapi, false },
	{ "GET", "/feed", get_feed, false },
	{ "GET", "/recent{?type,cart,sku,limit}", get_recent, false },
	{ "GET", "/", get_file, false },
	{ "GET", "/page.css", get_file, false },
	{ "GET", "/page.js", get_file, false },
	{ "GET", "/state.js", get_file, false },
	{ "GET", "/charts.js", get_file, false },
	{ "GET", "/tables.js", get_file, false },
	{ "GET", "/words.js", get_file, false },
	{ "GET", "/icon.svg", get_file, false },
	{ "GET", "/chart.js", get_file, false },
	{ "GET", "/licenses.txt", get_file, false },
};

static void tell_checks(void *context, char kafka[HEALTH_TEXT_MAX], char journal[HEALTH_TEXT_MAX])
{
	(void)check_holds(context, PAGE_KAFKA, kafka);
	(void)check_holds(context, PAGE_JOURNAL, journal);
}

bool page_start(struct page *page, const struct page_options *options, struct fail *fail)
{
	const struct http_options http = { .address = options->address,
		.port = options->port,
		.routes = page_routes,
		.route_count = PAGE_ROUTES,
		.context = page };
	const struct feed_options feed = { .counters = options->counters,
		.dead_letter_path = options->dead_letter_path,
		.services = options->services,
		.checks = tell_checks,
		.context = page };

	page->counters = options->counters;
	page->printer = NULL;
	pthread_mutex_init(&page->lock, NULL);
	for (int check = 0; check < PAGE_CHECKS; check++)
		strcpy(page->why[check], "starting");
	memset(page->held, 0, sizeof(page->held));
	if (!feed_start(&page->feed, &feed, fail))
		goto destroy_lock;
	if (http_server_start(&page->server, &http, fail))
		return true;
	feed_stop(&page->feed);
destroy_lock:
	pthread_mutex_destroy(&page->lock);
	return false;
}

void page_stop(struct page *page)
{
	feed_close(&page->feed);
	http_server_stop(&page->server);
	feed_stop(&page->feed);
	pthread_mutex_destroy(&page->lock);
}

uint16_t page_port(const struct page *page)
{
	return http_server_port(page->server);
}

void page_synced(struct page *page, const struct journal *journal, const struct counts *counts)
{
	feed_synced(&page->feed, journal_id(journal), journal->file.fd, journal->number,
		journal->file.synced, counts);
}

void page_journaled(struct page *page, const struct sources *sources)
{
	outboxes_journaled(&page->feed.outboxes, sources);
}

void page_show_brokers(struct page *page, rd_kafka_t *client, const char *topic)
{
	struct fail fail = { 0 };

	if (!client)
		brokers_stop(&page->feed.brokers);
	else if (!brokers_start(&page->feed.brokers, client, topic, &fail))
		log_warning("page", "brokers are not asked: %s", fail.text);
}

/* What stops to hold, and what holds again, once it did: a start is no trouble. */
static void note_check(
	struct page *page, enum page_check check, const char *before, const char *now)
{
	struct timeline_entry entry = { .kind = *now ? TIMELINE_TROUBLE : TIMELINE_WELL };

	if (*before && !*now && !page->held[check]) {
		page->held[check] = true;
		return;
	}
	if (!page->held[check] || (*before != '\0') == (*now != '\0'))
		return;
	(void)snprintf(entry.text, sizeof(entry.text), "%s%s%.180s", checks[check].name,
		*now ? ": " : "", now);
	timeline_add(&page->feed.timeline, &entry);
}

void page_say(struct page *page, enum page_check check, const char *why)
{
	const char *const text = why ? why : "";
	const size_t length = strnlen(text, HEALTH_TEXT_MAX - 1);

	pthread_mutex_lock(&page->lock);
	note_check(page, check, page->why[check], text);
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
