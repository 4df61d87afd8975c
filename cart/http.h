/* cart/http.h - turns a request into a command, and a result into an answer. */
#ifndef CART_HTTP_H
#define CART_HTTP_H

#include "cart/command.h"
#include "service/service.h"

#define CART_ROUTES 4
/* What a command of ours is answered; see struct service_definition. */
unsigned cart_describe(struct service *service, const struct command *command, json_t **body);

extern const struct http_route cart_routes[CART_ROUTES];

#endif
