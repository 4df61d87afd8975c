/* http/health.h - the two questions an orchestrator asks, and the command that asks them.
 *
 * GET /livez answers 200 while the process serves. GET /readyz answers 200 if every check
 * holds, otherwise 503; either way its body says how each dependency stands:
 * {"ready":false,"checks":{"kafka":"no broker answers","store":"ok"}}. */
#ifndef HTTP_HEALTH_H
#define HTTP_HEALTH_H

#include "http/server.h"

#define HEALTH_TEXT_MAX 256

struct health_check {
	const char *name;
	/* True if all is well; otherwise @why says in a few words what is not. Any thread. */
	bool (*holds)(void *context, char why[HEALTH_TEXT_MAX]);
};

void health_answer_live(struct http_request *request);
void health_answer_ready(struct http_request *request, const struct health_check *checks,
	size_t count, void *context);

/* Asks /readyz of a process on @port of this machine, waits at most @wait_ms. Returns the status
 * of the answer, with its body in @said, cut where it has no room; 0: nothing answers, and @said
 * has the reason. */
long health_look(const char *address, int64_t port, int wait_ms, char *said, size_t size);

/* The `healthcheck` subcommand: asks /readyz of a process on @port of this machine, waits at
 * most 3 s, prints the answer, and returns the exit status: 0 ready, 1 not. */
int health_ask(const char *address, int64_t port);

#endif
