#include "outbox/db.h"

#include <string.h>

struct db_value db_whole(int64_t whole)
{
	return (struct db_value){ .kind = DB_WHOLE, .whole = whole };
}

struct db_value db_text(const char *text)
{
	return (struct db_value){ .kind = DB_TEXT, .bytes = text, .length = strlen(text) };
}

struct db_value db_bytes(const void *bytes, size_t length)
{
	return (struct db_value){ .kind = DB_BYTES, .bytes = bytes, .length = length };
}

bool db_open(struct db **db, const char *path, enum db_role role, struct fail *fail)
{
	*db = NULL;
	if (strncmp(path, "postgresql://", 13) == 0 || strncmp(path, "postgres://", 11) == 0)
		return fail_set(fail, FAIL_REFUSE,
			"STORE=%.13s...: PostgreSQL is not supported yet; name a file", path);
	return db_sqlite_open(db, path, role, fail) || fail_prefix(fail, "open store %s", path);
}

void db_close(struct db **db)
{
	if (*db)
		(*db)->driver->close(*db);
	*db = NULL;
}

bool db_in_place(struct db *db, struct fail *fail)
{
	return db->driver->in_place(db, fail);
}

bool db_begin(struct db *db, struct fail *fail)
{
	return db->driver->begin(db, fail);
}

bool db_commit(struct db *db, struct fail *fail)
{
	return db->driver->commit(db, fail);
}

void db_rollback(struct db *db)
{
	db->driver->rollback(db);
}

bool db_checkpoint(struct db *db, int pause_us, int64_t *took_us, struct fail *fail)
{
	*took_us = 0;
	return db->driver->checkpoint(db, pause_us, took_us, fail);
}

bool db_query(struct db *db, const char *sql, const struct db_value *args, size_t count,
	db_each *each, void *context, struct fail *fail)
{
	return db->driver->query(db, sql, args, count, each, context, fail);
}

bool db_script(struct db *db, const char *sql, struct fail *fail)
{
	return db->driver->script(db, sql, fail);
}
