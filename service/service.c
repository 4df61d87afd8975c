#include "service/service.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "doctor/doctor.h"
#include "process/log.h"
#include "process/progress_bar.h"
#include "process/stop.h"
#include "service/once.h"
#include "service/routes.h"
#include "service/simulator.h"
#include "trace/spans.h"

#define SETTINGS_MAX 24
#define ROUTES_MAX   24
#define LOOK_MS      1000 /* at the store's file */
#define DRAIN_MS     5000 /* docker stop gives ten seconds in all */

struct service {
	const struct service_definition *definition;
	struct service_settings *settings;
	struct settings_passed passed;
	char store[2 * SETTING_TEXT_MAX];
	char source[ROWS_SOURCE_MAX];
	struct http_route routes[ROUTES_MAX];
	struct outbox *outbox;
	struct db *reader;
	pthread_mutex_t reader_lock;
	void *state;
	struct http_server *http;
	struct spans *spans;
	struct simulator *simulator;
};

#define OFFSET(field) offsetof(struct service_settings, field)
static const struct setting common[] = {
	{ "KAFKA_BROKERS", SETTING_TEXT, OFFSET(kafka_brokers), "kafka1:9092,kafka2:9092", 1, 1000,
		"bootstrap servers", true },
	{ "TOPIC", SETTING_TEXT, OFFSET(topic), "metrics", 1, 249, "topic", true },
	{ "HTTP_ADDRESS", SETTING_ADDRESS, OFFSET(http_address), "127.0.0.1", 0, 0, "bind address",
		true },
	{ "HTTP_PORT", SETTING_NUMBER, OFFSET(http_port), "", 0, 65535, "port, 0: any", true },
	{ "STATE_DIRECTORY", SETTING_PATH, OFFSET(state_directory), ".", 1, 900, "where files go",
		true },
	{ "STORE", SETTING_PATH, OFFSET(store), "", 1, 900, "SQLite file, there", true },
	{ "SIMULATE_PER_SECOND", SETTING_NUMBER, OFFSET(simulate_per_second), "0", 0, 100000,
		"simulated commands a second, 0: none", true },
	{ "SIMULATE_SEED", SETTING_NUMBER, OFFSET(simulate_seed), "1", 0, INT64_MAX,
		"makes a simulation repeatable", false },
	{ "OUTBOX_MAX_ROWS", SETTING_NUMBER, OFFSET(outbox_max_rows), "1000000", 1, 1000000000,
		"events that may wait for Kafka, then 503", false },
	{ "OUTBOX_KEEP_SECONDS", SETTING_NUMBER, OFFSET(outbox_keep_seconds), "30", 2, 86400,
		"how long acknowledged rows stay", false },
	{ "LOG_LEVEL", SETTING_LEVEL, OFFSET(log_level), "info", 0, 0,
		"debug, info, warning or error", true },
	{ "LOG_FORMAT", SETTING_FORMAT, OFFSET(log_format), "text", 0, 0,
		"text, or json: an object a line", false },
};

const struct service_settings *service_settings(const struct service *service)
{
	return service->settings;
}

struct kafka_settings service_kafka(const struct service *service)
{
	return (struct kafka_settings){ .brokers = service->settings->kafka_brokers,
		.topic = service->settings->topic,
		.passed = &service->passed };
}

void *service_state(const struct service *service)
{
	return service->state;
}

const char *service_source(const struct service *service)
{
	return service->source;
}

struct outbox *service_outbox(struct service *service)
{
	return service->outbox;
}

const char *service_program(const struct service *service)
{
	return service->definition->program;
}

const char *service_openapi(const struct service *service)
{
	return service->definition->openapi;
}

unsigned service_describe(struct service *service, const struct command *command, json_t **body)
{
	return service->definition->describe(service, command, body);
}

bool service_put(struct service *service, struct command *command)
{
	return outbox_put(service->outbox, command);
}

struct db *service_read_begin(struct service *service)
{
	pthread_mutex_lock(&service->reader_lock);
	return service->reader;
}

void service_read_end(struct service *service)
{
	pthread_mutex_unlock(&service->reader_lock);
}

static const struct program_word words[] = {
	{ "", "", "runs the service until SIGTERM", NULL, NULL, 0 },
	{ "store fork", "", "gives a copied or restored store a new name",
		"For a store that was copied, or restored from a backup: events that the topic "
		"does not have are sent under the new name, none is lost. Stop every process on "
		"that store first.",
		NULL, 0 },
};

static bool check(const struct program *program, const void *values,
	const struct settings_passed *passed, struct fail *fail)
{
	static const struct kafka_property *const fixed[] = { relay_fixed, NULL };
	const struct service_settings *const w = values;
	bool good = kafka_settings_check(program, passed, fixed, fail);

	if (strstr(w->store, "://"))
		good = settings_complain(program, "STORE", w->store,
			"a file; PostgreSQL and other databases are not supported yet", fail);
	return good;
}

/* The common settings with this service's defaults, and its own behind them. */
static struct program describe(const struct service_definition *d, struct setting *table)
{
	const size_t count = sizeof(common) / sizeof(common[0]);

	assert(count + d->setting_count <= SETTINGS_MAX);
	memcpy(table, common, sizeof(common));
	for (size_t i = 0; i < count; i++) {
		if (table[i].offset == OFFSET(http_port))
			table[i].initial = d->port;
		if (table[i].offset == OFFSET(store))
			table[i].initial = d->store;
	}
	if (d->setting_count > 0)
		memcpy(table + count, d->settings, d->setting_count * sizeof(*table));
	return (struct program){ .name = d->program,
		.summary = d->summary,
		.settings = table,
		.count = count + d->setting_count,
		.size = d->settings_size,
		.check = check,
		.words = words,
		.word_count = sizeof(words) / sizeof(words[0]),
		.manual = d->manual };
}

static void build_routes(struct service *s)
{
	const struct service_definition *const d = s->definition;

	assert(d->route_count + COMMON_ROUTES <= ROUTES_MAX);
	memcpy(s->routes, common_routes, sizeof(common_routes));
	memcpy(s->routes + COMMON_ROUTES, d->routes, d->route_count * sizeof(*d->routes));
}

static struct outbox_options describe_store(struct service *s)
{
	const struct service_settings *const w = s->settings;

	if (*w->store == '/' || strstr(w->store, "://"))
		(void)snprintf(s->store, sizeof(s->store), "%s", w->store);
	else
		(void)snprintf(s->store, sizeof(s->store), "%s/%s", w->state_directory, w->store);
	return (struct outbox_options){ .service = s->definition->name,
		.store = s->store,
		.partition = s->definition->partition,
		.max_rows = w->outbox_max_rows,
		.keep_seconds = w->outbox_keep_seconds,
		.kafka = service_kafka(s),
		.spans = s->spans };
}

static bool open_store(struct service *s, struct fail *fail)
{
	const struct service_settings *const w = s->settings;
	const struct outbox_options options = describe_store(s);
	struct outbox_status status;

	if (mkdir(w->state_directory, 0750) != 0 && errno != EEXIST)
		return fail_errno(fail, FAIL_FATAL, errno, "make directory %s", w->state_directory);
	if (!outbox_open(&s->outbox, &options, fail))
		return false;
	outbox_status_read(s->outbox, &status);
	memcpy(s->source, status.source, sizeof(s->source));
	return once_make_tables(outbox_db(s->outbox), fail) &&
	       s->definition->make_tables(outbox_db(s->outbox), fail) &&
	       db_open(&s->reader, s->store, DB_READER, fail);
}

static bool start_http(struct service *s, struct fail *fail)
{
	const struct http_options options = { .address = s->settings->http_address,
		.port = s->settings->http_port,
		.routes = s->routes,
		.route_count = s->definition->route_count + COMMON_ROUTES,
		.context = s,
		.spans = s->spans };

	if (!http_server_start(&s->http, &options, fail))
		return false;
	log_info(
		"http", "listening address=%s port=%u", options.address, http_server_port(s->http));
	return true;
}

/* The answer that is kept is the one that will be given. */
static bool keep_answer(struct service *s, struct outbox_tx *tx,
	const struct service_command *command, struct fail *fail)
{
	struct once *const once = command->once;
	json_t *body = NULL;
	size_t length;

	once->status = service_describe(s, &command->command, &body);
	if (once->status == 0)
		return true;
	length = json_dumpb(body, once->body, sizeof(once->body) - 1, HTTP_JSON_FLAGS);
	json_decref(body);
	if (length == 0)
		return fail_set(fail, FAIL_RETRY, "out of memory");
	assert(length < sizeof(once->body));
	once->body[length] = '\0';
	return once_keep(tx, once, fail);
}

/* What every service does around its own `apply`: a request sent twice is done once, and answered
 * alike, also where a new one would find no room. */
static bool apply(void *context, struct outbox_tx *tx, struct command *command, struct fail *fail)
{
	struct service *const s = context;
	const struct service_command *const asked = (struct service_command *)command;

	tx->trace = asked->trace;
	tx->tracestate = asked->tracestate;
	if (asked->once && !once_find(tx, asked->once, fail))
		return false;
	if (asked->once && asked->once->verdict != ONCE_NEW)
		return true;
	tx->refused = tx->full;
	if (tx->refused)
		return true;
	return s->definition->apply(s, tx, command, fail) &&
	       (!asked->once || keep_answer(s, tx, asked, fail));
}

/* Up: far end first, so that nothing pours into a missing sink. Down: sources first, then
 * everything taken is answered, then the sinks. Each step knows whether it has to be undone. */
static bool run(struct service *s, struct fail *fail)
{
	const struct service_definition *const d = s->definition;
	struct fail second = { 0 };
	bool good = spans_start(&s->spans, s->definition->program, fail) && open_store(s, fail) &&
		    outbox_start(s->outbox, apply, s, fail) &&
		    (!d->start || d->start(s, &s->state, fail)) && start_http(s, fail) &&
		    simulator_start(&s->simulator, s, d, fail);

	if (good) {
		log_info("main", "%s %s runs brokers=%s topic=%s simulate_per_second=%" PRId64,
			d->program, program_version_text(), s->settings->kafka_brokers,
			s->settings->topic, s->settings->simulate_per_second);
		while (good && !stop_wait(LOOK_MS))
			good = outbox_in_place(s->outbox, fail);
		log_info("main", "stopping");
	}
	simulator_stop(s->simulator);
	if (s->http)
		http_server_quiesce(s->http);
	if (s->state)
		d->stop(s->state);
	if (s->outbox && !outbox_stop(s->outbox, DRAIN_MS, &second) && good) {
		*fail = second;
		good = false;
	}
	http_server_stop(&s->http);
	simulator_free(&s->simulator);
	if (s->state)
		d->free(s->state);
	db_close(&s->reader);
	outbox_close(&s->outbox);
	spans_stop(&s->spans);
	return good;
}

/* `store fork`. */
static bool fork_store(struct service *s, struct fail *fail)
{
	struct progress_bar bar;
	const struct fork_options options = { .outbox = describe_store(s),
		.make_tables = s->definition->make_tables,
		.renumber = s->definition->renumber,
		.bar = &bar };
	struct fork_result result;
	bool good;

	progress_bar_start(&bar, STDERR_FILENO);
	good = outbox_fork(&options, &result, fail);
	progress_bar_end(&bar);
	if (!good)
		return false;
	printf("%s is now %s: the topic has %" PRId64 " of its events, %" PRId64
	       " will be sent from number 1 on\n",
		result.before, result.after, result.sent, result.renumbered);
	if (result.again > 0)
		printf("up to %" PRId64 " of them are in the topic under the old name, too: two "
		       "copies wrote at the same time\n",
			result.again);
	return true;
}

/* The directory that counts is the store's, wherever STORE says that it is. */
static int see_doctor(struct service *s)
{
	const struct outbox_options store = describe_store(s);
	char directory[sizeof(s->store)];
	char *slash;

	strcpy(directory, store.store);
	slash = strrchr(directory, '/');
	assert(slash); /* describe_store puts one */
	slash[slash == directory] = '\0';
	return doctor_visit(&(struct doctor_visit){ .program = s->definition->program,
		.kafka = store.kafka,
		.http_address = s->settings->http_address,
		.http_port = s->settings->http_port,
		.state_directory = directory,
		.owned = store.store,
		.owned_name = "store" });
}

static void do_word(struct service *s, const char *word, int *status, struct fail *fail)
{
	if (strcmp(word, "healthcheck") == 0)
		*status = health_ask(s->settings->http_address, s->settings->http_port);
	else if (strcmp(word, "doctor") == 0)
		*status = see_doctor(s);
	else if (stop_on_signals(fail))
		(void)(strcmp(word, "store fork") == 0 ? fork_store(s, fail) : run(s, fail));
	if (fail->kind == FAIL_NONE)
		return;
	log_error("main", "%s: %s", s->definition->program, fail->text);
	*status = fail_exit_status(fail);
}

int service_main(const struct service_definition *definition, int argc, char **argv)
{
	struct setting table[SETTINGS_MAX];
	const struct program program = describe(definition, table);
	struct command_line line;
	struct service *s;
	struct fail fail = { 0 };
	int status = 0;

	if (!program_begin(&program, argc, argv, &line, &status))
		return status;
	s = calloc(1, sizeof(*s));
	if (!s || !(s->settings = calloc(1, definition->settings_size))) {
		free(s);
		return 1;
	}
	s->definition = definition;
	pthread_mutex_init(&s->reader_lock, NULL);
	build_routes(s);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	if (settings_read(&program, line.argc, line.argv, s->settings, &s->passed, &fail)) {
		log_level_set(s->settings->log_level);
		log_format_set(s->settings->log_format);
		do_word(s, line.word, &status, &fail);
	} else {
		status = fail_exit_status(&fail); /* what is wrong was said */
	}
	curl_global_cleanup();
	pthread_mutex_destroy(&s->reader_lock);
	free(s->settings);
	free(s);
	return status;
}
