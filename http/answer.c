#include "http/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/log.h"

#define DETAIL_MAX 512

static const char out_of_memory[] =
	"{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
	"\"detail\":\"out of memory\"}";

static const char *title(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 412:
		return "Precondition Failed";
	case 413:
		return "Content Too Large";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Error";
	}
}

static void answer_bytes(struct http_request *request, unsigned status, const char *type,
	char *body, size_t length, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *const response = MHD_create_response_from_buffer(length, body, mode);

	/* Without memory for a response there is nothing left to say: MHD closes the
	 * connection when the queue call gets NULL, so the process ends instead of lying. */
	if (!response) {
		log_error("http", "out of memory for a response");
		abort();
	}
	if (type)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	http_request_answered(request, status, response);
}

void http_answer_header(struct http_request *request, const char *name, const char *value)
{
	assert(request->header_count < HTTP_HEADERS_MAX);
	(void)snprintf(request->headers[request->header_count].name,
		sizeof(request->headers[0].name), "%s", name);
	(void)snprintf(request->headers[request->header_count].value,
		sizeof(request->headers[0].value), "%s", value);
	request->header_count++;
}

void http_answer_nothing(struct http_request *request)
{
	answer_bytes(request, 204, NULL, NULL, 0, MHD_RESPMEM_PERSISTENT);
}

void http_answer_text(
	struct http_request *request, unsigned status, const char *type, const char *body)
{
	answer_bytes(request, status, type, (char *)body, strlen(body), MHD_RESPMEM_MUST_COPY);
}

void http_answer_json(struct http_request *request, unsigned status, json_t *document)
{
	const char *const type = status < 400 ? "application/json" : "application/problem+json";
	char *const text = json_dumps(document, HTTP_JSON_FLAGS);

	json_decref(document);
	if (text)
		answer_bytes(request, status, type, text, strlen(text), MHD_RESPMEM_MUST_FREE);
	else
		http_answer_text(request, 500, "application/problem+json", out_of_memory);
}

json_t *http_shown(const char *text)
{
	char plain[DETAIL_MAX];
	json_t *string = json_string(text);

	if (string)
		return string;
	(void)snprintf(plain, sizeof(plain), "%s", text);
	for (char *c = plain; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	return json_string(plain);
}

json_t *http_problem(unsigned status, json_t *more, const char *field, const char *detail)
{
	json_t *const problem = json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title",
		title(status), "status", (int)status, "detail", http_shown(detail));

	if (field)
		(void)json_object_set_new(problem, "field", http_shown(field));
	if (more) {
		(void)json_object_update(problem, more);
		json_decref(more);
	}
	return problem;
}

void http_answer_problem(
	struct http_request *request, unsigned status, const char *field, const char *format, ...)
{
	char detail[DETAIL_MAX];
	va_list args;

	va_start(args, format);
	if (vsnprintf(detail, sizeof(detail), format, args) < 0)
		*detail = '\0';
	va_end(args);
	http_answer_json(request, status, http_problem(status, NULL, field, detail));
}
