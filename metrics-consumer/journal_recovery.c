/* The start of a journal: which file is it, and what of it is sound.
 *
 * The checkpoint speaks of file k, of its first S bytes, and of what was known then.
 * Going well: P is k, its bytes before S are those of the checkpoint, and the lines behind are
 * read. Or P.k is there, since a rotation began or ended: it has its S bytes, and P, made where it
 * is missing, is k+1 and all new. Without a checkpoint every file is read, in order. Going wrong:
 * - the process before us was killed while writing: the last line is torn. No one was told that it
 *   is done, so it is cut and its record read again;
 * - power was lost: behind S anything may stand, zeros, and whole lines behind them. From the first
 *   byte that is not a line, or a line with an offset that was there before, all is cut and read
 * again from Kafka. What is cut and is more than a torn line is kept in P.cut.000001 for a person
 * to see;
 * - the journal is gone, shorter than S, or another one: somebody moved, cut or changed it. We do
 *   not start, and change nothing; --new-journal begins another file with what the checkpoint
 * knows;
 * - no checkpoint, and a line in the middle is not one: damage that a person has to see, as above;
 * - the file does not begin like a journal: it is not ours, and cutting it would destroy what is
 *   somebody else's. */
#include "metrics-consumer/journal_recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/journal_reading.h"
#include "metrics-consumer/journal_save.h"
#include "process/clock.h"
#include "process/log.h"

#define BEGINNING 4096 /* bytes by which two files are compared */
#define NEW_ADVICE                                                                                 \
	"put it right, or start once with --new-journal, which keeps numbers and positions and "   \
	"begins a new file"

/* Whether the file is as long as the checkpoint says and ends there as it should. */
static bool fits(const char *path, const struct checkpoint *c)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct fail ignored = { 0 };
	struct stat st;
	uint64_t tail;
	bool good;

	if (fd < 0)
		return false;
	good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= c->position &&
	       checkpoint_tail(fd, c->position, &tail, &ignored) && tail == c->tail;
	close(fd);
	return good;
}

/* The age of the file is that of its first line. */
static int64_t first_time(const struct append_file *file)
{
	char bytes[64];
	const ssize_t got = pread(file->fd, bytes, sizeof(bytes), 0);
	const char *const end = got > 0 ? memchr(bytes, ' ', (size_t)got) : NULL;
	int64_t at_ms;

	if (got <= 0)
		return 0;
	return end && clock_parse(bytes, (size_t)(end - bytes), &at_ms) ? at_ms : clock_wall_ms();
}

/* P is the file with @number, known up to @from. */
static bool take_active(struct recovery *r, int64_t number, int64_t from, struct fail *fail)
{
	struct journal *const j = r->journal;

	if (!append_file_open(&j->file, r->path, fail) || !journal_read_on(r, &j->file, from, fail))
		return false;
	j->number = number;
	j->first_ms = first_time(&j->file);
	return true;
}

/* For --new-journal: P is not there, or empty, and gets the number behind @number. The checkpoint
 * for it comes next; after a kill before that, it is asked for again. */
static bool begin_file(struct recovery *r, int64_t number, struct fail *fail)
{
	if (!take_active(r, number + 1, 0, fail))
		return false;
	r->journal->settings.begin_anew = false;
	log_warning("journal", "began a new file, as was asked path=%s number=%" PRId64, r->path,
		number + 1);
	return true;
}

/* For --new-journal: what is at P stays, under its number. */
static bool move_aside(struct recovery *r, int64_t number, struct fail *fail)
{
	char aside[PATH_MAX];

	journal_name(r->path, number, "", aside);
	if (!append_file_rename(r->path, aside, fail) || !append_file_sync_directory(r->path, fail))
		return false;
	log_warning("journal", "the file was moved aside, as was asked path=%s", aside);
	return true;
}

/* Reads what file k got behind its checkpoint: nothing, unless somebody moved it by hand. */
static bool finish(struct recovery *r, const char *rotated, struct fail *fail)
{
	struct append_file file;
	bool good;

	if (journal_size_of(rotated) == r->checkpoint.position)
		return true;
	if (!append_file_open(&file, rotated, fail))
		return false;
	good = journal_read_on(r, &file, r->checkpoint.position, fail);
	append_file_close(&file);
	return good;
}

/* Looks for file k under a name somebody gave it; only its bytes tell. */
static bool find_moved(const struct recovery *r, char moved[PATH_MAX])
{
	struct journal_files files;
	struct fail ignored = { 0 };
	bool found = false;

	if (r->checkpoint.position == 0 || !journal_files_list(r->path, &files, &ignored))
		return false;
	for (size_t i = 0; i < files.count && !found; i++) {
		found = files.list[i].number == 0 && fits(files.list[i].path, &r->checkpoint);
		if (found)
			strcpy(moved, files.list[i].path);
	}
	journal_files_free(&files);
	return found;
}

static bool refuse_gone(const struct recovery *r, const char *moved, struct fail *fail)
{
	return fail_set(fail, FAIL_FATAL,
		"the journal %s is gone, of which the checkpoint knows %" PRId64
		" bytes (moved to %s?): " NEW_ADVICE,
		r->path, r->checkpoint.position, moved);
}

/* P.k is not there: P should be file k. */
static bool recover_active(struct recovery *r, struct fail *fail)
{
	const struct checkpoint *const c = &r->checkpoint;
	const bool anew = r->journal->settings.begin_anew;
	const int64_t size = journal_size_of(r->path);
	char moved[PATH_MAX] = "another name";

	if (size < 0 && c->begins)
		return take_active(r, c->number, 0, fail);
	if (size >= 0 && fits(r->path, c))
		return take_active(r, c->number, c->position, fail);
	if (anew && size <= 0 && find_moved(r, moved))
		return finish(r, moved, fail) && begin_file(r, c->number, fail);
	if (anew)
		return (size <= 0 || move_aside(r, c->number, fail)) &&
		       begin_file(r, c->number, fail);
	if (size < 0) {
		(void)find_moved(r, moved);
		return refuse_gone(r, moved, fail);
	}
	if (size < c->position)
		return fail_set(fail, FAIL_FATAL,
			"%s has %" PRId64 " bytes, fewer than the %" PRId64
			" of its checkpoint (copytruncate?): " NEW_ADVICE,
			r->path, size, c->position);
	return fail_set(fail, FAIL_FATAL,
		"%s is not the journal of its checkpoint, or was edited before byte %" PRId64
		": " NEW_ADVICE,
		r->path, c->position);
}

/* Whether two files that both hold something begin with the same bytes. */
static bool begin_alike(const char *one, const char *other)
{
	char bytes[2][BEGINNING];
	const char *const paths[2] = { one, other };
	ssize_t got[2];

	for (int i = 0; i < 2; i++) {
		const int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		got[i] = fd >= 0 ? pread(fd, bytes[i], BEGINNING, 0) : -1;
		if (fd >= 0)
			close(fd);
	}
	if (got[0] <= 0 || got[1] <= 0)
		return false;
	return memcmp(bytes[0], bytes[1], (size_t)(got[0] < got[1] ? got[0] : got[1])) == 0;
}

/* A compressed file says how long it is inside, where we made it. */
static bool compressed_fits(const char *path, int64_t position)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[32];
	const ssize_t got = fd >= 0 ? pread(fd, head, sizeof(head), 0) : -1;
	const unsigned long long size =
		got > 0 ? ZSTD_getFrameContentSize(head, (size_t)got) : ZSTD_CONTENTSIZE_ERROR;

	if (fd >= 0)
		close(fd);
	return size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN &&
	       size == (unsigned long long)position;
}

/* P.k is there, plain or compressed: P is k+1, unless P.k only looks like file k. */
static bool recover_behind_rotation(
	struct recovery *r, const char *rotated, bool compressed, struct fail *fail)
{
	const struct checkpoint *const c = &r->checkpoint;
	const bool both = journal_size_of(r->path) > 0 &&
			  (c->position > 0 ? fits(r->path, c) : begin_alike(r->path, rotated));
	const bool sound = compressed ? compressed_fits(rotated, c->position) : fits(rotated, c);

	if (both)
		return fail_set(fail, FAIL_FATAL,
			"%s has the name the journal %s will get when it is rotated: move it away",
			rotated, r->path);
	if (!sound && r->journal->settings.begin_anew)
		log_warning(
			"journal", "not the file of the checkpoint, passed over path=%s", rotated);
	else if (!sound)
		return fail_set(fail, FAIL_FATAL,
			"%s is not the file of the checkpoint, which has %" PRId64
			" bytes: " NEW_ADVICE,
			rotated, c->position);
	else if (!compressed && !finish(r, rotated, fail))
		return false;
	return take_active(r, c->number + 1, 0, fail);
}

/* What files behind number k hold would be unknown, read again and be there twice. */
static bool is_newest(const struct recovery *r, const char *checkpoint, struct fail *fail)
{
	struct journal_files files;
	bool good = journal_files_list(r->path, &files, fail);

	for (size_t i = 0; good && i < files.count; i++) {
		if (files.list[i].number > r->checkpoint.number)
			good = fail_set(fail, FAIL_REFUSE,
				"%s is older than the journal, which has %s: delete the "
				"checkpoint, and the next start reads the whole journal",
				checkpoint, files.list[i].path);
	}
	journal_files_free(&files);
	return good;
}

static bool recover_from_checkpoint(struct recovery *r, struct fail *fail)
{
	const struct checkpoint *const c = &r->checkpoint;
	struct journal *const j = r->journal;
	char plain[PATH_MAX], compressed[PATH_MAX], name[PATH_MAX];
	bool good;

	checkpoint_path(r->path, name);
	if (!is_newest(r, name, fail))
		return false;
	if (!r->reader->restore(r->reader->context, c->state, fail))
		return fail_prefix(
			fail, "%s (delete it, and the next start reads the whole journal)", name);
	memcpy(j->id, c->journal, sizeof(j->id));
	j->deleted = c->deleted;
	j->saved_number = c->number;
	j->saved_to = c->position;
	journal_name(r->path, c->number, "", plain);
	journal_name(r->path, c->number, ".zst", compressed);
	if (journal_size_of(plain) >= 0)
		good = recover_behind_rotation(r, plain, false, fail);
	else if (journal_size_of(compressed) >= 0)
		good = recover_behind_rotation(r, compressed, true, fail);
	else
		good = recover_active(r, fail);
	return good;
}

static bool make_id(char id[static CHECKPOINT_ID_MAX], struct fail *fail)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return fail_errno(fail, FAIL_FATAL, errno, "getrandom");
	(void)snprintf(id, CHECKPOINT_ID_MAX, "%016" PRIx64, number);
	return true;
}

static bool recover_everything(struct recovery *r, struct fail *fail)
{
	struct journal *const j = r->journal;

	if (j->settings.begin_anew && journal_size_of(r->path) > 0)
		return fail_set(fail, FAIL_REFUSE,
			"--new-journal: %s has no checkpoint whose numbers and positions could be "
			"kept; start without it",
			r->path);
	j->settings.begin_anew = false;
	if (!make_id(j->id, fail) || !journal_read_everything(r, fail))
		return false;
	j->first_ms = first_time(&j->file);
	return true;
}

bool journal_recover(struct journal *journal, const char *path, const struct journal_reader *reader,
	struct fail *fail)
{
	struct recovery r = { .journal = journal, .path = path, .reader = reader };
	bool there, good;

	if (!checkpoint_read(path, &r.checkpoint, &there, fail))
		return false;
	good = there ? recover_from_checkpoint(&r, fail) : recover_everything(&r, fail);
	checkpoint_clear(&r.checkpoint);
	if (!good)
		return false;
	checkpoint_sweep(path);
	log_info("journal",
		"read path=%s number=%" PRId64 " lines=%" PRIu64 " bytes=%" PRId64
		" checkpoint=%s id=%s",
		path, journal->number, r.lines, journal->file.size, there ? "yes" : "none",
		journal->id);
	return true;
}
