/* SQLite: WAL, synchronous=FULL: a commit that returned is on disk.
 *
 * The writer holds an flock on the store file itself: a lock file beside it could be deleted
 * and made again, and would then be two locks. The store file can be deleted and made again as
 * well: then its old owner finds out at its next commit, or within a second, and ends. A store
 * file that is missing while its -wal or -shm is there is not made anew: somebody may still be
 * writing to them, or they may hold what was committed last. Closing any descriptor of a file drops
 * the POSIX locks SQLite holds on it, so the locking descriptor is closed after SQLite's. Only the
 * writer's connection writes and checkpoints: two that do at once met SQLite's WAL-reset bug
 * (before 3.51.3). */
#include "outbox/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/clock.h"
#include "process/lock_holder.h"

#define STATEMENTS_MAX 32
#define BUSY_MS        2000
/* Pages moved from the WAL to the file at once. Fewer are a shorter pause and more syncs; how many
 * can be moved in the pause that is meant depends on the disk, and on how far apart they are. */
#define MOVE_PAGES_MIN 250
#define MOVE_PAGES_MAX 10000

struct db_sqlite {
	struct db db;
	sqlite3 *sqlite;
	int lock;
	int logged, moved; /* pages in the WAL, and how many of them are in the file as well */
	int move_pages;    /* as many as were moved within the pause that was meant, lately */
	struct {
		const char *sql;
		sqlite3_stmt *statement;
	} kept[STATEMENTS_MAX];
	size_t kept_count;
};

/* SQLite's message is copied at once: its next call overwrites it. */
static bool failed(struct db_sqlite *s, const char *doing, struct fail *fail)
{
	const int extended = sqlite3_extended_errcode(s->sqlite);
	const int code = extended & 0xff;
	/* What SQLite says where the disk has no room for its file of shared memory. */
	const bool full = extended == SQLITE_IOERR_SHMSIZE;
	const bool later =
		full || code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL;

	return fail_set(fail, later ? FAIL_RETRY : FAIL_FATAL, "%s: %s (%d)", doing,
		full ? "the disk is full" : sqlite3_errmsg(s->sqlite), extended);
}

static bool sqlite_script(struct db *db, const char *sql, struct fail *fail)
{
	struct db_sqlite *const s = (struct db_sqlite *)db;

	return sqlite3_exec(s->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       failed(s, "run script", fail);
}

static sqlite3_stmt *prepare(struct db_sqlite *s, const char *sql, struct fail *fail)
{
	sqlite3_stmt *statement = NULL;

	for (size_t i = 0; i < s->kept_count; i++) {
		if (s->kept[i].sql == sql || strcmp(s->kept[i].sql, sql) == 0)
			return s->kept[i].statement;
	}
	assert(s->kept_count < STATEMENTS_MAX);
	if (sqlite3_prepare_v3(s->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
		SQLITE_OK) {
		failed(s, "prepare statement", fail);
		return NULL;
	}
	s->kept[s->kept_count].sql = sql;
	s->kept[s->kept_count++].statement = statement;
	return statement;
}

static int bind(sqlite3_stmt *statement, int index, const struct db_value *value)
{
	switch (value->kind) {
	case DB_NULL:
		return sqlite3_bind_null(statement, index);
	case DB_WHOLE:
		return sqlite3_bind_int64(statement, index, value->whole);
	case DB_TEXT:
		return sqlite3_bind_text(
			statement, index, value->bytes, (int)value->length, SQLITE_STATIC);
	case DB_BYTES:
		return sqlite3_bind_blob(
			statement, index, value->bytes, (int)value->length, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static struct db_value column(sqlite3_stmt *statement, int index)
{
	struct db_value value = { 0 };

	switch (sqlite3_column_type(statement, index)) {
	case SQLITE_INTEGER:
		return db_whole(sqlite3_column_int64(statement, index));
	case SQLITE_TEXT:
		value.kind = DB_TEXT;
		value.bytes = sqlite3_column_text(statement, index);
		break;
	case SQLITE_BLOB:
		value.kind = DB_BYTES;
		value.bytes = sqlite3_column_blob(statement, index);
		break;
	default:
		return value;
	}
	value.length = (size_t)sqlite3_column_bytes(statement, index);
	return value;
}

static bool sqlite_query(struct db *db, const char *sql, const struct db_value *args, size_t count,
	db_each *each, void *context, struct fail *fail)
{
	struct db_sqlite *const s = (struct db_sqlite *)db;
	sqlite3_stmt *const statement = prepare(s, sql, fail);
	struct db_value columns[DB_COLUMNS_MAX] = { 0 };
	bool good = true;
	int code;

	if (!statement)
		return false;
	assert(sqlite3_column_count(statement) <= DB_COLUMNS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (bind(statement, (int)i + 1, &args[i]) != SQLITE_OK)
			good = failed(s, "bind value", fail);
	}
	while (good && (code = sqlite3_step(statement)) != SQLITE_DONE) {
		if (code != SQLITE_ROW) {
			good = failed(s, "run statement", fail);
			break;
		}
		for (int i = 0; i < sqlite3_column_count(statement); i++)
			columns[i] = column(statement, i);
		if (each && !each(context, columns))
			break;
	}
	(void)sqlite3_reset(statement); /* says again what step said */
	(void)sqlite3_clear_bindings(statement);
	return good;
}

static bool sqlite_begin(struct db *db, struct fail *fail)
{
	return sqlite_query(db, "BEGIN IMMEDIATE", NULL, 0, NULL, NULL, fail) ||
	       fail_prefix(fail, "begin");
}

static void sqlite_rollback(struct db *db)
{
	struct db_sqlite *const s = (struct db_sqlite *)db;
	struct fail ignored = { 0 };

	/* Some errors have ended the transaction already. */
	if (!sqlite3_get_autocommit(s->sqlite))
		(void)sqlite_query(db, "ROLLBACK", NULL, 0, NULL, NULL, &ignored);
}

static bool sqlite_in_place(struct db *db, struct fail *fail)
{
	const struct db_sqlite *const s = (struct db_sqlite *)db;
	const char *const path = sqlite3_db_filename(s->sqlite, "main");
	struct stat held, there;

	if (s->lock < 0)
		return true;
	if (fstat(s->lock, &held) != 0)
		return fail_errno(fail, FAIL_FATAL, errno, "%s", path);
	if (stat(path, &there) == 0 && there.st_dev == held.st_dev && there.st_ino == held.st_ino)
		return true;
	return fail_set(fail, FAIL_FATAL,
		"store %s was deleted or replaced while this process has it: nothing more is "
		"accepted",
		path);
}

static bool sqlite_commit(struct db *db, struct fail *fail)
{
	const struct db_sqlite *const s = (struct db_sqlite *)db;

	if (!sqlite_in_place(db, fail)) {
		sqlite_rollback(db);
		return false;
	}
	if (sqlite_query(db, "COMMIT", NULL, 0, NULL, NULL, fail))
		return true;
	/* Shared memory is written to behind the WAL, which has the commit by then. */
	if (fail->kind != FAIL_RETRY || sqlite3_extended_errcode(s->sqlite) == SQLITE_IOERR_SHMSIZE)
		fail->kind = FAIL_UNSURE;
	sqlite_rollback(db);
	return fail_prefix(fail, "commit");
}

/* SQLite calls it behind each commit. */
static int on_commit(void *context, sqlite3 *sqlite, const char *name, int pages)
{
	struct db_sqlite *const s = context;

	(void)sqlite;
	(void)name;
	if (pages < s->logged) /* it began again from its start, since all of it was moved */
		s->moved = 0;
	s->logged = pages;
	return SQLITE_OK;
}

static void learn_pages(struct db_sqlite *s, int moved, int64_t took_us, int pause_us)
{
	if (took_us > pause_us && s->move_pages > MOVE_PAGES_MIN)
		s->move_pages -= s->move_pages / 4;
	else if (took_us < pause_us * 3 / 4 && moved >= s->move_pages &&
		 s->move_pages < MOVE_PAGES_MAX)
		s->move_pages += s->move_pages / 4;
}

static bool sqlite_checkpoint(struct db *db, int pause_us, int64_t *took_us, struct fail *fail)
{
	struct db_sqlite *const s = (struct db_sqlite *)db;
	int64_t began_us, passed_us;
	int logged = 0, done = 0;

	if (s->logged - s->moved < s->move_pages)
		return true;
	began_us = clock_mono_us();
	/* What a reader still needs from the WAL is left to the next time. */
	if (sqlite3_wal_checkpoint_v2(s->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &logged, &done) !=
		SQLITE_OK)
		return failed(s, "move the WAL's pages", fail);
	passed_us = clock_mono_us() - began_us;
	learn_pages(s, done - s->moved, passed_us, pause_us);
	if (done > s->moved)
		*took_us = passed_us > 0 ? passed_us : 1;
	s->moved = done;
	return true;
}

static void sqlite_close(struct db *db)
{
	struct db_sqlite *const s = (struct db_sqlite *)db;

	for (size_t i = 0; i < s->kept_count; i++)
		(void)sqlite3_finalize(s->kept[i].statement);
	(void)sqlite3_close_v2(s->sqlite);
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}

static const struct db_driver driver = {
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.checkpoint = sqlite_checkpoint,
	.query = sqlite_query,
	.script = sqlite_script,
	.in_place = sqlite_in_place,
	.close = sqlite_close,
};

/* What a deleted store has left. */
static bool check_leftovers(const char *path, struct fail *fail)
{
	static const char *const ends[] = { "-wal", "-shm" };
	char name[PATH_MAX];
	struct stat file;

	if (stat(path, &file) == 0 && file.st_size > 0)
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		if (access(name, F_OK) == 0)
			return fail_set(fail, FAIL_REFUSE,
				"the file is not there, but %s is: bring the file back, or stop "
				"every process on it and delete its -wal and -shm, too",
				name);
	}
	return true;
}

static bool own(struct db_sqlite *s, const char *path, struct fail *fail)
{
	int holder;

	if (!check_leftovers(path, fail))
		return false;
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (s->lock < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "open file");
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK)
		return fail_errno(fail, FAIL_FATAL, errno, "lock file");
	holder = lock_holder(path);
	if (holder == 0) /* in another container, or on a file system that tells another device */
		return fail_set(fail, FAIL_OWNED, "another process owns it");
	return fail_set(fail, FAIL_OWNED, "process %d owns it", holder);
}

static bool take_mode(void *context, const struct db_value *columns)
{
	*(bool *)context = columns[0].kind == DB_TEXT && strcmp(columns[0].bytes, "wal") == 0;
	return true;
}

static bool set_up(struct db_sqlite *s, enum db_role role, struct fail *fail)
{
	(void)sqlite3_extended_result_codes(s->sqlite, 1);
	(void)sqlite3_busy_timeout(s->sqlite, BUSY_MS);
	if (role == DB_WRITER) {
		bool wal = false;

		if (!sqlite_query(
			    &s->db, "PRAGMA journal_mode=WAL", NULL, 0, take_mode, &wal, fail))
			return false;
		if (!wal)
			return fail_set(fail, FAIL_FATAL, "the file system cannot hold a WAL");
		if (!sqlite_script(
			    &s->db, "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY", fail))
			return false;
		(void)sqlite3_wal_hook(s->sqlite, on_commit, s);
		return true;
	}
	if (sqlite3_db_config(s->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
		return failed(s, "configure", fail);
	return sqlite_script(&s->db, "PRAGMA wal_autocheckpoint=0; PRAGMA query_only=1", fail);
}

bool db_sqlite_open(struct db **db, const char *path, enum db_role role, struct fail *fail)
{
	struct db_sqlite *const s = calloc(1, sizeof(*s));
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	if (!s)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	s->db.driver = &driver;
	s->lock = -1;
	s->move_pages = 4 * MOVE_PAGES_MIN;
	if (role == DB_WRITER && !own(s, path, fail))
		goto undo;
	/* A reader opens for writing too: it needs the shared memory of the WAL. */
	if (sqlite3_open_v2(path, &s->sqlite, flags, NULL) != SQLITE_OK) {
		failed(s, "open file", fail);
		goto undo;
	}
	if (!set_up(s, role, fail) || !sqlite_in_place(&s->db, fail))
		goto undo;
	*db = &s->db;
	return true;

undo:
	sqlite_close(&s->db);
	return false;
}
