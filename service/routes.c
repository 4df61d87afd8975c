#include "service/routes.h"

#include "http/metrics.h"
#include "kafka/client/statistics.h"
#include "process/clock.h"
#include "process/metrics.h"
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

static void write_oldest(struct service *service, const struct metrics_label *labels, FILE *out)
{
	static const char name[] = "outbox_oldest_row_seconds";
	struct fail fail = { 0 };
	int64_t at_ms, waited_ms = 0;
	const bool good =
		outbox_oldest(service_outbox(service), service_read_begin(service), &at_ms, &fail);

	service_read_end(service);
	metrics_begin(out, name, METRICS_GAUGE,
		"For how long the oldest event that waits for Kafka has waited.");
	if (good && at_ms >= 0)
		waited_ms = clock_wall_ms() - at_ms;
	if (good)
		metrics_real(out, name, labels, waited_ms > 0 ? (double)waited_ms / 1000 : 0);
}

static void write_times(struct service *service, const struct metrics_label *labels, FILE *out)
{
	struct histogram commits, checkpoints;

	outbox_times(service_outbox(service), &commits, &checkpoints);
	metrics_begin(out, "outbox_commit_seconds", METRICS_HISTOGRAM,
		"How long commits of commands and their events took.");
	metrics_histogram(out, "outbox_commit_seconds", labels, &writer_scale, &commits);
	metrics_begin(out, "outbox_checkpoint_seconds", METRICS_HISTOGRAM,
		"How long it took to move commits from the store's log to their place.");
	metrics_histogram(out, "outbox_checkpoint_seconds", labels, &writer_scale, &checkpoints);
}

static void write_metrics(void *context, FILE *out)
{
	struct service *const service = context;
	struct outbox_status status;

	outbox_status_read(service_outbox(service), &status);
	const struct metrics_label *const labels = METRICS_LABELS({ "source", status.source });

	metrics_begin(out, "outbox_events_total", METRICS_COUNTER, "Events committed.");
	metrics_whole(out, "outbox_events_total", labels, (uint64_t)status.last);
	metrics_begin(
		out, "outbox_published_total", METRICS_COUNTER, "Events acknowledged by Kafka.");
	metrics_whole(out, "outbox_published_total", labels, (uint64_t)status.published);
	metrics_begin(out, "outbox_waiting_rows", METRICS_GAUGE, "Events that wait for Kafka.");
	metrics_whole(out, "outbox_waiting_rows", labels, (uint64_t)status.waiting);
	metrics_begin(out, "outbox_max_rows", METRICS_GAUGE,
		"How many may wait before requests are refused.");
	metrics_whole(out, "outbox_max_rows", labels, (uint64_t)status.max_rows);
	write_oldest(service, labels, out);
	write_times(service, labels, out);
	kafka_statistics_write(out);
}

static void handle_metrics(struct http_request *request, void *context)
{
	http_answer_metrics(request, service_program(context), write_metrics, context);
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
