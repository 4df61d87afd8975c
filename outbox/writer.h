/* outbox/writer.h - the one thread that turns commands into transactions.
 *
 * It also deletes what Kafka acknowledged long enough ago: the relay only reads. */
#ifndef OUTBOX_WRITER_H
#define OUTBOX_WRITER_H

#include <pthread.h>

#include "outbox/progress.h"
#include "outbox/queue.h"
#include "outbox/rows.h"
#include "process/histogram.h"
#include "process/log.h"

#define WRITER_BATCH_MAX  512
#define WRITER_MARKS      64   /* moments remembered for the keeping of rows */
#define WRITER_FORGET_MAX 5000 /* rows deleted in one commit */

extern const struct histogram_scale writer_scale;

/* Does what @command asks: reads and writes state by tx->db, appends rows by rows_append,
 * and puts the result into the command. A domain no is a result. Where tx->full says so, what may
 * make an event sets tx->refused instead and does nothing: it is answered with FAIL_RETRY. False
 * only where the world fails; the whole transaction is then undone. */
typedef bool writer_apply(
	void *service, struct outbox_tx *tx, struct command *command, struct fail *fail);

struct writer {
	struct db *db; /* owned by the writer's thread while it runs */
	struct queue *queue;
	writer_apply *apply;
	void *service;
	struct progress *progress;
	void (*committed)(void *context); /* wakes the relay */
	void *committed_context;
	struct rows_state state; /* as the store has it */
	int64_t max_rows, keep_ms;
	int64_t tidied_ms; /* when acknowledged rows were looked at last */
	bool behind;       /* there was more to delete than one commit deletes */
	struct {
		int64_t at_ms, id;
	} marks[WRITER_MARKS]; /* id was acknowledged at at_ms, at the latest; oldest first */
	size_t mark_count;
	int64_t rewinds; /* of the progress, when it was looked at last */
	struct log_repeat not_moved;
	struct histogram_shared commit_us, checkpoint_us; /* any thread reads them */
	struct command *batch[WRITER_BATCH_MAX];
	pthread_t thread;
	struct fail ended; /* why the thread ended by itself; read after writer_join */
};

/* One turn: waits at most @wait_ms for commands (-1: for ever), writes them, tidies where it
 * is due. False with FAIL_RETRY where the batch was refused and the next one may work, with
 * another kind where the process must end. */
bool writer_turn(struct writer *writer, int wait_ms, struct fail *fail);

/* How long the next turn may wait: -1 where nothing is left to tidy. */
int writer_wait_ms(const struct writer *writer);

bool writer_start(struct writer *writer, struct fail *fail);
/* After queue_close: returns when everything in the queue is answered. */
void writer_join(struct writer *writer);
/* After writer_join: stores how far Kafka is, so that the next start knows. */
bool writer_finish(struct writer *writer, struct fail *fail);

#endif
