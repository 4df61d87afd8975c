#include "metrics-consumer/brokers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define ASK_MS 1000 /* longest wait for an answer */

void brokers_init(struct brokers *b, struct timeline *timeline)
{
	*b = (struct brokers){ .timeline = timeline };
	for (int p = 0; p < EVENT_PARTITIONS; p++)
		b->view.partition[p].leader = -1;
	pthread_mutex_init(&b->lock, NULL);
	turns_init(&b->turns);
}

void brokers_fini(struct brokers *b)
{
	turns_fini(&b->turns);
	pthread_mutex_destroy(&b->lock);
}

static struct broker *find_broker(struct brokers_view *view, int32_t id)
{
	for (int i = 0; i < view->count; i++) {
		if (view->list[i].id == id)
			return &view->list[i];
	}
	return NULL;
}

static void add_broker(struct brokers_view *view, const rd_kafka_metadata_broker_t *told,
	int64_t now_ms, bool first, struct timeline *timeline)
{
	struct broker *broker = find_broker(view, told->id);
	const bool back = broker ? !broker->here : !first;

	if (!broker && view->count == BROKERS_MAX)
		return;
	if (!broker) {
		broker = &view->list[view->count++];
		*broker = (struct broker){ .id = told->id };
	}
	(void)snprintf(broker->host, sizeof(broker->host), "%s:%d", told->host, told->port);
	broker->here = true;
	if (!back)
		return;
	broker->since_ms = now_ms;
	timeline_add(timeline,
		&(struct timeline_entry){
			.kind = TIMELINE_BROKER, .at_ms = now_ms, .from = -1, .to = told->id });
}

static void take_brokers(struct brokers_view *view, const struct rd_kafka_metadata *metadata,
	int64_t now_ms, bool first, struct timeline *timeline)
{
	for (int i = 0; i < view->count; i++) {
		struct broker *const broker = &view->list[i];
		bool here = false;

		for (int k = 0; k < metadata->broker_cnt; k++)
			here = here || metadata->brokers[k].id == broker->id;
		if (here || !broker->here)
			continue;
		broker->here = false;
		broker->since_ms = now_ms;
		timeline_add(timeline, &(struct timeline_entry){ .kind = TIMELINE_BROKER,
					       .at_ms = now_ms,
					       .from = broker->id,
					       .to = -1 });
	}
	for (int i = 0; i < metadata->broker_cnt; i++)
		add_broker(view, &metadata->brokers[i], now_ms, first, timeline);
}

static int copy_ids(int32_t out[BROKERS_MAX], const int32_t *ids, int count)
{
	if (count > BROKERS_MAX)
		count = BROKERS_MAX;
	if (count > 0)
		memcpy(out, ids, (size_t)count * sizeof(*ids));
	return count;
}

static void take_partition(struct broker_partition *partition,
	const rd_kafka_metadata_partition_t *told, int64_t now_ms, bool first,
	struct timeline *timeline)
{
	const int32_t leader = partition->leader;
	const int in_sync = partition->in_sync_count;

	partition->leader = told->leader;
	partition->replica_count = copy_ids(partition->replicas, told->replicas, told->replica_cnt);
	partition->in_sync_count = copy_ids(partition->in_sync, told->isrs, told->isr_cnt);
	if (first)
		return;
	if (leader != told->leader) {
		partition->moved_ms = now_ms;
		timeline_add(timeline, &(struct timeline_entry){ .kind = TIMELINE_LEADER,
					       .at_ms = now_ms,
					       .partition = told->id,
					       .from = leader,
					       .to = told->leader });
	}
	if (in_sync != partition->in_sync_count)
		timeline_add(timeline, &(struct timeline_entry){ .kind = TIMELINE_REPLICAS,
					       .at_ms = now_ms,
					       .partition = told->id,
					       .from = in_sync,
					       .to = partition->in_sync_count });
}

void brokers_take(struct brokers_view *view, const struct rd_kafka_metadata *metadata,
	const char *topic, int64_t now_ms, struct timeline *timeline)
{
	const bool first = view->answered_ms == 0;

	if (metadata->broker_cnt == 0)
		return;
	take_brokers(view, metadata, now_ms, first, timeline);
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const rd_kafka_metadata_topic_t *const t = &metadata->topics[i];

		for (int k = 0; strcmp(t->topic, topic) == 0 && k < t->partition_cnt; k++) {
			if (t->partitions[k].id < EVENT_PARTITIONS)
				take_partition(&view->partition[t->partitions[k].id],
					&t->partitions[k], now_ms, first, timeline);
		}
	}
	view->answered_ms = now_ms;
	view->trouble[0] = '\0';
}

static void ask(struct brokers *b, rd_kafka_topic_t *topic)
{
	const struct rd_kafka_metadata *metadata = NULL;
	const rd_kafka_resp_err_t error = rd_kafka_metadata(b->client, 0, topic, &metadata, ASK_MS);

	pthread_mutex_lock(&b->lock);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		brokers_take(&b->view, metadata, b->topic, clock_wall_ms(), b->timeline);
	else
		(void)snprintf(
			b->view.trouble, sizeof(b->view.trouble), "%s", rd_kafka_err2str(error));
	pthread_mutex_unlock(&b->lock);
	if (metadata)
		rd_kafka_metadata_destroy(metadata);
}

static void *run(void *context)
{
	struct brokers *const b = context;
	rd_kafka_topic_t *const topic = rd_kafka_topic_new(b->client, b->topic, NULL);
	struct timespec asked;

	if (!topic) {
		log_warning("page", "brokers are not asked: %s",
			rd_kafka_err2str(rd_kafka_last_error()));
		return NULL;
	}
	do {
		ask(b, topic);
		(void)clock_gettime(CLOCK_MONOTONIC, &asked);
	} while (turns_wait(&b->turns, &asked, false));
	rd_kafka_topic_destroy(topic);
	return NULL;
}

bool brokers_start(struct brokers *b, rd_kafka_t *client, const char *topic, struct fail *fail)
{
	b->client = client;
	b->topic = topic;
	turns_begin(&b->turns);
	if (thread_start(&b->thread, "consumer-ask", run, b, fail))
		return true;
	b->client = NULL;
	return false;
}

void brokers_stop(struct brokers *b)
{
	if (!b->client)
		return;
	turns_stop(&b->turns);
	pthread_join(b->thread, NULL);
	b->client = NULL;
}

void brokers_watch(struct brokers *b, bool watched)
{
	turns_watch(&b->turns, watched);
}

static json_t *ids_json(const int32_t *ids, int count)
{
	json_t *const list = json_array();

	for (int i = 0; i < count; i++)
		(void)json_array_append_new(list, json_integer(ids[i]));
	return list;
}

json_t *brokers_json(struct brokers *b)
{
	json_t *const list = json_array(), *const partitions = json_array();
	struct brokers_view view;

	pthread_mutex_lock(&b->lock);
	view = b->view;
	pthread_mutex_unlock(&b->lock);
	for (int i = 0; i < view.count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:i, s:s, s:b, s:I}", "id", view.list[i].id, "host",
				      view.list[i].host, "here", (int)view.list[i].here, "since",
				      (json_int_t)view.list[i].since_ms));
	for (int p = 0; p < EVENT_PARTITIONS; p++) {
		const struct broker_partition *const partition = &view.partition[p];

		(void)json_array_append_new(partitions,
			json_pack("{s:i, s:o, s:o, s:I}", "leader", partition->leader, "replicas",
				ids_json(partition->replicas, partition->replica_count), "in_sync",
				ids_json(partition->in_sync, partition->in_sync_count), "moved",
				(json_int_t)partition->moved_ms));
	}
	return json_pack("{s:I, s:s, s:o, s:o}", "answered", (json_int_t)view.answered_ms,
		"trouble", view.trouble, "list", list, "partitions", partitions);
}
