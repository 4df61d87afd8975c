/* http/strict.h - what a request may not bring, whichever route it asks. Not for handlers.
 *
 * Query parameters are those that the route's path names, each once. A client that sends If-Match
 * or If-None-Match with a change wants it done only under a condition; entity tags are not kept
 * here, so it is refused with a 412 and nothing is done. Reading goes on without conditions and
 * ranges, which RFC 9110 leaves to the server. */
#ifndef HTTP_STRICT_H
#define HTTP_STRICT_H

#include "http/request.h"

/* Length of a route's path without the query parameters that it names. */
size_t strict_path_length(const char *path);
/* False where the request has been answered. */
bool strict_allows(struct http_request *request, const char *method);

#endif
