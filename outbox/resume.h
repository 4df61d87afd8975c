/* outbox/resume.h - what the partition really holds: the question before a run.
 *
 * The store knows the number Kafka acknowledged last and its offset. From there the partition is
 * read forward to its end, and every record of the own source is compared with its row. The
 * thread that asks has the connection @db alone. */
#ifndef OUTBOX_RESUME_H
#define OUTBOX_RESUME_H

#include <stdatomic.h>

#include "kafka/client/client.h"
#include "outbox/db.h"
#include "outbox/progress.h"

#define RESUME_TEXT_MAX 400

struct progress_bar;

struct resume_question { /* borrowed for the call */
	struct kafka_settings kafka;
	int32_t partition;
	const char *source;
	struct progress_numbers known;
	struct db *db;
	const atomic_bool *stopping; /* ends the waiting with FAIL_RETRY; or NULL */
	bool to_the_end;             /* read on behind the first sign of a fork */
	struct progress_bar *bar;    /* drawn while many records are read; or NULL */
};

enum resume_verdict {
	RESUME_GO,     /* a run may begin at reached + 1 */
	RESUME_CUT,    /* the last acknowledged record is gone: the log was cut, or made anew */
	RESUME_FORKED, /* another store writes, or wrote, under this source */
};

struct resume_answer {
	enum resume_verdict verdict;
	int64_t reached; /* highest number in the partition with none missing before it */
	int64_t offset;  /* its offset, or where records begin: see struct rows_state */
	int64_t end;     /* offset behind the last record */
	int64_t read;    /* records read on the way */
	int64_t beyond;  /* highest number seen behind a gap; 0: no gap */
	int64_t taken;   /* lowest number above `reached` that has other bytes there; 0: none */
	int64_t again;   /* records with our bytes and a number above `reached` */
	char text[RESUME_TEXT_MAX]; /* of RESUME_CUT and RESUME_FORKED: what was seen */
};

/* Asks @client (of any kind) for the partition's bounds, and reads with a consumer of its own,
 * which is gone when it returns. FAIL_RETRY where Kafka does not answer within some seconds, or
 * the store is busy; every wait in it has an end. */
bool resume_ask(rd_kafka_t *client, const struct resume_question *question,
	struct resume_answer *answer, struct fail *fail);

#endif
