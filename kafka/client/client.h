/* kafka/client/client.h - a librdkafka client made from the user's settings.
 *
 * Every client of ours is made here, so that brokers, security and logging are read in one
 * place, and the properties a promise stands on cannot be set to something else. */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/fail.h"
#include "process/settings.h"

struct kafka_property {
	const char *name, *value;
};

struct kafka_settings {
	const char *brokers; /* borrowed, like all of it, for the life of the client */
	const char *topic;
	const struct settings_passed *passed; /* RDKAFKA_..., or NULL */
};

/* Checks RDKAFKA_... before anything is opened: unknown names, values librdkafka refuses,
 * and names in @fixed, which belong to a promise. Complains like settings_read. */
bool kafka_settings_check(const struct program *program, const struct settings_passed *passed,
	const struct kafka_property *const fixed[], struct fail *fail);

/* A configuration: defaults of ours, then the user's RDKAFKA_..., then what is the same for
 * all our clients, and @fixed (a list that ends with a NULL name). The caller adds callbacks and
 * makes the client with kafka_client_new, or destroys it. NULL with @fail set. */
rd_kafka_conf_t *kafka_conf(const struct kafka_settings *settings,
	const struct kafka_property *defaults, const struct kafka_property *fixed,
	struct fail *fail);

/* What @conf has for @name, a property of librdkafka that is a whole number. */
int64_t kafka_conf_number(const rd_kafka_conf_t *conf, const char *name);

/* Takes @conf. librdkafka's own threads start with all signals blocked. NULL with @fail set. */
rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct fail *fail);

/* Ends the client without a word to its group, waits at most 2 s, and clears the pointer.
 * librdkafka may wait for ever for a broker that was cut off or is dead: then the client is left
 * behind with what it holds, the log says so, and the answer is false; what its callbacks point to
 * has to live as long as the process. NULL is fine. */
bool kafka_client_destroy(rd_kafka_t **client);
/* How many were left behind and did not end since; each keeps threads and sockets. Any thread. */
int kafka_clients_left(void);

/* Asks the brokers for the topic, waits at most @wait_ms. True if it has @partitions
 * partitions; FAIL_RETRY where no broker answers or the topic is not there yet,
 * FAIL_REFUSE where it has another number. */
bool kafka_topic_check(
	rd_kafka_t *client, const char *topic, int partitions, int wait_ms, struct fail *fail);

/* Whether an error tells that the topic, or a partition of it, is not there. */
bool kafka_says_no_topic(rd_kafka_resp_err_t error);
/* Whether a reading client is of no use behind that error. If the topic was deleted and is made
 * anew, the epochs of its leaders begin again: librdkafka from 2.1 on takes what it hears of them
 * for old and fetches nothing any more. Another client does. */
bool kafka_loses_client(rd_kafka_resp_err_t error);

/* Asks the leader of @partition for the offset of its first record and then for the one behind its
 * last (that it shows by the client's isolation.level, also a producer's), waits at most @wait_ms
 * for each. FAIL_RETRY where it does not answer, or is the leader no more.
 * rd_kafka_query_watermark_offsets would ask for both, but not every version of librdkafka keeps to
 * its time there; this does, in all. */
bool kafka_partition_bounds(rd_kafka_t *client, const char *topic, int32_t partition, int wait_ms,
	int64_t *first, int64_t *end, struct fail *fail);

#endif
