#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "outbox/rows.h"

static char directory[64], path[128];

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/hw9-db-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/store.db", directory);
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[160];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		(void)unlink(name);
	}
	return rmdir(directory);
}

static struct event an_event(void)
{
	return (struct event){ .type = EVENT_SKU_CREATED, .sku = "A123", .count = 1 };
}

static bool append(struct db *db, struct rows_state *state, struct fail *fail)
{
	struct outbox_tx tx = { .db = db, .last = state->last, .at_ms = 1752002132481 };
	struct event event = an_event();
	int64_t id;

	if (!db_begin(db, fail) || !rows_append(&tx, &event, &id, fail) ||
		!rows_set_last(&tx, fail) || !db_commit(db, fail))
		return false;
	state->last = id;
	return true;
}

static void a_store_keeps_its_source_and_its_counter(void **state)
{
	struct rows_state first, again;
	struct fail fail = { 0 };
	struct db *db;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &first, &fail));
	assert_int_equal(strncmp(first.source, "stock/", 6), 0);
	assert_int_equal(strlen(first.source), 14);
	assert_true(append(db, &first, &fail));
	assert_true(append(db, &first, &fail));
	assert_true(db_begin(db, &fail));
	assert_true(rows_forget(db, 2, &fail));
	assert_true(db_commit(db, &fail));
	db_close(&db);

	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &again, &fail));
	assert_string_equal(again.source, first.source);
	assert_int_equal(again.last, 2); /* though no row is left */
	assert_int_equal(again.first, 0);
	db_close(&db);
}

static bool take_number(void *context, const struct db_value *columns)
{
	*(int64_t *)context = columns[0].whole;
	return true;
}

static bool keep_row(void *context, const struct row *row)
{
	char *const seen = context;

	(void)snprintf(seen + strlen(seen), 256 - strlen(seen), "%d:%.*s:%s:%s ", (int)row->id,
		(int)row->length, (const char *)row->value, row->trace ? row->trace : "-",
		row->tracestate ? row->tracestate : "-");
	return true;
}

/* What the versions before left: rows without a place for a trace, and then without one for its
 * state. */
static const char before[] =
	"CREATE TABLE outbox (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, at_ms INTEGER NOT "
	"NULL,"
	" key TEXT NOT NULL, value BLOB NOT NULL) STRICT;"
	"CREATE TABLE outbox_state (one INTEGER PRIMARY KEY CHECK (one = 1), source TEXT NOT NULL,"
	" last INTEGER NOT NULL, acknowledged INTEGER NOT NULL,"
	" acknowledged_offset INTEGER NOT NULL) STRICT;"
	"INSERT INTO outbox VALUES (6, 3, 1752002132481, 'A', x'7b7d');"
	"INSERT INTO outbox VALUES (7, 3, 1752002132481, 'B', x'7b7d');"
	"INSERT INTO outbox_state VALUES (1, 'stock/00000001', 7, 6, 41)";

static const char *const added[] = { "", "ALTER TABLE outbox ADD COLUMN trace TEXT" };

static void open_one_of_before(const char *more)
{
	const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	struct event event = an_event();
	struct rows_state rows;
	struct fail fail = { 0 };
	struct db *db;
	char seen[256] = "";

	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(db_script(db, before, &fail));
	assert_true(db_script(db, more, &fail));
	for (int start = 0; start < 2; start++) { /* the second one finds it done */
		assert_true(rows_open(db, "stock", &rows, &fail));
		assert_string_equal(rows.source, "stock/00000001");
		assert_int_equal(rows.last, 7);
		assert_int_equal(rows.acknowledged_offset, 41);
		assert_int_equal(rows.first, 6);
		db_close(&db);
		assert_true(db_open(&db, path, DB_WRITER, &fail));
	}
	struct outbox_tx tx = {
		.db = db, .last = 7, .at_ms = 1752002132481, .trace = trace, .tracestate = "rojo=1"
	};
	int64_t id;

	assert_true(rows_append(&tx, &event, &id, &fail));
	assert_true(rows_read(db, 6, 2, keep_row, seen, &fail));
	assert_string_equal(seen, "6:{}:-:- 7:{}:-:- ");
	*seen = '\0';
	assert_true(rows_read(db, 8, 1, keep_row, seen, &fail));
	assert_non_null(strstr(seen, trace));
	assert_non_null(strstr(seen, ":rojo=1 "));
	db_close(&db);
}

static void a_store_of_a_version_before_keeps_its_rows(void **state)
{
	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
		if (i > 0)
			assert_int_equal(teardown(state) | setup(state), 0);
		open_one_of_before(added[i]);
	}
}

/* It means nothing by itself. */
static void a_tracestate_goes_with_a_trace_alone(void **state)
{
	struct event event = an_event();
	struct rows_state rows;
	struct fail fail = { 0 };
	char seen[256] = "";
	struct db *db;
	int64_t id;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &rows, &fail));
	struct outbox_tx tx = { .db = db, .trace = "", .tracestate = "rojo=1" };

	assert_true(rows_append(&tx, &event, &id, &fail));
	tx.trace = NULL;
	assert_true(rows_append(&tx, &event, &id, &fail));
	assert_true(rows_read(db, 1, 2, keep_row, seen, &fail));
	assert_null(strstr(seen, "rojo"));
	db_close(&db);
}

static int64_t number(struct db *db, const char *sql)
{
	struct fail fail = { 0 };
	int64_t found = -1;

	assert_true(db_query(db, sql, NULL, 0, take_number, &found, &fail));
	return found;
}

/* Many rows are numbered in pieces: each keeps what it holds, in order. */
static void a_fork_numbers_rows_in_pieces(void **state)
{
	static const struct {
		int64_t first, sent, last;
	} cases[] = { { 1, 0, 25003 }, { 1, 11001, 25003 }, { 1, 25003, 25003 },
		{ 20001, 20000, 45000 }, { 20001, 30000, 45000 }, { 1, 9999, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int64_t first = cases[i].first, sent = cases[i].sent, last = cases[i].last;
		struct rows_state was, next = { .source = "stock/0000000f", .last = last - sent };
		struct fail fail = { 0 };
		struct db *db;
		char sql[512];

		assert_true(db_open(&db, path, DB_WRITER, &fail));
		assert_true(rows_open(db, "stock", &was, &fail));
		(void)snprintf(sql, sizeof(sql),
			"DELETE FROM outbox; WITH RECURSIVE n(i) AS (VALUES(%d) UNION ALL"
			" SELECT i + 1 FROM n WHERE i < %d) INSERT INTO outbox (id, type, at_ms,"
			" key, value) SELECT i, 3, i, 'A', x'7b7d' FROM n;"
			"UPDATE outbox_state SET last = %d",
			(int)first, (int)last, (int)last);
		assert_true(db_script(db, sql, &fail));
		assert_true(rows_open(db, "stock", &was, &fail));
		assert_true(db_begin(db, &fail));
		assert_true(rows_renumber(db, &was, sent, &next, NULL, &fail));
		assert_true(db_commit(db, &fail));
		assert_int_equal(number(db, "SELECT count(*) FROM outbox"), last - sent);
		assert_int_equal(number(db, "SELECT coalesce(min(id), 1) FROM outbox"), 1);
		(void)snprintf(sql, sizeof(sql),
			"SELECT count(*) FROM outbox WHERE at_ms <> id + %d", (int)sent);
		assert_int_equal(number(db, sql), 0);
		assert_true(rows_open(db, "stock", &was, &fail));
		assert_string_equal(was.source, next.source);
		assert_int_equal(was.last, last - sent);
		db_close(&db);
	}
}

static void a_second_process_is_told_who_owns_the_store(void **state)
{
	struct fail fail = { 0 };
	struct db *db;
	char wanted[64];
	int status;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	(void)snprintf(wanted, sizeof(wanted), "process %d owns it", (int)getpid());
	if (fork() == 0) {
		struct db *second;

		if (db_open(&second, path, DB_WRITER, &fail))
			_exit(1);
		_exit(fail.kind == FAIL_OWNED && strstr(fail.text, wanted) ? 0 : 2);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	db_close(&db);
}

/* Its rows would go to the other service's partition. */
static void the_store_of_another_service_is_refused(void **state)
{
	struct rows_state rows;
	struct fail fail = { 0 };
	struct db *db;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "cart", &rows, &fail));
	assert_false(rows_open(db, "stock", &rows, &fail));
	assert_int_equal(fail.kind, FAIL_REFUSE);
	assert_non_null(strstr(fail.text, "it is the store of cart/"));
	db_close(&db);
}

static void a_reader_does_not_write(void **state)
{
	struct rows_state rows;
	struct fail fail = { 0 };
	struct db *db, *reader;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &rows, &fail));
	assert_true(db_open(&reader, path, DB_READER, &fail));
	assert_false(append(reader, &rows, &fail));
	db_rollback(reader);
	assert_true(append(db, &rows, &fail));
	db_close(&reader);
	db_close(&db);
}

static void remove_store(const char *const ends[], size_t count)
{
	char name[sizeof(path) + 8];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		assert_int_equal(unlink(name), 0);
	}
}

/* Its name may belong to another store by now: nothing is acknowledged into a file that nobody
 * finds again. */
static void a_store_that_was_deleted_takes_no_commit(void **state)
{
	static const char *const all[] = { "", "-wal", "-shm" };
	struct rows_state rows, again;
	struct fail fail = { 0 };
	struct db *db, *second;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &rows, &fail));
	assert_true(append(db, &rows, &fail));
	assert_true(db_in_place(db, &fail));
	remove_store(all, 1);
	assert_false(db_in_place(db, &fail));
	assert_int_equal(fail.kind, FAIL_FATAL);
	assert_false(append(db, &rows, &fail));

	/* What is left is not taken for a new store: somebody is still writing to it. */
	fail = (struct fail){ 0 };
	assert_false(db_open(&second, path, DB_WRITER, &fail));
	assert_int_equal(fail.kind, FAIL_REFUSE);
	assert_non_null(strstr(fail.text, "-wal is: bring the file back"));
	assert_int_not_equal(access(path, F_OK), 0);

	remove_store(all + 1, 2);
	assert_true(db_open(&second, path, DB_WRITER, &fail));
	assert_true(rows_open(second, "stock", &again, &fail));
	assert_string_not_equal(again.source, rows.source);
	assert_false(append(db, &rows, &fail)); /* two owners, each of a file of its own */
	assert_true(append(second, &again, &fail));
	db_close(&db);
	db_close(&second);
}

static void postgresql_is_refused_in_one_line(void **state)
{
	struct fail fail = { 0 };
	struct db *db;

	(void)state;
	assert_false(db_open(&db, "postgresql://localhost/shop", DB_WRITER, &fail));
	assert_int_equal(fail.kind, FAIL_REFUSE);
	assert_non_null(strstr(fail.text, "PostgreSQL is not supported yet"));
	assert_null(db);
}

static void a_full_disk_is_a_retry_and_loses_nothing(void **state)
{
	struct rows_state rows;
	struct fail fail = { 0 };
	struct event event = an_event();
	struct outbox_tx tx;
	struct db *db;
	int64_t id = 0;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &rows, &fail));
	assert_true(append(db, &rows, &fail));
	assert_true(db_script(db, "PRAGMA max_page_count=8", &fail));
	tx = (struct outbox_tx){ .db = db, .last = rows.last, .at_ms = 1 };
	assert_true(db_begin(db, &fail));
	while (rows_append(&tx, &event, &id, &fail))
		assert_true(id < 100000);
	assert_int_equal(fail.kind, FAIL_RETRY);
	db_rollback(db);
	assert_true(db_script(db, "PRAGMA max_page_count=1000", &fail));
	assert_true(append(db, &rows, &fail));
	assert_int_equal(rows.last, 2);
	db_close(&db);
}

static sqlite3 *opened; /* the connection that was made last */

static int on_open(sqlite3 *sqlite, char **why, const struct sqlite3_api_routines *api)
{
	(void)why;
	(void)api;
	opened = sqlite;
	return SQLITE_OK;
}

static int (*map_page)(sqlite3_file *, int, int, int, void volatile **);

static int map_first_page_only(
	sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
	return page == 0 ? map_page(file, page, size, extend, out) : SQLITE_IOERR_SHMSIZE;
}

/* There is no room for another page of shared memory. */
static void fill_shared_memory(void)
{
	static sqlite3_io_methods methods;
	sqlite3_file *file = NULL;

	assert_int_equal(
		sqlite3_file_control(opened, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
	methods = *file->pMethods;
	map_page = methods.xShmMap;
	methods.xShmMap = map_first_page_only;
	file->pMethods = &methods;
}

/* The store as a kill leaves it. */
static int64_t last_after_a_kill(void)
{
	struct rows_state rows;
	struct fail fail = { 0 };
	char command[512];
	struct db *db;

	(void)snprintf(command, sizeof(command), "mkdir %s/left && cp %s %s-wal %s/left", directory,
		path, path, directory);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command), "%s/left/store.db", directory);
	assert_true(db_open(&db, command, DB_WRITER, &fail));
	assert_true(rows_open(db, "stock", &rows, &fail));
	db_close(&db);
	(void)snprintf(command, sizeof(command), "rm -r %s/left", directory);
	assert_int_equal(system(command), 0);
	return rows.last;
}

/* ATTACKS D1: the WAL has the commit by then, synced, and only its index has not. */
static void a_commit_without_room_for_shared_memory_is_unsure(void **state)
{
	struct rows_state rows;
	struct fail fail = { 0 };
	struct db *db;

	(void)state;
	assert_int_equal(sqlite3_auto_extension((void (*)(void))on_open), SQLITE_OK);
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	sqlite3_reset_auto_extension();
	assert_true(rows_open(db, "stock", &rows, &fail));
	/* The first page of the index has room for 4062 pages of the WAL. */
	assert_true(db_script(db,
		"CREATE TABLE filler (x BLOB); INSERT INTO filler VALUES (zeroblob(16000000))",
		&fail));
	fill_shared_memory();
	while (append(db, &rows, &fail))
		assert_true(rows.last < 4062);
	assert_int_equal(last_after_a_kill(), rows.last + 1);
	assert_int_equal(fail.kind, FAIL_UNSURE);
	db_close(&db);
}

static int64_t log_bytes(void)
{
	struct stat file;
	char name[160];

	(void)snprintf(name, sizeof(name), "%s-wal", path);
	assert_int_equal(stat(name, &file), 0);
	return file.st_size;
}

static int64_t file_bytes(void)
{
	struct stat file;

	assert_int_equal(stat(path, &file), 0);
	return file.st_size;
}

/* Commits pieces of some 100 pages and calls db_checkpoint behind each; how often that moved any.
 */
static int fill_store(struct db *db, int pieces)
{
	struct fail fail = { 0 };
	int times = 0;
	int64_t took_us;

	for (int i = 0; i < pieces; i++) {
		assert_true(db_script(db, "INSERT INTO filler VALUES (zeroblob(400000))", &fail));
		assert_true(db_checkpoint(db, 5000, &took_us, &fail));
		times += took_us > 0;
	}
	return times;
}

/* 80 MB go through a log that stays short, because it begins again when all of it was moved. */
static void what_was_committed_is_moved_in_pieces(void **state)
{
	struct fail fail = { 0 };
	struct db *db;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(db_script(db, "CREATE TABLE filler (x BLOB)", &fail));
	assert_int_equal(fill_store(db, 1), 0); /* not worth a sync */
	assert_in_range(fill_store(db, 199), 2, 100);
	assert_in_range(
		log_bytes(), 1, 45000000); /* the most that is moved at once, and one more */
	assert_true(file_bytes() > 35000000);
	db_close(&db);
	assert_true(file_bytes() > 80000000);
}

static bool look(void *context, const struct db_value *columns)
{
	*(int64_t *)context = columns[0].whole;
	return false;
}

/* A reader in the middle keeps what it sees; what came later is moved when it is gone. */
static void a_reader_is_not_waited_for(void **state)
{
	struct fail fail = { 0 };
	struct db *db, *reader;
	int64_t seen = -1, now = -1;

	(void)state;
	assert_true(db_open(&db, path, DB_WRITER, &fail));
	assert_true(db_script(db, "CREATE TABLE filler (x BLOB)", &fail));
	assert_true(db_open(&reader, path, DB_READER, &fail));
	assert_true(db_script(reader, "BEGIN", &fail));
	assert_true(db_query(reader, "SELECT count(*) FROM filler", NULL, 0, look, &seen, &fail));
	(void)fill_store(db, 50);
	assert_true(file_bytes() < 1000000);
	assert_true(db_query(reader, "SELECT count(*) FROM filler", NULL, 0, look, &now, &fail));
	assert_int_equal(now, seen);
	assert_true(db_script(reader, "COMMIT", &fail));
	assert_int_equal(fill_store(db, 1), 1);
	assert_true(file_bytes() > 20000000);
	db_close(&reader);
	db_close(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_was_committed_is_moved_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_store_keeps_its_source_and_its_counter, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_store_of_a_version_before_keeps_its_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_tracestate_goes_with_a_trace_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fork_numbers_rows_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_second_process_is_told_who_owns_the_store, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_store_of_another_service_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_does_not_write, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_store_that_was_deleted_takes_no_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(postgresql_is_refused_in_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_full_disk_is_a_retry_and_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_commit_without_room_for_shared_memory_is_unsure, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
