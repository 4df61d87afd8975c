#include "service/once.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "service_sql.h"

static bool is_key(const char *text)
{
	const size_t length = strlen(text);

	for (size_t i = 0; i < length; i++) {
		if (text[i] < '!' || text[i] > '~')
			return false;
	}
	return length > 0 && length < ONCE_KEY_MAX;
}

bool once_read(
	struct http_request *request, struct once *once, bool *there, const char *format, ...)
{
	const char *const key = http_header(request, "Idempotency-Key");
	va_list args;
	int length;

	*there = key != NULL;
	if (!key)
		return true;
	if (http_header_repeated(request, "Idempotency-Key")) {
		http_answer_problem(
			request, 400, "Idempotency-Key", "Idempotency-Key: stands there twice");
		return false;
	}
	if (!is_key(key)) {
		http_answer_problem(request, 400, "Idempotency-Key",
			"Idempotency-Key: must be 1 to %d printable characters without spaces",
			ONCE_KEY_MAX - 1);
		return false;
	}
	strcpy(once->key, key);
	va_start(args, format);
	length = vsnprintf(once->asked, sizeof(once->asked), format, args);
	va_end(args);
	assert(length > 0 && length < ONCE_ASKED_MAX);
	return true;
}

void once_answer(struct http_request *request, const struct once *once)
{
	if (once->verdict == ONCE_DONE)
		http_answer_text(request, once->status,
			once->status < 400 ? "application/json" : "application/problem+json",
			once->body);
	else
		http_answer_problem(request, 409, "Idempotency-Key",
			"Idempotency-Key: was used for another request");
}

bool once_make_tables(struct db *db, struct fail *fail)
{
	return db_script(db, SQL_ONCE_SCHEMA, fail) || fail_prefix(fail, "make tables");
}

static bool take_found(void *context, const struct db_value *columns)
{
	struct once *const once = context;

	if (strcmp(columns[0].bytes, once->asked) != 0) {
		once->verdict = ONCE_OTHER;
		return true;
	}
	once->verdict = ONCE_DONE;
	once->status = (unsigned)columns[1].whole;
	(void)snprintf(once->body, sizeof(once->body), "%s", (const char *)columns[2].bytes);
	return true;
}

bool once_find(struct outbox_tx *tx, struct once *once, struct fail *fail)
{
	const struct db_value values[] = { db_text(once->key), db_whole(tx->at_ms - ONCE_KEEP_MS) };

	once->verdict = ONCE_NEW; /* a turn may be undone and come again */
	return db_query(tx->db, SQL_ONCE_FIND, values, 2, take_found, once, fail) ||
	       fail_prefix(fail, "find Idempotency-Key");
}

bool once_keep(struct outbox_tx *tx, const struct once *once, struct fail *fail)
{
	const struct db_value values[] = { db_text(once->key), db_text(once->asked),
		db_whole(once->status), db_text(once->body), db_whole(tx->at_ms) };
	const struct db_value old[] = { db_whole(tx->at_ms - ONCE_KEEP_MS),
		db_whole(ONCE_KEEP_ROWS) };

	return (db_query(tx->db, SQL_ONCE_KEEP, values, 5, NULL, NULL, fail) &&
		       db_query(tx->db, SQL_ONCE_FORGET, old, 2, NULL, NULL, fail)) ||
	       fail_prefix(fail, "keep Idempotency-Key");
}
