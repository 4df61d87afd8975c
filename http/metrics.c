#include "http/metrics.h"

#include <stdlib.h>

#include "process/metrics.h"

void http_answer_metrics(
	struct http_request *request, const char *program, http_metrics_write *write, void *context)
{
	char *text = NULL;
	size_t length;
	FILE *const out = open_memstream(&text, &length);

	if (out) {
		write(context, out);
		http_write_times(request, out);
		metrics_write_process(out, program);
	}
	if (!out || fclose(out) != 0)
		http_answer_problem(request, 500, NULL, "out of memory");
	else
		http_answer_text(request, 200, METRICS_CONTENT_TYPE, text);
	free(text);
}
