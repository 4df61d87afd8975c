/* What the variables OTEL_... are heard for, and what is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/otlp.h"

static const char *const names[] = { "OTEL_EXPORTER_OTLP_ENDPOINT",
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS",
	"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
	"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SDK_DISABLED",
	"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TIMEOUT",
	"OTEL_BSP_SCHEDULE_DELAY" };

static struct otel otel;

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", 1);
}

static bool read_with(const char *name, const char *value)
{
	assert_int_equal(setenv(name, value, 1), 0);
	return otel_read(&otel, "cart-service");
}

static void without_an_endpoint_there_are_none(void **state)
{
	(void)state;
	assert_true(otel_read(&otel, "cart-service"));
	assert_false(read_with("OTEL_EXPORTER_OTLP_ENDPOINT", ""));
	assert_int_equal(unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT"), 0);
	assert_false(otel_read(&otel, "cart-service"));
}

static void they_can_be_switched_off(void **state)
{
	static const char *const off[][2] = { { "OTEL_SDK_DISABLED", "true" },
		{ "OTEL_SDK_DISABLED", "True" }, { "OTEL_TRACES_EXPORTER", "none" },
		{ "OTEL_TRACES_EXPORTER", "zipkin" }, { "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc" },
		{ "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318" } };
	static const char *const on[][2] = { { "OTEL_SDK_DISABLED", "false" },
		{ "OTEL_SDK_DISABLED", "1" }, { "OTEL_TRACES_EXPORTER", "otlp" },
		{ "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf" } };

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		(void)setup(state);
		assert_false(read_with(off[i][0], off[i][1]));
	}
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		(void)setup(state);
		assert_true(read_with(on[i][0], on[i][1]));
	}
}

static void an_endpoint_of_the_traces_is_taken_as_it_is(void **state)
{
	(void)state;
	assert_true(otel_read(&otel, "cart-service"));
	assert_string_equal(otel.endpoint, "http://collector:4318/v1/traces");
	assert_true(read_with("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector/otlp/"));
	assert_string_equal(otel.endpoint, "https://collector/otlp/v1/traces");
	assert_true(read_with("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:1/"));
	assert_string_equal(otel.endpoint, "http://other:1/");
}

static void names_and_pairs_are_read(void **state)
{
	(void)state;
	assert_int_equal(
		setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=se%20cret , x=a=b,empty=", 1), 0);
	assert_int_equal(setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test", 1), 0);
	assert_true(otel_read(&otel, "cart-service"));
	assert_string_equal(otel.service_name, "cart-service");
	assert_int_equal(otel.header_count, 3);
	assert_string_equal(otel.headers[0].name, "api-key");
	assert_string_equal(otel.headers[0].value, "se cret");
	assert_string_equal(otel.headers[1].value, "a=b");
	assert_string_equal(otel.headers[2].value, "");
	assert_string_equal(otel.attributes[0].name, "deployment.environment");
	assert_true(read_with("OTEL_SERVICE_NAME", "basket"));
	assert_string_equal(otel.service_name, "basket");
	assert_true(read_with("OTEL_EXPORTER_OTLP_HEADERS", "a=%0d%0ab: c")); /* another header */
	assert_int_equal(otel.header_count, 0);
	assert_true(read_with("OTEL_EXPORTER_OTLP_HEADERS", "nonsense"));
	assert_int_equal(otel.header_count, 0);
}

static void a_sampler_is_known_by_its_name(void **state)
{
	static const struct {
		const char *name, *argument;
		enum otel_sampler sampler;
		bool parent_based;
		double ratio;
	} cases[] = { { "", "", OTEL_ON, true, 1 }, { "always_off", "", OTEL_OFF, false, 1 },
		{ "traceidratio", "0.25", OTEL_RATIO, false, 0.25 },
		{ "parentbased_traceidratio", "0", OTEL_RATIO, true, 0 },
		{ "parentbased_traceidratio", "1.5", OTEL_RATIO, true, 1 },
		{ "parentbased_traceidratio", "nan", OTEL_RATIO, true, 1 },
		{ "jaeger_remote", "", OTEL_ON, true, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(setenv("OTEL_TRACES_SAMPLER_ARG", cases[i].argument, 1), 0);
		assert_true(read_with("OTEL_TRACES_SAMPLER", cases[i].name));
		assert_int_equal(otel.sampler, cases[i].sampler);
		assert_int_equal(otel.parent_based, cases[i].parent_based);
		assert_true(otel.ratio == cases[i].ratio);
	}
}

static void times_that_are_none_are_not_heard(void **state)
{
	(void)state;
	assert_true(read_with("OTEL_BSP_SCHEDULE_DELAY", "50"));
	assert_int_equal(otel.delay_ms, 50);
	assert_true(read_with("OTEL_BSP_SCHEDULE_DELAY", "-1"));
	assert_int_equal(otel.delay_ms, 5000);
	assert_true(read_with("OTEL_EXPORTER_OTLP_TIMEOUT", "5s"));
	assert_int_equal(otel.timeout_ms, 10000);
}

static void a_span_is_written_as_the_protocol_says(void **state)
{
	static struct span span;
	char *text;

	(void)state;
	assert_true(otel_read(&otel, "cart-service"));
	span = (struct span){ .kind = SPAN_SERVER, .began_ns = 1, .ended_ns = INT64_MAX };
	span.context.trace[0] = 0xab;
	span.context.span[7] = 0x01;
	strcpy(span.name, "GET /carts/{cartId}");
	span_number(&span, "http.response.status_code", 200);
	span_text(&span, "url.path", "/carts/\xff\"");
	text = otlp_encode(&otel, &span, 1);
	assert_non_null(text);
	assert_non_null(strstr(text, "\"traceId\":\"ab000000000000000000000000000000\""));
	assert_non_null(strstr(text, "\"spanId\":\"0000000000000001\""));
	assert_null(strstr(text, "parentSpanId"));
	assert_null(strstr(text, "traceState"));
	assert_non_null(strstr(text, "\"endTimeUnixNano\":\"9223372036854775807\""));
	assert_non_null(strstr(text, "{\"intValue\":\"200\"}"));
	assert_non_null(strstr(text, "\"/carts/?\\\"\""));
	free(text);
	strcpy(span.tracestate, "rojo=\"1\",congo=2");
	text = otlp_encode(&otel, &span, 1);
	assert_non_null(text);
	assert_non_null(strstr(text, "\"traceState\":\"rojo=\\\"1\\\",congo=2\""));
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(without_an_endpoint_there_are_none),
		TEST(they_can_be_switched_off),
		TEST(an_endpoint_of_the_traces_is_taken_as_it_is),
		TEST(names_and_pairs_are_read),
		TEST(a_sampler_is_known_by_its_name),
		TEST(times_that_are_none_are_not_heard),
		TEST(a_span_is_written_as_the_protocol_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
