/* kafka/client/statistics.h - what librdkafka says of itself, as metrics kafka_client_...
 *
 * A client that was asked for statistics tells them every few seconds in one of its callbacks, so
 * it has to be polled as long as it lives: what nobody takes, librdkafka keeps. What the last
 * client of its type said is kept for the process, a producer's and a consumer's. */
#ifndef KAFKA_CLIENT_STATISTICS_H
#define KAFKA_CLIENT_STATISTICS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>

#include "process/settings.h"

/* Asks for them each 5 s, where @passed (or NULL) does not say otherwise. */
void kafka_statistics_ask(rd_kafka_conf_t *conf, const struct settings_passed *passed);

/* Takes librdkafka's JSON (its STATISTICS.md). False, and nothing changes, where it is something
 * else. Any thread. */
bool kafka_statistics_take(const char *json, size_t length);
/* The client of this rd_kafka_name ended: what it said is true no longer. Any thread. */
void kafka_statistics_forget(const char *name);
/* Any thread. */
void kafka_statistics_write(FILE *out);

#endif
