/* trace/otel.h - what the standard variables OTEL_... ask for, as far as it concerns spans:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/. An empty one counts as not there.
 * One that is wrong is said in the log and not heard, as the specification wants it: tracing stops
 * nothing from starting. */
#ifndef TRACE_OTEL_H
#define TRACE_OTEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_TEXT_MAX  1024
#define OTEL_PAIRS_MAX 32

enum otel_sampler { OTEL_ON, OTEL_OFF, OTEL_RATIO };

struct otel_pair {
	char name[128], value[OTEL_TEXT_MAX];
};

struct otel {
	char endpoint[OTEL_TEXT_MAX]; /* of the traces, whole */
	char service_name[128];
	struct otel_pair headers[OTEL_PAIRS_MAX], attributes[OTEL_PAIRS_MAX];
	size_t header_count, attribute_count;
	enum otel_sampler sampler; /* of a trace that begins here */
	double ratio;              /* OTEL_RATIO */
	bool parent_based;         /* a trace that comes from elsewhere was decided on there */
	int64_t timeout_ms, delay_ms;
};

/* False where no spans are wanted: no endpoint is given, or they are switched off. */
bool otel_read(struct otel *otel, const char *service_name);

#endif
