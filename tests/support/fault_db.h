/* tests/support/fault_db.h - a database whose nth call fails: SQLite behind a countdown.
 *
 * A failing commit may have reached the disk (FAIL_UNSURE), or not (any other kind): both
 * are played. */
#ifndef TESTS_FAULT_DB_H
#define TESTS_FAULT_DB_H

#include "outbox/db.h"

struct fault_db {
	struct db db;
	struct db *real;
	int countdown; /* calls until the fault; below 0: none */
	enum fail_kind kind;
	unsigned calls;
};

/* Wraps @real, which it then owns. */
void fault_db_init(struct fault_db *fault, struct db *real);
/* The call number @nth from now on, counted from 0, fails with @kind. */
void fault_at(struct fault_db *fault, int nth, enum fail_kind kind);
void fault_off(struct fault_db *fault);

#endif
