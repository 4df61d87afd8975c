#include "bench/arrive_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "process/stop.h"

#define LOOK_MS 100 /* how often it looks whether it is to end */

static void take_line(struct journal_watch *w, const char *line, size_t length, int64_t now)
{
	const size_t mark = strlen(w->mark);
	const char *const found = memmem(line, length, w->mark, mark);
	size_t place;

	/* The line ends with a line feed, so the number ends. */
	if (!found || !times_place(w->times, strtoll(found + mark, NULL, 10), &place) ||
		w->times->journaled[place] != 0)
		return;
	w->times->journaled[place] = now;
	w->times->lines++;
}

/* All whole lines of the buffer; the rest moves to its front. */
static bool take_lines(struct journal_watch *w, int64_t now, struct fail *fail)
{
	size_t from = 0;
	const char *end;

	while ((end = memchr(w->bytes + from, '\n', w->length - from))) {
		const size_t length = (size_t)(end - w->bytes) + 1 - from;

		take_line(w, w->bytes + from, length, now);
		from += length;
	}
	w->length -= from;
	memmove(w->bytes, w->bytes + from, w->length);
	return w->length < sizeof(w->bytes) ||
	       fail_set(fail, FAIL_FATAL, "a line is longer than %zu bytes", w->length);
}

static bool read_on(struct journal_watch *w, struct fail *fail)
{
	ssize_t got;

	while ((got = read(w->file, w->bytes + w->length, sizeof(w->bytes) - w->length)) > 0) {
		const int64_t now = now_ns();

		w->reads++;
		w->length += (size_t)got;
		if (!take_lines(w, now, fail))
			return false;
	}
	return got == 0 || errno == EINTR ||
	       fail_errno(fail, FAIL_FATAL, errno, "read the journal");
}

/* Until the file has grown, or LOOK_MS. */
static bool wait_for_growth(struct journal_watch *w, struct fail *fail)
{
	_Alignas(struct inotify_event) char events[4096];
	struct pollfd on = { .fd = w->inotify, .events = POLLIN };
	ssize_t got;

	if (poll(&on, 1, LOOK_MS) < 0 && errno != EINTR)
		return fail_errno(fail, FAIL_FATAL, errno, "poll");
	got = read(w->inotify, events, sizeof(events));
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ||
		       fail_errno(fail, FAIL_FATAL, errno, "read inotify");
	for (char *at = events; at < events + got;) {
		const struct inotify_event *const event = (struct inotify_event *)at;

		if (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF))
			return fail_set(fail, FAIL_FATAL,
				"the journal was rotated or deleted while it was watched");
		at += sizeof(*event) + event->len;
	}
	return true;
}

static void *run(void *context)
{
	struct journal_watch *const w = context;

	/* What is there is read before the wait: it may have come before the watch. */
	while (read_on(w, &w->fail) && w->times->lines < atomic_load(&w->wanted) &&
		now_ns() < atomic_load(&w->until) && wait_for_growth(w, &w->fail))
		;
	w->cpu_ns = thread_ns();
	return NULL;
}

static void close_watch(struct journal_watch *w)
{
	if (w->file >= 0)
		close(w->file);
	if (w->inotify >= 0)
		close(w->inotify);
}

bool journal_watch_start(struct journal_watch *w, const char *path, const char *source,
	struct times *times, struct fail *fail)
{
	w->times = times;
	(void)snprintf(w->mark, sizeof(w->mark), " source=%s id=", source);
	atomic_init(&w->wanted, times->count);
	atomic_init(&w->until, INT64_MAX);
	w->inotify = -1;
	w->file = open(path, O_RDONLY | O_CLOEXEC);
	if (w->file < 0 || lseek(w->file, 0, SEEK_END) < 0) {
		fail_errno(fail, FAIL_FATAL, errno, "open %s", path);
		goto undo;
	}
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0 || inotify_add_watch(w->inotify, path,
				      IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0) {
		fail_errno(fail, FAIL_FATAL, errno, "watch %s", path);
		goto undo;
	}
	if (thread_start(&w->thread, "arrive-journal", run, w, fail))
		return true;
undo:
	close_watch(w);
	return false;
}

bool journal_watch_join(struct journal_watch *w, int64_t wanted, int64_t seconds, struct fail *fail)
{
	atomic_store(&w->wanted, wanted);
	atomic_store(&w->until, now_ns() + seconds * 1000000000);
	(void)pthread_join(w->thread, NULL);
	close_watch(w);
	if (w->fail.kind == FAIL_NONE)
		return true;
	*fail = w->fail;
	return false;
}
