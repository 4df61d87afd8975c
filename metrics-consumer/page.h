/* metrics-consumer/page.h - what the process says of itself over HTTP: /livez, /readyz,
 * /metrics. It is up before everything else, so that a standby and a start that waits can be
 * asked what they wait for. */
#ifndef METRICS_CONSUMER_PAGE_H
#define METRICS_CONSUMER_PAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/health.h"
#include "metrics-consumer/counters.h"
#include "metrics-consumer/printer.h"
#include "process/fail.h"

enum page_check { PAGE_KAFKA, PAGE_JOURNAL };
#define PAGE_CHECKS 2

struct page {
	pthread_mutex_t lock;
	char why[PAGE_CHECKS][HEALTH_TEXT_MAX]; /* "": holds; under the lock */
	struct printer *printer;                /* under the lock */
	struct counters *counters;
	struct http_server *server;
};

/* Starts with every check saying "starting". Borrows @counters until page_stop. */
bool page_start(struct page *page, const char *address, int64_t port, struct counters *counters,
	struct fail *fail);
void page_stop(struct page *page);
uint16_t page_port(const struct page *page);

/* What a check says from now on, cut to HEALTH_TEXT_MAX; NULL: it holds. Any thread. */
void page_say(struct page *page, enum page_check check, const char *why);
/* Whose dropped lines /metrics shows; NULL before the printer ends. */
void page_show_printer(struct page *page, struct printer *printer);

#endif
