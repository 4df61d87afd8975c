#include "outbox/rows.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "outbox_sql.h"
#include "process/progress_bar.h"

#define PIECE 10000 /* rows of one statement of a fork */

static bool take_state(void *context, const struct db_value *columns)
{
	struct rows_state *const state = context;

	(void)snprintf(state->source, sizeof(state->source), "%s", (const char *)columns[0].bytes);
	state->last = columns[1].whole;
	state->acknowledged = columns[2].whole;
	state->acknowledged_offset = columns[3].whole;
	state->first = columns[4].whole;
	return true;
}

bool rows_name(const char *service, char source[ROWS_SOURCE_MAX], struct fail *fail)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return fail_errno(fail, FAIL_FATAL, errno, "make a store id");
	(void)snprintf(source, ROWS_SOURCE_MAX, "%s/%08x", service, random);
	return true;
}

static bool make_state(struct db *db, const char *service, struct fail *fail)
{
	char source[ROWS_SOURCE_MAX];
	struct db_value value;

	if (!rows_name(service, source, fail))
		return false;
	value = db_text(source);
	return db_query(db, SQL_MAKE_STATE, &value, 1, NULL, NULL, fail);
}

static bool take_there(void *context, const struct db_value *columns)
{
	(void)columns;
	*(bool *)context = true;
	return true;
}

bool rows_are_there(struct db *db, bool *there, struct fail *fail)
{
	*there = false;
	return db_query(db, SQL_HAS_OUTBOX, NULL, 0, take_there, there, fail);
}

static bool add_column(struct db *db, const char *name, const char *sql, struct fail *fail)
{
	const struct db_value value = db_text(name);
	bool there = false;

	return db_query(db, SQL_HAS_COLUMN, &value, 1, take_there, &there, fail) &&
	       (there || db_query(db, sql, NULL, 0, NULL, NULL, fail));
}

/* A store of a version before has rows without a place for their trace, or for its state. */
static bool make_tables(struct db *db, struct fail *fail)
{
	return db_script(db, SQL_SCHEMA, fail) && add_column(db, "trace", SQL_ADD_TRACE, fail) &&
	       add_column(db, "tracestate", SQL_ADD_TRACESTATE, fail);
}

bool rows_open(struct db *db, const char *service, struct rows_state *state, struct fail *fail)
{
	*state = (struct rows_state){ 0 };
	if (!make_tables(db, fail) ||
		!db_query(db, SQL_READ_STATE, NULL, 0, take_state, state, fail))
		return fail_prefix(fail, "outbox");
	if (*state->source) {
		const size_t length = strlen(service);

		/* What was written under a name that was there before can be anywhere. */
		if (state->acknowledged_offset == ROWS_NOWHERE)
			state->acknowledged_offset = rows_origin(0);
		if (strncmp(state->source, service, length) == 0 && state->source[length] == '/')
			return true;
		return fail_set(fail, FAIL_REFUSE, "it is the store of %s, not of %s",
			state->source, service);
	}
	if (!make_state(db, service, fail) ||
		!db_query(db, SQL_READ_STATE, NULL, 0, take_state, state, fail))
		return fail_prefix(fail, "outbox");
	return true;
}

bool rows_append(struct outbox_tx *tx, struct event *event, int64_t *id, struct fail *fail)
{
	char json[EVENT_JSON_MAX];
	const bool traced = tx->trace && *tx->trace;
	size_t length;

	event->at_ms = tx->at_ms;
	length = event_encode(event, json);
	const struct db_value values[] = { db_whole(tx->last + 1), db_whole(event->type),
		db_whole(event->at_ms), db_text(event_key(event)), db_bytes(json, length),
		traced ? db_text(tx->trace) : (struct db_value){ 0 },
		traced && tx->tracestate && *tx->tracestate ? db_text(tx->tracestate)
							    : (struct db_value){ 0 } };

	if (!db_query(tx->db, SQL_APPEND_ROW, values, 7, NULL, NULL, fail))
		return fail_prefix(fail, "append outbox row");
	*id = ++tx->last;
	return true;
}

bool rows_set_last(struct outbox_tx *tx, struct fail *fail)
{
	const struct db_value value = db_whole(tx->last);

	return db_query(tx->db, SQL_SET_LAST, &value, 1, NULL, NULL, fail);
}

struct reading {
	row_each *each;
	void *context;
};

static bool take_row(void *context, const struct db_value *columns)
{
	const struct reading *const reading = context;
	const struct row row = { .id = columns[0].whole,
		.type = (enum event_type)columns[1].whole,
		.at_ms = columns[2].whole,
		.key = columns[3].bytes,
		.value = columns[4].bytes,
		.length = columns[4].length,
		.trace = columns[5].kind == DB_NULL ? NULL : columns[5].bytes,
		.tracestate = columns[6].kind == DB_NULL ? NULL : columns[6].bytes };

	assert(row.type > EVENT_OTHER && row.type < EVENT_TYPES);
	return reading->each(reading->context, &row);
}

bool rows_read(
	struct db *db, int64_t from, int64_t max, row_each *each, void *context, struct fail *fail)
{
	const struct db_value values[] = { db_whole(from), db_whole(max) };
	struct reading reading = { each, context };

	return db_query(db, SQL_READ_ROWS, values, 2, take_row, &reading, fail) ||
	       fail_prefix(fail, "read outbox rows");
}

bool rows_set_acknowledged(struct db *db, int64_t id, int64_t offset, struct fail *fail)
{
	const struct db_value values[] = { db_whole(id), db_whole(offset) };

	return db_query(db, SQL_SET_ACKNOWLEDGED, values, 2, NULL, NULL, fail);
}

bool rows_forget(struct db *db, int64_t up_to, struct fail *fail)
{
	const struct db_value value = db_whole(up_to);

	return db_query(db, SQL_FORGET_ROWS, &value, 1, NULL, NULL, fail);
}

struct renumbering {
	struct db *db;
	struct progress_bar *bar; /* or NULL */
	int64_t done, all;        /* rows that were touched, and are to be */
};

/* Runs @sql for the rows @from to @to, a piece at a time: its first two values. */
static bool in_pieces(struct renumbering *r, const char *sql, int64_t from, int64_t to,
	const struct db_value *third, struct fail *fail)
{
	for (; from <= to; from += PIECE) {
		const int64_t end = to - from < PIECE ? to : from + PIECE - 1;
		const struct db_value values[] = { db_whole(from), db_whole(end),
			third ? *third : (struct db_value){ 0 } };

		if (!db_query(r->db, sql, values, third ? 3 : 2, NULL, NULL, fail))
			return false;
		r->done += end - from + 1;
		if (r->bar && r->all > PIECE && progress_bar_is_due(r->bar))
			progress_bar_draw(r->bar, (double)r->done, (double)r->all,
				"of the rows are numbered");
	}
	return true;
}

/* In two steps, by way of negative numbers: no row ever meets another one's number. */
bool rows_renumber(struct db *db, const struct rows_state *state, int64_t sent,
	const struct rows_state *next, struct progress_bar *bar, struct fail *fail)
{
	const int64_t first = rows_first(state), kept = state->last - sent;
	const struct db_value number = db_whole(sent);
	const struct db_value values[] = { db_text(next->source), db_whole(next->last),
		db_whole(next->acknowledged_offset) };
	struct renumbering r = {
		.db = db, .bar = bar, .all = 2 * kept + (first <= sent ? sent - first + 1 : 0)
	};

	return (in_pieces(&r, SQL_DROP_ROWS, first, sent, NULL, fail) &&
		       in_pieces(&r, SQL_MOVE_ROWS, sent + 1, state->last, &number, fail) &&
		       in_pieces(&r, SQL_TURN_ROWS, -kept, -1, NULL, fail) &&
		       db_query(db, SQL_TAKE_SOURCE, values, 3, NULL, NULL, fail)) ||
	       fail_prefix(fail, "renumber outbox rows");
}
