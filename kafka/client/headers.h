/* kafka/client/headers.h - the CloudEvents headers of a record (CloudEvents 1.0, Kafka
 * protocol binding, binary content mode). ce_source and ce_id name an event for ever:
 * ce_source is `<service>/<store id>`, ce_id the store's sequence number in decimal. */
#ifndef KAFKA_HEADERS_H
#define KAFKA_HEADERS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "trace/traceparent.h"
#include "trace/tracestate.h"

#define SOURCE_MAX 128 /* bytes of a source with its NUL */

struct record_headers {
	char source[SOURCE_MAX];           /* "" where the record has no sound source and id */
	int64_t id;                        /* from 1 */
	int64_t time_ms;                   /* ce_time; -1 where there is none */
	char traceparent[TRACEPARENT_MAX]; /* "" where it has no sound one */
	bool has_tracestate;               /* beside a sound traceparent */
};

/* Makes the header list of an outgoing record, to be given to rd_kafka_producev, which
 * takes it. @id is above 0. NULL: out of memory. */
rd_kafka_headers_t *headers_new(const char *source, int64_t id, const char *type, int64_t time_ms);

/* Adds the headers `traceparent` and, unless it is NULL, `tracestate`. False: out of memory. */
bool headers_add_trace(
	rd_kafka_headers_t *headers, const char *traceparent, const char *tracestate);

/* Reads the headers of a record. A source is printable ASCII without spaces; both ce_source
 * and ce_id must be sound, or neither counts. */
void headers_read(const rd_kafka_message_t *record, struct record_headers *out);
/* The same, and gives back at once what librdkafka allocated for them: the record has none
 * afterwards, unless there is a tracestate among them. */
void headers_take(rd_kafka_message_t *record, struct record_headers *out);
/* The tracestate of a record that has one; "" where it is not sound. */
void headers_tracestate(const rd_kafka_message_t *record, char out[static TRACESTATE_MAX]);

#endif
