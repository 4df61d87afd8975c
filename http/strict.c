#include "http/strict.h"

#include <string.h>

struct asking {
	const char *allowed;  /* "after,limit}", or "" */
	const char *at_fault; /* the first one that is not allowed */
	const char *seen[16]; /* more than that is never allowed */
	size_t count;
	bool twice;
};

size_t strict_path_length(const char *path)
{
	const char *const query = strstr(path, "{?");

	return query ? (size_t)(query - path) : strlen(path);
}

static bool is_allowed(const char *allowed, const char *name)
{
	const size_t length = strlen(name);

	while (*allowed) {
		const size_t one = strcspn(allowed, ",}");

		if (one == length && memcmp(allowed, name, one) == 0)
			return true;
		allowed += one + 1;
	}
	return false;
}

static enum MHD_Result look_at(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct asking *const asking = context;

	(void)kind;
	(void)value;
	for (size_t i = 0; i < asking->count && !asking->twice; i++)
		asking->twice = strcmp(asking->seen[i], name) == 0;
	if (asking->twice || !is_allowed(asking->allowed, name) ||
		asking->count == sizeof(asking->seen) / sizeof(asking->seen[0])) {
		asking->at_fault = name;
		return MHD_NO;
	}
	asking->seen[asking->count++] = name;
	return MHD_YES;
}

static bool query_is_known(struct http_request *request)
{
	const char *const path = request->route->path;
	const char *const query = path + strict_path_length(path);
	struct asking asking = { .allowed = *query ? query + 2 : "" };

	(void)MHD_get_connection_values(
		request->connection, MHD_GET_ARGUMENT_KIND, look_at, &asking);
	if (!asking.at_fault)
		return true;
	if (asking.twice)
		http_answer_problem(
			request, 400, asking.at_fault, "%s: stands there twice", asking.at_fault);
	else
		http_answer_problem(request, 400, asking.at_fault, "%s: no such query parameter",
			asking.at_fault);
	return false;
}

static bool is_unconditional(struct http_request *request, const char *method)
{
	static const char *const conditions[] = { "If-Match", "If-None-Match" };

	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return true;
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		if (!http_header(request, conditions[i]))
			continue;
		http_answer_problem(request, 412, conditions[i],
			"%s: nothing was done, entity tags are not kept here", conditions[i]);
		return false;
	}
	return true;
}

bool strict_allows(struct http_request *request, const char *method)
{
	return query_is_known(request) && is_unconditional(request, method);
}
