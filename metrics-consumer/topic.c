#include "metrics-consumer/topic.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kafka/client/statistics.h"
#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define STALL_MS     3 /* without a record, after a queue that may have been full: it was */
#define ASK_GROUP_MS 5000
#define METADATA_MAX 128

struct topic {
	const struct kafka_settings *kafka;
	const char *group;
	rd_kafka_t *client;
	rd_kafka_queue_t *queue; /* records, and errors in the place of one */
	rd_kafka_queue_t
		*calls; /* what our callbacks are told; served also where nothing is taken */
	int wake;       /* eventfd: readable when one of them was empty and is not */
	bool full;      /* the last batch was: there may be more without a new wake-up */
	/* The queue's bounds as librdkafka has them; and whether it was near one since librdkafka
	 * was last made to look again. */
	size_t queue_records, queue_bytes;
	bool was_full;
	bool away, gone;
	bool committing;
	bool not_stored;           /* the last one was not, and nobody knows yet */
	rd_kafka_queue_t *answers; /* to the question where the group is; NULL: not asked */
	struct log_repeat commit_failed;
};

/* The queue of fetched records is what memory goes into: at most this much is in it before
 * another fetch of up to 4 MB is asked for. */
static const struct kafka_property defaults[] = {
	{ "queued.min.messages", "30000" },
	{ "queued.max.messages.kbytes", "6144" },
	{ "fetch.message.max.bytes", "1048576" },
	{ "fetch.max.bytes", "4194304" },
	{ "fetch.wait.max.ms", "100" },
	{ "fetch.error.backoff.ms", "100" },
	{ NULL, NULL },
};

static const struct kafka_property fixed[] = {
	{ "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" },
	{ "auto.offset.reset", "error" },
	{ "check.crcs", "true" }, /* bytes that a disk or a wire changed are no event */
	{ "enable.partition.eof", "false" },
	{ "max.poll.interval.ms", "86400000" }, /* a full disk may take a day */
	{ NULL, NULL },
};
static const struct kafka_property group_fixed[] = { { "group.id", "" }, { NULL, NULL } };
const struct kafka_property *const topic_fixed[] = { fixed, group_fixed, NULL };

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
	struct topic *const t = opaque;

	(void)client;
	t->gone = t->gone || kafka_loses_client((rd_kafka_resp_err_t)error);
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		t->away = true;
	log_debug("kafka", "%s: %s", rd_kafka_err2name(error), reason);
}

static void on_commit(rd_kafka_t *client, rd_kafka_resp_err_t error,
	rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
	struct topic *const t = opaque;

	(void)client;
	(void)offsets;
	t->committing = false;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET)
		return;
	t->not_stored = true;
	log_repeating(&t->commit_failed, LOG_WARNING, "consumer",
		"offsets for lag tools were not stored: %s", rd_kafka_err2str(error));
}

/* Since librdkafka 2.2 a full queue is looked at again after this time instead of a second. */
static void set_queue_backoff(rd_kafka_conf_t *conf, const struct settings_passed *passed)
{
	static const char name[] = "fetch.queue.backoff.ms";
	char why[128];

	for (size_t i = 0; passed && i < passed->count; i++) {
		if (strcmp(passed->item[i].name, name) == 0)
			return;
	}
	(void)rd_kafka_conf_set(conf, name, "2", why, sizeof(why)); /* unknown before 2.2 */
}

static bool make_client(struct topic *t, const char *group, struct fail *fail)
{
	char why[256];
	rd_kafka_conf_t *const conf = kafka_conf(t->kafka, defaults, fixed, fail);

	if (!conf)
		return false;
	if (rd_kafka_conf_set(conf, "group.id", group, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
		rd_kafka_conf_destroy(conf);
		return fail_set(fail, FAIL_REFUSE, "GROUP_ID=%s: %s", group, why);
	}
	set_queue_backoff(conf, t->kafka->passed);
	t->queue_records = (size_t)kafka_conf_number(conf, "queued.min.messages");
	t->queue_bytes = (size_t)kafka_conf_number(conf, "queued.max.messages.kbytes") * 1024;
	rd_kafka_conf_set_opaque(conf, t);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
	kafka_statistics_ask(conf, t->kafka->passed);
	t->client = kafka_client_new(RD_KAFKA_CONSUMER, conf, fail);
	return t->client != NULL;
}

bool topic_open(struct topic **topic, const struct kafka_settings *kafka, const char *group,
	struct fail *fail)
{
	const uint64_t one = 1;
	struct topic *const t = calloc(1, sizeof(*t));

	*topic = NULL;
	if (!t)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	t->kafka = kafka;
	t->group = group;
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->wake < 0) {
		fail_errno(fail, FAIL_FATAL, errno, "eventfd");
		goto free_topic;
	}
	if (!make_client(t, group, fail))
		goto close_wake;
	t->queue = rd_kafka_queue_get_consumer(t->client);
	t->calls = rd_kafka_queue_get_main(t->client);
	assert(t->queue && t->calls);
	rd_kafka_queue_io_event_enable(t->queue, t->wake, &one, sizeof(one));
	rd_kafka_queue_io_event_enable(t->calls, t->wake, &one, sizeof(one));
	*topic = t;
	return true;

close_wake:
	close(t->wake);
free_topic:
	free(t);
	return false;
}

void topic_close(struct topic **topic)
{
	struct topic *const t = *topic;

	if (!t)
		return;
	if (t->answers)
		rd_kafka_queue_destroy(t->answers);
	*topic = NULL;
	rd_kafka_queue_io_event_enable(t->calls, -1, NULL, 0);
	rd_kafka_queue_io_event_enable(t->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(t->calls);
	rd_kafka_queue_destroy(t->queue);
	if (!kafka_client_destroy(&t->client))
		return; /* the client may still use the rest, which is left to it */
	close(t->wake);
	free(t);
}

void topic_serve(struct topic *t)
{
	rd_kafka_poll(t->client, 0);
}

rd_kafka_t *topic_client(struct topic *t)
{
	return t->client;
}

bool topic_check(struct topic *t, int wait_ms, struct fail *fail)
{
	topic_serve(t);
	if (!kafka_topic_check(t->client, t->kafka->topic, EVENT_PARTITIONS, wait_ms, fail))
		return false;
	t->away = false;
	return true;
}

static rd_kafka_topic_partition_list_t *make_list(
	const struct topic *t, const int64_t next[static EVENT_PARTITIONS])
{
	rd_kafka_topic_partition_list_t *const list =
		rd_kafka_topic_partition_list_new(EVENT_PARTITIONS);

	for (int32_t p = 0; p < EVENT_PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(list, t->kafka->topic, p)->offset = next[p];
	return list;
}

bool topic_assign(struct topic *t, const int64_t next[static EVENT_PARTITIONS], struct fail *fail)
{
	rd_kafka_topic_partition_list_t *const list = make_list(t, next);
	rd_kafka_resp_err_t error;

	for (int i = 0; i < list->cnt; i++) {
		if (list->elems[i].offset == TOPIC_EARLIEST)
			list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
	}
	error = rd_kafka_assign(t->client, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return fail_set(
			fail, FAIL_FATAL, "assign the partitions: %s", rd_kafka_err2str(error));
	return true;
}

size_t topic_take(struct topic *t, rd_kafka_message_t *batch[static TOPIC_BATCH_MAX])
{
	const size_t queued = rd_kafka_queue_length(t->queue);
	/* With a timeout it would wait for a full batch. */
	const ssize_t count = rd_kafka_consume_batch_queue(t->queue, 0, batch, TOPIC_BATCH_MAX);
	size_t bytes = 0;

	topic_serve(t);
	assert(count >= 0);
	t->full = count == TOPIC_BATCH_MAX;
	for (ssize_t i = 0; i < count; i++) {
		bytes += batch[i]->len;
		t->gone = t->gone || kafka_loses_client(batch[i]->err);
	}
	if (queued >= t->queue_records / 2 ||
		(count > 0 && queued * (bytes / (size_t)count) >= t->queue_bytes / 2))
		t->was_full = true;
	return (size_t)count;
}

/* True if there may be something to take, or a stop is wished. */
static bool wait_for_wake(struct topic *t, int wait_ms)
{
	struct pollfd on[] = { { .fd = t->wake, .events = POLLIN },
		{ .fd = stop_descriptor(), .events = POLLIN } };
	uint64_t wakes;

	/* A signal that interrupts it is a reason to look as well. */
	if (poll(on, 2, wait_ms) == 0)
		return false;
	if ((on[0].revents & POLLIN) != 0)
		(void)!read(t->wake, &wakes, sizeof(wakes)); /* empty at worst */
	return true;
}

int64_t topic_end(struct topic *t, int32_t partition)
{
	int64_t low, high;

	if (rd_kafka_get_watermark_offsets(t->client, t->kafka->topic, partition, &low, &high) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	return high < 0 ? -1 : high;
}

/* Whether the partition's end, as last heard of, is behind @next. */
static bool is_behind(struct topic *t, const rd_kafka_topic_partition_t *next)
{
	return next->offset != TOPIC_EARLIEST && topic_end(t, next->partition) > next->offset;
}

/* librdkafka before 2.2 that found its queue full looks at it again up to a second later,
 * however soon it is empty. A seek to where we are makes it look at once. */
static void look_again(struct topic *t, const int64_t next[static EVENT_PARTITIONS])
{
	rd_kafka_topic_partition_list_t *const list = make_list(t, next);

	t->was_full = false;
	for (int i = list->cnt - 1; i >= 0; i--) {
		if (!is_behind(t, &list->elems[i]))
			(void)rd_kafka_topic_partition_list_del_by_idx(list, i);
	}
	if (list->cnt > 0) /* without a wait it only asks, and there is nothing to learn */
		rd_kafka_error_destroy(rd_kafka_seek_partitions(t->client, list, 0));
	rd_kafka_topic_partition_list_destroy(list);
}

void topic_wait(struct topic *t, const int64_t next[static EVENT_PARTITIONS], int wait_ms)
{
	if (t->full)
		return;
	if (t->was_full && wait_ms > STALL_MS) {
		if (wait_for_wake(t, STALL_MS))
			return;
		look_again(t, next);
		wait_ms -= STALL_MS;
	}
	(void)wait_for_wake(t, wait_ms);
}

bool topic_is_away(const struct topic *t)
{
	return t->away;
}

bool topic_is_gone(const struct topic *t)
{
	return t->gone;
}

void topic_ask_group(struct topic *t)
{
	rd_kafka_ListConsumerGroupOffsets_t *request = NULL;
	rd_kafka_AdminOptions_t *options = NULL;
	rd_kafka_topic_partition_list_t *const list =
		make_list(t, (const int64_t[EVENT_PARTITIONS]){ 0 });
	char why[256];

	assert(!t->answers);
	request = rd_kafka_ListConsumerGroupOffsets_new(t->group, list);
	options = rd_kafka_AdminOptions_new(t->client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	t->answers = rd_kafka_queue_new(t->client);
	if (request && options && t->answers) {
		(void)rd_kafka_AdminOptions_set_request_timeout(
			options, ASK_GROUP_MS, why, sizeof(why));
		rd_kafka_ListConsumerGroupOffsets(t->client, &request, 1, options, t->answers);
	}
	if (options)
		rd_kafka_AdminOptions_destroy(options);
	if (request)
		rd_kafka_ListConsumerGroupOffsets_destroy(request);
	rd_kafka_topic_partition_list_destroy(list);
}

/* As topic_commit wrote it; -1 where somebody else did. */
static int64_t line_of(const rd_kafka_topic_partition_t *partition)
{
	char text[METADATA_MAX] = "";
	const char *at;
	int64_t line;

	if (partition->metadata && partition->metadata_size < sizeof(text))
		memcpy(text, partition->metadata, partition->metadata_size);
	at = strstr(text, " line=");
	return at && sscanf(at, " line=%" SCNd64, &line) == 1 ? line : -1;
}

bool topic_group_answer(struct topic *t, int64_t next[static EVENT_PARTITIONS],
	int64_t line[static EVENT_PARTITIONS])
{
	rd_kafka_event_t *const event = t->answers ? rd_kafka_queue_poll(t->answers, 0) : NULL;
	const rd_kafka_ListConsumerGroupOffsets_result_t *result;
	const rd_kafka_topic_partition_list_t *list = NULL;
	const rd_kafka_group_result_t **groups;
	size_t count = 0;

	if (!event)
		return false;
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		next[p] = line[p] = -1;
	result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
	groups = result ? rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count) : NULL;
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		log_debug("consumer", "where the group is: %s", rd_kafka_event_error_string(event));
	else if (count == 1)
		list = rd_kafka_group_result_partitions(groups[0]);
	for (int i = 0; list && i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *const p = &list->elems[i];

		if (p->err != RD_KAFKA_RESP_ERR_NO_ERROR || p->offset < 0 || p->partition < 0 ||
			p->partition >= EVENT_PARTITIONS)
			continue;
		next[p->partition] = p->offset;
		line[p->partition] = line_of(p);
	}
	rd_kafka_event_destroy(event);
	return true;
}

bool topic_commit(struct topic *t, const int64_t next[static EVENT_PARTITIONS],
	const int64_t line[static EVENT_PARTITIONS], const char *journal, int64_t synced)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t error;
	char text[METADATA_MAX];

	if (t->committing)
		return false;
	list = make_list(t, next);
	for (int i = list->cnt - 1; i >= 0; i--) {
		rd_kafka_topic_partition_t *const p = &list->elems[i];

		if (p->offset == TOPIC_EARLIEST) { /* nothing was taken: nothing to tell */
			(void)rd_kafka_topic_partition_list_del_by_idx(list, i);
			continue;
		}
		(void)snprintf(text, sizeof(text), "journal=%.16s synced=%" PRId64 " line=%" PRId64,
			journal, synced, line[p->partition]);
		p->metadata = strdup(text);
		p->metadata_size = p->metadata ? strlen(text) : 0;
	}
	error = list->cnt > 0 ? rd_kafka_commit(t->client, list, 1) : RD_KAFKA_RESP_ERR_NO_ERROR;
	t->committing = list->cnt > 0 && error == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		on_commit(t->client, error, list, t);
	rd_kafka_topic_partition_list_destroy(list);
	return true;
}

bool topic_commit_failed(struct topic *t)
{
	const bool failed = t->not_stored;

	t->not_stored = false;
	return failed;
}

void topic_commit_finish(struct topic *t, int wait_ms)
{
	const int64_t deadline = clock_mono_ms() + wait_ms;
	int64_t left;

	while (t->committing && (left = deadline - clock_mono_ms()) > 0)
		rd_kafka_poll(t->client, (int)left); /* calls on_commit */
}

bool topic_ask_bounds(struct topic *t, int32_t partition, int wait_ms, int64_t *first, int64_t *end,
	struct fail *fail)
{
	return kafka_partition_bounds(
		t->client, t->kafka->topic, partition, wait_ms, first, end, fail);
}
