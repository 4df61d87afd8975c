/* tests/support/openapi.h - an OpenAPI document held to tables of routes. */
#ifndef TESTS_OPENAPI_H
#define TESTS_OPENAPI_H

#include "http/server.h"

struct routes {
	const struct http_route *routes;
	size_t count;
};

/* Asserts that the document at @path has each route with its parameters, and nothing else, and
 * that each of its answers is in it or in its components. */
void openapi_assert(const char *path, const struct routes *tables, size_t count);

#endif
