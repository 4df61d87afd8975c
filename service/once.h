/* service/once.h - a request that is sent twice is done once (the header Idempotency-Key, after
 * draft-ietf-httpapi-idempotency-key-header).
 *
 * A client that got no answer cannot know whether its request was done. With a key it sends the
 * same again: the answer is stored in the commit that decides, so the second request gets the
 * first one's answer, after a crash too. What decided nothing (503) is not stored. A key is kept
 * for ONCE_KEEP_MS and as long as it is among the last ONCE_KEEP_ROWS. */
#ifndef SERVICE_ONCE_H
#define SERVICE_ONCE_H

#include "http/server.h"
#include "outbox/rows.h"

#define ONCE_KEY_MAX   256  /* bytes of a key with its NUL */
#define ONCE_ASKED_MAX 320  /* of what is asked, in words */
#define ONCE_BODY_MAX  1024 /* of an answer */
#define ONCE_KEEP_MS   INT64_C(86400000)
#define ONCE_KEEP_ROWS 100000

enum once_verdict {
	ONCE_NEW = 0, /* to be done */
	ONCE_DONE,    /* done before: `status` and `body` are the answer */
	ONCE_OTHER,   /* the key was used for another request */
};

struct once { /* of one request; the request's owner has the memory */
	char key[ONCE_KEY_MAX];
	char asked[ONCE_ASKED_MAX]; /* the same words mean the same request */
	enum once_verdict verdict;
	unsigned status;
	char body[ONCE_BODY_MAX];
};

/* Reads the header into @once, and what is asked from @format. *there: whether the request has
 * a key. False where it was answered with a 400, because the key is none. */
bool once_read(struct http_request *request, struct once *once, bool *there, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* Where the verdict is not ONCE_NEW: answers with what was stored, or with a 409. */
void once_answer(struct http_request *request, const struct once *once);

/* The rest is the writer's, inside its transaction. */
bool once_make_tables(struct db *db, struct fail *fail);
bool once_find(struct outbox_tx *tx, struct once *once, struct fail *fail);
bool once_keep(struct outbox_tx *tx, const struct once *once, struct fail *fail);

#endif
