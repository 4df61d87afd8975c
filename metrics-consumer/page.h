/* metrics-consumer/page.h - what the process says of itself over HTTP. It is up before everything
 * else, so that a standby and a start that waits can be asked what they wait for.
 *
 * /livez, /readyz, /metrics   for machines
 * /                           the page, and the files it is made of; nothing from another host
 * /feed                       what the page shows, as server-sent events: `all`, then `tick`s;
 *                             `reading` while the journal is read; `dropped`, the last one, for a
 *                             viewer that was too slow. An id is journal:file:byte:run:message, and
 *                             with it as Last-Event-ID a viewer goes on where it was, or is sent
 *                             `all`.
 * /recent                     the last events that pass ?type=, ?cart=, ?sku=, at most ?limit=
 *
 * The consumer's thread says where the journal is synced to, and is asked for nothing: feed.h. */
#ifndef METRICS_CONSUMER_PAGE_H
#define METRICS_CONSUMER_PAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/health.h"
#include "metrics-consumer/counters.h"
#include "metrics-consumer/feed.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/printer.h"
#include "process/fail.h"

enum page_check { PAGE_KAFKA, PAGE_JOURNAL };
#define PAGE_CHECKS 2

struct page {
	pthread_mutex_t lock;
	char why[PAGE_CHECKS][HEALTH_TEXT_MAX]; /* "": holds; under the lock */
	bool held[PAGE_CHECKS];                 /* it did once; under the lock */
	struct printer *printer;                /* under the lock */
	struct counters *counters;
	struct feed feed;
	struct http_server *server;
};

struct page_options {
	const char *address;
	int64_t port;
	struct counters *counters; /* borrowed until page_stop */
	const char *dead_letter_path;
	const struct outbox_urls *services; /* copied */
};

#define PAGE_ROUTES 16
extern const struct http_route page_routes[PAGE_ROUTES];

/* Starts with every check saying "starting". */
bool page_start(struct page *page, const struct page_options *options, struct fail *fail);
void page_stop(struct page *page);
uint16_t page_port(const struct page *page);

/* What a check says from now on, cut to HEALTH_TEXT_MAX; NULL: it holds. Any thread. */
void page_say(struct page *page, enum page_check check, const char *why);
/* Everything in the journal is on the disk, and @counts are of that. Consumer's thread. */
void page_synced(struct page *page, const struct journal *journal, const struct counts *counts);
/* All that @sources know is on the disk. Consumer's thread. */
void page_journaled(struct page *page, const struct sources *sources);
/* Whose brokers the page shows; NULL before the client ends. Without a thread for it the page shows
 * none. */
void page_show_brokers(struct page *page, rd_kafka_t *client, const char *topic);
/* Whose dropped lines /metrics shows; NULL before the printer ends. */
void page_show_printer(struct page *page, struct printer *printer);

#endif
