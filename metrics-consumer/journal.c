/* The journal, from its lock to its sync.
 *
 * Going well: lock the directory, open, read every line (positions and numbers come from
 * there), then write and sync until the process ends.
 * Going wrong:
 * - another process holds the lock: it is the caller who waits;
 * - the file ends in the middle of a line: the process before us was killed while writing. No
 *   one was told that the line is done, so it is cut and its record read again;
 * - a line in the middle is not one: that is damage, or somebody's edit, and a person has to
 *   see it. We do not start, and change nothing;
 * - the file has no line at all and does not begin like one: it is not our journal, and
 *   cutting it would destroy what is somebody else's. */
#include "metrics-consumer/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <unistd.h>

#include "process/clock.h"
#include "process/log.h"

bool journal_lock(struct journal *journal, const char *path, struct fail *fail)
{
	char directory[PATH_MAX];
	int error;

	journal->file.fd = -1;
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

/* A first line of ours begins with the digit of a year; after power loss there may be zeros. */
static bool begins(char first)
{
	return (first >= '0' && first <= '9') || first == '\0';
}

struct reading {
	struct line_second second;
	journal_seen *seen;
	void *context;
};

static bool see(void *context, const char *bytes, size_t length, struct fail *fail)
{
	struct reading *const reading = context;
	struct line line;

	(void)fail;
	return line_read(&reading->second, bytes, length, &line) &&
	       reading->seen(reading->context, &line);
}

bool journal_open(struct journal *journal, const char *path, journal_seen *seen, void *context,
	struct fail *fail)
{
	static const struct append_file_lines kind = { "journal", "a journal line",
		"line of a journal", begins };
	struct reading reading = { .seen = seen, .context = context };
	uint64_t count;

	assert(journal->directory >= 0);
	if (!append_file_open(&journal->file, path, fail) ||
		!append_file_recall(&journal->file, &kind, see, &reading, &count, fail))
		return false;
	log_info("journal", "read path=%s lines=%" PRIu64 " bytes=%" PRId64, path, count,
		journal->file.size);
	return true;
}

void journal_close(struct journal *journal)
{
	append_file_close(&journal->file);
	if (journal->directory >= 0)
		close(journal->directory); /* which gives the lock back */
	journal->directory = -1;
}

bool journal_write(struct journal *journal, const char *lines, size_t length, struct fail *fail)
{
	assert(length == 0 || lines[length - 1] == '\n');
	return append_file_write(&journal->file, lines, length, fail);
}

bool journal_sync(struct journal *journal, struct fail *fail)
{
	return append_file_sync(&journal->file, fail);
}

int journal_sync_wait(const struct journal *journal, int64_t sync_ms)
{
	int64_t left;

	if (journal->file.unsynced_since == 0)
		return -1;
	left = journal->file.unsynced_since + sync_ms - clock_mono_ms();
	return left > 0 ? (int)left : 0;
}
