/* The ring between the consumer and standard output.
 *
 * Going well: the consumer copies lines behind `head`, the thread writes from `tail`.
 * Going wrong:
 * - the reader is slow: the ring fills, and lines are dropped and counted;
 * - the reader stops reading: the thread waits for room in the pipe and never writes more than
 *   a pipe takes at once, so that it still sees the stop;
 * - the reader is gone: that is said once, and everything from then on is dropped. */
#include "metrics-consumer/printer.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/stop.h"

#define LOOK_MS    100     /* how often a thread that waits for a reader looks for the stop */
#define FILE_PIECE 1048576 /* bytes written at once where writing cannot block for long */

struct printer {
	int fd;
	size_t piece;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t filled;
	/* Bytes ever put and ever written; under the lock. The consumer owns the ring's bytes from
	 * head on, the thread those from tail to head. */
	uint64_t head, tail;
	bool stopping;
	int64_t deadline_ms;
	bool gone; /* nobody can read any more */
	bool left; /* the thread is stuck, and on its own */
	_Atomic uint64_t dropped;
	struct log_repeat full; /* the consumer's */
	char ring[PRINTER_RING];
};

static uint64_t count_lines(const char *bytes, size_t length)
{
	uint64_t lines = 0;

	for (const char *at = bytes; (at = memchr(at, '\n', length - (size_t)(at - bytes))); at++)
		lines++;
	return lines;
}

/* The length of those of @length bytes of whole lines that fit @room. */
static size_t whole_lines(const char *lines, size_t length, size_t room)
{
	const char *end;

	if (length <= room)
		return length;
	end = memrchr(lines, '\n', room);
	return end ? (size_t)(end - lines) + 1 : 0;
}

void printer_put(struct printer *p, const char *lines, size_t length)
{
	uint64_t head;
	size_t room, fits, at, first;

	assert(length == 0 || lines[length - 1] == '\n');
	pthread_mutex_lock(&p->lock);
	head = p->head;
	room = p->gone ? 0 : PRINTER_RING - (size_t)(head - p->tail);
	pthread_mutex_unlock(&p->lock);

	fits = whole_lines(lines, length, room);
	at = (size_t)(head % PRINTER_RING);
	first = fits < PRINTER_RING - at ? fits : PRINTER_RING - at;
	memcpy(p->ring + at, lines, first);
	memcpy(p->ring, lines + first, fits - first);
	if (fits > 0) {
		pthread_mutex_lock(&p->lock);
		p->head = head + fits;
		pthread_cond_signal(&p->filled);
		pthread_mutex_unlock(&p->lock);
	}
	if (fits < length) {
		atomic_fetch_add(&p->dropped, count_lines(lines + fits, length - fits));
		log_repeating(&p->full, LOG_WARNING, "printer",
			"standard output is too slow, lines are dropped there (not in the journal) "
			"dropped=%llu",
			(unsigned long long)atomic_load(&p->dropped));
	}
}

uint64_t printer_dropped(const struct printer *printer)
{
	return atomic_load(&printer->dropped);
}

/* True once at least PIPE_BUF bytes can be written without waiting, or an error be met. */
static bool may_write(struct printer *p)
{
	struct pollfd out = { .fd = p->fd, .events = POLLOUT };

	for (;;) {
		bool expired;

		if (poll(&out, 1, LOOK_MS) > 0)
			return true;
		pthread_mutex_lock(&p->lock);
		expired = p->stopping && clock_mono_ms() >= p->deadline_ms;
		pthread_mutex_unlock(&p->lock);
		if (expired)
			return false;
	}
}

/* The bytes to write next, waiting for some; 0 when there is nothing left to do. */
static size_t next_piece(struct printer *p, const char **bytes)
{
	size_t length = 0, at;

	pthread_mutex_lock(&p->lock);
	while (p->head == p->tail && !p->stopping)
		pthread_cond_wait(&p->filled, &p->lock);
	if (!p->stopping || clock_mono_ms() < p->deadline_ms) {
		length = (size_t)(p->head - p->tail);
		at = (size_t)(p->tail % PRINTER_RING);
		if (length > PRINTER_RING - at)
			length = PRINTER_RING - at;
		if (length > p->piece)
			length = p->piece;
		*bytes = p->ring + at;
	}
	pthread_mutex_unlock(&p->lock);
	return length;
}

static void release(struct printer *p)
{
	pthread_cond_destroy(&p->filled);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void *run(void *context)
{
	struct printer *const p = context;
	const char *bytes = NULL;
	size_t length;
	bool left;

	while ((length = next_piece(p, &bytes)) > 0) {
		ssize_t written;

		if (!may_write(p))
			break;
		written = write(p->fd, bytes, length);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written < 0) {
			log_warning("printer",
				"standard output is gone, nothing more is written "
				"there: %s",
				strerror(errno));
			break;
		}
		pthread_mutex_lock(&p->lock);
		p->tail += (uint64_t)written;
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_lock(&p->lock);
	p->gone = true;
	left = p->left;
	pthread_mutex_unlock(&p->lock);
	if (left) /* nobody else knows of it any more */
		release(p);
	return NULL;
}

bool printer_start(struct printer **printer, int fd, struct fail *fail)
{
	struct printer *const p = calloc(1, sizeof(*p));
	struct stat st;

	*printer = NULL;
	if (!p)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	p->fd = fd;
	p->piece = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? FILE_PIECE : PIPE_BUF;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->filled, NULL);
	if (!thread_start(&p->thread, "printer", run, p, fail)) {
		pthread_cond_destroy(&p->filled);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return false;
	}
	*printer = p;
	return true;
}

void printer_stop(struct printer **printer, int wait_ms)
{
	struct printer *const p = *printer;
	struct timespec until;
	bool gone;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	p->deadline_ms = clock_mono_ms() + wait_ms;
	pthread_cond_signal(&p->filled);
	pthread_mutex_unlock(&p->lock);
	*printer = NULL;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000 + 1;
	if (pthread_timedjoin_np(p->thread, NULL, &until) == 0) {
		release(p);
		return;
	}
	/* A terminal that nobody reads says that it can be written, and then blocks. */
	log_warning("printer", "standard output is stuck; what it did not take is dropped");
	(void)pthread_detach(p->thread);
	pthread_mutex_lock(&p->lock);
	p->left = true;
	gone = p->gone;
	pthread_mutex_unlock(&p->lock);
	if (gone) /* it ended just now, and did not know */
		release(p);
}
