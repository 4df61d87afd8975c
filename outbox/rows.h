/* outbox/rows.h - the outbox table: rows that wait for Kafka, in the order of their numbers.
 *
 * A number is taken inside the transaction that writes its row, by the one writer: numbers
 * have no holes and rise in commit order, so "everything up to n" means what it says. */
#ifndef OUTBOX_ROWS_H
#define OUTBOX_ROWS_H

#include "event/event.h"
#include "outbox/db.h"

struct progress_bar;

#define ROWS_SOURCE_MAX 32 /* "cart/5f2c9e1b" with its NUL */

/* Where the acknowledged row is in the partition. Nowhere, for the process that made the store's
 * name: nothing can be there under it. Where there is no such record to compare with (none was
 * written yet, or the log was cut), it is known where the records that follow begin: behind what
 * the partition held then; or at its start, where a later process finds that nothing was stored.
 * Both are stored in the place of the offset, as negative numbers. */
#define ROWS_NOWHERE (-1)
static inline int64_t rows_origin(int64_t end)
{
	return -2 - end;
}
/* The lowest offset that the next row's record can have. */
static inline int64_t rows_behind(int64_t offset)
{
	return offset >= 0 ? offset + 1 : offset == ROWS_NOWHERE ? 0 : -2 - offset;
}

struct rows_state {
	char source[ROWS_SOURCE_MAX]; /* `<service>/<store id>`, made once with the store */
	int64_t last;                 /* highest number given; 0: none */
	int64_t acknowledged;         /* highest number known to be in Kafka; 0: none */
	int64_t acknowledged_offset;  /* its offset, or one of the two below */
	int64_t first;                /* lowest row that is there; 0: no row */
};

/* The lowest row that is there, or that will be. */
static inline int64_t rows_first(const struct rows_state *state)
{
	return state->first > 0 ? state->first : state->last + 1;
}

struct row { /* borrows from the answer it is read from */
	int64_t id;
	enum event_type type;
	int64_t at_ms;
	const char *key;
	const void *value;
	size_t length;
	const char *trace;      /* traceparent, or NULL */
	const char *tracestate; /* with it, or NULL */
};
typedef bool row_each(void *context, const struct row *row);

/* What an `apply` may write to: the transaction that is open. */
struct outbox_tx {
	struct db *db;
	int64_t last; /* highest number given so far, in this transaction too */
	int64_t at_ms;
	const char *source;
	const char *trace;      /* traceparent of what is applied; "" or NULL: none */
	const char *tracestate; /* with it; the same */
	bool full;              /* no event may be made, and what would make one is refused by: */
	bool refused;           /* set by what was applied, which then did nothing */
};

/* Makes the tables where they are missing, or are of a version before, and a name. An
 * @acknowledged_offset of ROWS_NOWHERE says that the name is new. */
bool rows_open(struct db *db, const char *service, struct rows_state *state, struct fail *fail);

/* Whether rows_open was here before. */
bool rows_are_there(struct db *db, bool *there, struct fail *fail);
/* Makes a name, with a store id from the kernel's random numbers. */
bool rows_name(const char *service, char source[ROWS_SOURCE_MAX], struct fail *fail);
/* Inside a transaction: deletes the rows of the first @sent numbers, lets the others count from 1,
 * and stores @next. @state is as rows_open gave it. Draws @bar, unless that is NULL. */
bool rows_renumber(struct db *db, const struct rows_state *state, int64_t sent,
	const struct rows_state *next, struct progress_bar *bar, struct fail *fail);

/* Appends a row for @event, whose time is set to the transaction's, and gives its number. */
bool rows_append(struct outbox_tx *tx, struct event *event, int64_t *id, struct fail *fail);
bool rows_set_last(struct outbox_tx *tx, struct fail *fail);

/* Reads at most @max rows from number @from on, in order. */
bool rows_read(
	struct db *db, int64_t from, int64_t max, row_each *each, void *context, struct fail *fail);
/* Inside a transaction. */
bool rows_set_acknowledged(struct db *db, int64_t id, int64_t offset, struct fail *fail);
bool rows_forget(struct db *db, int64_t up_to, struct fail *fail);

#endif
