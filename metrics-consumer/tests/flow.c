#include "metrics-consumer/tests/flow.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kafka/client/headers.h"
#include "process/clock.h"

#define DEADLINE_MS  40000
#define LOOK_MS      10
#define SETTINGS_MAX 16

static rd_kafka_t *make_producer(const char *brokers)
{
	rd_kafka_conf_t *const conf = rd_kafka_conf_new();
	char why[256];

	if (brokers)
		assert_int_equal(
			rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)),
			RD_KAFKA_CONF_OK);
	assert_int_equal(
		rd_kafka_conf_set(conf, "linger.ms", "50", why, sizeof(why)), RD_KAFKA_CONF_OK);
	assert_int_equal(
		rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "200", why, sizeof(why)),
		RD_KAFKA_CONF_OK);
	assert_int_equal(
		rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why)), RD_KAFKA_CONF_OK);
	return rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
}

void flow_start(struct flow *f, int partitions)
{
	rd_kafka_t *const host = make_producer(NULL);

	*f = (struct flow){ 0 };
	scratch_make(&f->scratch);
	assert_non_null(host);
	f->cluster = rd_kafka_mock_cluster_new(host, 2);
	assert_non_null(f->cluster);
	f->brokers = rd_kafka_mock_cluster_bootstraps(f->cluster);
	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "metrics", partitions, 2),
		RD_KAFKA_RESP_ERR_NO_ERROR);
	f->producer = make_producer(f->brokers);
	assert_non_null(f->producer);
}

void flow_stop(struct flow *f)
{
	rd_kafka_t *const host = rd_kafka_mock_cluster_handle(f->cluster);

	flow_kill(&f->child);
	flow_kill(&f->standby);
	rd_kafka_destroy(f->producer);
	rd_kafka_mock_cluster_destroy(f->cluster);
	rd_kafka_destroy(host);
	scratch_remove(&f->scratch);
}

static rd_kafka_headers_t *make_headers(const struct record *r)
{
	rd_kafka_headers_t *headers;
	char number[24];

	if (r->time_ms != 0)
		return headers_new(r->source, r->id, "test", r->time_ms);
	headers = rd_kafka_headers_new(2);
	assert_non_null(headers);
	(void)snprintf(number, sizeof(number), "%" PRId64, r->id);
	assert_int_equal(rd_kafka_header_add(headers, "ce_source", -1, r->source, -1), 0);
	assert_int_equal(rd_kafka_header_add(headers, "ce_id", -1, number, -1), 0);
	return headers;
}

void flow_send(struct flow *f, const struct record *r)
{
	const size_t length = r->length > 0 ? r->length : r->value ? strlen(r->value) : 0;
	rd_kafka_headers_t *const headers = r->source ? make_headers(r) : rd_kafka_headers_new(1);
	const rd_kafka_resp_err_t error = rd_kafka_producev(f->producer,
		RD_KAFKA_V_TOPIC("metrics"), RD_KAFKA_V_PARTITION(r->partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_KEY(r->key, r->key ? strlen(r->key) : 0),
		RD_KAFKA_V_VALUE((void *)(intptr_t)r->value, length), RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_END);

	assert_int_equal(error, RD_KAFKA_RESP_ERR_NO_ERROR);
}

void flow_flush(struct flow *f)
{
	assert_int_equal(rd_kafka_flush(f->producer, DEADLINE_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void flow_send_event(struct flow *f, int32_t partition, int64_t id)
{
	const bool cart = partition == 0;

	flow_send(f, &(struct record){ .partition = partition,
			     .key = cart ? "xyz123" : "A123",
			     .value = cart ? "{\"type\":\"cart_item_added\",\"service\":\"cart\","
					     "\"timestamp\":\"2025-07-08T19:15:32Z\",\"payload\":{"
					     "\"cartId\":\"xyz123\",\"sku\":\"A123\",\"count\":2,"
					     "\"status\":\"success\"}}"
					   : "{\"type\":\"sku_created\",\"service\":\"stock\","
					     "\"timestamp\":\"2025-07-08T19:20:17Z\",\"payload\":{"
					     "\"sku\":\"A123\",\"price\":12.5,\"count\":100}}",
			     .source = cart ? "cart/a" : "stock/b",
			     .id = id,
			     .time_ms = clock_wall_ms() });
}

static void name_file(const struct flow *f, const char *kind, char out[32])
{
	(void)snprintf(out, 32, "%s.%u.log", kind, f->starts);
}

const char *flow_out(const struct flow *f)
{
	static char name[32];

	name_file(f, "out", name);
	return name;
}

const char *flow_err(const struct flow *f)
{
	static char name[32];

	name_file(f, "err", name);
	return name;
}

static void redirect(const char *path, int to)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(120);
}

pid_t flow_consumer(struct flow *f, const char *const settings[])
{
	char brokers[256], directory[PATH_MAX + 32], out[PATH_MAX], err[PATH_MAX];
	const char *const usual[] = { brokers, directory, "HTTP_PORT=0", "JOURNAL_SYNC_MS=10",
		NULL };
	const char *environment[SETTINGS_MAX] = { NULL };
	char *const argv[] = { (char[]){ METRICS_CONSUMER }, NULL };
	size_t count = 0;
	pid_t child;

	for (; settings && *settings; settings++) /* the first of a name counts */
		environment[count++] = *settings;
	for (size_t i = 0; usual[i]; i++)
		environment[count++] = usual[i];
	assert_true(count < SETTINGS_MAX);
	f->starts++;
	(void)snprintf(brokers, sizeof(brokers), "KAFKA_BROKERS=%s", f->brokers);
	(void)snprintf(directory, sizeof(directory), "STATE_DIRECTORY=%s", f->scratch.directory);
	(void)snprintf(out, sizeof(out), "%s", scratch_path(&f->scratch, flow_out(f)));
	(void)snprintf(err, sizeof(err), "%s", scratch_path(&f->scratch, flow_err(f)));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		redirect(out, STDOUT_FILENO);
		redirect(err, STDERR_FILENO);
		execve(argv[0], argv, (char *const *)(intptr_t)environment);
		_exit(121);
	}
	return child;
}

void flow_kill(pid_t *child)
{
	if (*child <= 0)
		return;
	(void)kill(*child, SIGKILL);
	assert_int_equal(waitpid(*child, NULL, 0), *child);
	*child = 0;
}

int flow_end(pid_t *child)
{
	int status = 0;

	assert_true(*child > 0);
	assert_int_equal(kill(*child, SIGTERM), 0);
	assert_int_equal(waitpid(*child, &status, 0), *child);
	*child = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static size_t count_in(struct flow *f, const char *file, const char *wanted)
{
	char *const text = scratch_read(&f->scratch, file, NULL);
	const size_t count = scratch_count(text, wanted);

	free(text);
	return count;
}

void flow_wait_for(struct flow *f, const char *file, const char *wanted, size_t count)
{
	const int64_t until = clock_mono_ms() + DEADLINE_MS;

	while (count_in(f, file, wanted) < count) {
		if (clock_mono_ms() > until) {
			char *const err = scratch_read(&f->scratch, flow_err(f), NULL);

			print_message("%s", err);
			free(err);
			fail_msg("%s has %s only %zu times", file, wanted,
				count_in(f, file, wanted));
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
}

void flow_wait_lines(struct flow *f, size_t count)
{
	flow_wait_for(f, "metrics.log", "\n", count);
}

struct body {
	char text[65536];
	size_t length;
};

static size_t on_body(char *bytes, size_t one, size_t length, void *context)
{
	struct body *const body = context;

	(void)one;
	assert_true(length < sizeof(body->text) - body->length);
	memcpy(body->text + body->length, bytes, length);
	body->length += length;
	return length;
}

char *flow_get(struct flow *f, const char *path, long *status)
{
	struct body *const body = calloc(1, sizeof(*body));
	CURL *const curl = curl_easy_init();
	char url[128], *log;
	const char *port;

	assert_non_null(body);
	assert_non_null(curl);
	flow_wait_for(f, flow_err(f), "listening address=", 1);
	flow_wait_for(f, flow_err(f), "\n", 2);
	log = scratch_read(&f->scratch, flow_err(f), NULL);
	port = strstr(strstr(log, "listening address="), "port=");
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", atoi(port + 5), path);
	free(log);
	*status = 0;
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (curl_easy_perform(curl) == CURLE_OK)
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	curl_easy_cleanup(curl);
	return body->text; /* the first member */
}

void flow_wait_ready(struct flow *f, long wanted_status, const char *wanted)
{
	const int64_t until = clock_mono_ms() + DEADLINE_MS;
	long status = 0;
	char *body;

	for (;;) {
		body = flow_get(f, "/readyz", &status);
		if (status == wanted_status && strstr(body, wanted))
			break;
		if (clock_mono_ms() > until)
			fail_msg("/readyz says %ld %s, not %ld %s", status, body, wanted_status,
				wanted);
		free(body);
		(void)poll(NULL, 0, LOOK_MS);
	}
	free(body);
}
