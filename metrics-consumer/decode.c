/* A batch is shared out in small pieces. Who needs a record decodes its piece, unless the second
 * thread has it: then the next piece that nobody has. So the second thread runs ahead while the
 * first one places what is decoded; and one that wakes late, or gets no processor, holds nobody up
 * for longer than one piece. Batches of a few records, which come while little happens, wake
 * nobody. */
#include "metrics-consumer/decode.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics-consumer/dead_letter.h"
#include "process/stop.h"

#define PIECE      64 /* records: some 50 us */
#define PIECES_MAX (DECODE_MAX / PIECE)
#define FEW        (2 * PIECE) /* not worth to wake somebody for */

/* The checksum of a dead letter is the one of a line. */
_Static_assert(EVENT_BYTES_MAX <= DEAD_VALUE_MAX, "no event is longer than what is summed up");

enum piece { FREE, TAKEN, DONE };

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
	size_t count, pieces;
	struct decoded *out;
	atomic_int piece[PIECES_MAX]; /* enum piece */

	pthread_mutex_t lock;
	pthread_cond_t begun, done; /* done: a piece, or the second thread with all */
	uint64_t turn;              /* which batch it is */
	bool working;               /* the second thread is at it */
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

/* Whether the piece is now ours to decode. */
static bool take(struct decoder *d, size_t piece)
{
	int expected = FREE;

	return atomic_load_explicit(&d->piece[piece], memory_order_relaxed) == FREE &&
	       atomic_compare_exchange_strong(&d->piece[piece], &expected, TAKEN);
}

static void decode_piece(struct decoder *d, struct hand *hand, size_t piece)
{
	const size_t end = piece + 1 == d->pieces ? d->count : (piece + 1) * PIECE;

	for (size_t at = piece * PIECE; at < end; at++) {
		if (d->batch[at]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			decode_record(hand->reader, &hand->event, d->batch[at], &d->out[at]);
	}
	atomic_store(&d->piece[piece], DONE);
}

/* Decodes the next piece from @piece on that nobody has; false: there is none. */
static bool help(struct decoder *d, struct hand *hand, size_t piece)
{
	for (; piece < d->pieces; piece++) {
		if (take(d, piece)) {
			decode_piece(d, hand, piece);
			return true;
		}
	}
	return false;
}

static void work_ahead(struct decoder *d)
{
	for (size_t piece = 0; piece < d->pieces; piece++) {
		if (!take(d, piece))
			continue;
		decode_piece(d, &d->second, piece);
		pthread_mutex_lock(&d->lock); /* or who waits would miss the signal */
		pthread_cond_signal(&d->done);
		pthread_mutex_unlock(&d->lock);
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
		work_ahead(d);
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

void decoder_begin(
	struct decoder *d, rd_kafka_message_t *const *batch, size_t count, struct decoded *out)
{
	assert(count <= DECODE_MAX);
	pthread_mutex_lock(&d->lock);
	await_second(d);
	d->batch = batch;
	d->count = count;
	d->pieces = (count + PIECE - 1) / PIECE;
	d->out = out;
	for (size_t i = 0; i < d->pieces; i++)
		atomic_store_explicit(&d->piece[i], FREE, memory_order_relaxed);
	if (d->has_thread && count >= FEW) {
		d->turn++;
		pthread_cond_signal(&d->begun);
	}
	pthread_mutex_unlock(&d->lock);
}

static bool is_done(struct decoder *d, size_t piece)
{
	return atomic_load(&d->piece[piece]) == DONE;
}

void decoder_reach(struct decoder *d, size_t at)
{
	const size_t piece = at / PIECE;

	assert(at < d->count);
	if (at % PIECE != 0) /* reached with the first one of its piece */
		return;
	while (!is_done(d, piece)) {
		if (help(d, &d->own, piece))
			continue;
		pthread_mutex_lock(&d->lock);
		while (!is_done(d, piece))
			pthread_cond_wait(&d->done, &d->lock);
		pthread_mutex_unlock(&d->lock);
	}
}
