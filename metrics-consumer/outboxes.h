/* metrics-consumer/outboxes.h - what each service says of its outbox, and whether its events are at
 * risk there: asked each second while somebody watches, otherwise each ten seconds, on a thread of
 * its own, which nothing waits for.
 *
 * An outbox is at risk while its oldest event waits for OUTBOX_RISK_MS, until it is drained; it
 * stands still, grows or drains meanwhile. A service is silent when it did not answer twice, or,
 * where it never did, for OUTBOX_FIRST_MS. What begins and what ends of that goes to the timeline.
 */
#ifndef METRICS_CONSUMER_OUTBOXES_H
#define METRICS_CONSUMER_OUTBOXES_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics-consumer/lag.h"
#include "metrics-consumer/outbox_status.h"
#include "metrics-consumer/sources.h"
#include "metrics-consumer/timeline.h"
#include "metrics-consumer/turns.h"
#include "process/fail.h"
#include "process/setting_value.h"

#define OUTBOXES_MAX    16
#define OUTBOX_RISK_MS  3000
#define OUTBOX_FIRST_MS 10000

/* A list of URLs, as a user writes it: with commas between. */
struct outbox_urls {
	char text[SETTING_TEXT_MAX];
	size_t at[OUTBOXES_MAX]; /* where each begins in it; each is terminated */
	size_t count;
};

/* Reads @list, which is shorter than SETTING_TEXT_MAX; "" is none. False: @wrong, one of it, is no
 * http:// or https:// URL of a service, or is one too many. */
bool outbox_urls_read(
	struct outbox_urls *urls, const char *list, char wrong[static SETTING_TEXT_MAX]);

/* One of them; @urls has it. */
const char *outbox_url(const struct outbox_urls *urls, size_t index);

enum outbox_state {
	OUTBOX_UNHEARD, /* not asked yet */
	OUTBOX_SILENT,  /* does not answer */
	OUTBOX_EMPTY,   /* everything is in Kafka */
	OUTBOX_BUSY,    /* events wait, and not for long */
	OUTBOX_STILL,   /* events wait, and none was published for OUTBOX_RISK_MS */
	OUTBOX_GROWS,   /* at risk, and it has more events than before */
	OUTBOX_DRAINS,  /* at risk, and it does not */
};

struct outbox_view {                 /* of a service; times are monotonic, and 0 is none */
	struct outbox_status status; /* as it said last; no source: it never did */
	int64_t reached;   /* highest number of that source in the journal; -1: not known */
	int64_t journaled; /* the same before it was asked last: so not above what it said */
	int64_t asked_ms;
	int64_t silent_ms; /* since when it does not answer */
	unsigned failures; /* in a row */
	char why[128];     /* the last one; "" */
	int64_t still_ms;  /* since when events wait and none is published */
	int64_t waited_ms; /* for how long the oldest event waits, at least */
	int64_t seen_ms;   /* when seen_waiting was; and whether there are more since then */
	int64_t seen_waiting;
	bool rises;
	int64_t risk_ms; /* since when it is at risk */
	bool silent;     /* is said to be */
	struct lag lag;  /* of Kafka behind the outbox */
};

struct outboxes {
	pthread_mutex_t lock; /* of the view */
	pthread_t thread;
	struct outbox_view view[OUTBOXES_MAX];
	struct outbox_urls urls;
	struct timeline *timeline;
	struct outbox_asker *asker; /* NULL: not started */
	struct turns turns;
};

/* Copies @urls; borrows @timeline until outboxes_fini. */
void outboxes_init(
	struct outboxes *outboxes, const struct outbox_urls *urls, struct timeline *timeline);
void outboxes_fini(struct outboxes *outboxes);

/* Begins to ask, if there is anybody to be asked. */
bool outboxes_start(struct outboxes *outboxes, struct fail *fail);
/* Does not wait for an answer. */
void outboxes_stop(struct outboxes *outboxes);

/* Any thread. */
void outboxes_watch(struct outboxes *outboxes, bool watched);
/* An object a service, in the order of the URLs. */
json_t *outboxes_json(struct outboxes *outboxes);

/* Consumer's thread, which does not wait: all that @sources know is on the disk. */
void outboxes_journaled(struct outboxes *outboxes, const struct sources *sources);

/* Takes what the service at @url answered at @now_ms into @view, and tells the timeline. */
void outbox_take(struct outbox_view *view, const char *url, const struct outbox_answer *answer,
	int64_t now_ms, struct timeline *timeline);
enum outbox_state outbox_state(const struct outbox_view *view);

#endif
