/* Batches that two threads decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics-consumer/decode.h"

#define RECORDS 1000
#define TURNS   300

static const char *const values[] = {
	"{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":\"2025-07-08T19:15:32Z\","
	"\"payload\":{\"cartId\":\"xyz123\",\"sku\":\"A123\",\"count\":2,\"status\":\"success\"}}",
	"{\"type\":\"sku_created\",\"service\":\"stock\",\"timestamp\":\"2025-07-08T19:20:17Z\",\n"
	"\"payload\":{\"sku\":\"A123\",\"price\":12.5,\"count\":100}}",
	"{\"type\":\"sku_created\",\"service\":\"cart\"}",
	"no JSON",
	NULL,
};
#define VALUES (sizeof(values) / sizeof(values[0]))

struct fixture {
	struct decoder *decoder;
	struct record_headers headers[RECORDS];
	rd_kafka_message_t records[RECORDS];
	rd_kafka_message_t *batch[RECORDS];
	struct decoded out[RECORDS];
};

/* Records that no client of librdkafka received have no headers to be read. */
void __wrap_headers_take(rd_kafka_message_t *record, struct record_headers *out);
void __wrap_headers_take(rd_kafka_message_t *record, struct record_headers *out)
{
	*out = *(const struct record_headers *)record->_private;
}

static void make_record(struct fixture *f, size_t at)
{
	const char *const value = values[at % VALUES];

	f->headers[at] = (struct record_headers){ .id = (int64_t)at + 1, .time_ms = (int64_t)at };
	(void)snprintf(f->headers[at].source, sizeof(f->headers[at].source), "cart/%zu", at % 7);
	f->records[at] = (rd_kafka_message_t){ .payload = (void *)(intptr_t)value,
		.len = value ? strlen(value) : 0,
		.err = at % 11 == 10 ? RD_KAFKA_RESP_ERR__PARTITION_EOF
				     : RD_KAFKA_RESP_ERR_NO_ERROR,
		._private = &f->headers[at] };
	f->batch[at] = &f->records[at];
}

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));
	struct fail fail = { 0 };

	if (!f)
		return -1;
	for (size_t i = 0; i < RECORDS; i++)
		make_record(f, i);
	assert_true(decoder_start(&f->decoder, &fail));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	decoder_stop(&f->decoder);
	assert_null(f->decoder);
	free(f);
	return 0;
}

static void assert_decoded(struct fixture *f, size_t count)
{
	static const enum event_flaw flaws[VALUES] = { EVENT_SOUND, EVENT_SOUND,
		EVENT_MISSING_FIELD, EVENT_NOT_JSON, EVENT_NOT_JSON };

	for (size_t i = 0; i < RECORDS; i++) {
		const struct decoded *const d = &f->out[i];

		if (i >= count || f->records[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
			assert_int_equal(d->headers.id, 0); /* left alone */
			continue;
		}
		assert_int_equal(d->headers.id, i + 1);
		assert_string_equal(d->headers.source, f->headers[i].source);
		assert_int_equal(d->flaw, flaws[i % VALUES]);
		assert_int_equal(d->breaks, i % VALUES == 1);
		if (i % VALUES == 0)
			assert_int_equal(d->type, EVENT_CART_ITEM_ADDED);
		if (i % VALUES == 1)
			assert_int_equal(d->at_ms, 1752002417000);
	}
}

static void each_record_of_a_batch_is_decoded_once_whatever_its_size(void **state)
{
	static const size_t counts[] = { RECORDS, 0, 1, 63, 64, 65, 127, 128, 129, 500, 999 };
	struct fixture *const f = *state;

	for (size_t turn = 0; turn < TURNS; turn++) {
		const size_t count = counts[turn % (sizeof(counts) / sizeof(counts[0]))];

		memset(f->out, 0, sizeof(f->out));
		decoder_begin(f->decoder, f->batch, count, f->out);
		for (size_t i = 0; i < count; i++) {
			decoder_reach(f->decoder, i);
			assert_int_equal(f->out[i].headers.id, i % 11 == 10 ? 0 : i + 1);
		}
		assert_decoded(f, count);
	}
}

static void a_decoder_that_was_never_used_stops(void **state)
{
	(void)state;
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_record_of_a_batch_is_decoded_once_whatever_its_size),
		TEST(a_decoder_that_was_never_used_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
