/* metrics-consumer/decode.h - what a record says by itself: its headers, and whether its value is
 * an event. Nothing here depends on any other record, so a batch is decoded by two threads: it is
 * most of the work that a record makes. */
#ifndef METRICS_CONSUMER_DECODE_H
#define METRICS_CONSUMER_DECODE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "process/fail.h"

struct decoded {
	struct record_headers headers;
	enum event_flaw flaw; /* of the value; that of a tombstone is EVENT_NOT_JSON */
	/* Of a value that is EVENT_SOUND: */
	enum event_type type;
	int64_t at_ms;
	/* Of any: */
	uint32_t checksum; /* dead_letter_checksum, and so that of a line made of it as it is */
	bool breaks;       /* it has line breaks: its line is made of it without them */
};

/* Decodes one record that carries no error, and takes its headers. @reader and @event are the
 * caller's, to work with. */
void decode_record(struct event_reader *reader, struct event *event, rd_kafka_message_t *record,
	struct decoded *out);

struct decoder;

#define DECODE_MAX 4096 /* records of a batch */

/* Starts the second thread, where there is a second processor. */
bool decoder_start(struct decoder **decoder, struct fail *fail);
void decoder_stop(struct decoder **decoder);

/* One thread begins each batch and reaches every record of it, in order. @batch and @out, which has
 * room for @count, are borrowed until the last one is reached; a record that was reached is the
 * caller's again. Records that carry an error are left alone. */
void decoder_begin(struct decoder *decoder, rd_kafka_message_t *const *batch, size_t count,
	struct decoded *out);
/* Returns when record @at is decoded; until then the caller decodes, too. */
void decoder_reach(struct decoder *decoder, size_t at);

#endif
