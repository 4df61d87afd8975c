/* metrics-consumer/tests/flow.h - a mock cluster, a producer, and the real binary between them
 * and a scratch directory. Waiting is for facts, with a deadline, never for a time. */
#ifndef METRICS_CONSUMER_TESTS_FLOW_H
#define METRICS_CONSUMER_TESTS_FLOW_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "metrics-consumer/tests/scratch.h"

struct flow {
	struct scratch scratch;
	rd_kafka_t *producer; /* its threads are the cluster's too */
	rd_kafka_mock_cluster_t *cluster;
	const char *brokers;
	pid_t child; /* 0: not running */
	pid_t standby;
	unsigned starts;
};

struct record {
	int32_t partition;
	const char *key, *value; /* NULL: none */
	size_t length;           /* 0: of the text */
	const char *source;      /* NULL: no headers */
	int64_t id;
	int64_t time_ms; /* 0: no ce_time */
};

/* Two brokers, and topic `metrics` with @partitions. */
void flow_start(struct flow *flow, int partitions);
void flow_stop(struct flow *flow);

/* Produces without waiting; flow_flush waits until all is acknowledged. */
void flow_send(struct flow *flow, const struct record *record);
void flow_flush(struct flow *flow);
/* A sound cart event (partition 0) or stock event (1) of `cart/a` or `stock/b`. */
void flow_send_event(struct flow *flow, int32_t partition, int64_t id);

/* Starts the binary with the extra settings "NAME=value", which end with NULL. Its standard
 * output and error go to out.N.log and err.N.log, N counting the starts. */
pid_t flow_consumer(struct flow *flow, const char *const settings[]);
void flow_kill(pid_t *child);
/* SIGTERM, and its exit status. */
int flow_end(pid_t *child);

/* Waits until the file holds @wanted at least @count times. */
void flow_wait_for(struct flow *flow, const char *file, const char *wanted, size_t count);
void flow_wait_lines(struct flow *flow, size_t count); /* of the journal */
/* The latest start's files. */
const char *flow_out(const struct flow *flow);
const char *flow_err(const struct flow *flow);

/* GET @path of the latest start; the body to be freed. */
char *flow_get(struct flow *flow, const char *path, long *status);
/* Waits until /readyz answers @status with @wanted in it. */
void flow_wait_ready(struct flow *flow, long status, const char *wanted);

#endif
