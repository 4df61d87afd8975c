/* tests/support/store_fixture.h - a service's store on a real SQLite file behind a countdown
 * of faults, with the writer's turns called one by one. The clock stands. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "outbox/writer.h"
#include "tests/support/fault_db.h"

struct store_fixture {
	char directory[64], path[128];
	struct fault_db fault;
	struct queue queue;
	struct progress progress;
	struct writer writer;
};

typedef bool make_tables(struct db *db, struct fail *fail);

bool store_fixture_open(
	struct store_fixture *f, const char *service, make_tables *make, writer_apply *apply);
bool store_fixture_remove(struct store_fixture *f);

/* Puts one command and takes one turn; `answer` and `makes_event` are set here. */
bool store_fixture_ask(struct store_fixture *f, struct command *command, struct fail *fail);

/* One number from the store, past the faults. */
int64_t store_fixture_number(struct store_fixture *f, const char *sql);

/* Asserts that the newest outbox row has exactly this value. */
void store_fixture_last_event(struct store_fixture *f, const char *json);

#endif
