/* A new file for the journal: by size, by time, or because somebody moved the old one.
 *
 * Rotation of file number k, and what a start finds that comes after a kill there:
 *   1. sync P, checkpoint (k, its size)   P is k, and nothing is behind the checkpoint;
 *   2. rename P to P.k, never replacing   P.k is there, so P, which is not, is k+1: it is made;
 *   3. sync the directory                 after power loss without it: as after 1;
 *   4. create P, sync the directory       P.k is there, so P is k+1, read from its first byte;
 *   5. checkpoint (k+1, 0).
 * Only then are lines written to it. So no line is in two files, and none in no file.
 *
 * After somebody moved P (SIGHUP, or a rotation that finds it gone):
 *   1. sync the file we have open         as before: P is missing, and a person has to say so;
 *   2. checkpoint (k+1, 0, begins)        P is k+1 and may be missing: it is made;
 *   3. create P, sync the directory       P is k+1;
 *   4. checkpoint (k+1, 0)                from here on a missing P is a loss again.
 * A number is left out then, and verify finds the file under its other name.
 *
 * Going wrong: no room, or a file that has the name already. The lines go on where they went, it is
 * said, and tried again later. */
#include "metrics-consumer/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "metrics-consumer/journal_save.h"
#include "process/clock.h"
#include "process/log.h"

bool journal_rotate_is_due(const struct journal *journal)
{
	const struct journal_settings *const s = &journal->settings;

	if (journal->file.size == 0)
		return false;
	if (!s->begin_anew && (s->rotate_bytes == 0 || journal->file.size < s->rotate_bytes) &&
		(s->rotate_ms == 0 || clock_wall_ms() - journal->first_ms < s->rotate_ms))
		return false;
	return clock_mono_ms() >= journal->rotate_at;
}

/* What is at our path now: our file, nothing (@st zeroed), or another one. */
static bool is_ours(const struct journal *journal, struct stat *st)
{
	struct stat open_one;

	if (stat(journal->file.path, st) != 0)
		*st = (struct stat){ 0 };
	return fstat(journal->file.fd, &open_one) == 0 && st->st_dev == open_one.st_dev &&
	       st->st_ino == open_one.st_ino;
}

/* Some file systems count no names: then it is one whose name is there. */
bool journal_is_deleted(const struct journal *journal)
{
	struct stat there, open_one;

	return fstat(journal->file.fd, &open_one) == 0 && open_one.st_nlink == 0 &&
	       !is_ours(journal, &there);
}

/* The new file is empty and open. A checkpoint for it is made soon, if not now. */
static void change_to(struct journal *journal, const struct append_file *next)
{
	append_file_close(&journal->file);
	journal->file = *next;
	journal->number++;
	journal->first_ms = 0;
}

/* The last step, which may come later. */
static bool save_new(struct journal *journal, const json_t *state, struct fail *fail)
{
	if (journal_save(journal, state, fail))
		return true;
	if (fail->kind != FAIL_RETRY)
		return false;
	log_warning("journal", "the checkpoint of the new file comes later: %s", fail->text);
	*fail = (struct fail){ 0 };
	return true;
}

/* From step 2 on. */
static bool begin_after_move(
	struct journal *journal, const json_t *state, const struct stat *st, struct fail *fail)
{
	char path[PATH_MAX];
	struct append_file next;
	struct fail back = { 0 };
	bool good;

	strcpy(path, journal->file.path);
	/* A tool that moves files may have made an empty one. */
	if (st->st_ino != 0 && (!S_ISREG(st->st_mode) || st->st_size > 0))
		return fail_set(fail, FAIL_RETRY,
			"%s is not our file and not empty: move it away; lines go on to the file "
			"that was there before",
			path);
	if (!journal_save_next(journal, state, fail))
		return false;
	good = st->st_ino != 0 ? append_file_open(&next, path, fail)
			       : append_file_create(&next, path, fail);
	if (good && next.size == 0) {
		change_to(journal, &next);
		return save_new(journal, state, fail);
	}
	if (good) {
		append_file_close(&next);
		(void)fail_set(fail, FAIL_RETRY, "%s was written to by somebody else", path);
	}
	if (fail->kind == FAIL_RETRY && !journal_save(journal, state, &back))
		fail->kind = FAIL_FATAL; /* the checkpoint speaks of a file that does not begin */
	return false;
}

static bool reopen(struct journal *journal, const json_t *state, struct fail *fail)
{
	struct stat st, old;
	const int64_t number = journal->number, size = journal->file.size;
	bool deleted;

	if (!journal_sync(journal, fail))
		return false;
	if (is_ours(journal, &st)) {
		log_info("journal", "nobody moved it, nothing to reopen path=%s",
			journal->file.path);
		return true;
	}
	deleted = fstat(journal->file.fd, &old) == 0 && old.st_nlink == 0;
	if (!begin_after_move(journal, state, &st, fail))
		return false;
	if (deleted)
		log_warning("journal",
			"the file was deleted, its lines are gone number=%" PRId64
			" bytes=%" PRId64,
			number, size);
	log_info("journal", "the file was moved, began a new one path=%s number=%" PRId64,
		journal->file.path, journal->number);
	return true;
}

bool journal_reopen(struct journal *journal, json_t *state, struct fail *fail)
{
	bool done;

	if (!state)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	done = reopen(journal, state, fail);
	json_decref(state);
	return done;
}

static bool rename_and_create(struct journal *journal, const json_t *state, struct fail *fail)
{
	char path[PATH_MAX], rotated[PATH_MAX], compressed[PATH_MAX];
	struct append_file next;
	struct fail back = { 0 };
	struct stat st;

	strcpy(path, journal->file.path);
	journal_name(path, journal->number, "", rotated);
	journal_name(path, journal->number, ".zst", compressed);
	if (lstat(compressed, &st) == 0) /* ours would be made under this name */
		return fail_errno(fail, FAIL_RETRY, EEXIST, "rename %s to %s(.zst)", path, rotated);
	if (!append_file_rename(path, rotated, fail) || !append_file_sync_directory(path, fail))
		return false;
	if (!append_file_create(&next, path, fail)) {
		if (fail->kind == FAIL_RETRY && (!append_file_rename(rotated, path, &back) ||
							!append_file_sync_directory(path, &back)))
			fail->kind = FAIL_FATAL; /* the next start makes it */
		return false;
	}
	change_to(journal, &next);
	log_info("journal", "rotated path=%s number=%" PRId64, rotated, journal->number - 1);
	return save_new(journal, state, fail);
}

static bool rotate(struct journal *journal, const json_t *state, struct fail *fail)
{
	struct stat st;

	if (!is_ours(journal, &st))
		return reopen(journal, state, fail);
	return journal_sync(journal, fail) && journal_save(journal, state, fail) &&
	       rename_and_create(journal, state, fail);
}

bool journal_rotate(struct journal *journal, json_t *state, struct fail *fail)
{
	bool done;

	if (!state)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	done = rotate(journal, state, fail);
	json_decref(state);
	if (done) {
		journal->settings.begin_anew = false;
		return true;
	}
	journal->rotate_at = clock_mono_ms() + JOURNAL_AGAIN_MS;
	return fail_prefix(fail, "rotation is put off");
}
