#include "http/files.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/request.h"
#include "process/log.h"

#define NAMES_MAX 400 /* bytes of an answer that names parameters */

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

struct query_look {
	const char *const *known;
	const char *seen[16]; /* borrowed from the connection */
	size_t count;
	char wrong[NAMES_MAX];
	char first[64];
};

static void complain(struct query_look *look, const char *name, const char *what)
{
	const size_t length = strlen(look->wrong);

	if (!*look->wrong)
		(void)snprintf(look->first, sizeof(look->first), "%s", name);
	(void)snprintf(look->wrong + length, sizeof(look->wrong) - length, "%s%.64s%s",
		length > 0 ? ", " : "", name, what);
}

static enum MHD_Result look_at(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query_look *const look = context;
	size_t at = 0;

	(void)kind;
	(void)value;
	for (size_t i = 0; i < look->count; i++) {
		if (strcmp(look->seen[i], name) == 0) {
			complain(look, name, " (there twice)");
			return MHD_YES;
		}
	}
	while (look->known[at] && strcmp(look->known[at], name) != 0)
		at++;
	if (!look->known[at])
		complain(look, name, "");
	else if (look->count < sizeof(look->seen) / sizeof(look->seen[0]))
		look->seen[look->count++] = name;
	return MHD_YES;
}

bool http_query_is_known(struct http_request *request, const char *const known[])
{
	struct query_look look = { .known = known };

	(void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, look_at, &look);
	if (!*look.wrong)
		return true;
	http_answer_problem(request, 400, look.first, "not a query parameter of %s: %s",
		request->route->path, look.wrong);
	return false;
}
