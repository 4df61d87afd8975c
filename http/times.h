/* http/times.h - how long requests took, by route and status. Any thread; adding takes no lock.
 *
 * From the head of a request until its answer goes to its connection, so a body that comes slowly
 * counts and an answer that is fetched slowly does not. */
#ifndef HTTP_TIMES_H
#define HTTP_TIMES_H

#include <stdio.h>

#include "http/server.h"

#define TIMES_STATUSES 12 /* of one route; what else it answers is counted as one more, 0 */

struct times;

/* Borrows the routes until times_free. NULL: out of memory. */
struct times *times_new(const struct http_route *routes, size_t count);
void times_free(struct times **times);

/* @route is one of the table, or NULL: none was found. */
void times_add(
	struct times *times, const struct http_route *route, unsigned status, int64_t took_us);
/* http_request_duration_seconds{method,route,code}; the route is the path of the table. */
void times_write(struct times *times, FILE *out);

#endif
