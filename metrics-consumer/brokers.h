/* metrics-consumer/brokers.h - which brokers there are, who leads a partition, and whose replicas
 * are in sync: asked of Kafka each second while somebody watches, otherwise each ten seconds, on a
 * thread of its own, which nothing waits for. What changes goes to the timeline. */
#ifndef METRICS_CONSUMER_BROKERS_H
#define METRICS_CONSUMER_BROKERS_H

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"
#include "metrics-consumer/timeline.h"
#include "metrics-consumer/turns.h"
#include "process/fail.h"

#define BROKERS_MAX      16
#define BROKERS_HOST_MAX 128

struct broker {
	int32_t id;
	char host[BROKERS_HOST_MAX]; /* host:port */
	bool here;
	int64_t since_ms; /* it is so; 0: since we look */
};

struct broker_partition {
	int32_t leader; /* -1: none */
	int32_t replicas[BROKERS_MAX], in_sync[BROKERS_MAX];
	int replica_count, in_sync_count;
	int64_t moved_ms; /* the leader; 0: not since we look */
};

struct brokers_view {
	struct broker list[BROKERS_MAX];
	int count;
	struct broker_partition partition[EVENT_PARTITIONS];
	int64_t answered_ms; /* wall clock; 0: never */
	char trouble[128];   /* why the last question had no answer; "" */
};

struct brokers {
	pthread_mutex_t lock; /* of the view */
	pthread_t thread;
	struct brokers_view view;
	struct timeline *timeline;
	rd_kafka_t *client; /* NULL: not started */
	const char *topic;
	struct turns turns;
};

/* Borrows @timeline until brokers_fini. */
void brokers_init(struct brokers *brokers, struct timeline *timeline);
void brokers_fini(struct brokers *brokers);

/* Begins to ask; borrows both until brokers_stop, which waits for at most a second. */
bool brokers_start(
	struct brokers *brokers, rd_kafka_t *client, const char *topic, struct fail *fail);
void brokers_stop(struct brokers *brokers);

/* Any thread. */
void brokers_watch(struct brokers *brokers, bool watched);
json_t *brokers_json(struct brokers *brokers);

/* Takes an answer into @view, as it was at @now_ms, and tells the timeline what changed. */
void brokers_take(struct brokers_view *view, const struct rd_kafka_metadata *metadata,
	const char *topic, int64_t now_ms, struct timeline *timeline);

#endif
