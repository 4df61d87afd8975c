/* `verify` on made journals: each kind of offender is found, and named. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <zstd.h>

#include "http/server.h"
#include "metrics-consumer/checkpoint.h"
#include "metrics-consumer/place.h"
#include "metrics-consumer/tests/scratch.h"
#include "metrics-consumer/verify.h"

#define CART                                                                                       \
	"{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":"                        \
	"\"2025-07-08T19:15:32Z\",\"payload\":{\"cartId\":\"x\",\"sku\":\"A\",\"count\":2,"        \
	"\"status\":\"success\"}}"
#define CLEAN                                                                                      \
	"0 missing, 0 repeated, 0 out of order, 0 on a wrong partition, 0 altered, 0 removed "     \
	"unread\n"

struct fixture {
	struct scratch scratch;
	FILE *journal;
	int64_t offset;
	struct verify_options options;
	char journal_path[PATH_MAX], dead_path[PATH_MAX];
	struct http_server *server; /* of the outbox */
	const char *answer;
	char url[64];
	char *report;
	bool clean;
	struct fail fail;
};

static void get_outbox(struct http_request *request, void *context)
{
	const struct fixture *const f = context;

	if (!f->answer)
		http_answer_problem(request, 503, NULL, "no");
	else
		http_answer_text(request, 200, "application/json", f->answer);
}
static const struct http_route routes[] = { { "GET", "/outbox", get_outbox, false } };

static int setup(void **state)
{
	struct fixture *const f = calloc(1, sizeof(*f));
	const struct http_options options = {
		.address = "127.0.0.1", .routes = routes, .route_count = 1, .context = f
	};

	if (!f || !http_server_start(&f->server, &options, &f->fail))
		return -1;
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/", http_server_port(f->server));
	scratch_make(&f->scratch);
	strcpy(f->journal_path, scratch_path(&f->scratch, "metrics.log"));
	strcpy(f->dead_path, scratch_path(&f->scratch, "dead-letter.log"));
	f->options.journal_path = f->journal_path;
	f->options.dead_letter_path = f->dead_path;
	f->options.progress_fd = -1;
	f->journal = fopen(f->journal_path, "w");
	*state = f;
	return f->journal ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *const f = *state;

	fclose(f->journal);
	http_server_stop(&f->server);
	scratch_remove(&f->scratch);
	free(f->report);
	free(f);
	return 0;
}

static void put_at(struct fixture *f, const char *second, int partition, const char *source,
	int64_t id, int64_t delay_ms)
{
	fprintf(f->journal,
		"2025-07-08T19:15:%s.000Z partition=%d offset=%" PRId64 " source=%s id=%" PRId64
		" delay_ms=%" PRId64 " " CART "\n",
		second, partition, f->offset++, source, id, delay_ms);
	assert_int_equal(fflush(f->journal), 0);
}

static void put(struct fixture *f, const char *source, int64_t first, int64_t last)
{
	for (int64_t id = first; id <= last; id++)
		put_at(f, "32", 0, source, id, 3);
}

static void put_dead(struct fixture *f, const char *source, int64_t id)
{
	FILE *const dead = fopen(f->dead_path, "a");

	assert_non_null(dead);
	fprintf(dead,
		"{\"time\":\"2025-07-08T19:15:32.481Z\",\"partition\":0,\"offset\":9,\"source\":"
		"\"%s\",\"id\":%" PRId64 ",\"reason\":\"not_json\",\"key_hex\":null,"
		"\"value_hex\":\"7b\"}\n",
		source, id);
	assert_int_equal(fclose(dead), 0);
}

static bool ask(struct fixture *f)
{
	size_t length;
	FILE *out;
	bool done;

	free(f->report);
	f->report = NULL;
	out = open_memstream(&f->report, &length);
	assert_non_null(out);
	f->fail = (struct fail){ 0 };
	f->clean = false;
	done = verify(&f->options, out, &f->clean, &f->fail);
	assert_int_equal(fclose(out), 0);
	return done;
}

static void assert_report(struct fixture *f, const char *wanted)
{
	if (!strstr(f->report, wanted))
		fail_msg("no %s in:\n%s", wanted, f->report);
}

static void a_whole_journal_is_clean(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 50);
	f->answer = "{\"source\":\"cart/a\",\"last\":50,\"published\":50,\"waiting\":0}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	assert_true(ask(f));
	assert_true(f->clean);
	assert_report(f, CLEAN);
	assert_report(
		f, "cart/a                             50            -             50        0");
	assert_report(f, "cart_item_added                    50            0");
	assert_report(f, "longest delay_ms: 3\n");
}

static void what_was_acknowledged_and_is_not_there_is_missing(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 10);
	put(f, "cart/a", 13, 50);
	f->answer = "{\"source\":\"cart/a\",\"last\":53,\"published\":50,\"waiting\":3}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "missing: source cart/a id 11 to 12 ");
	assert_report(f, "missing: source cart/a id 51 to 53 (the service has rows that wait");
	assert_report(f, "5 missing, 0 repeated, 0 out of order, 0 on a wrong partition, 0 "
			 "altered, 0 removed unread\n");
}

static void a_source_that_is_not_in_the_journal_at_all_is_missing(void **state)
{
	struct fixture *const f = *state;

	f->answer = "{\"source\":\"stock/b\",\"last\":2,\"published\":2,\"waiting\":0}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	assert_true(ask(f));
	assert_report(f, "2 missing, 0 repeated");
}

static void a_dead_letter_is_not_missing(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 10);
	put(f, "cart/a", 12, 20);
	put_dead(f, "cart/a", 11);
	put_dead(f, "stock/b", 1);
	assert_true(ask(f));
	assert_report(f, "dead letters: 2\n");
	assert_report(f, CLEAN);
	assert_true(f->clean);
}

/* The service acknowledged an event under that number; what came was none. */
static void a_dead_letter_of_an_acknowledged_number_is_missing(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 10);
	put_dead(f, "cart/a", 11);
	f->answer = "{\"source\":\"cart/a\",\"last\":11,\"published\":11,\"waiting\":0}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	f->options.wait_ms = 0;
	assert_true(ask(f));
	assert_report(f, "1 missing, 0 repeated");
	assert_false(f->clean);
}

static void a_line_that_stands_there_twice_is_repeated(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 10);
	put(f, "cart/a", 7, 7);
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "repeated: source cart/a id 7, partition 0 offset 10\n");
	assert_report(f, "0 missing, 1 repeated, 0 out of order, 0 on a wrong partition, 0 "
			 "altered, 0 removed unread\n");
}

static void a_step_back_is_out_of_order(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	put(f, "cart/a", 5, 6);
	put(f, "cart/a", 4, 4);
	put(f, "cart/a", 7, 9);
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "out of order: source cart/a id 4, partition 0 offset 5\n");
	assert_report(f, "0 missing, 0 repeated, 1 out of order, 0 on a wrong partition, 0 "
			 "altered, 0 removed unread\n");
}

static void an_event_of_the_other_service_is_on_a_wrong_partition(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	put_at(f, "32", 1, "cart/a", 4, 3);
	fprintf(f->journal, "2025-07-08T19:15:32.000Z partition=1 offset=77 source=- id=- "
			    "delay_ms=1 " CART "\n");
	assert_int_equal(fflush(f->journal), 0);
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "on a wrong partition: source cart/a id 4, partition 1 offset 3\n");
	assert_report(f, "on a wrong partition: source - id 0, partition 1 offset 77\n");
	assert_report(f, "0 missing, 0 repeated, 0 out of order, 2 on a wrong partition, 0 "
			 "altered, 0 removed unread\n");
}

static void the_longest_delay_is_told_before_during_and_after(void **state)
{
	struct fixture *const f = *state;

	put_at(f, "30", 0, "cart/a", 1, 11);
	put_at(f, "31", 0, "cart/a", 2, -4);
	put_at(f, "32", 0, "cart/a", 3, 950);
	put_at(f, "40", 0, "cart/a", 4, 20);
	put_at(f, "41", 0, "cart/a", 5, 13);
	f->options.between = true;
	f->options.from_ms = 1752002132000; /* 19:15:32 */
	f->options.to_ms = 1752002140000;
	assert_true(ask(f));
	assert_report(f, "longest delay_ms: before 11, during 950, after 13\n");
}

static void a_line_that_is_being_written_is_not_counted(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	fputs("2025-07-08T19:15:32.000Z partition=0 off", f->journal);
	assert_int_equal(fflush(f->journal), 0);
	assert_true(ask(f));
	assert_true(f->clean);
	assert_report(f, "metrics.log: 3 lines in 1 file;");
}

/* Closes the journal, gives it another name, and goes on in a new one. */
static void move_journal(struct fixture *f, const char *name)
{
	fclose(f->journal);
	assert_int_equal(rename(f->journal_path, scratch_path(&f->scratch, name)), 0);
	f->journal = fopen(f->journal_path, "w");
	assert_non_null(f->journal);
}

static void compress(struct fixture *f, const char *name)
{
	char compressed[64], out[16384];
	size_t length, size;
	char *const text = scratch_read(&f->scratch, name, &length);

	size = ZSTD_compress(out, sizeof(out), text, length, 3);
	assert_false(ZSTD_isError(size));
	free(text);
	(void)snprintf(compressed, sizeof(compressed), "%s.zst", name);
	scratch_write(&f->scratch, compressed, out, size);
	assert_int_equal(unlink(scratch_path(&f->scratch, name)), 0);
}

static void rotated_compressed_and_moved_files_are_the_journal_too(void **state)
{
	struct fixture *const f = *state;

	put_at(f, "10", 0, "cart/a", 1, 3);
	put_at(f, "11", 0, "cart/a", 2, 3);
	move_journal(f, "metrics.log.000001");
	compress(f, "metrics.log.000001");
	put_at(f, "12", 0, "cart/a", 3, 3);
	move_journal(f, "metrics.log.by-hand");
	put_at(f, "13", 0, "cart/a", 4, 3);
	move_journal(f, "metrics.log.000002");
	put_at(f, "14", 0, "cart/a", 5, 3);
	assert_true(ask(f));
	assert_true(f->clean);
	assert_report(f, CLEAN);
	assert_report(f, "metrics.log: 5 lines in 4 files;");
	assert_int_equal(unlink(scratch_path(&f->scratch, "metrics.log.by-hand")), 0);
	assert_true(ask(f));
	assert_report(f, "missing: source cart/a id 3 to 3");
	assert_report(f, "metrics.log: 4 lines in 3 files;");
}

static void a_rotated_file_that_is_cut_or_damaged_is_named(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	fputs("2025-07-08T19:15:3", f->journal);
	move_journal(f, "metrics.log.000001");
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text,
		"metrics.log.000001 is damaged: it ends in the middle of the line at byte "));
	scratch_write(&f->scratch, "metrics.log.000001", "", 0);
	scratch_write(&f->scratch, "metrics.log.000002.zst", "no zstd at all", 14);
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "metrics.log.000002.zst: the compressed data"));
}

/* Moved by hand: the consumer writes on there until it is told. */
static void a_journal_that_was_just_moved_is_read_where_it_is(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	assert_int_equal(rename(f->journal_path, scratch_path(&f->scratch, "metrics.log.old")), 0);
	fputs("2025-07-08T19:15:3", f->journal);
	assert_int_equal(fflush(f->journal), 0);
	assert_true(ask(f));
	assert_report(f, "metrics.log: 3 lines in 1 file;");
	assert_int_equal(unlink(scratch_path(&f->scratch, "metrics.log.old")), 0);
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "metrics.log: No such file"));
}

static void *rotate_and_write_the_rest(void *context)
{
	struct fixture *const f = context;

	(void)usleep(100000); /* any time will do */
	put(f, "cart/a", 31, 32);
	move_journal(f, "metrics.log.000007");
	put(f, "cart/a", 33, 35);
	move_journal(f, "metrics.log.000008");
	compress(f, "metrics.log.000008");
	put(f, "cart/a", 36, 40);
	return NULL;
}

static void a_rotation_meanwhile_is_followed(void **state)
{
	struct fixture *const f = *state;
	pthread_t thread;

	put(f, "cart/a", 1, 20);
	move_journal(f, "metrics.log.000006");
	put(f, "cart/a", 21, 30);
	f->answer = "{\"source\":\"cart/a\",\"last\":40,\"published\":40,\"waiting\":0}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	f->options.wait_ms = 20000;
	assert_int_equal(pthread_create(&thread, NULL, rotate_and_write_the_rest, f), 0);
	assert_true(ask(f));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_report(f, CLEAN);
	assert_report(f, "metrics.log: 40 lines in 4 files;");
}

static void what_deleted_files_held_is_not_missing(void **state)
{
	static const char checkpoint[] = "{\"version\":1,\"deleted\":2}\nxxh3=0\n";
	struct fixture *const f = *state;

	put(f, "cart/a", 11, 20);
	assert_true(ask(f));
	assert_report(f, "10 missing,");
	scratch_write(&f->scratch, "metrics.log.checkpoint", checkpoint, strlen(checkpoint));
	assert_true(ask(f));
	assert_true(f->clean);
	assert_report(f, "10 events stood in the 2 journal files that were deleted");
	assert_report(f, CLEAN);
	put(f, "cart/a", 22, 22);
	assert_true(ask(f));
	assert_report(f, "missing: source cart/a id 21 to 21\n");
}

/* A checkpoint of a journal whose first two files were deleted, and which had got these lines. */
static void save_checkpoint(struct fixture *f, const char *source, int64_t first, int64_t last)
{
	struct checkpoint checkpoint = {
		.journal = "0123456789abcdef", .number = 3, .deleted = 2, .time_ms = 1752002132000
	};
	struct place place;

	assert_true(place_open(&place, NULL, &f->fail));
	for (int64_t id = first; id <= last; id++)
		assert_true(place_recall_line(&place, &(struct line){ .time_ms = 1752002132000,
							      .offset = id,
							      .source = source,
							      .source_length = strlen(source),
							      .id = id,
							      .value = CART,
							      .length = strlen(CART) }));
	checkpoint.state = place_save(&place);
	assert_true(checkpoint_write(f->journal_path, &checkpoint, &f->fail));
	checkpoint_clear(&checkpoint);
	place_close(&place);
}

/* The checkpoint knows what the deleted files held: numbers that were never there are missing. */
static void what_no_deleted_file_held_is_missing(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 11, 20);
	save_checkpoint(f, "cart/a", 4, 20);
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "7 events stood in the 2 journal files that were deleted");
	assert_report(f, "missing: source cart/a id 1 to 3\n");
	assert_report(f, "\n3 missing, ");
}

/* Of a store that is no more all lines may have been deleted by age. */
static void a_source_that_is_in_deleted_files_alone_is_not_missing(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 20);
	save_checkpoint(f, "stock/old", 1, 5);
	f->answer = "{\"source\":\"stock/old\",\"last\":5,\"published\":5,\"waiting\":0}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	assert_true(ask(f));
	assert_report(f, "5 events stood in the 2 journal files that were deleted");
	assert_report(f, CLEAN);
	assert_true(f->clean);
	f->answer = "{\"source\":\"stock/old\",\"last\":6,\"published\":6,\"waiting\":0}";
	assert_true(ask(f));
	assert_report(f, "missing: source stock/old id 6 to 6\n");
}

#define ALTERED_2                                                                                  \
	"{\"time\":\"2025-07-08T19:15:32.481Z\",\"partition\":0,\"offset\":9,"                     \
	"\"source\":\"cart/a\",\"id\":2,\"reason\":\"altered\",\"key_hex\":null,"                  \
	"\"value_hex\":\"7b\"}\n"

/* Something that is no event came under the number first, and so the event is nowhere. */
static void an_event_that_was_put_aside_behind_a_dead_letter_is_altered(void **state)
{
	struct fixture *const f = *state;
	FILE *dead;

	put(f, "cart/a", 1, 1);
	put(f, "cart/a", 3, 3);
	put_dead(f, "cart/a", 2);
	dead = fopen(f->dead_path, "a");
	assert_non_null(dead);
	fputs(ALTERED_2, dead);
	assert_int_equal(fclose(dead), 0);
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "altered: source cart/a id 2\n");
}

static void a_copy_with_other_bytes_that_was_put_aside_is_altered(void **state)
{
	static const char letter[] = ALTERED_2;
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	scratch_write(&f->scratch, "dead-letter.log", letter, strlen(letter));
	assert_true(ask(f));
	assert_false(f->clean);
	assert_report(f, "altered: source cart/a id 2\n");
	assert_report(f, "0 on a wrong partition, 1 altered, 0 removed unread\n");
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define STATE                                                                                      \
	"PRAGMA journal_mode=WAL; CREATE TABLE outbox_state (one INTEGER PRIMARY KEY, source "     \
	"TEXT, last INTEGER, acknowledged INTEGER, acknowledged_offset INTEGER);"

static void a_store_says_what_was_acknowledged(void **state)
{
	struct fixture *const f = *state;
	char store[PATH_MAX];
	sqlite3 *db;

	strcpy(store, scratch_path(&f->scratch, "cart 100%#?.db"));
	run_sql(store, STATE "INSERT INTO outbox_state VALUES (1, 'cart/a', 12, 10, 9)");
	put(f, "cart/a", 1, 10);
	f->options.stores[f->options.store_count++] = store;
	assert_true(ask(f));
	assert_report(f, "missing: source cart/a id 11 to 12 (the service has rows that wait");
	/* Nothing is left behind that the service might not be allowed to open. */
	assert_int_not_equal(access(scratch_path(&f->scratch, "cart 100%#?.db-wal"), F_OK), 0);
	assert_int_not_equal(access(scratch_path(&f->scratch, "cart 100%#?.db-shm"), F_OK), 0);
	/* While the service runs, the newest state is in the -wal file. */
	assert_int_equal(sqlite3_open(store, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "UPDATE outbox_state SET last = 10", NULL, NULL, NULL), SQLITE_OK);
	assert_true(ask(f));
	assert_true(f->clean);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void what_is_no_store_is_named(void **state)
{
	struct fixture *const f = *state;
	char store[PATH_MAX];

	put(f, "cart/a", 1, 10);
	strcpy(store, scratch_path(&f->scratch, "some.db"));
	f->options.stores[f->options.store_count++] = store;
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "some.db: open: No such file"));
	scratch_write(&f->scratch, "some.db", "hello, this is a text and no database\n", 38);
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "some.db: it is no store of a service: file is not"));
	assert_int_equal(unlink(store), 0);
	run_sql(store, "CREATE TABLE other (a)");
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "it is no store of a service: no such table"));
	run_sql(store, STATE);
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "the service has not named itself in it yet"));
	run_sql(store, "INSERT INTO outbox_state VALUES (1, '', 12, 10, 9)");
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "its outbox_state is not that of a service's store"));
}

static void *write_the_rest(void *context)
{
	struct fixture *const f = context;

	(void)usleep(100000); /* any time will do */
	put(f, "cart/a", 31, 40);
	return NULL;
}

static void events_on_their_way_are_waited_for(void **state)
{
	struct fixture *const f = *state;
	pthread_t thread;

	put(f, "cart/a", 1, 30);
	f->answer = "{\"source\":\"cart/a\",\"last\":40,\"published\":40,\"waiting\":0}";
	f->options.outboxes[f->options.outbox_count++] = f->url;
	f->options.wait_ms = 20000;
	assert_int_equal(pthread_create(&thread, NULL, write_the_rest, f), 0);
	assert_true(ask(f));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_report(f, CLEAN);
}

static void what_cannot_be_answered_is_a_failure(void **state)
{
	struct fixture *const f = *state;

	put(f, "cart/a", 1, 3);
	f->options.outboxes[f->options.outbox_count++] = f->url;
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "/outbox: it answers with status 503"));
	f->answer = "{\"source\":\"cart/a\",\"last\":\"50\"}";
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "not that of an outbox"));
	f->options.outboxes[0] = "http://127.0.0.1:1";
	assert_false(ask(f));
	f->options.outbox_count = 0;
	fputs("hello\n", f->journal);
	assert_int_equal(fflush(f->journal), 0);
	assert_false(ask(f));
	assert_non_null(strstr(f->fail.text, "is damaged: line 4 at byte "));
	f->options.journal_path = "/nowhere/metrics.log";
	assert_false(ask(f));
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_journal_is_clean),
		TEST(what_was_acknowledged_and_is_not_there_is_missing),
		TEST(a_source_that_is_not_in_the_journal_at_all_is_missing),
		TEST(a_dead_letter_is_not_missing),
		TEST(a_dead_letter_of_an_acknowledged_number_is_missing),
		TEST(a_line_that_stands_there_twice_is_repeated),
		TEST(a_step_back_is_out_of_order),
		TEST(an_event_of_the_other_service_is_on_a_wrong_partition),
		TEST(the_longest_delay_is_told_before_during_and_after),
		TEST(a_line_that_is_being_written_is_not_counted),
		TEST(events_on_their_way_are_waited_for),
		TEST(rotated_compressed_and_moved_files_are_the_journal_too),
		TEST(a_rotated_file_that_is_cut_or_damaged_is_named),
		TEST(a_journal_that_was_just_moved_is_read_where_it_is),
		TEST(a_rotation_meanwhile_is_followed),
		TEST(what_deleted_files_held_is_not_missing),
		TEST(what_no_deleted_file_held_is_missing),
		TEST(a_source_that_is_in_deleted_files_alone_is_not_missing),
		TEST(a_copy_with_other_bytes_that_was_put_aside_is_altered),
		TEST(an_event_that_was_put_aside_behind_a_dead_letter_is_altered),
		TEST(a_store_says_what_was_acknowledged),
		TEST(what_is_no_store_is_named),
		TEST(what_cannot_be_answered_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
