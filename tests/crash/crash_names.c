#include "tests/crash/crash_names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHANGES_MAX 256

/* Changes that are not synced, in their order. */
static struct {
	pthread_mutex_t lock;
	uint64_t number; /* of the last change */
	unsigned old_names;
	size_t count;
	struct {
		struct names_change change;
		uint64_t number;
		dev_t device; /* of the directory */
		ino_t inode;
	} list[CHANGES_MAX];
} names = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char *copy(const char *text)
{
	char *const made = text ? strdup(text) : NULL;

	if (text && !made)
		plan_complain("out of memory");
	return made;
}

static void clear(struct names_change *change)
{
	free(change->from);
	free(change->to);
	free(change->old);
	*change = (struct names_change){ 0 };
}

/* What is there now gets a second name, beside the counts: nobody looks for files there. */
static char *keep_old(const char *path)
{
	const char *const counts = getenv("CRASH_COUNT");
	char old[PATH_MAX];
	REAL(link);

	(void)snprintf(old, sizeof(old), "%s.%u", counts ? counts : "crash", names.old_names++);
	if (real(path, old) == 0)
		return copy(old);
	if (errno != ENOENT)
		plan_complain("a file cannot be kept for the power loss");
	return NULL;
}

void names_begin(struct names_change *change, enum change kind, enum target target, int directory,
	const char *from, const char *to)
{
	const int before = errno;
	struct stat st;

	*change = (struct names_change){ 0 };
	if (!plan_loses(DIRECTORY) || target == OTHER)
		return;
	if (directory != AT_FDCWD)
		plan_complain("a name below a descriptor is not looked at");
	pthread_mutex_lock(&names.lock);
	*change = (struct names_change){
		.kept = true, .change = kind, .from = copy(from), .to = copy(to)
	};
	if (kind == RENAMED || kind == REMOVED)
		change->old = keep_old(to);
	if (kind == MADE && lstat(to, &st) == 0) {
		clear(change);
		pthread_mutex_unlock(&names.lock);
	}
	errno = before;
}

/* The directory of @path. */
static bool look_at_directory(const char *path, struct stat *st)
{
	char directory[PATH_MAX];
	const char *const slash = strrchr(path, '/');

	(void)snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) : 1,
		slash ? path : ".");
	return stat(directory[0] ? directory : "/", st) == 0;
}

static void add(struct names_change *change)
{
	struct stat st;

	if (names.count == CHANGES_MAX)
		plan_complain("too many names");
	if (!look_at_directory(change->to, &st))
		plan_complain("a directory is gone");
	names.list[names.count].change = *change;
	names.list[names.count].number = ++names.number;
	names.list[names.count].device = st.st_dev;
	names.list[names.count].inode = st.st_ino;
	names.count++;
}

void names_end(struct names_change *change, bool done)
{
	const int before = errno;

	if (!change->kept)
		return;
	if (done) {
		add(change);
	} else {
		REAL(unlink);

		if (change->old)
			(void)real(change->old);
		clear(change);
	}
	pthread_mutex_unlock(&names.lock);
	errno = before;
}

uint64_t names_now(void)
{
	uint64_t number;

	pthread_mutex_lock(&names.lock);
	number = names.number;
	pthread_mutex_unlock(&names.lock);
	return number;
}

void names_synced(int fd, uint64_t until)
{
	const int before = errno;
	size_t left = 0;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	pthread_mutex_lock(&names.lock);
	for (size_t i = 0; i < names.count; i++) {
		if (names.list[i].number <= until && names.list[i].inode == st.st_ino &&
			names.list[i].device == st.st_dev)
			clear(&names.list[i].change);
		else
			names.list[left++] = names.list[i];
	}
	names.count = left;
	pthread_mutex_unlock(&names.lock);
	errno = before;
}

static void rename_back(const char *from, const char *to)
{
	REAL(rename);

	(void)real(from, to);
}

static void take_back(const struct names_change *change)
{
	REAL(unlink);

	if (change->change == RENAMED)
		rename_back(change->to, change->from);
	if (change->change == MADE || change->change == LINKED)
		(void)real(change->to);
	if (change->old)
		rename_back(change->old, change->to);
}

void names_lose(void)
{
	pthread_mutex_lock(&names.lock); /* and never gives it back */
	for (size_t i = names.count; i > 0; i--)
		take_back(&names.list[i - 1].change);
}
