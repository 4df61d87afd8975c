/* A batch is shared out in small pieces, of which each thread takes the next one when it is through
 * with the last: a second thread that wakes late, or gets no processor, holds nobody up for longer
 * than one piece. Batches of a few records, which come while little happens, wake nobody. */
#include "metrics-consumer/decode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics-consumer/dead_letter.h"
#include "process/stop.h"

#define PIECE 64          /* records: some 100 us */
#define FEW   (2 * PIECE) /* not worth to wake somebody for */

struct hand { /* what one thread works with */
	struct event_reader *reader;
	struct event event;
};

struct decoder {
	struct hand own, second;
	bool has_thread;
	pthread_t thread;

	/* The batch. Written while the second thread does not work. */
	rd_kafka_message_t *const *batch;
	size_t count;
	struct decoded *out;
	atomic_size_t next; /* record that nobody has taken yet */

	pthread_mutex_t lock;
	pthread_cond_t begun, done;
	uint64_t turn; /* which batch it is */
	bool working;  /* the second thread is at it */
	bool stopping;
};

void decode_record(struct event_reader *reader, struct event *event, rd_kafka_message_t *record,
	struct decoded *out)
{
	const char *const value = record->payload;

	headers_take(record, &out->headers);
	out->flaw = EVENT_NOT_JSON;
	if (value)
		out->flaw = event_decode(reader, value, record->len, event);
	if (out->flaw == EVENT_SOUND) {
		out->type = event->type;
		out->at_ms = event->at_ms;
	}
	out->checksum = dead_letter_checksum(value, record->len);
	out->breaks =
		value && (memchr(value, '\n', record->len) || memchr(value, '\r', record->len));
}

static void work(struct decoder *d, struct hand *hand)
{
	size_t at;

	while ((at = atomic_fetch_add(&d->next, PIECE)) < d->count) {
		const size_t end = d->count - at < PIECE ? d->count : at + PIECE;

		for (; at < end; at++) {
			if (d->batch[at]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
				decode_record(
					hand->reader, &hand->event, d->batch[at], &d->out[at]);
		}
	}
}

static void *run(void *context)
{
	struct decoder *const d = context;
	uint64_t seen = 0;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		while (d->turn == seen && !d->stopping)
			pthread_cond_wait(&d->begun, &d->lock);
		if (d->stopping)
			break;
		seen = d->turn;
		d->working = true;
		pthread_mutex_unlock(&d->lock);
		work(d, &d->second);
		pthread_mutex_lock(&d->lock);
		d->working = false;
		pthread_cond_signal(&d->done);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

bool decoder_start(struct decoder **decoder, struct fail *fail)
{
	struct decoder *const d = calloc(1, sizeof(*d));

	*decoder = d;
	if (!d)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->begun, NULL);
	pthread_cond_init(&d->done, NULL);
	d->own.reader = event_reader_new();
	d->second.reader = event_reader_new();
	if (!d->own.reader || !d->second.reader)
		fail_set(fail, FAIL_FATAL, "out of memory");
	else if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return true;
	else if (thread_start(&d->thread, "decode", run, d, fail))
		return d->has_thread = true;
	decoder_stop(decoder);
	return false;
}

void decoder_stop(struct decoder **decoder)
{
	struct decoder *const d = *decoder;

	if (!d)
		return;
	if (d->has_thread) {
		pthread_mutex_lock(&d->lock);
		d->stopping = true;
		pthread_cond_signal(&d->begun);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
	}
	if (d->own.reader)
		event_reader_free(&d->own.reader);
	if (d->second.reader)
		event_reader_free(&d->second.reader);
	pthread_cond_destroy(&d->done);
	pthread_cond_destroy(&d->begun);
	pthread_mutex_destroy(&d->lock);
	free(d);
	*decoder = NULL;
}

/* It may be at a batch that was decoded without it, and is about to find nothing left. */
static void await_second(struct decoder *d)
{
	while (d->working)
		pthread_cond_wait(&d->done, &d->lock);
}

void decoder_run(
	struct decoder *d, rd_kafka_message_t *const *batch, size_t count, struct decoded *out)
{
	pthread_mutex_lock(&d->lock);
	await_second(d);
	d->batch = batch;
	d->count = count;
	d->out = out;
	atomic_store(&d->next, 0);
	if (d->has_thread && count >= FEW) {
		d->turn++;
		pthread_cond_signal(&d->begun);
	}
	pthread_mutex_unlock(&d->lock);
	work(d, &d->own);
	pthread_mutex_lock(&d->lock);
	await_second(d);
	pthread_mutex_unlock(&d->lock);
}
