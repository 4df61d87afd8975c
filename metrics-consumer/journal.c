/* The journal, from its lock to its sync and its checkpoints.
 *
 * Going well: lock the directory, open and read what is new (journal_recovery.c), then write and
 * sync until the process ends; each ten seconds a checkpoint; now and then a new file
 * (journal_rotation.c), and the old ones are compressed and removed behind our back (archive.c).
 * Going wrong:
 * - another process holds the lock: it is the caller who waits;
 * - a sync fails, or the file is not as long as we wrote it, or was deleted: the process ends, and
 *   its next start finds out what the disk really has;
 * - there is no room for a checkpoint: the old one stays, and it is tried again. */
#include "metrics-consumer/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "metrics-consumer/journal_recovery.h"
#include "metrics-consumer/journal_save.h"
#include "process/clock.h"
#include "process/log.h"

#define NAME_MAX_BEHIND 48 /* bytes that names beside the journal have behind its own */

bool journal_lock(struct journal *journal, const char *path, struct fail *fail)
{
	char directory[PATH_MAX];
	int error;

	*journal = (struct journal){ .file.fd = -1, .directory = -1 };
	if (strlen(path) >= PATH_MAX - NAME_MAX_BEHIND)
		return fail_set(fail, FAIL_REFUSE, "the journal's path is too long");
	append_file_directory(path, directory);
	journal->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->directory < 0)
		return fail_errno(
			fail, FAIL_FATAL, errno, "open the journal's directory %s", directory);
	if (flock(journal->directory, LOCK_EX | LOCK_NB) == 0)
		return true;
	error = errno;
	journal_close(journal);
	if (error == EWOULDBLOCK)
		return fail_set(fail, FAIL_OWNED, "another consumer owns this journal");
	return fail_errno(fail, FAIL_FATAL, error, "lock the journal's directory %s", directory);
}

bool journal_open(struct journal *journal, const char *path,
	const struct journal_settings *settings, const struct journal_reader *reader,
	struct fail *fail)
{
	assert(journal->directory >= 0);
	journal->settings = *settings;
	if (!journal_recover(journal, path, reader, fail) ||
		!archive_start(&journal->archive, path, settings->compress, fail))
		return false;
	archive_wake(journal->archive, journal->deleted, journal->number);
	return true;
}

void journal_close(struct journal *journal)
{
	archive_stop(&journal->archive);
	append_file_close(&journal->file);
	if (journal->directory >= 0)
		close(journal->directory); /* which gives the lock back */
	journal->directory = -1;
}

const char *journal_id(const struct journal *journal)
{
	return journal->id;
}

bool journal_write(struct journal *journal, const char *lines, size_t length, struct fail *fail)
{
	assert(length == 0 || lines[length - 1] == '\n');
	if (!append_file_write(&journal->file, lines, length, fail))
		return false;
	if (journal->first_ms == 0 && length > 0)
		journal->first_ms = clock_wall_ms();
	return true;
}

bool journal_sync(struct journal *journal, struct fail *fail)
{
	const int64_t began_us = clock_mono_us();
	const bool done = append_file_sync(&journal->file, fail);

	histogram_add(
		&journal->sync_us, &journal_sync_scale, (uint64_t)(clock_mono_us() - began_us));
	return done;
}

int journal_sync_wait(const struct journal *journal, int64_t sync_ms)
{
	int64_t left;

	if (journal->file.unsynced_since == 0)
		return -1;
	left = journal->file.unsynced_since + sync_ms - clock_mono_ms();
	return left > 0 ? (int)left : 0;
}

void journal_name(const char *path, int64_t number, const char *end, char out[PATH_MAX])
{
	const int length = snprintf(out, PATH_MAX, "%.*s.%06" PRId64 "%s",
		PATH_MAX - NAME_MAX_BEHIND, path, number, end);

	assert(length > 0 && length < PATH_MAX);
	(void)length;
}

/* Retention goes by number: what is not among the last ones before @number. */
static int64_t removable(const struct journal *journal, int64_t number)
{
	const int64_t last = number - 1 - journal->settings.keep_files;

	return journal->settings.keep_files > 0 && last > journal->deleted ? last
									   : journal->deleted;
}

/* The checkpoint says first what will be removed: a file that is missing otherwise is a loss. */
static bool save(struct journal *journal, struct checkpoint *checkpoint, const json_t *state,
	struct fail *fail)
{
	checkpoint->deleted = removable(journal, checkpoint->number);
	checkpoint->time_ms = clock_wall_ms();
	checkpoint->state = json_incref((json_t *)state);
	strcpy(checkpoint->journal, journal->id);
	const bool written = checkpoint_write(journal->file.path, checkpoint, fail);

	checkpoint_clear(checkpoint);
	journal->checkpoint_at = clock_mono_ms() + JOURNAL_CHECKPOINT_MS;
	if (!written)
		return false;
	journal->saved_number = checkpoint->number;
	journal->saved_to = checkpoint->position;
	journal->deleted = checkpoint->deleted;
	if (journal->archive)
		archive_wake(journal->archive, journal->deleted, checkpoint->number);
	return true;
}

bool journal_save(struct journal *journal, const json_t *state, struct fail *fail)
{
	struct checkpoint checkpoint = { .number = journal->number,
		.position = journal->file.synced };

	return checkpoint_tail(journal->file.fd, checkpoint.position, &checkpoint.tail, fail) &&
	       save(journal, &checkpoint, state, fail);
}

bool journal_save_next(struct journal *journal, const json_t *state, struct fail *fail)
{
	struct checkpoint checkpoint = { .number = journal->number + 1, .begins = true };

	return checkpoint_tail(-1, 0, &checkpoint.tail, fail) &&
	       save(journal, &checkpoint, state, fail);
}

bool journal_checkpoint_is_due(const struct journal *journal)
{
	return (journal->saved_number != journal->number ||
		       journal->saved_to != journal->file.size) &&
	       clock_mono_ms() >= journal->checkpoint_at;
}

bool journal_checkpoint(struct journal *journal, json_t *state, struct fail *fail)
{
	bool done;

	if (!state)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	done = journal_sync(journal, fail) && journal_save(journal, state, fail);
	json_decref(state);
	return done;
}
