#include "kafka/client/client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kafka/client/statistics.h"
#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define DESTROY_MS 2000

/* The same for every client: notice a new leader and a broker that is back within a second, and
 * give up a broker that is paused, or cut off, a little after its ZooKeeper session ended (2.5 s).
 * What was measured stands in docs/OPERATIONS.md. */
static const struct kafka_property common[] = {
	{ "client.id", "hw9" },
	{ "topic.metadata.refresh.interval.ms", "1000" },
	{ "reconnect.backoff.ms", "50" },
	{ "reconnect.backoff.max.ms", "1000" },
	{ "socket.timeout.ms", "4000" },
	{ "socket.connection.setup.timeout.ms", "4000" },
	{ "log.connection.close", "false" },
	{ NULL, NULL },
};

/* And what nobody may set otherwise: a transaction that somebody leaves open in the topic hides no
 * record behind it, neither from who reads nor from who asks where a partition ends, also by a
 * producer (ATTACKS B14). */
static const struct kafka_property common_fixed[] = {
	{ "isolation.level", "read_uncommitted" },
	{ NULL, NULL },
};

/* Reads a secret from the file @path names, without the line break at its end. */
static bool read_secret(const char *path, char *out, size_t size, struct fail *fail)
{
	FILE *const file = fopen(path, "r");
	size_t length;

	if (!file)
		return fail_errno(fail, FAIL_REFUSE, errno, "%s", path);
	errno = 0;
	length = fread(out, 1, size, file);
	if (ferror(file)) {
		fail_errno(fail, FAIL_REFUSE, errno, "%s", path);
		fclose(file);
		return false;
	}
	fclose(file);
	if (length == size)
		return fail_set(fail, FAIL_REFUSE, "%s: longer than %zu bytes", path, size - 1);
	while (length > 0 && (out[length - 1] == '\n' || out[length - 1] == '\r'))
		length--;
	out[length] = '\0';
	return true;
}

/* Sets one RDKAFKA_ property; x.file reads x from a file where librdkafka has no x.file. */
static bool set_passed(rd_kafka_conf_t *conf, const struct setting_passed *item, struct fail *fail)
{
	char why[256], name[sizeof(item->name)], secret[SETTING_TEXT_MAX];
	const char *value = item->value;
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, item->name, value, why, sizeof(why));
	const size_t length = strlen(item->name);

	if (result == RD_KAFKA_CONF_UNKNOWN && length > 5 &&
		strcmp(item->name + length - 5, ".file") == 0) {
		memcpy(name, item->name, length - 5);
		name[length - 5] = '\0';
		if (!read_secret(item->value, secret, sizeof(secret), fail))
			return false;
		result = rd_kafka_conf_set(conf, name, secret, why, sizeof(why));
	}
	if (result != RD_KAFKA_CONF_OK)
		return fail_set(fail, FAIL_REFUSE, "%s", why);
	return true;
}

static bool is_in(const struct kafka_property *list, const char *name)
{
	for (; list->name; list++) {
		if (strcmp(list->name, name) == 0)
			return true;
	}
	return false;
}

bool kafka_settings_check(const struct program *program, const struct settings_passed *passed,
	const struct kafka_property *const fixed[], struct fail *fail)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	bool good = true;

	for (size_t i = 0; i < passed->count; i++) {
		const struct setting_passed *const item = &passed->item[i];
		struct fail why = { 0 };
		bool ours = strcmp(item->name, "bootstrap.servers") == 0 ||
			    strcmp(item->name, "enabled_events") == 0 ||
			    strcmp(item->name, "enabled.events") == 0 ||
			    is_in(common_fixed, item->name);
		char name[sizeof(item->name) + sizeof(SETTING_PREFIX) + 2];

		(void)snprintf(name, sizeof(name), SETTING_PREFIX "(%s)", item->name);
		for (size_t list = 0; fixed[list]; list++)
			ours = ours || is_in(fixed[list], item->name);
		if (ours)
			good = settings_complain(program, name, item->value,
				"is set by the program, whose promises stand on it", fail);
		else if (!set_passed(conf, item, &why))
			good = settings_complain(program, name, "", why.text, fail);
	}
	rd_kafka_conf_destroy(conf);
	return good;
}

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_property *list, struct fail *fail)
{
	char why[256];

	for (; list->name; list++) {
		if (rd_kafka_conf_set(conf, list->name, list->value, why, sizeof(why)) !=
			RD_KAFKA_CONF_OK)
			return fail_set(fail, FAIL_FATAL, "%s", why);
	}
	return true;
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
	/* A broker that is away is no error here: whoever waits for it says so. */
	(void)level;
	log_debug("kafka", "%s %s: %s", rd_kafka_name(client), facility, text);
}

rd_kafka_conf_t *kafka_conf(const struct kafka_settings *settings,
	const struct kafka_property *defaults, const struct kafka_property *fixed,
	struct fail *fail)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	const struct kafka_property brokers[] = { { "bootstrap.servers", settings->brokers },
		{ NULL, NULL } };
	bool good = set_all(conf, common, fail) && set_all(conf, defaults, fail);

	for (size_t i = 0; good && settings->passed && i < settings->passed->count; i++)
		good = set_passed(conf, &settings->passed->item[i], fail);
	if (!good || !set_all(conf, brokers, fail) || !set_all(conf, common_fixed, fail) ||
		!set_all(conf, fixed, fail)) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	rd_kafka_conf_set_log_cb(conf, on_log);
	return conf;
}

int64_t kafka_conf_number(const rd_kafka_conf_t *conf, const char *name)
{
	char text[32];
	size_t size = sizeof(text);

	if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK)
		assert(0 && "librdkafka knows its own property");
	return strtoll(text, NULL, 10);
}

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct fail *fail)
{
	char why[256];
	sigset_t all, before;
	rd_kafka_t *client;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	client = rd_kafka_new(type, conf, why, sizeof(why));
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!client) {
		rd_kafka_conf_destroy(conf);
		fail_set(fail, FAIL_FATAL, "make a Kafka client: %s", why);
	}
	return client;
}

enum ending_state { ENDING, ENDED, LEFT_BEHIND };
struct ending { /* of a client; it stays where the client does not end in time */
	rd_kafka_t *client;
	int ended; /* eventfd; closed by whoever is the last to look at it */
	_Atomic enum ending_state state;
	struct ending *next;
};

static struct ending *_Atomic left_behind;

int kafka_clients_left(void)
{
	int count = 0;

	for (struct ending *e = atomic_load(&left_behind); e; e = e->next)
		count += atomic_load(&e->state) != ENDED;
	return count;
}

static void leave_behind(struct ending *e)
{
	e->next = atomic_load(&left_behind);
	while (!atomic_compare_exchange_weak(&left_behind, &e->next, e))
		;
}

static void *destroy(void *context)
{
	struct ending *const e = context;

	/* Closing a consumer would wait for the coordinator: there is nothing to leave. */
	rd_kafka_destroy_flags(e->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	(void)!write(e->ended, &(uint64_t){ 1 }, sizeof(uint64_t)); /* it was empty */
	if (atomic_exchange(&e->state, ENDED) == LEFT_BEHIND)
		close(e->ended);
	return NULL;
}

static bool is_readable_in_time(int fd, int wait_ms)
{
	struct pollfd on = { .fd = fd, .events = POLLIN };
	const int64_t until = clock_mono_ms() + wait_ms;
	int64_t left = wait_ms;
	int found;

	do
		found = poll(&on, 1, (int)left);
	while (found < 0 && errno == EINTR && (left = until - clock_mono_ms()) > 0);
	return found > 0;
}

static bool end(struct ending *e)
{
	enum ending_state ending = ENDING;
	struct fail fail = { 0 };
	pthread_t thread;

	e->ended = eventfd(0, EFD_CLOEXEC);
	if (e->ended < 0 || !thread_start(&thread, "kafka-close", destroy, e, &fail))
		return false; /* there is nothing to find its end out with */
	if (!is_readable_in_time(e->ended, DESTROY_MS) &&
		atomic_compare_exchange_strong(&e->state, &ending, LEFT_BEHIND)) {
		(void)pthread_detach(thread);
		return false;
	}
	(void)pthread_join(thread, NULL);
	close(e->ended);
	return true;
}

bool kafka_client_destroy(rd_kafka_t **client)
{
	struct ending *const e = calloc(1, sizeof(*e));
	bool ended = *client == NULL;

	if (*client)
		kafka_statistics_forget(rd_kafka_name(*client));
	if (e && *client) {
		e->client = *client;
		ended = end(e);
	}
	*client = NULL;
	if (ended) {
		free(e);
		return true;
	}
	log_warning("kafka", "librdkafka does not end, it is left behind");
	if (e)
		leave_behind(e);
	return false;
}

bool kafka_topic_check(
	rd_kafka_t *client, const char *topic, int partitions, int wait_ms, struct fail *fail)
{
	rd_kafka_topic_t *const handle = rd_kafka_topic_new(client, topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t error;
	int found = -1;

	if (!handle)
		return fail_set(fail, FAIL_RETRY, "topic %s: %s", topic,
			rd_kafka_err2str(rd_kafka_last_error()));
	error = rd_kafka_metadata(client, 0, handle, &metadata, wait_ms);
	rd_kafka_topic_destroy(handle);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
		error = metadata->topics[0].err;
		found = metadata->topics[0].partition_cnt;
	}
	if (metadata)
		rd_kafka_metadata_destroy(metadata);
	if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return fail_set(fail, FAIL_RETRY, "topic %s is not there yet", topic);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR || found < 0)
		return fail_set(fail, FAIL_RETRY, "no broker answers: %s", rd_kafka_err2str(error));
	if (found != partitions)
		return fail_set(fail, FAIL_REFUSE,
			"topic %s has %d partition%s and must have %d; nothing is written to it",
			topic, found, found == 1 ? "" : "s", partitions);
	return true;
}

bool kafka_says_no_topic(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	       error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
	       error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool kafka_loses_client(rd_kafka_resp_err_t error)
{
	return kafka_says_no_topic(error) && rd_kafka_version() >= 0x02010000;
}

static bool ask_bound(rd_kafka_t *client, const char *topic, int32_t partition, int64_t which,
	int wait_ms, int64_t *offset, struct fail *fail)
{
	rd_kafka_topic_partition_list_t *const list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t error;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = which;
	error = rd_kafka_offsets_for_times(client, list, wait_ms);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		error = list->elems[0].err;
	*offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR && *offset >= 0)
		return true;
	return fail_set(fail, FAIL_RETRY, "ask for the bounds of partition %" PRId32 ": %s",
		partition, rd_kafka_err2str(error));
}

bool kafka_partition_bounds(rd_kafka_t *client, const char *topic, int32_t partition, int wait_ms,
	int64_t *first, int64_t *end, struct fail *fail)
{
	return ask_bound(
		       client, topic, partition, RD_KAFKA_OFFSET_BEGINNING, wait_ms, first, fail) &&
	       ask_bound(client, topic, partition, RD_KAFKA_OFFSET_END, wait_ms, end, fail);
}
