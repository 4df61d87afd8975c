#include "metrics-consumer/archive.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "metrics-consumer/append_file.h"
#include "metrics-consumer/journal_files.h"
#include "process/log.h"
#include "process/stop.h"

#define LEVEL 3      /* zstd's own default: journals shrink tenfold, and it takes 4 MB */
#define PIECE 131072 /* bytes read at once, and between two looks at the stop */
#define SYNC_EACH                                                                                  \
	8388608 /* bytes: so that the journal's own sync never waits behind a large one            \
		 */
#define AGAIN_S 60

struct archive {
	char path[PATH_MAX];
	bool compress;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool woken;
	int64_t deleted, active;
	atomic_bool stop;
};

struct compression {
	const struct journal_file *from;
	int in, out;
	ZSTD_CCtx *context;
	int64_t taken, unsynced;
	char piece[PIECE], packed[PIECE];
};

static bool put_packed(struct compression *c, size_t length, struct fail *fail)
{
	size_t done = 0;

	while (done < length) {
		const ssize_t written = write(c->out, c->packed + done, length - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return fail_errno(fail, FAIL_RETRY, written < 0 ? errno : EIO,
				"write the compressed %s", c->from->path);
		done += (size_t)written;
	}
	c->unsynced += (int64_t)length;
	if (c->unsynced < SYNC_EACH)
		return true;
	c->unsynced = 0;
	return fdatasync(c->out) == 0 ||
	       fail_errno(fail, FAIL_RETRY, errno, "sync the compressed %s", c->from->path);
}

/* One piece of the file into the frame; @last ends it. */
static bool pack(struct compression *c, size_t length, bool last, struct fail *fail)
{
	ZSTD_inBuffer in = { c->piece, length, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { c->packed, sizeof(c->packed), 0 };

		left = ZSTD_compressStream2(
			c->context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return fail_set(fail, FAIL_RETRY, "compress %s: %s", c->from->path,
				ZSTD_getErrorName(left));
		if (!put_packed(c, out.pos, fail))
			return false;
	} while (last ? left > 0 : in.pos < in.size);
	return true;
}

static bool pack_all(struct compression *c, const atomic_bool *stop, struct fail *fail)
{
	while (!atomic_load(stop)) {
		const ssize_t got = read(c->in, c->piece, sizeof(c->piece));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(fail, FAIL_RETRY, errno, "read %s", c->from->path);
		c->taken += got;
		if (!pack(c, (size_t)got, got == 0, fail))
			return false;
		if (got > 0)
			continue;
		if (c->taken != c->from->size)
			return fail_set(fail, FAIL_RETRY, "%s is being written to", c->from->path);
		return fdatasync(c->out) == 0 ||
		       fail_errno(fail, FAIL_RETRY, errno, "sync the compressed %s", c->from->path);
	}
	return fail_set(fail, FAIL_RETRY, "stopped");
}

/* Two PATH_MAX would be cut short only where the list could not hold the path either. */
static bool end_name(const char *path, const char *end, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s%s", path, end) < PATH_MAX;
}

static bool open_both(struct compression *c, const char *to, struct fail *fail)
{
	c->in = open(c->from->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (c->in < 0)
		return fail_errno(fail, FAIL_RETRY, errno, "open %s", c->from->path);
	c->out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (c->out < 0)
		return fail_errno(fail, FAIL_RETRY, errno, "open %s", to);
	c->context = ZSTD_createCCtx();
	if (!c->context ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c->context, ZSTD_c_compressionLevel, LEVEL)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c->context, ZSTD_c_checksumFlag, 1)) ||
		ZSTD_isError(
			ZSTD_CCtx_setPledgedSrcSize(c->context, (unsigned long long)c->from->size)))
		return fail_set(fail, FAIL_RETRY, "compress %s: out of memory", c->from->path);
	return true;
}

/* The compressed file is whole, on the disk and under its name before the plain one goes. */
static bool compress(const char *path, const struct journal_file *file, const atomic_bool *stop,
	struct fail *fail)
{
	char temporary[PATH_MAX], final[PATH_MAX];
	struct compression *const c = calloc(1, sizeof(*c));
	bool good;

	if (!c)
		return fail_set(fail, FAIL_RETRY, "compress %s: out of memory", file->path);
	*c = (struct compression){ .from = file, .in = -1, .out = -1 };
	good = end_name(file->path, ".zst.tmp", temporary) && end_name(file->path, ".zst", final) &&
	       open_both(c, temporary, fail) && pack_all(c, stop, fail);
	if (c->out >= 0 && close(c->out) != 0 && good)
		good = fail_errno(fail, FAIL_RETRY, errno, "close %s", temporary);
	if (good && rename(temporary, final) != 0)
		good = fail_errno(fail, FAIL_RETRY, errno, "rename %s", temporary);
	if (!good && c->out >= 0)
		(void)unlink(temporary);
	if (c->in >= 0)
		close(c->in);
	ZSTD_freeCCtx(c->context);
	free(c);
	if (!good || !append_file_sync_directory(path, fail))
		return false;
	if (unlink(file->path) != 0)
		return fail_errno(fail, FAIL_RETRY, errno, "remove %s", file->path);
	log_info("journal", "compressed path=%s bytes=%" PRId64, final, file->size);
	return true;
}

/* Both forms of it, and what compressing it left behind. Gone already is as good. */
static bool remove_number(const char *path, int64_t number, struct fail *fail)
{
	static const char *const ends[] = { ".zst.tmp", ".zst", "" };
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (snprintf(name, sizeof(name), "%s.%06" PRId64 "%s", path, number, ends[i]) >=
			(int)sizeof(name))
			continue;
		if (unlink(name) != 0 && errno != ENOENT)
			return fail_errno(fail, FAIL_RETRY, errno, "remove %s", name);
	}
	log_info("journal", "removed path=%s number=%" PRId64, path, number);
	return true;
}

static bool treat(const char *path, bool compressing, int64_t deleted, int64_t active,
	const struct journal_file *file, const atomic_bool *stop, struct fail *fail)
{
	char left[PATH_MAX];

	if (file->number == 0 || file->number >= active || atomic_load(stop))
		return true;
	if (file->number <= deleted)
		return remove_number(path, file->number, fail);
	if (file->compressed)
		return true;
	if (compressing)
		return compress(path, file, stop, fail);
	if (end_name(file->path, ".zst.tmp", left))
		(void)unlink(left);
	return true;
}

bool archive_round(const char *path, bool compressing, int64_t deleted, int64_t active,
	const atomic_bool *stop, struct fail *fail)
{
	struct journal_files files;
	bool good = journal_files_list(path, &files, fail);

	for (size_t i = 0; good && i < files.count; i++)
		good = treat(path, compressing, deleted, active, &files.list[i], stop, fail);
	journal_files_free(&files);
	return good || atomic_load(stop);
}

/* Waits for news, or for the time to try again what went wrong. False: stop. */
static bool wait_for_news(struct archive *a, bool again, int64_t *deleted, int64_t *active)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += AGAIN_S;
	pthread_mutex_lock(&a->lock);
	while (!a->woken && !atomic_load(&a->stop)) {
		if (!again)
			pthread_cond_wait(&a->news, &a->lock);
		else if (pthread_cond_timedwait(&a->news, &a->lock, &until) == ETIMEDOUT)
			break;
	}
	a->woken = false;
	*deleted = a->deleted;
	*active = a->active;
	pthread_mutex_unlock(&a->lock);
	return !atomic_load(&a->stop);
}

static void *run(void *context)
{
	struct archive *const a = context;
	struct log_repeat repeat = { 0 };
	int64_t deleted, active;
	bool good = true;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19); /* of this thread alone */
	while (wait_for_news(a, !good, &deleted, &active)) {
		struct fail fail = { 0 };

		good = archive_round(a->path, a->compress, deleted, active, &a->stop, &fail);
		if (!good)
			log_repeating(&repeat, LOG_WARNING, "journal",
				"rotated files stay as they are, and it is tried again: %s",
				fail.text);
	}
	return NULL;
}

bool archive_start(struct archive **archive, const char *path, bool compressing, struct fail *fail)
{
	struct archive *const a = calloc(1, sizeof(*a));
	pthread_condattr_t attributes;

	*archive = NULL;
	if (!a)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	assert(strlen(path) < sizeof(a->path));
	strcpy(a->path, path);
	a->compress = compressing;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&a->news, &attributes);
	pthread_condattr_destroy(&attributes);
	*archive = a;
	if (thread_start(&a->thread, "archive", run, a, fail))
		return true;
	pthread_cond_destroy(&a->news);
	pthread_mutex_destroy(&a->lock);
	free(a);
	*archive = NULL;
	return false;
}

void archive_stop(struct archive **archive)
{
	struct archive *const a = *archive;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	atomic_store(&a->stop, true);
	pthread_cond_signal(&a->news);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->news);
	pthread_mutex_destroy(&a->lock);
	free(a);
	*archive = NULL;
}

void archive_wake(struct archive *archive, int64_t deleted, int64_t active)
{
	pthread_mutex_lock(&archive->lock);
	archive->woken = archive->woken || archive->deleted != deleted || archive->active != active;
	archive->deleted = deleted;
	archive->active = active;
	pthread_cond_signal(&archive->news);
	pthread_mutex_unlock(&archive->lock);
}
