/* metrics-consumer/letter.h - a dead letter as its file has it, repaired by a person or not: what
 * `redrive` makes a line of. */
#ifndef METRICS_CONSUMER_LETTER_H
#define METRICS_CONSUMER_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "process/fail.h"

struct letter {
	uint64_t number; /* of the line in the input */
	int32_t partition;
	int64_t offset;
	char source[SOURCE_MAX];
	int64_t id;
	int64_t at_ms;
	char trace[TRACE_DIGITS + 1]; /* "": none */
	enum event_flaw flaw;
	enum event_type type;
	char *value; /* without line breaks; NULL where there is none */
	size_t length;
	bool there; /* in the journal */
};

/* Reads a line of a dead letter file; letter->value is then the caller's to free. False with the
 * reason: it is none. */
bool letter_read(struct letter *letter, const char *bytes, size_t length, struct fail *fail);
/* Whether the value is an event, and which, as a record would be judged; takes its line breaks out.
 * @reader and @event are the caller's, to work with. */
void letter_judge(struct letter *letter, struct event_reader *reader, struct event *event);

#endif
