/* trace/otlp.h - spans as the OpenTelemetry Protocol writes them in JSON (an
 * ExportTraceServiceRequest): https://opentelemetry.io/docs/specs/otlp/. Pure. */
#ifndef TRACE_OTLP_H
#define TRACE_OTLP_H

#include "trace/otel.h"
#include "trace/spans.h"

/* The text, to be freed; NULL: out of memory. */
char *otlp_encode(const struct otel *otel, const struct span *spans, size_t count);

#endif
