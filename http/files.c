#include "http/files.h"

#include <assert.h>
#include <string.h>

#include "http/request.h"
#include "process/log.h"

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* If-None-Match (RFC 9110, section 13.1.2): `*`, or a list of tags, each compared weakly. */
static bool tag_matches(const char *list, const char *etag)
{
	const size_t length = strlen(etag);

	while (*list) {
		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, etag, length) == 0 && strchr(" \t,", list[length]))
			return true;
		if (*list == '"') { /* a tag may hold commas */
			const char *const end = strchr(list + 1, '"');

			list = end ? end + 1 : list + strlen(list);
		} else {
			list += strcspn(list, ",");
		}
	}
	return false;
}

void http_answer_file(struct http_request *request, const struct http_file *files, size_t count)
{
	const char *const known = http_header(request, "If-None-Match");
	const struct http_file *file = files;
	struct MHD_Response *response;
	bool same;

	while (file < files + count && strcmp(file->path, request->route->path) != 0)
		file++;
	assert(file < files + count);
	same = known && tag_matches(known, file->etag);
	response = MHD_create_response_from_buffer(
		same ? 0 : file->length, (void *)file->bytes, MHD_RESPMEM_PERSISTENT);
	if (!response) {
		log_error("http", "out of memory for a response");
		abort();
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
	if (!same) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
		(void)MHD_add_response_header(response, "Content-Security-Policy", policy);
		(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
		(void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	}
	http_request_answered(request, same ? 304 : 200, response);
}
