/* outbox/run.h - the part of the relay that is one run: what one producer writes, from the question
 * where it has to begin to the first thing that does not fit. Why runs may be strung together as
 * they like stands at the top of relay.c. The relay's thread alone uses it. */
#ifndef OUTBOX_RUN_H
#define OUTBOX_RUN_H

#include <stdatomic.h>

#include "outbox/relay.h"
#include "process/log.h"

#define RUN_PAUSE_MIN_MS 100   /* before a new producer, doubled each time ... */
#define RUN_PAUSE_MAX_MS 10000 /* ... up to this */

enum run_state {
	RUN_NONE, /* not begun; a producer that is there already is used */
	RUN_GOES,
	RUN_OVER,   /* has done what it was for: run_end comes next, and then another one */
	RUN_BROKEN, /* cannot go on, and `why` says it: run_end comes next */
};

struct run {
	const struct relay_options *options; /* borrowed, and the next two */
	const atomic_bool *stopping;
	int wake; /* eventfd that reports of the producer write to */

	rd_kafka_t *producer;
	int64_t backlog; /* the last row of the backlog it was made for; 0: made for none */
	int64_t room;    /* rows on their way at most, for the producer's sake */
	rd_kafka_queue_t *events;
	struct row_spans *spans; /* of the rows on their way; or NULL */
	enum run_state state;
	int64_t next;                 /* row to send next */
	int64_t last;                 /* highest row that may be sent: its commit is over */
	int64_t in_flight;            /* given to the producer, no report yet */
	int64_t acknowledged, offset; /* the last row, or what the run begins behind */
	bool fresh;                   /* no report has come yet */
	bool look;                    /* the first one jumped: the partition is to be read */
	bool alone;                   /* the row in flight goes alone */
	bool brokers_away;
	int64_t sent_ms;    /* when a row was sent last */
	int64_t gave_up_ms; /* when the producer said that it takes no more; 0: it works */
	char gave_up[RELAY_WHY_MAX];
	struct fail fatal; /* the outbox is not as it must be */
	char why[RELAY_WHY_MAX];

	/* From one run to the next. */
	int64_t suspect;   /* row that was refused; 0: none */
	int64_t window;    /* the same for Kafka's sake; smaller after a batch was too large */
	int64_t window_ms; /* when it changed last */
	int64_t cut_ms;    /* since when the partition looks cut; 0: it does not */
	int64_t pause_ms;  /* before the next run, if this one breaks */
	struct log_repeat broken, hole;
};

void run_init(struct run *run, const struct relay_options *options, const atomic_bool *stopping,
	int wake);
/* Makes a producer, if there is none, and asks what the partition holds; waits some seconds at
 * most. FAIL_RETRY: ask again; FAIL_FATAL: nothing may be sent. */
bool run_begin(struct run *run, struct fail *fail);
/* Takes reports and sends rows as far as the window goes; does not wait. False where the store
 * cannot be read. */
bool run_go_on(struct run *run, struct fail *fail);
/* With nothing on its way no report can say that the brokers are back, nor that they lost what they
 * had not flushed. False with @fail while they are away. */
bool run_ask_brokers(struct run *run, struct fail *fail);
/* The same where brokers that stayed do not have what was acknowledged: the log was cut, or the
 * topic made anew. Waits half a second at most; one that does not answer says nothing. */
void run_look_at_end(struct run *run);
/* Ends the producer. What was not acknowledged is forgotten here; the outbox remembers it. */
void run_end(struct run *run);

#endif
