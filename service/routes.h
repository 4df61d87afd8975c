/* service/routes.h - the routes every service has: /livez, /readyz, /outbox, /metrics,
 * /openapi.json. */
#ifndef SERVICE_ROUTES_H
#define SERVICE_ROUTES_H

#include "service/service.h"

#define COMMON_ROUTES 5
extern const struct http_route common_routes[COMMON_ROUTES];

struct outbox *service_outbox(struct service *service);
const char *service_program(const struct service *service);
const char *service_openapi(const struct service *service);
/* As the definition's `describe`. */
unsigned service_describe(struct service *service, const struct command *command, json_t **body);

#endif
