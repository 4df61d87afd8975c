/* http/metrics.h - the answer to GET /metrics: what the process counts, then what every process
 * tells: its requests, its processor time, memory and files, its build. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http/server.h"

/* Writes whole families, as process/metrics.h says. */
typedef void http_metrics_write(void *context, FILE *out);

void http_answer_metrics(struct http_request *request, const char *program,
	http_metrics_write *write, void *context);

#endif
