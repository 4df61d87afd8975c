#include "tests/support/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const methods[] = { "GET", "PUT", "POST", "DELETE", "PATCH" };
#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* A reference, "#/components/parameters/Sku", or the thing itself. */
static const json_t *resolve(const json_t *document, const json_t *at)
{
	const char *ref = json_string_value(json_object_get(at, "$ref"));

	if (!ref)
		return at;
	assert_true(strncmp(ref, "#/", 2) == 0);
	for (at = document; ref; ref = strchr(ref, '/')) {
		char name[64];

		ref += *ref == '#' ? 2 : 1;
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(ref, "/"), ref);
		at = json_object_get(at, name);
		assert_non_null(at);
	}
	return at;
}

/* How many parameters of this kind @list has; each must stand in @path. */
static size_t count_parameters(
	const json_t *document, const json_t *list, const char *kind, const char *path)
{
	size_t count = 0, i;
	json_t *each;

	json_array_foreach ((json_t *)list, i, each) {
		const json_t *const parameter = resolve(document, each);
		const char *const name = json_string_value(json_object_get(parameter, "name"));

		if (strcmp(json_string_value(json_object_get(parameter, "in")), kind) != 0)
			continue;
		if (!strstr(path, name))
			fail_msg("%s: there is no %s in it", path, name);
		count++;
	}
	return count;
}

static size_t count_of(const char *path, const char *bytes)
{
	size_t count = 0;

	for (; (path = strpbrk(path, bytes)); path++)
		count++;
	return count;
}

static void assert_operation(
	const json_t *document, const struct http_route *route, const json_t *item)
{
	static const char lower[METHODS][8] = { "get", "put", "post", "delete", "patch" };
	const char *const query = strstr(route->path, "{?");
	const json_t *operation = NULL, *answers;
	const char *status;
	json_t *answer;
	size_t known = 0;

	for (size_t i = 0; i < METHODS; i++) {
		if (strcmp(route->method, methods[i]) == 0)
			operation = json_object_get(item, lower[i]);
	}
	if (!operation)
		fail_msg("%s %s is not in the document", route->method, route->path);
	known = count_parameters(
		document, json_object_get(item, "parameters"), "path", route->path);
	assert_int_equal(known, count_of(route->path, "{") - (query != NULL));
	known = count_parameters(
		document, json_object_get(operation, "parameters"), "query", route->path);
	assert_int_equal(known, query ? count_of(query, "?,") : 0);
	answers = json_object_get(operation, "responses");
	assert_true(json_object_size(answers) > 0);
	json_object_foreach ((json_t *)answers, status, answer)
		assert_non_null(json_object_get(resolve(document, answer), "description"));
}

static size_t count_operations(const json_t *paths)
{
	size_t count = 0;
	const char *path, *method;
	json_t *item, *operation;

	json_object_foreach ((json_t *)paths, path, item) {
		json_object_foreach (item, method, operation)
			count += strcmp(method, "parameters") != 0;
	}
	return count;
}

void openapi_assert(const char *path, const struct routes *tables, size_t count)
{
	json_error_t error;
	json_t *const document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const json_t *paths;
	size_t routes = 0;

	if (!document)
		fail_msg("%s: %s, line %d", path, error.text, error.line);
	paths = json_object_get(document, "paths");
	for (size_t t = 0; t < count; t++) {
		for (size_t i = 0; i < tables[t].count; i++, routes++) {
			const struct http_route *const route = &tables[t].routes[i];
			const size_t length = strcspn(route->path, "?");
			char name[128];

			(void)snprintf(name, sizeof(name), "%.*s",
				(int)(route->path[length] ? length - 1 : length), route->path);
			assert_operation(document, route, json_object_get(paths, name));
		}
	}
	assert_int_equal(count_operations(paths), routes);
	json_decref(document);
}
