/* outbox/db.h - the database behind a store: one connection, its statements, its transactions.
 *
 * A driver is a few functions; SQLite is one, the scripted one of the tests another, and
 * PostgreSQL will be a third. A connection belongs to one thread at a time. */
#ifndef OUTBOX_DB_H
#define OUTBOX_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

#define DB_COLUMNS_MAX 8

enum db_kind { DB_NULL = 0, DB_WHOLE, DB_TEXT, DB_BYTES };

struct db_value { /* borrows its bytes */
	enum db_kind kind;
	int64_t whole;
	const void *bytes; /* of a column: ends with a NUL that @length does not count */
	size_t length;
};

struct db_value db_whole(int64_t whole);
struct db_value db_text(const char *text);
struct db_value db_bytes(const void *bytes, size_t length);

/* Called for each row of an answer; the columns are valid during the call. False ends the
 * reading, which is no failure. */
typedef bool db_each(void *context, const struct db_value *columns);

struct db;
struct db_driver {
	bool (*begin)(struct db *db, struct fail *fail);
	/* Ends the transaction either way. FAIL_RETRY: nothing of it is kept (busy, disk
	 * full). FAIL_UNSURE: it may be kept, and only a fresh start can tell. */
	bool (*commit)(struct db *db, struct fail *fail);
	void (*rollback)(struct db *db);
	bool (*checkpoint)(struct db *db, int pause_us, int64_t *took_us, struct fail *fail);
	bool (*query)(struct db *db, const char *sql, const struct db_value *args, size_t count,
		db_each *each, void *context, struct fail *fail);
	bool (*script)(struct db *db, const char *sql, struct fail *fail);
	bool (*in_place)(struct db *db, struct fail *fail);
	void (*close)(struct db *db);
};
struct db { /* first member of each driver's own struct */
	const struct db_driver *driver;
};

enum db_role {
	DB_WRITER, /* owns the store: FAIL_OWNED where another process does */
	DB_READER, /* reads, briefly; never writes or checkpoints; the writer is open */
};

/* Opens the store at @path, a file of SQLite; a writer makes it where it is missing. */
bool db_open(struct db **db, const char *path, enum db_role role, struct fail *fail);
void db_close(struct db **db);

/* A writer's store is still where it was opened. FAIL_FATAL: it was deleted or replaced, and
 * whoever opens it next does not find what is written here. Every commit of a writer asks, too.
 * Any thread, while the connection is open. */
bool db_in_place(struct db *db, struct fail *fail);

bool db_begin(struct db *db, struct fail *fail);
bool db_commit(struct db *db, struct fail *fail);
void db_rollback(struct db *db);

/* Moves what was committed from the log (SQLite's WAL) to its place in the store, where it is as
 * much as can be moved in @pause_us, by what earlier calls took; *took_us is 0 where nothing was.
 * Nothing can be written meanwhile, so a writer does it between two transactions, when those of the
 * last one were answered. A failure costs nothing but room: what was committed stays in the log,
 * and the next call moves it. */
bool db_checkpoint(struct db *db, int pause_us, int64_t *took_us, struct fail *fail);

/* Runs one statement. @sql is a literal: its prepared form is kept with the connection.
 * @each may be NULL. FAIL_RETRY: busy or disk full; FAIL_FATAL: anything else. */
bool db_query(struct db *db, const char *sql, const struct db_value *args, size_t count,
	db_each *each, void *context, struct fail *fail);

/* Runs several statements that take no values, such as a schema. */
bool db_script(struct db *db, const char *sql, struct fail *fail);

/* Makes a connection of SQLite; db_open calls it. */
bool db_sqlite_open(struct db **db, const char *path, enum db_role role, struct fail *fail);

#endif
