#include "metrics-consumer/store_status.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 5000

/* `file:` and the path, with what has a meaning in a URI escaped. */
static bool write_uri(const char *path, const char *query, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, "file:");

	for (; *path && at + 4 < size; path++)
		at += (size_t)snprintf(out + at, size - at, strchr("?#%", *path) ? "%%%02X" : "%c",
			(unsigned)*path);
	return *path == '\0' && (size_t)snprintf(out + at, size - at, "%s", query) < size - at;
}

/* A store that nobody has open has no -wal file. Opened the usual way it would get one, which
 * would belong to whoever asks, and the service might not be allowed to write it. */
static bool open_store(const char *path, sqlite3 **db, struct fail *fail)
{
	char wal[PATH_MAX], uri[3 * PATH_MAX];
	const int length = snprintf(wal, sizeof(wal), "%s-wal", path);

	*db = NULL;
	if (access(path, R_OK) != 0)
		return fail_errno(fail, FAIL_FATAL, errno, "open");
	if (length >= (int)sizeof(wal) ||
		!write_uri(path, access(wal, F_OK) == 0 ? "" : "?immutable=1", uri, sizeof(uri)))
		return fail_set(fail, FAIL_REFUSE, "the path is too long");
	if (sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return fail_set(
			fail, FAIL_FATAL, "open: %s", *db ? sqlite3_errmsg(*db) : "out of memory");
	(void)sqlite3_busy_timeout(*db, BUSY_MS);
	return true;
}

static bool read_row(sqlite3_stmt *statement, struct outbox_status *status)
{
	const unsigned char *const source = sqlite3_column_text(statement, 0);
	const size_t length = (size_t)sqlite3_column_bytes(statement, 0);

	if (!source || length == 0 || length >= SOURCE_MAX ||
		strlen((const char *)source) != length)
		return false;
	memcpy(status->source, source, length + 1);
	status->last = sqlite3_column_int64(statement, 1);
	status->published = sqlite3_column_int64(statement, 2);
	status->waiting = status->last - status->published;
	return status->published >= 0 && status->waiting >= 0;
}

static bool read_state(sqlite3 *db, struct outbox_status *status, struct fail *fail)
{
	static const char sql[] = "SELECT source, last, acknowledged FROM outbox_state";
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	bool good;

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	good = result == SQLITE_ROW && read_row(statement, status);
	if (result == SQLITE_ROW && !good)
		fail_set(fail, FAIL_REFUSE, "its outbox_state is not that of a service's store");
	else if (result == SQLITE_DONE)
		fail_set(fail, FAIL_REFUSE, "the service has not named itself in it yet");
	else if (result == SQLITE_ERROR || result == SQLITE_NOTADB)
		fail_set(fail, FAIL_REFUSE, "it is no store of a service: %s", sqlite3_errmsg(db));
	else if (!good)
		fail_set(fail, FAIL_FATAL, "read: %s", sqlite3_errmsg(db));
	(void)sqlite3_finalize(statement);
	return good;
}

bool store_status_read(const char *path, struct outbox_status *status, struct fail *fail)
{
	sqlite3 *db;
	const bool good = open_store(path, &db, fail) && read_state(db, status, fail);

	(void)sqlite3_close(db);
	return good || fail_prefix(fail, "store %s", path);
}
