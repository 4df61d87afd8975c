#include "metrics-consumer/journal_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void journal_tail_init(struct journal_tail *tail)
{
	*tail = (struct journal_tail){ .fd = -1 };
	pthread_mutex_init(&tail->lock, NULL);
}

static void drop_file(struct journal_tail *tail, size_t at)
{
	close(tail->file[at].fd);
	tail->count--;
	memmove(&tail->file[at], &tail->file[at + 1], (tail->count - at) * sizeof(tail->file[0]));
}

void journal_tail_fini(struct journal_tail *tail)
{
	file_lines_close(&tail->lines);
	while (tail->count > 0)
		drop_file(tail, 0);
	pthread_mutex_destroy(&tail->lock);
}

/* The journal was synced to its end before it was left. */
static int64_t whole_of(int fd, int64_t known)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_size : known;
}

static void add_file(struct journal_tail *tail, int fd, int64_t number, int64_t end)
{
	const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0) {
		log_repeating(&tail->blind, LOG_WARNING, "page", "cannot follow the journal: %s",
			strerror(errno));
		return;
	}
	if (tail->count > 0)
		tail->file[tail->count - 1].end =
			whole_of(tail->file[tail->count - 1].fd, tail->file[tail->count - 1].end);
	while (!tail->followed && tail->count > 0)
		drop_file(tail, 0);
	if (tail->count == JOURNAL_TAIL_FILES) { /* the first one is being read */
		drop_file(tail, 1);
		tail->passed_over = true;
	}
	tail->file[tail->count++] = (struct journal_tail_file){ copy, number, end };
}

void journal_tail_tell(
	struct journal_tail *tail, const char *journal, int fd, int64_t number, int64_t end)
{
	struct journal_tail_file *last;

	pthread_mutex_lock(&tail->lock);
	last = tail->count > 0 ? &tail->file[tail->count - 1] : NULL;
	if (last && last->number == number) {
		last->end = end;
	} else {
		if (!*tail->journal)
			(void)snprintf(tail->journal, sizeof(tail->journal), "%s", journal);
		add_file(tail, fd, number, end);
	}
	pthread_mutex_unlock(&tail->lock);
}

void journal_tail_follow(struct journal_tail *tail, bool follows)
{
	pthread_mutex_lock(&tail->lock);
	tail->followed = follows;
	while (!follows && tail->count > 1)
		drop_file(tail, 0);
	if (tail->count == 0 || tail->file[0].number != tail->reading)
		tail->reading = 0;
	pthread_mutex_unlock(&tail->lock);
}

/* Bytes of the file, up to what is synced. */
static bool read_synced(void *context, char *bytes, size_t room, size_t *got, struct fail *fail)
{
	struct journal_tail *const tail = context;
	const int64_t from = tail->start + tail->lines.read_to;
	const int64_t left = tail->end - from;
	ssize_t length;

	*got = 0;
	if (left <= 0)
		return true;
	do {
		length = pread(tail->fd, bytes, left < (int64_t)room ? (size_t)left : room, from);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "read the journal");
	*got = (size_t)length;
	return true;
}

static bool begin(struct journal_tail *tail, int64_t start, struct fail *fail)
{
	file_lines_close(&tail->lines);
	tail->start = start;
	tail->cut = start > 0;
	return file_lines_open_source(&tail->lines, read_synced, tail, fail);
}

/* Looks which file is to be read and how far. */
static enum journal_tail_result look(struct journal_tail *tail, struct fail *fail)
{
	const int64_t before = tail->reading;
	bool done, there, passed_over = false;
	int64_t start = 0;

	pthread_mutex_lock(&tail->lock);
	done = tail->count > 1 && tail->file[0].number == tail->reading &&
	       tail->start + file_lines_position(&tail->lines) >= tail->file[0].end;
	if (done) {
		drop_file(tail, 0);
		passed_over = tail->passed_over;
		tail->passed_over = false;
	}
	there = tail->count > 0;
	if (there) {
		tail->fd = tail->file[0].fd;
		tail->end = tail->file[0].end;
		tail->reading = tail->file[0].number;
	}
	pthread_mutex_unlock(&tail->lock);
	if (!there || tail->reading == before)
		return JOURNAL_TAIL_LINE;
	if (!done && tail->end > JOURNAL_TAIL_BACK)
		start = tail->end - JOURNAL_TAIL_BACK;
	if (!begin(tail, start, fail))
		return JOURNAL_TAIL_FAILED;
	return done && !passed_over ? JOURNAL_TAIL_LINE : JOURNAL_TAIL_ANEW;
}

enum journal_tail_result journal_tail_next(
	struct journal_tail *tail, const char **line, size_t *length, struct fail *fail)
{
	for (;;) {
		const int64_t before = tail->reading;
		enum file_lines_result result = FILE_LINES_END;
		enum journal_tail_result found;

		if (before > 0)
			result = file_lines_next(&tail->lines, line, length, fail);
		if (result == FILE_LINES_FAILED)
			return JOURNAL_TAIL_FAILED;
		if (result == FILE_LINES_LINE) {
			if (!tail->cut)
				return JOURNAL_TAIL_LINE;
			tail->cut = false;
			continue;
		}
		const int64_t end = tail->end;

		found = look(tail, fail);
		if (found != JOURNAL_TAIL_LINE)
			return found;
		if (tail->reading == before && tail->end == end)
			return JOURNAL_TAIL_END;
	}
}

void journal_tail_place(struct journal_tail *tail, struct journal_place *place)
{
	pthread_mutex_lock(&tail->lock);
	memcpy(place->journal, tail->journal, sizeof(place->journal));
	pthread_mutex_unlock(&tail->lock);
	place->number = tail->reading;
	place->position = tail->reading > 0 ? tail->start + file_lines_position(&tail->lines) : 0;
}

int64_t journal_tail_behind(struct journal_tail *tail)
{
	int64_t behind = 0;

	pthread_mutex_lock(&tail->lock);
	for (size_t i = 0; i < tail->count; i++)
		behind += tail->file[i].end;
	if (tail->count > 0 && tail->file[0].number == tail->reading)
		behind -= tail->start + file_lines_position(&tail->lines);
	else if (tail->count > 0 && behind > JOURNAL_TAIL_BACK)
		behind = JOURNAL_TAIL_BACK;
	pthread_mutex_unlock(&tail->lock);
	return behind;
}

bool journal_tail_is_whole(const struct journal_tail *tail)
{
	return tail->reading == 1 && tail->start == 0;
}
