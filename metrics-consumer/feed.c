/* The thread that makes what viewers see.
 *
 * Going well: sleep while nobody watches; else each FEED_TICK_MS take the lines that were synced
 * since, and publish one message for all viewers.
 * Going wrong:
 * - there is more to read than that takes: the page shows how much is left, and what it shows comes
 *   when all is read;
 * - the journal goes on faster than it is read, and is rotated: what was passed over is said, and
 *   the picture begins anew;
 * - the file cannot be read, or there is no memory: that is said in the log, and tried again. The
 *   consumer knows nothing of it. */
#include "metrics-consumer/feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics-consumer/feed_message.h"
#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define NICE  10   /* of the thread: it takes what the consumer leaves */
#define PIECE 1000 /* lines between two looks at the clock */

static void wish(void *context)
{
	struct feed *const f = context;

	pthread_mutex_lock(&f->lock);
	f->wished = true;
	pthread_cond_signal(&f->wish);
	pthread_mutex_unlock(&f->lock);
}

static bool is_watched(struct feed *f)
{
	const int64_t now = clock_mono_ms();

	if (viewers_count(&f->viewers) > 0)
		f->watched_ms = now;
	else if (f->recent_ms > f->watched_ms)
		f->watched_ms = f->recent_ms;
	return f->watched_ms > 0 && now - f->watched_ms < FEED_LINGER_MS;
}

static void follow(struct feed *f, bool follows)
{
	if (f->following == follows)
		return;
	f->following = follows;
	journal_tail_follow(&f->tail, follows);
	atomic_store(&f->reading, true); /* what came while nobody watched */
	f->reading_of = journal_tail_behind(&f->tail);
	brokers_watch(&f->brokers, follows);
	outboxes_watch(&f->outboxes, follows);
}

/* Reads at most PIECE lines. True: there may be more. */
static bool read_piece(struct feed *f)
{
	struct journal_place place;
	struct fail fail = { 0 };
	const char *line;
	size_t length;

	for (int i = 0; i < PIECE; i++) {
		switch (journal_tail_next(&f->tail, &line, &length, &fail)) {
		case JOURNAL_TAIL_LINE:
			journal_tail_place(&f->tail, &place);
			picture_line(&f->picture, line, length, place.number, place.position);
			break;
		case JOURNAL_TAIL_ANEW:
			picture_clear(&f->picture);
			atomic_store(&f->reading, true);
			f->reading_of = journal_tail_behind(&f->tail);
			break;
		case JOURNAL_TAIL_END:
			return false;
		case JOURNAL_TAIL_FAILED:
			log_repeating(&f->failing, LOG_WARNING, "page", "%s", fail.text);
			return false;
		}
	}
	return true;
}

static void publish(struct feed *f, const char *event, bool all)
{
	char place[VIEWERS_PLACE_MAX];
	char *const text = feed_message(f, all, place);

	if (!text || !viewers_publish(&f->viewers, event, text, place))
		log_repeating(&f->failing, LOG_WARNING, "page", "out of memory for a message");
	free(text);
}

static void give_snapshot(struct feed *f)
{
	char place[VIEWERS_PLACE_MAX];
	char *const text = feed_message(f, true, place);

	if (!text || !viewers_snapshot(&f->viewers, text, place))
		log_repeating(&f->failing, LOG_WARNING, "page", "out of memory for a snapshot");
	free(text);
}

static void look_at_letters(struct feed *f)
{
	if (f->letters && !dead_tail_changed(&f->dead))
		return;
	json_decref(f->letters);
	f->letters = dead_tail_read(&f->dead);
	f->letters_told = false;
}

/* What was read in this moment, and the message that is due. True: there is more to read. */
static bool work(struct feed *f)
{
	const bool more = read_piece(f);
	const int64_t now = clock_mono_ms();

	if (!more && atomic_load(&f->reading)) { /* now there is a picture */
		atomic_store(&f->reading, false);
		publish(f, "all", true);
		picture_told(&f->picture);
		f->tick_ms = now;
	} else if (now - f->tick_ms >= FEED_TICK_MS) {
		look_at_letters(f);
		publish(f, atomic_load(&f->reading) ? "reading" : "tick", false);
		f->tick_ms = now;
	}
	if (viewers_want_snapshot(&f->viewers)) {
		look_at_letters(f);
		give_snapshot(f);
	}
	return more;
}

static void wait_for_tick(struct feed *f)
{
	struct timespec end;
	int64_t ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	ns = end.tv_nsec + (int64_t)FEED_TICK_MS * 1000000;
	end.tv_sec += ns / 1000000000;
	end.tv_nsec = ns % 1000000000;
	while (!f->stopping && !f->wished) {
		if (pthread_cond_timedwait(&f->wish, &f->lock, &end) != 0)
			return;
	}
}

/* Whoever waits for the picture comes first, though we would have the lock again sooner. */
static void let_others_in(struct feed *f)
{
	for (int i = 0; i < 10 && atomic_load(&f->waiting) > 0; i++)
		usleep(1000);
}

/* One round while somebody watches, without the lock of the feed. True: there is more to read. */
static bool work_on_picture(struct feed *f)
{
	bool more;

	pthread_mutex_lock(&f->picture_lock);
	follow(f, true);
	more = work(f);
	pthread_mutex_unlock(&f->picture_lock);
	let_others_in(f);
	return more;
}

static void *run(void *context)
{
	struct feed *const f = context;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	pthread_mutex_lock(&f->lock);
	while (!f->stopping) {
		f->wished = false;
		if (is_watched(f)) {
			bool more;

			pthread_mutex_unlock(&f->lock);
			more = work_on_picture(f);
			pthread_mutex_lock(&f->lock);
			if (!more)
				wait_for_tick(f);
			continue;
		}
		follow(f, false);
		while (!f->stopping && !f->wished)
			pthread_cond_wait(&f->wish, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

bool feed_start(struct feed *f, const struct feed_options *options, struct fail *fail)
{
	pthread_condattr_t attributes;

	*f = (struct feed){ .options = *options, .started_ms = clock_wall_ms() };
	timeline_init(&f->timeline);
	if (!picture_init(&f->picture, &f->timeline)) {
		timeline_fini(&f->timeline);
		return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	journal_tail_init(&f->tail);
	brokers_init(&f->brokers, &f->timeline);
	outboxes_init(&f->outboxes, options->services, &f->timeline);
	viewers_init(&f->viewers, wish, f);
	dead_tail_init(&f->dead, options->dead_letter_path);
	counters_init(&f->synced);
	pthread_mutex_init(&f->lock, NULL);
	pthread_mutex_init(&f->picture_lock, NULL);
	pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wish, &attributes);
	pthread_condattr_destroy(&attributes);
	timeline_add(&f->timeline, &(struct timeline_entry){ .kind = TIMELINE_START });
	if (outboxes_start(&f->outboxes, fail) &&
		thread_start(&f->thread, "consumer-feed", run, f, fail))
		return true;
	f->stopping = true;
	feed_stop(f);
	return false;
}

void feed_close(struct feed *f)
{
	viewers_close(&f->viewers);
}

void feed_stop(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	const bool runs = !f->stopping;
	f->stopping = true;
	pthread_cond_signal(&f->wish);
	pthread_mutex_unlock(&f->lock);
	if (runs)
		pthread_join(f->thread, NULL);
	outboxes_stop(&f->outboxes);
	json_decref(f->letters);
	pthread_cond_destroy(&f->wish);
	pthread_mutex_destroy(&f->picture_lock);
	pthread_mutex_destroy(&f->lock);
	counters_fini(&f->synced);
	viewers_fini(&f->viewers);
	outboxes_fini(&f->outboxes);
	brokers_fini(&f->brokers);
	journal_tail_fini(&f->tail);
	picture_fini(&f->picture);
	timeline_fini(&f->timeline);
}

void feed_synced(struct feed *f, const char *journal, int fd, int64_t number, int64_t end,
	const struct counts *counts)
{
	journal_tail_tell(&f->tail, journal, fd, number, end);
	counters_publish(&f->synced, counts);
}

json_t *feed_recent(struct feed *f, const struct picture_filter *filter)
{
	json_t *recent;

	pthread_mutex_lock(&f->lock);
	f->recent_ms = clock_mono_ms();
	f->wished = true;
	pthread_cond_signal(&f->wish);
	pthread_mutex_unlock(&f->lock);
	if (atomic_load(&f->reading)) /* which may take long */
		return json_array();
	atomic_fetch_add(&f->waiting, 1);
	pthread_mutex_lock(&f->picture_lock);
	recent = atomic_load(&f->reading) ? json_array() : picture_recent(&f->picture, filter);
	pthread_mutex_unlock(&f->picture_lock);
	atomic_fetch_sub(&f->waiting, 1);
	return recent;
}
