/* outbox/row_spans.h - the spans of rows that belong to a trace: from being given to the producer
 * to the report. The record carries its span as traceparent, so that who reads it can go on there;
 * a row that is sent again gets the same one. The relay's thread alone uses it. */
#ifndef OUTBOX_ROW_SPANS_H
#define OUTBOX_ROW_SPANS_H

#include "outbox/relay.h"
#include "outbox/rows.h"
#include "trace/traceparent.h"

#define ROW_SPANS_MAX 1024 /* rows on their way that have one; further ones have none */

struct row_spans;

/* *spans stays NULL where the relay wants none. */
bool row_spans_open(
	struct row_spans **spans, const struct relay_options *options, struct fail *fail);
/* Rows on their way had no report. */
void row_spans_close(struct row_spans **spans);

/* The traceparent that @row is to carry: @out, or that of the row where no span is kept of it. */
const char *row_spans_name(
	struct row_spans *spans, const struct row *row, char out[TRACEPARENT_MAX]);
/* The producer has taken the row. */
void row_spans_begin(struct row_spans *spans, const struct row *row);
/* Rows up to @id are in the partition; that of @id at @offset, or somewhere (-1). */
void row_spans_acknowledge(struct row_spans *spans, int64_t id, int64_t offset);
/* The run is over: what had no report has failed. */
void row_spans_fail(struct row_spans *spans);

#endif
