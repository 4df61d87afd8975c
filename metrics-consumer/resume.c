/* Beginning to read again.
 *
 * Going well: reading begins at the anchor, its record is what the last journal line says, what was
 * placed behind it is skipped, and the rest is new.
 *
 * Going wrong:
 * - another record is there, or the partition ends before it: the topic was made anew, or was cut
 *   and has grown. Everything is read from the earliest record, and what is known is dropped by its
 *   number; a record without one may be journaled twice;
 * - a new event stands behind that record and in front of the position, where only copies and dead
 *   letters were: the log was cut there, and everything behind the record counts again;
 * - Kafka says that the offset is not there: a broker that was paused and still takes itself for
 *   the leader says so too. It is asked again, after a pause and with fresh metadata; then
 *   reading begins at the earliest record, and that one's offset decides: above ours, retention
 *   removed it; below, the topic was cut or made anew; and if the partition reaches beyond ours, it
 *   is asked for once more;
 * - a source passes numbers over: the same may have happened unseen, so it is read again from the
 *   anchor, and believed when the same record comes again. */
#include "metrics-consumer/resume.h"

#include <assert.h>
#include <inttypes.h>

#include "metrics-consumer/topic.h"
#include "process/log.h"

#define DOUBT_MS       600   /* before an offset that is not there is asked for again */
#define SLOWLY_MS      1000  /* between further tries */
#define HOLE_MS        1000  /* between two second readings for passed over numbers */
#define ANCHOR_WAIT_MS 10000 /* a new leader knows its end late, but not as late as this */
#define RIDDLES_MAX    3

void resume_init(struct resume *r, int32_t partition)
{
	*r = (struct resume){ .partition = partition, .again = true, .end = -1 };
	r->hole.offset = -1;
}

void resume_restart(struct resume *r)
{
	const bool replaced = r->replaced; /* no checkpoint has said it yet */

	resume_init(r, r->partition);
	r->replaced = replaced;
}

bool resume_is_due(const struct resume *r, int64_t now_ms)
{
	return r->again && now_ms >= r->not_before;
}

void resume_begin(struct resume *r, const struct progress *progress, int64_t now_ms)
{
	if (r->state != RESUME_LOOKING)
		r->state = progress->anchor[r->partition].offset >= 0 ? RESUME_CHECKING
								      : RESUME_READING;
	r->again = false;
	r->begun_at = now_ms;
	r->known_to = progress->next[r->partition];
}

int64_t resume_position(const struct resume *r, const struct progress *progress)
{
	switch (r->state) {
	case RESUME_CHECKING:
		return progress->anchor[r->partition].offset;
	case RESUME_LOOKING:
		return TOPIC_EARLIEST;
	case RESUME_READING:
		break;
	}
	return progress->next[r->partition];
}

static void begin_again(struct resume *r, enum resume_state state, int64_t not_before)
{
	r->state = state;
	r->again = true;
	r->not_before = not_before;
}

static void begin_anew(struct resume *r, struct progress *progress)
{
	progress->anchor[r->partition] = (struct anchor){ .offset = -1 };
	progress->next[r->partition] = TOPIC_EARLIEST;
	progress->counts.ever.replaced++;
	r->doubts = r->riddles = 0;
	r->replaced = true;
	begin_again(r, RESUME_READING, 0);
}

bool resume_wants_anchor(const struct resume *r, const struct progress *progress, int64_t offset)
{
	return r->state == RESUME_CHECKING && !r->again &&
	       offset == progress->anchor[r->partition].offset;
}

/* Reading went on at @offset, behind what was expected there. */
static void tell_gone(struct resume *r, const struct progress *progress, int64_t offset)
{
	const int64_t next = progress->next[r->partition];

	if (next == TOPIC_EARLIEST || offset <= next)
		return;
	log_error("consumer",
		"records are gone from Kafka that were not read partition=%" PRId32 " from=%" PRId64
		" to=%" PRId64,
		r->partition, next, offset - 1);
	r->hole.offset = offset; /* numbers it passes over are no riddle */
	r->hole.id = 0;
}

static void check(struct resume *r, struct progress *progress, int64_t offset, bool is_anchor)
{
	struct anchor *const anchor = &progress->anchor[r->partition];

	if (offset < anchor->offset)
		return;
	if (offset == anchor->offset && !is_anchor) {
		log_error("consumer",
			"the topic was made anew, or was cut and has grown: another record stands "
			"where the last journal line came from; everything is read from the "
			"earliest record, and what is known is dropped partition=%" PRId32
			" offset=%" PRId64 " expected_source=%s expected_id=%" PRId64,
			r->partition, offset, anchor->id > 0 ? anchor->source : "-", anchor->id);
		begin_anew(r, progress);
		return;
	}
	if (offset > anchor->offset) {
		log_info("consumer",
			"the record of the last journal line is gone from Kafka partition=%" PRId32
			" offset=%" PRId64 " first=%" PRId64,
			r->partition, anchor->offset, offset);
		tell_gone(r, progress, offset);
		anchor->offset = -1;
	}
	r->state = RESUME_READING;
}

/* The earliest record came. */
static void look(struct resume *r, struct progress *progress, int64_t offset)
{
	if (offset > r->asked) {
		log_warning("consumer",
			"Kafka removed what it kept long enough partition=%" PRId32
			" offset=%" PRId64 " earliest=%" PRId64 " end=%" PRId64,
			r->partition, r->asked, offset, r->end);
		tell_gone(r, progress, offset);
		progress->anchor[r->partition].offset = -1;
		r->state = RESUME_READING;
	} else if (r->end > r->asked && r->riddles < RIDDLES_MAX) {
		r->riddles++;
		r->doubts = 0;
		log_warning("consumer",
			"Kafka said that an offset is not there, and has others around it: it is "
			"asked again partition=%" PRId32 " offset=%" PRId64 " earliest=%" PRId64
			" end=%" PRId64,
			r->partition, r->asked, offset, r->end);
		begin_again(r, RESUME_READING, 0);
	} else {
		log_error("consumer",
			"the topic was cut or made anew: everything is read from the earliest "
			"record, and what is known is dropped partition=%" PRId32
			" expected=%" PRId64 " earliest=%" PRId64 " end=%" PRId64,
			r->partition, r->asked, offset, r->end);
		begin_anew(r, progress);
	}
}

bool resume_takes(struct resume *r, struct progress *progress, int64_t offset, bool is_anchor)
{
	if (r->again)
		return false;
	switch (r->state) {
	case RESUME_CHECKING:
		check(r, progress, offset, is_anchor);
		break;
	case RESUME_LOOKING:
		look(r, progress, offset);
		break;
	case RESUME_READING:
		break;
	}
	if (r->again || r->state != RESUME_READING)
		return false;
	r->doubts = 0;
	return offset >= progress->next[r->partition];
}

bool resume_believes_hole(
	struct resume *r, struct progress *progress, int64_t offset, int64_t id, int64_t now_ms)
{
	const bool twice = r->hole.offset == offset && (r->hole.id == id || r->hole.id == 0);

	if (twice || progress->anchor[r->partition].offset < 0 ||
		(r->hole.at_ms != 0 && now_ms - r->hole.at_ms < HOLE_MS))
		return true;
	r->hole.offset = offset;
	r->hole.id = id;
	r->hole.at_ms = now_ms;
	progress->counts.second_reads++;
	begin_again(r, RESUME_READING, 0);
	return false;
}

void resume_cut_behind_line(struct resume *r, struct progress *progress, int64_t offset)
{
	const int64_t line = progress->anchor[r->partition].offset;

	log_error("consumer",
		"the log was cut behind the record of the last journal line and has grown: "
		"everything "
		"behind that record is read, and what is known is dropped partition=%" PRId32
		" line=%" PRId64 " new=%" PRId64 " position=%" PRId64,
		r->partition, line, offset, progress->next[r->partition]);
	progress->next[r->partition] = line + 1;
	progress->counts.ever.replaced++;
	r->replaced = true;
	begin_again(r, RESUME_READING, 0);
}

void resume_lost(struct resume *r, struct progress *progress, int64_t now_ms)
{
	const int64_t asked = resume_position(r, progress);

	if (r->again)
		return;
	if (asked == TOPIC_EARLIEST) {
		log_error("consumer", "Kafka finds no earliest record partition=%" PRId32,
			r->partition);
		begin_again(r, r->state, now_ms + SLOWLY_MS);
		return;
	}
	if (r->doubts++ == 0) {
		log_warning("consumer",
			"Kafka says that an offset is not there, it is asked again "
			"partition=%" PRId32 " offset=%" PRId64,
			r->partition, asked);
		begin_again(r, RESUME_READING, now_ms + DOUBT_MS);
		return;
	}
	log_warning("consumer",
		"Kafka says twice that an offset is not there, the earliest record is looked at "
		"partition=%" PRId32 " offset=%" PRId64,
		r->partition, asked);
	r->asked = asked;
	progress->counts.ever.holes++;
	begin_again(r, RESUME_LOOKING, 0);
}

void resume_check(struct resume *r)
{
	if (!r->again && r->state == RESUME_READING)
		begin_again(r, RESUME_READING, 0);
}

void resume_look(struct resume *r, struct progress *progress, int64_t end, int64_t now_ms)
{
	const struct anchor *const anchor = &progress->anchor[r->partition];

	r->end = end;
	if (r->again || r->state != RESUME_CHECKING || end < 0 || end > anchor->offset ||
		now_ms - r->begun_at < ANCHOR_WAIT_MS)
		return;
	log_error("consumer",
		"the topic was cut or made anew: it ends before the record of the last journal "
		"line; "
		"everything is read from the earliest record, and what is known is dropped "
		"partition=%" PRId32 " expected=%" PRId64 " end=%" PRId64,
		r->partition, anchor->offset, end);
	begin_anew(r, progress);
}
