/* outbox/relay.h - the way from outbox row to acknowledged record. One thread, which alone
 * reads the outbox for Kafka and alone polls the producer. */
#ifndef OUTBOX_RELAY_H
#define OUTBOX_RELAY_H

#include <stdint.h>

#include "kafka/client/client.h"
#include "outbox/db.h"
#include "outbox/progress.h"

#define RELAY_WHY_MAX 256

struct spans;

struct relay_options { /* borrowed until relay_stop */
	struct kafka_settings kafka;
	struct db *db; /* a reader; the relay's thread has it alone */
	const char *source;
	int32_t partition;
	struct progress *progress;
	void (*rewound)(void *context); /* the acknowledged number went back; must not wait */
	void *rewound_context;
	struct spans *spans; /* where those of traced rows go; or NULL */
};

struct relay;

/* What no user may set to something else: the promise stands on it. Ends with NULL. */
extern const struct kafka_property relay_fixed[];

bool relay_start(struct relay **relay, const struct relay_options *options, struct fail *fail);
/* There are new rows. Any thread; never waits. */
void relay_wake(struct relay *relay);
/* True if events flow; otherwise @why says what they wait for. Any thread. */
bool relay_holds(struct relay *relay, char why[RELAY_WHY_MAX]);
/* True if the thread ended by itself. Any thread. */
bool relay_ended(struct relay *relay);
/* Goes on for at most @drain_ms while rows wait, then ends the thread. False with @fail where
 * the thread had ended by itself. */
bool relay_stop(struct relay *relay, int drain_ms, struct fail *fail);
/* After relay_stop, when nobody asks relay_holds any more. */
void relay_free(struct relay **relay);

#endif
