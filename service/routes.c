#include "service/routes.h"

#include <inttypes.h>
#include <stdio.h>

#include "service/once.h"

const struct field_names service_names = {
	.valid = event_name_valid,
	.room = EVENT_NAME_MAX,
	.shape = "1 to 63 of the characters A-Z a-z 0-9 . _ ~ -",
};

void service_answer_refused(struct http_request *request, const struct fail *refused)
{
	if (!refused || refused->kind == FAIL_RETRY) {
		http_answer_header(request, "Retry-After", "1");
		http_answer_problem(request, 503, NULL, "not done, try again: %s",
			refused ? refused->text : "the service is busy or stops");
	} else if (refused->kind == FAIL_UNSURE) {
		http_answer_problem(request, 500, NULL,
			"unknown whether it was done: %s; read it again", refused->text);
	} else {
		http_answer_problem(request, 500, NULL, "not done: %s", refused->text);
	}
}

void service_answer(struct http_request *request, struct service *service,
	const struct service_command *command, const struct fail *refused)
{
	json_t *body = NULL;
	unsigned status;

	if (refused) {
		service_answer_refused(request, refused);
		return;
	}
	if (command->once && command->once->verdict != ONCE_NEW) {
		once_answer(request, command->once);
		return;
	}
	status = service_describe(service, &command->command, &body);
	http_answer_json(request, status, body);
}

static void handle_livez(struct http_request *request, void *context)
{
	(void)context;
	health_answer_live(request);
}

static bool kafka_holds(void *context, char why[HEALTH_TEXT_MAX])
{
	return outbox_holds(service_outbox(context), why);
}

static void handle_readyz(struct http_request *request, void *context)
{
	static const struct health_check checks[] = { { "kafka", kafka_holds } };

	_Static_assert(RELAY_WHY_MAX <= HEALTH_TEXT_MAX, "a reason fits");
	health_answer_ready(request, checks, sizeof(checks) / sizeof(checks[0]), context);
}

static void handle_outbox(struct http_request *request, void *context)
{
	struct outbox_status status;

	outbox_status_read(service_outbox(context), &status);
	http_answer_json(request, 200,
		json_pack("{s:s, s:I, s:I, s:I}", "source", status.source, "last",
			(json_int_t)status.last, "published", (json_int_t)status.published,
			"waiting", (json_int_t)status.waiting));
}

/* Prometheus text format 0.0.4. */
static void handle_metrics(struct http_request *request, void *context)
{
	struct outbox_status status;
	char text[1024];

	outbox_status_read(service_outbox(context), &status);
	(void)snprintf(text, sizeof(text),
		"# HELP outbox_events_total Events committed.\n"
		"# TYPE outbox_events_total counter\n"
		"outbox_events_total{source=\"%s\"} %" PRId64 "\n"
		"# HELP outbox_published_total Events acknowledged by Kafka.\n"
		"# TYPE outbox_published_total counter\n"
		"outbox_published_total{source=\"%s\"} %" PRId64 "\n"
		"# HELP outbox_waiting_rows Events that wait for Kafka.\n"
		"# TYPE outbox_waiting_rows gauge\n"
		"outbox_waiting_rows{source=\"%s\"} %" PRId64 "\n",
		status.source, status.last, status.source, status.published, status.source,
		status.waiting);
	http_answer_text(request, 200, "text/plain; version=0.0.4", text);
}

static void handle_openapi(struct http_request *request, void *context)
{
	http_answer_text(request, 200, "application/json", service_openapi(context));
}

const struct http_route common_routes[COMMON_ROUTES] = {
	{ "GET", "/livez", handle_livez, false },
	{ "GET", "/readyz", handle_readyz, false },
	{ "GET", "/outbox", handle_outbox, false },
	{ "GET", "/metrics", handle_metrics, false },
	{ "GET", "/openapi.json", handle_openapi, false },
};
