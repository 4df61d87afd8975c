/* process/metrics.h - writes metrics in Prometheus' text format 0.0.4.
 *
 * A family begins with its name, its kind and what it means; its samples follow, and nothing else
 * in between. Errors of @out are the caller's to look for, once, at the end. Any thread. */
#ifndef PROCESS_METRICS_H
#define PROCESS_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "process/histogram.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_label {
	const char *name, *value; /* a value may be any UTF-8 text */
};
/* What samples take: METRICS_LABELS({ "partition", "0" }, { "reason", text }), or NULL. */
#define METRICS_LABELS(...)                                                                        \
	(const struct metrics_label[])                                                             \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL, NULL                                                                 \
		}                                                                                  \
	}

void metrics_begin(FILE *out, const char *name, enum metrics_kind kind, const char *help);
void metrics_whole(FILE *out, const char *name, const struct metrics_label *labels, uint64_t value);
void metrics_real(FILE *out, const char *name, const struct metrics_label *labels, double value);
/* A sample of a METRICS_HISTOGRAM, in seconds. */
void metrics_histogram(FILE *out, const char *name, const struct metrics_label *labels,
	const struct histogram_scale *scale, const struct histogram *histogram);

/* A family of one sample without labels. */
void metrics_counter(FILE *out, const char *name, const char *help, uint64_t value);
void metrics_gauge(FILE *out, const char *name, const char *help, uint64_t value);

/* build_info, and what every process is asked for by the same names: processor time, memory, open
 * files, threads, its start. What the kernel does not tell is left out. */
void metrics_write_process(FILE *out, const char *program);

#endif
