#include "tests/support/fault_db.h"

static bool strikes(struct fault_db *f, const char *call, struct fail *fail)
{
	f->calls++;
	if (f->countdown < 0 || f->countdown-- > 0)
		return false;
	fail_set(fail, f->kind, "%s: a fault of the test", call);
	return true;
}

static bool fault_begin(struct db *db, struct fail *fail)
{
	struct fault_db *const f = (struct fault_db *)db;

	return !strikes(f, "begin", fail) && db_begin(f->real, fail);
}

static bool fault_commit(struct db *db, struct fail *fail)
{
	struct fault_db *const f = (struct fault_db *)db;

	if (!strikes(f, "commit", fail))
		return db_commit(f->real, fail);
	if (fail->kind == FAIL_UNSURE) {
		struct fail ignored = { 0 };

		(void)db_commit(f->real, &ignored);
	} else {
		db_rollback(f->real);
	}
	return false;
}

static void fault_rollback(struct db *db)
{
	db_rollback(((struct fault_db *)db)->real);
}

static bool fault_checkpoint(struct db *db, int pause_us, int64_t *took_us, struct fail *fail)
{
	struct fault_db *const f = (struct fault_db *)db;

	return !strikes(f, "checkpoint", fail) && db_checkpoint(f->real, pause_us, took_us, fail);
}

static bool fault_query(struct db *db, const char *sql, const struct db_value *args, size_t count,
	db_each *each, void *context, struct fail *fail)
{
	struct fault_db *const f = (struct fault_db *)db;

	return !strikes(f, "query", fail) &&
	       db_query(f->real, sql, args, count, each, context, fail);
}

static bool fault_script(struct db *db, const char *sql, struct fail *fail)
{
	return db_script(((struct fault_db *)db)->real, sql, fail);
}

static bool fault_in_place(struct db *db, struct fail *fail)
{
	return db_in_place(((struct fault_db *)db)->real, fail);
}

static void fault_close(struct db *db)
{
	db_close(&((struct fault_db *)db)->real);
}

static const struct db_driver driver = {
	.begin = fault_begin,
	.commit = fault_commit,
	.rollback = fault_rollback,
	.checkpoint = fault_checkpoint,
	.query = fault_query,
	.script = fault_script,
	.in_place = fault_in_place,
	.close = fault_close,
};

void fault_db_init(struct fault_db *fault, struct db *real)
{
	*fault = (struct fault_db){ .db.driver = &driver, .real = real, .countdown = -1 };
}

void fault_at(struct fault_db *fault, int nth, enum fail_kind kind)
{
	fault->countdown = nth;
	fault->kind = kind;
}

void fault_off(struct fault_db *fault)
{
	fault->countdown = -1;
}
