/* metrics-consumer/line_spans.h - the spans of lines that belong to a trace: from the placing of
 * the record to the sync of the journal. The consumer's thread alone uses it. */
#ifndef METRICS_CONSUMER_LINE_SPANS_H
#define METRICS_CONSUMER_LINE_SPANS_H

#include <librdkafka/rdkafka.h>

#include "metrics-consumer/decode.h"

#define LINE_SPANS_MAX 1024 /* between two syncs; further lines have none */

struct spans;
struct line_spans;

/* *lines stays NULL where @spans is. @topic and @group are borrowed until the close. */
bool line_spans_open(struct line_spans **lines, struct spans *spans, const char *topic,
	const char *group, struct fail *fail);
void line_spans_close(struct line_spans **lines);

/* A line was made of @record, which has a traceparent. */
void line_spans_begin(
	struct line_spans *lines, const rd_kafka_message_t *record, const struct decoded *decoded);
/* All lines are on the disk. */
void line_spans_end(struct line_spans *lines);

#endif
