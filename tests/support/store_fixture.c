#include "tests/support/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/clock.h"

bool store_fixture_open(
	struct store_fixture *f, const char *service, make_tables *make, writer_apply *apply)
{
	struct fail fail = { 0 };
	struct db *real;

	memset(f, 0, sizeof(*f));
	clock_set(1752002132481);
	strcpy(f->directory, "/tmp/hw9-store-XXXXXX");
	if (!mkdtemp(f->directory))
		return false;
	(void)snprintf(f->path, sizeof(f->path), "%s/store.db", f->directory);
	if (!db_open(&real, f->path, DB_WRITER, &fail))
		return false;
	fault_db_init(&f->fault, real);
	f->writer.db = &f->fault.db;
	f->writer.queue = &f->queue;
	f->writer.apply = apply;
	f->writer.progress = &f->progress;
	f->writer.max_rows = 1000000;
	f->writer.keep_ms = 30000;
	f->writer.tidied_ms = clock_mono_ms();
	progress_init(
		&f->progress, &(struct progress_numbers){ .acknowledged_offset = -1, .first = 1 });
	return rows_open(&f->fault.db, service, &f->writer.state, &fail) &&
	       make(&f->fault.db, &fail) && queue_init(&f->queue, &fail);
}

bool store_fixture_remove(struct store_fixture *f)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct db *db = &f->fault.db;
	char name[160];

	clock_set(0);
	db_close(&db);
	progress_fini(&f->progress);
	queue_fini(&f->queue);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
		(void)unlink(name);
	}
	return rmdir(f->directory) == 0;
}

static void ignore(struct command *command, const struct fail *refused)
{
	(void)command;
	(void)refused;
}

bool store_fixture_ask(struct store_fixture *f, struct command *command, struct fail *fail)
{
	command->answer = ignore;
	assert_true(queue_put(&f->queue, command));
	return writer_turn(&f->writer, 0, fail);
}

static bool take_number(void *context, const struct db_value *columns)
{
	*(int64_t *)context = columns[0].whole;
	return true;
}

int64_t store_fixture_number(struct store_fixture *f, const char *sql)
{
	struct fail fail = { 0 };
	int64_t number = -1;

	assert_true(db_query(f->fault.real, sql, NULL, 0, take_number, &number, &fail));
	return number;
}

static bool take_value(void *context, const struct db_value *columns)
{
	assert_true(columns[0].length < EVENT_JSON_MAX);
	memcpy(context, columns[0].bytes, columns[0].length);
	((char *)context)[columns[0].length] = '\0';
	return true;
}

void store_fixture_last_event(struct store_fixture *f, const char *json)
{
	struct fail fail = { 0 };
	char value[EVENT_JSON_MAX] = "";

	assert_true(db_query(f->fault.real, "SELECT value FROM outbox ORDER BY id DESC LIMIT 1",
		NULL, 0, take_value, value, &fail));
	assert_string_equal(value, json);
}
