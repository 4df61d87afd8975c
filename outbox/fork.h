/* outbox/fork.h - a new name for a store that was copied, or restored from a backup.
 *
 * Under its old name it would give numbers that the partition has for other events. Under the
 * new one the events that were not sent are numbered from 1, and nothing is lost. Only where two
 * copies wrote at the same time can events behind the first one that was crossed be there under
 * both names: their order counts for more. */
#ifndef OUTBOX_FORK_H
#define OUTBOX_FORK_H

#include "outbox/outbox.h"

/* Where the service's own tables keep numbers of events: those up to @sent become 0, the others
 * are lowered by it. Inside the transaction. */
typedef bool fork_renumber(struct db *db, int64_t sent, struct fail *fail);

struct fork_options {
	struct outbox_options outbox;
	bool (*make_tables)(struct db *db, struct fail *fail);
	fork_renumber *renumber;  /* NULL: no such numbers */
	struct progress_bar *bar; /* drawn while a lot is read or renumbered; or NULL */
};

struct fork_result {
	char before[ROWS_SOURCE_MAX], after[ROWS_SOURCE_MAX];
	int64_t sent;       /* events up to this one the topic has */
	int64_t renumbered; /* the events behind it, now from 1 */
	int64_t again; /* at most so many of those stand in the topic under the old name, too */
};

/* Takes the store (FAIL_OWNED where a process has it), reads from Kafka what was sent, and
 * changes the store in one commit. Nothing is changed where it fails: FAIL_REFUSE where there is
 * no store, FAIL_RETRY where Kafka does not answer within some seconds, FAIL_FATAL else. */
bool outbox_fork(const struct fork_options *options, struct fork_result *result, struct fail *fail);

/* The commit alone: @sent rows are in the topic, whose partition ends at @end. */
bool fork_commit(struct db *db, const struct fork_options *options, const struct rows_state *state,
	int64_t sent, int64_t end, struct fork_result *result, struct fail *fail);

#endif
