/* stock/http.h - turns a request into a command, and a result into an answer. */
#ifndef STOCK_HTTP_H
#define STOCK_HTTP_H

#include "service/service.h"

#define STOCK_ROUTES 5
/* What a command of ours is answered; see struct service_definition. */
unsigned stock_describe(struct service *service, const struct command *command, json_t **body);

extern const struct http_route stock_routes[STOCK_ROUTES];

#endif
