/* stock/http.h - turns a request into a command, and a result into an answer. */
#ifndef STOCK_HTTP_H
#define STOCK_HTTP_H

#include "service/service.h"

#define STOCK_ROUTES 3
extern const struct http_route stock_routes[STOCK_ROUTES];

#endif
