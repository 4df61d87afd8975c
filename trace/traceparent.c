#include "trace/traceparent.h"

#include <string.h>
#include <sys/random.h>

#define LENGTH  (TRACEPARENT_MAX - 1)
#define SPAN_AT (TRACE_AT + TRACE_DIGITS + 1)
#define FLAG_AT (SPAN_AT + 16 + 1)

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower case digits alone; false where there is another one. */
static bool read_bytes(const char *text, uint8_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

bool traceparent_read(const char *text, size_t length, struct trace_context *out)
{
	uint8_t version;

	if (length < LENGTH || !read_bytes(text, &version, 1) || version == 0xff)
		return false;
	if (version == 0 ? length != LENGTH : length > LENGTH && text[LENGTH] != '-')
		return false;
	return text[2] == '-' && read_bytes(text + TRACE_AT, out->trace, 16) &&
	       text[SPAN_AT - 1] == '-' && read_bytes(text + SPAN_AT, out->span, 8) &&
	       text[FLAG_AT - 1] == '-' && read_bytes(text + FLAG_AT, &out->flags, 1) &&
	       !is_zero(out->trace, 16) && !is_zero(out->span, 8);
}

static void write_bytes(const uint8_t *bytes, size_t count, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
}

void traceparent_write(const struct trace_context *context, char out[TRACEPARENT_MAX])
{
	memset(out, '-', LENGTH);
	out[0] = out[1] = '0';
	write_bytes(context->trace, 16, out + TRACE_AT);
	write_bytes(context->span, 8, out + SPAN_AT);
	write_bytes(&context->flags, 1, out + FLAG_AT);
	out[LENGTH] = '\0';
}

static bool make(uint8_t *bytes, size_t count)
{
	return getrandom(bytes, count, 0) == (ssize_t)count && !is_zero(bytes, count);
}

bool trace_make_span(uint8_t span[8])
{
	return make(span, 8);
}

bool trace_make_id(struct trace_context *context)
{
	context->flags = 0;
	return make(context->trace, 16) && make(context->span, 8);
}
