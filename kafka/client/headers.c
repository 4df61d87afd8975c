#include "kafka/client/headers.h"

#include <assert.h>
#include <string.h>

#include "process/clock.h"
#include "process/text.h"

rd_kafka_headers_t *headers_new(const char *source, int64_t id, const char *type, int64_t time_ms)
{
	rd_kafka_headers_t *const headers = rd_kafka_headers_new(8); /* two may be added */
	char time[CLOCK_TEXT_MAX], number[TEXT_UNSIGNED_MAX + 1];
	const char *pairs[][2] = { { "ce_specversion", "1.0" }, { "ce_id", number },
		{ "ce_source", source }, { "ce_type", type }, { "ce_time", time },
		{ "content-type", "application/json" } };

	assert(id > 0);
	if (!headers)
		return NULL;
	clock_text(time_ms, time);
	*put_unsigned(number, (uint64_t)id) = '\0';
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (rd_kafka_header_add(headers, pairs[i][0], -1, pairs[i][1], -1) !=
			RD_KAFKA_RESP_ERR_NO_ERROR) {
			rd_kafka_headers_destroy(headers);
			return NULL;
		}
	}
	return headers;
}

bool headers_add_trace(rd_kafka_headers_t *headers, const char *traceparent, const char *tracestate)
{
	return rd_kafka_header_add(headers, "traceparent", -1, traceparent, -1) ==
		       RD_KAFKA_RESP_ERR_NO_ERROR &&
	       (!tracestate || rd_kafka_header_add(headers, "tracestate", -1, tracestate, -1) ==
				       RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void read_traceparent(const void *value, size_t size, char out[TRACEPARENT_MAX])
{
	struct trace_context context;

	if (traceparent_read(value, size, &context))
		traceparent_write(&context, out);
	else
		out[0] = '\0';
}

static bool read_source(const void *value, size_t size, char out[SOURCE_MAX])
{
	const unsigned char *const text = value;

	if (size == 0 || size >= SOURCE_MAX || (size == 1 && text[0] == '-'))
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	memcpy(out, value, size);
	out[size] = '\0';
	return true;
}

static bool read_id(const void *value, size_t size, int64_t *id)
{
	const char *const text = value;
	int64_t number = 0;

	if (size == 0 || size > 18 || text[0] == '0')
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (text[i] - '0');
	}
	*id = number;
	return true;
}

/* Of no headers where @headers is NULL. */
static void read_list(const rd_kafka_headers_t *headers, struct record_headers *out)
{
	const char *name;
	const void *value;
	size_t size;
	bool source = false, id = false, state = false;

	out->source[0] = '\0';
	out->id = 0;
	out->time_ms = -1;
	out->traceparent[0] = '\0';
	for (size_t i = 0; headers && rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
					      RD_KAFKA_RESP_ERR_NO_ERROR;
		i++) {
		if (!value)
			continue;
		if (strncmp(name, "ce_", 3) != 0) {
			if (name[0] == 't' && strcmp(name, "traceparent") == 0)
				read_traceparent(value, size, out->traceparent);
			state = state || (name[0] == 't' && strcmp(name, "tracestate") == 0);
			continue;
		}
		if (strcmp(name + 3, "source") == 0)
			source = read_source(value, size, out->source);
		else if (strcmp(name + 3, "id") == 0)
			id = read_id(value, size, &out->id);
		else if (strcmp(name + 3, "time") == 0 && !clock_parse(value, size, &out->time_ms))
			out->time_ms = -1;
	}
	out->has_tracestate = state && *out->traceparent;
	if (!source || !id) {
		out->source[0] = '\0';
		out->id = 0;
	}
}

void headers_read(const rd_kafka_message_t *record, struct record_headers *out)
{
	rd_kafka_headers_t *headers;

	if (rd_kafka_message_headers(record, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		headers = NULL;
	read_list(headers, out);
}

void headers_take(rd_kafka_message_t *record, struct record_headers *out)
{
	rd_kafka_headers_t *headers;

	headers_read(record, out);
	if (!out->has_tracestate &&
		rd_kafka_message_detach_headers(record, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_headers_destroy(headers);
}

void headers_tracestate(const rd_kafka_message_t *record, char out[static TRACESTATE_MAX])
{
	struct tracestate state = { 0 };
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	if (rd_kafka_message_headers(record, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		headers = NULL;
	for (size_t i = 0; headers && rd_kafka_header_get(headers, i, "tracestate", &value,
					      &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
		i++) {
		if (value)
			tracestate_read(&state, value, size);
	}
	tracestate_write(&state, out);
}
