#include "tests/crash/crash_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/crash_names.h"

#define FILES_MAX 256

/* Files that may lose something. Whoever ends the process takes the lock for good, so nobody
 * writes behind it. */
static struct {
	pthread_mutex_t lock;
	size_t count;
	struct {
		dev_t device;
		ino_t inode;
		int fd; /* our own: it stays through renames and closes */
		enum target target;
		off_t synced;
	} list[FILES_MAX];
} files = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Where @fd stands in the list, new ones behind it; -1: its files lose nothing. Under the lock. */
static int find(int fd, enum target target)
{
	char link[64];
	struct stat st;
	size_t i;

	if (!plan_loses(target) || fstat(fd, &st) != 0)
		return -1;
	for (i = 0; i < files.count; i++) {
		if (files.list[i].inode == st.st_ino && files.list[i].device == st.st_dev)
			return (int)i;
	}
	if (files.count == FILES_MAX)
		plan_complain("too many files");
	files.list[i].device = st.st_dev;
	files.list[i].inode = st.st_ino;
	files.list[i].target = target;
	files.list[i].synced = st.st_size; /* of an older process: taken for synced */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	files.list[i].fd = open(link, O_RDWR | O_CLOEXEC);
	if (files.list[i].fd < 0)
		plan_complain("a file cannot be opened again");
	files.count++;
	return (int)i;
}

static void lose(int fd, off_t synced)
{
	static const char zeros[4096];
	struct stat st;
	off_t until;

	if (fstat(fd, &st) != 0 || st.st_size <= synced)
		return;
	if (!plan_loses_zeros()) {
		REAL(ftruncate);
		(void)!real(fd, synced);
		return;
	}
	until = synced + (st.st_size - synced) / 2;
	for (off_t at = synced; at < until; at += (off_t)sizeof(zeros)) {
		const size_t left = (size_t)(until - at);
		REAL(pwrite);

		(void)!real(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros), at);
	}
}

_Noreturn void files_die(void)
{
	pthread_mutex_lock(&files.lock); /* and never gives it back */
	for (size_t i = 0; i < files.count; i++)
		lose(files.list[i].fd, files.list[i].synced);
	names_lose();
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

/* Sets what is synced, or with @most lowers it to @size. */
static void note(int fd, enum target target, bool set, bool most, off_t size)
{
	const int before = errno;
	int at;

	pthread_mutex_lock(&files.lock);
	at = find(fd, target);
	if (at >= 0 && set && (!most || files.list[at].synced > size))
		files.list[at].synced = size;
	pthread_mutex_unlock(&files.lock);
	errno = before;
}

void files_note(int fd, enum target target)
{
	note(fd, target, false, false, 0);
}

void files_note_synced(int fd, enum target target, off_t size)
{
	note(fd, target, true, false, size);
}

void files_note_cut(int fd, enum target target, off_t size)
{
	note(fd, target, true, true, size);
}
