/* metrics-consumer/resume.h - where reading of a partition begins again, and whether what is
 * there is what was there.
 *
 * An offset alone tells nothing: the topic may have been made anew, or cut and written on. So
 * reading begins at the anchor, the record of the partition's last journal line, and that record
 * is compared first. Nothing here waits or asks Kafka. One thread. */
#ifndef METRICS_CONSUMER_RESUME_H
#define METRICS_CONSUMER_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "kafka/client/headers.h"
#include "metrics-consumer/counters.h"

struct anchor {
	int64_t offset; /* -1: none; then reading begins at the position, and nothing is compared */
	int64_t id;     /* 0, and source "": a record without a number is compared by checksum */
	uint32_t checksum; /* of its value as the line holds it */
	char source[SOURCE_MAX];
};

struct progress {
	struct counts counts;
	int64_t next[EVENT_PARTITIONS]; /* offset, or TOPIC_EARLIEST */
	struct anchor anchor[EVENT_PARTITIONS];
};

enum resume_state {
	RESUME_READING,  /* what comes is placed */
	RESUME_CHECKING, /* begun at the anchor, whose record has not come yet */
	RESUME_LOOKING,  /* begun at the earliest record: its offset tells what became of ours */
};

/* Of one partition; the functions below work on that partition's part of the progress. */
struct resume {
	int32_t partition;
	enum resume_state state;
	bool again;         /* reading has to begin again; until then nothing is placed */
	int64_t not_before; /* monotonic ms: and not before this */
	int64_t begun_at;   /* monotonic ms */
	int64_t asked;      /* the offset that Kafka says it does not have */
	unsigned doubts;    /* times it said so since a record came */
	unsigned riddles;   /* times it said so, and has offsets around it */
	int64_t known_to;   /* below this, what comes was placed before reading began again */
	int64_t end;        /* of the partition, as last heard of; -1: not known */
	bool replaced;      /* the position went back: a checkpoint has to say so before any line */
	struct {            /* the record behind passed over numbers, which is read twice */
		int64_t offset, id, at_ms;
	} hole;
};

/* Reading has to begin, as at start. */
void resume_init(struct resume *r, int32_t partition);

/* The same of a resume that was at work: another client begins to read. */
void resume_restart(struct resume *r);

/* Whether reading has to begin again now. */
bool resume_is_due(const struct resume *r, int64_t now_ms);
/* It does: from resume_position. */
void resume_begin(struct resume *r, const struct progress *progress, int64_t now_ms);
/* Where reading begins if it has to now: an offset, or TOPIC_EARLIEST. */
int64_t resume_position(const struct resume *r, const struct progress *progress);

/* A record came. @is_anchor is whether it is that of the anchor, and only asked for where the
 * offset is the anchor's and resume_wants_anchor. False: it is not to be placed. */
bool resume_wants_anchor(const struct resume *r, const struct progress *progress, int64_t offset);
bool resume_takes(struct resume *r, struct progress *progress, int64_t offset, bool is_anchor);

/* Number @id at @offset passes others over. True: believed; false: first everything from the
 * anchor on is read again, at most once a second. */
bool resume_believes_hole(
	struct resume *r, struct progress *progress, int64_t offset, int64_t id, int64_t now_ms);

/* A new event stands at @offset, behind the last line's record and in front of the position: what
 * is behind that record counts again. */
void resume_cut_behind_line(struct resume *r, struct progress *progress, int64_t offset);

/* Kafka said that it has no such offset; believed the second time. */
void resume_lost(struct resume *r, struct progress *progress, int64_t now_ms);
/* Something happened after which the anchor should be compared again. */
void resume_check(struct resume *r);
/* Where the partition ends, as last heard of: an anchor that stays behind the end is gone. */
void resume_look(struct resume *r, struct progress *progress, int64_t end, int64_t now_ms);

#endif
