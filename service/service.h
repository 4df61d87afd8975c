/* service/service.h - the life of a service: settings, store, relay, HTTP, simulator, stop.
 *
 * A service of ours is described by a struct service_definition; service_main does the rest.
 * Everything on the way is the same for all: what a caller asks becomes a command in the
 * queue, and is answered after the commit. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "http/fields.h"
#include "http/health.h"
#include "outbox/fork.h"
#include "outbox/outbox.h"
#include "process/log.h"
#include "process/program.h"
#include "trace/traceparent.h"

struct service;

/* What a service's own command begins with. */
struct service_command {
	struct command command;      /* first */
	struct once *once;           /* the request's Idempotency-Key; or NULL */
	char trace[TRACEPARENT_MAX]; /* what its event is to carry; "": nothing */
	const char *tracestate;      /* with it, borrowed until the answer; NULL or "": nothing */
};

struct service_settings { /* first member of a service's own settings */
	char kafka_brokers[SETTING_TEXT_MAX], topic[SETTING_TEXT_MAX];
	char http_address[SETTING_TEXT_MAX];
	int64_t http_port;
	char state_directory[SETTING_TEXT_MAX], store[SETTING_TEXT_MAX];
	int64_t simulate_per_second, simulate_seed;
	int64_t outbox_max_rows, outbox_keep_seconds;
	enum log_level log_level;
	enum log_format log_format;
};

struct service_definition {
	const char *name;    /* "cart" */
	const char *program; /* "cart-service" */
	const char *summary, *port, *store;
	const char *manual; /* see struct program */
	int32_t partition;

	const struct setting *settings; /* its own, beyond the common ones; or NULL */
	size_t setting_count, settings_size;

	const struct http_route *routes; /* its own; context is the struct service */
	size_t route_count;
	const char *openapi; /* the document of all its routes, served at /openapi.json */

	bool (*make_tables)(struct db *db, struct fail *fail);
	fork_renumber *renumber; /* or NULL: its tables keep no numbers of events */
	writer_apply *apply;     /* context is the struct service */
	/* What a command that was applied is answered: the status, and *body to be freed with
	 * json_decref. 0: nothing was decided yet. */
	unsigned (*describe)(struct service *service, const struct command *command, json_t **body);

	/* What else it runs, between the outbox and HTTP; or NULL. The state is found again
	 * with service_state. `stop` answers whatever waits there. */
	bool (*start)(struct service *service, void **state, struct fail *fail);
	void (*stop)(void *state);
	void (*free)(void *state); /* after the last command was answered */

	/* Makes a command for the simulator out of a random number. Its `answer` is set, the rest
	 * is zero. Called on one thread. */
	void (*simulate)(struct service *service, struct command *command, uint64_t random);
	size_t command_size;
};

/* The whole of main. Returns the exit status. */
int service_main(const struct service_definition *definition, int argc, char **argv);

const struct service_settings *service_settings(const struct service *service);
struct kafka_settings service_kafka(const struct service *service);
void *service_state(const struct service *service);
const char *service_source(const struct service *service);

/* False where the command was not taken: the queue is full, or the service stops. */
bool service_put(struct service *service, struct command *command);

/* A connection that reads, for one caller at a time: not kept for longer than a query. */
struct db *service_read_begin(struct service *service);
void service_read_end(struct service *service);

/* Answers what the definition's `describe` says of a command that was done, or was done before
 * under the same Idempotency-Key, or why it was refused. */
void service_answer(struct http_request *request, struct service *service,
	const struct service_command *command, const struct fail *refused);
/* Answers for a command that was refused, or not taken (@refused NULL): 503 with Retry-After
 * where it may work later, 500 where nobody can say whether it was done. */
void service_answer_refused(struct http_request *request, const struct fail *refused);

/* What an id looks like in a request. */
extern const struct field_names service_names;

#endif
