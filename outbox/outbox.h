/* outbox/outbox.h - a service's store with its way to Kafka, as one thing.
 *
 * A service puts commands; its `apply` turns each into state and events inside one
 * transaction; the answer comes after the commit. Everything acknowledged that way reaches
 * its partition, in order, whatever is killed in between. */
#ifndef OUTBOX_OUTBOX_H
#define OUTBOX_OUTBOX_H

#include "outbox/relay.h"
#include "outbox/writer.h"

struct outbox_options {      /* borrowed until outbox_close */
	const char *service; /* "cart" or "stock" */
	const char *store;   /* path of the SQLite file */
	int32_t partition;
	int64_t max_rows, keep_seconds;
	struct kafka_settings kafka;
	struct spans *spans; /* as of the relay */
};

struct outbox_status {
	char source[ROWS_SOURCE_MAX];
	int64_t last, published, waiting; /* sequence numbers, and how many rows wait */
	int64_t max_rows;                 /* how many may */
};

struct outbox;

/* Opens the store. FAIL_OWNED where another process has it. */
bool outbox_open(struct outbox **outbox, const struct outbox_options *options, struct fail *fail);
/* The writer's connection, for the service's schema; only until outbox_start. */
struct db *outbox_db(struct outbox *outbox);
/* Starts writer and relay. */
bool outbox_start(struct outbox *outbox, writer_apply *apply, void *service, struct fail *fail);

/* False where the queue is full or closed: the command was not taken. Any thread. */
bool outbox_put(struct outbox *outbox, struct command *command);
void outbox_status_read(struct outbox *outbox, struct outbox_status *status);
/* How long the writer's commits and its checkpoints took so far, in writer_scale. Any thread. */
void outbox_times(struct outbox *outbox, struct histogram *commits, struct histogram *checkpoints);
/* When the oldest event that waits for Kafka was committed, wall clock; -1: none waits. @reader is
 * the caller's connection to the store. Any thread. */
bool outbox_oldest(struct outbox *outbox, struct db *reader, int64_t *at_ms, struct fail *fail);
/* True if events flow to Kafka, or why not. Any thread. */
bool outbox_holds(struct outbox *outbox, char why[RELAY_WHY_MAX]);
/* True if the relay ended by itself: outbox_stop says why. Any thread. */
bool outbox_ended(struct outbox *outbox);

/* False with @fail where the store's file was deleted or replaced. Any thread. */
bool outbox_in_place(struct outbox *outbox, struct fail *fail);

/* Takes no more commands, answers those taken, lets the relay drain for at most @drain_ms.
 * False with @fail where writer or relay had ended by themselves. */
bool outbox_stop(struct outbox *outbox, int drain_ms, struct fail *fail);
void outbox_close(struct outbox **outbox);

#endif
