#include "trace/otel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "process/log.h"

#define TIMEOUT_MS 10000 /* the specification's defaults */
#define DELAY_MS   5000
#define LONGEST_MS 600000

static const char *get(const char *name)
{
	const char *const value = getenv(name);

	return value && *value ? value : NULL;
}

/* That of the traces, or the one for all signals. */
static const char *get_of_traces(const char *of_traces, const char *of_all)
{
	const char *const value = get(of_traces);

	return value ? value : get(of_all);
}

static void complain(const char *name, const char *value, const char *wanted)
{
	log_warning("trace", "%s=%s is not heard: %s", name, value, wanted);
}

static int64_t read_ms(const char *name, int64_t otherwise)
{
	const char *const value = get(name);
	char *end;
	int64_t number;

	if (!value)
		return otherwise;
	number = strtoll(value, &end, 10);
	if (*end == '\0' && number >= 1 && number <= LONGEST_MS)
		return number;
	complain(name, value, "milliseconds, 1 to 600000");
	return otherwise;
}

static int hex(char c)
{
	const char *const digits = "0123456789abcdef";
	const char *const at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Copies without white space around it, and without percent encoding. */
static bool decode(const char *from, size_t length, char *out, size_t room)
{
	size_t at = 0;

	for (; length > 0 && strchr(" \t", *from); length--)
		from++;
	for (; length > 0 && strchr(" \t", from[length - 1]);)
		length--;
	for (size_t i = 0; i < length; i++) {
		const int high = from[i] == '%' && i + 2 < length ? hex(from[i + 1]) : -1;
		const int low = high >= 0 ? hex(from[i + 2]) : -1;

		if (at + 1 >= room)
			return false;
		out[at++] = low >= 0 ? (char)(high * 16 + low) : from[i];
		i += low >= 0 ? 2 : 0;
		if (out[at - 1] == '\r' || out[at - 1] == '\n' || out[at - 1] == '\0')
			return false;
	}
	out[at] = '\0';
	return true;
}

/* `name=value,name=value`; the values may be secrets, so they are not shown. */
static size_t read_pairs(const char *variable, const char *text, struct otel_pair *pairs)
{
	size_t count = 0;

	while (text && *text) {
		const size_t length = strcspn(text, ",");
		const char *const equals = memchr(text, '=', length);

		if (!equals || equals == text || count == OTEL_PAIRS_MAX ||
			!decode(text, (size_t)(equals - text), pairs[count].name,
				sizeof(pairs[0].name)) ||
			!decode(equals + 1, (size_t)(text + length - equals - 1),
				pairs[count].value, sizeof(pairs[0].value))) {
			complain(variable, "...", "at most 32 of name=value, with commas between");
			return 0;
		}
		count++;
		text += length + (text[length] == ',');
	}
	return count;
}

static bool read_endpoint(struct otel *otel)
{
	const char *const whole = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
	const char *const base = get("OTEL_EXPORTER_OTLP_ENDPOINT");
	const char *const url = whole ? whole : base;
	const bool slash = url && url[strlen(url) - 1] == '/';

	if (!url)
		return false;
	if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
		strlen(url) > OTEL_TEXT_MAX - 16) {
		complain(whole ? "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
			       : "OTEL_EXPORTER_OTLP_ENDPOINT",
			url, "a URL that begins with http:// or https://; no spans are sent");
		return false;
	}
	(void)snprintf(otel->endpoint, sizeof(otel->endpoint), "%s%s%s", url,
		whole || slash ? "" : "/", whole ? "" : "v1/traces");
	return true;
}

static void read_sampler(struct otel *otel)
{
	static const struct {
		const char *name;
		enum otel_sampler sampler;
		bool parent_based;
	} samplers[] = { { "always_on", OTEL_ON, false }, { "always_off", OTEL_OFF, false },
		{ "traceidratio", OTEL_RATIO, false }, { "parentbased_always_on", OTEL_ON, true },
		{ "parentbased_always_off", OTEL_OFF, true },
		{ "parentbased_traceidratio", OTEL_RATIO, true } };
	const char *const name = get("OTEL_TRACES_SAMPLER");
	const char *const argument = get("OTEL_TRACES_SAMPLER_ARG");
	bool known = name == NULL;
	char *end;

	otel->sampler = OTEL_ON;
	otel->parent_based = true;
	otel->ratio = 1;
	for (size_t i = 0; name && i < sizeof(samplers) / sizeof(samplers[0]); i++) {
		if (strcmp(samplers[i].name, name) == 0) {
			otel->sampler = samplers[i].sampler;
			otel->parent_based = samplers[i].parent_based;
			known = true;
		}
	}
	if (!known)
		complain("OTEL_TRACES_SAMPLER", name,
			"one of always_on, always_off, traceidratio, "
			"each also with parentbased_ in front");
	if (otel->sampler != OTEL_RATIO || !argument)
		return;
	otel->ratio = strtod(argument, &end);
	if (*end != '\0' || !(otel->ratio >= 0 && otel->ratio <= 1)) {
		complain("OTEL_TRACES_SAMPLER_ARG", argument, "a number from 0 to 1");
		otel->ratio = 1;
	}
}

static bool is_switched_off(void)
{
	const char *const disabled = get("OTEL_SDK_DISABLED");
	const char *const exporter = get("OTEL_TRACES_EXPORTER");
	const char *const protocol =
		get_of_traces("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");

	if (disabled && strcasecmp(disabled, "true") == 0)
		return true;
	if (exporter && strcmp(exporter, "otlp") != 0) {
		if (strcmp(exporter, "none") != 0)
			complain("OTEL_TRACES_EXPORTER", exporter, "otlp or none; none are sent");
		return true;
	}
	if (protocol && strncmp(protocol, "http/", 5) != 0) {
		complain("OTEL_EXPORTER_OTLP_PROTOCOL", protocol,
			"http/json is what is spoken here; no spans are sent");
		return true;
	}
	return false;
}

bool otel_read(struct otel *otel, const char *service_name)
{
	const char *const name = get("OTEL_SERVICE_NAME");

	memset(otel, 0, sizeof(*otel));
	if (!get_of_traces("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") ||
		is_switched_off() || !read_endpoint(otel))
		return false;
	(void)snprintf(
		otel->service_name, sizeof(otel->service_name), "%s", name ? name : service_name);
	otel->header_count = read_pairs("OTEL_EXPORTER_OTLP_HEADERS",
		get_of_traces("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
		otel->headers);
	otel->attribute_count = read_pairs(
		"OTEL_RESOURCE_ATTRIBUTES", get("OTEL_RESOURCE_ATTRIBUTES"), otel->attributes);
	read_sampler(otel);
	otel->timeout_ms = read_ms("OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT_MS);
	otel->timeout_ms = read_ms("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", otel->timeout_ms);
	otel->delay_ms = read_ms("OTEL_BSP_SCHEDULE_DELAY", DELAY_MS);
	return true;
}
