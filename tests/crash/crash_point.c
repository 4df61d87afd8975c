/* A library to preload: it ends or fails the process at the n-th call of a kind.
 *
 * Going well: a call is counted (crash_plan.c). If its kind is chosen and it is the n-th, it is
 * killed before, half-way or after, or it fails; otherwise it is done. What a power loss takes at a
 * kill, where that is wanted, is in crash_files.c and crash_names.c.
 *
 * Not seen: what libc writes by itself (stdio), raw system calls, mapped memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/crash_files.h"
#include "tests/crash/crash_names.h"

static enum how meet(enum operation operation, enum target target)
{
	const enum how how = plan_meet(operation, target);

	if (how == KILL_BEFORE)
		files_die();
	return how;
}

static bool fails(enum how how)
{
	return how >= FAIL_EIO;
}

static void after(enum how how)
{
	if (how == KILL_AFTER || how == KILL_HALF)
		files_die();
}

static bool is_socket(enum target target)
{
	return target == KAFKA || target == HTTP;
}

/* How much of @length is written. What says "short" writes something. */
static size_t part(enum how how, size_t length)
{
	if (how == KILL_HALF)
		return length / 2;
	return how == SHORT && length > 1 ? length / 2 : length;
}
#define BYTES_CALL(name, signature, socket, ...)                                                   \
	__attribute__((visibility("default"))) ssize_t name signature                              \
	{                                                                                          \
		REAL(name);                                                                        \
		const enum target target = target_of(fd);                                          \
		const enum how how = meet((socket) || is_socket(target) ? SEND : WRITE, target);   \
		ssize_t done;                                                                      \
                                                                                                   \
		if (fails(how))                                                                    \
			return -1;                                                                 \
		files_note(fd, target);                                                            \
		length = part(how, length);                                                        \
		done = real(__VA_ARGS__);                                                          \
		after(how);                                                                        \
		return done;                                                                       \
	}

BYTES_CALL(write, (int fd, const void *bytes, size_t length), false, fd, bytes, length)
BYTES_CALL(
	pwrite, (int fd, const void *bytes, size_t length, off_t at), false, fd, bytes, length, at)
BYTES_CALL(pwrite64, (int fd, const void *bytes, size_t length, off64_t at), false, fd, bytes,
	length, at)
BYTES_CALL(
	send, (int fd, const void *bytes, size_t length, int flags), true, fd, bytes, length, flags)
BYTES_CALL(sendto,
	(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to,
		socklen_t to_length),
	true, fd, bytes, length, flags, to, to_length)

/* Pieces: half of them, and half of the last. */
struct pieces {
	struct iovec list[64];
	size_t count;
};

static bool halve(const struct iovec *from, size_t count, struct pieces *half)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += from[i].iov_len;
	left = left > 1 ? left / 2 : left;
	half->count = 0;
	while (left > 0 && half->count < 64 && half->count < count) {
		struct iovec *const piece = &half->list[half->count];

		*piece = from[half->count++];
		if (piece->iov_len > left)
			piece->iov_len = left;
		left -= piece->iov_len;
	}
	return half->count > 0;
}

__attribute__((visibility("default"))) ssize_t writev(int fd, const struct iovec *from, int count)
{
	REAL(writev);
	const enum target target = target_of(fd);
	const enum how how = meet(is_socket(target) ? SEND : WRITE, target);
	struct pieces half;
	ssize_t done;

	if (fails(how))
		return -1;
	files_note(fd, target);
	if ((how == KILL_HALF || how == SHORT) && halve(from, (size_t)count, &half))
		done = real(fd, half.list, (int)half.count);
	else
		done = real(fd, from, count);
	after(how);
	return done;
}

__attribute__((visibility("default"))) ssize_t sendmsg(
	int fd, const struct msghdr *message, int flags)
{
	REAL(sendmsg);
	const enum how how = meet(SEND, target_of(fd));
	struct msghdr part_of = *message;
	struct pieces half;
	ssize_t done;

	if (fails(how))
		return -1;
	if ((how == KILL_HALF || how == SHORT) &&
		halve(message->msg_iov, message->msg_iovlen, &half)) {
		part_of.msg_iov = half.list;
		part_of.msg_iovlen = half.count;
	}
	done = real(fd, &part_of, flags);
	after(how);
	return done;
}

#define SYNC_CALL(name)                                                                            \
	__attribute__((visibility("default"))) int name(int fd)                                    \
	{                                                                                          \
		REAL(name);                                                                        \
		const enum target target = target_of(fd);                                          \
		const enum how how = meet(SYNC, target);                                           \
		const uint64_t now = target == DIRECTORY ? names_now() : 0;                        \
		struct stat st = { 0 };                                                            \
		int done;                                                                          \
                                                                                                   \
		if (fails(how))                                                                    \
			return -1;                                                                 \
		(void)fstat(fd, &st);                                                              \
		done = real(fd);                                                                   \
		if (done == 0 && target == DIRECTORY)                                              \
			names_synced(fd, now);                                                     \
		else if (done == 0)                                                                \
			files_note_synced(fd, target, st.st_size);                                 \
		after(how);                                                                        \
		return done;                                                                       \
	}

SYNC_CALL(fsync)
SYNC_CALL(fdatasync)

#define CUT_CALL(name, type)                                                                       \
	__attribute__((visibility("default"))) int name(int fd, type size)                         \
	{                                                                                          \
		REAL(name);                                                                        \
		const enum target target = target_of(fd);                                          \
		const enum how how = meet(CUT, target);                                            \
		int done;                                                                          \
                                                                                                   \
		if (fails(how))                                                                    \
			return -1;                                                                 \
		done = real(fd, size);                                                             \
		if (done == 0)                                                                     \
			files_note_cut(fd, target, size);                                          \
		after(how);                                                                        \
		return done;                                                                       \
	}

CUT_CALL(ftruncate, off_t)
CUT_CALL(ftruncate64, off64_t)

/* The target of a renaming is that of the new name. */
#define NAMES_CALL(name, signature, kind, directory, from, to, ...)                                \
	__attribute__((visibility("default"))) int name signature                                  \
	{                                                                                          \
		REAL(name);                                                                        \
		const enum target target = target_of_path(to);                                     \
		const enum how how = meet(RENAME, target);                                         \
		struct names_change change;                                                        \
		int done;                                                                          \
                                                                                                   \
		if (fails(how))                                                                    \
			return -1;                                                                 \
		names_begin(&change, kind, target, directory, from, to);                           \
		done = real(__VA_ARGS__);                                                          \
		names_end(&change, done == 0);                                                     \
		after(how);                                                                        \
		return done;                                                                       \
	}

NAMES_CALL(rename, (const char *from, const char *to), RENAMED, AT_FDCWD, from, to, from, to)
NAMES_CALL(renameat, (int a, const char *from, int b, const char *to), RENAMED, a == b ? a : -1,
	from, to, a, from, b, to)
NAMES_CALL(renameat2, (int a, const char *from, int b, const char *to, unsigned flags), RENAMED,
	a == b ? a : -1, from, to, a, from, b, to, flags)
NAMES_CALL(link, (const char *from, const char *to), LINKED, AT_FDCWD, from, to, from, to)
NAMES_CALL(linkat, (int a, const char *from, int b, const char *to, int flags), LINKED,
	a == b ? a : -1, from, to, a, from, b, to, flags)
NAMES_CALL(unlink, (const char *path), REMOVED, AT_FDCWD, NULL, path, path)
NAMES_CALL(unlinkat, (int directory, const char *path, int flags), REMOVED, directory, NULL, path,
	directory, path, flags)

#define OPEN_CALL(name, parameters, directory, ...)                                                \
	__attribute__((visibility("default"))) int name parameters                                 \
	{                                                                                          \
		REAL(name);                                                                        \
		struct names_change change = { 0 };                                                \
		enum how how = GO_ON;                                                              \
		enum target target = OTHER;                                                        \
		mode_t mode = 0;                                                                   \
		int fd;                                                                            \
                                                                                                   \
		if (flags & (O_CREAT | __O_TMPFILE)) {                                             \
			va_list rest;                                                              \
                                                                                                   \
			va_start(rest, flags);                                                     \
			mode = va_arg(rest, mode_t);                                               \
			va_end(rest);                                                              \
		}                                                                                  \
		if (flags & O_CREAT) {                                                             \
			target = target_of_path(path);                                             \
			how = meet(CREATE, target);                                                \
		}                                                                                  \
		if (fails(how))                                                                    \
			return -1;                                                                 \
		if (flags & O_CREAT)                                                               \
			names_begin(&change, MADE, target, directory, NULL, path);                 \
		fd = real(__VA_ARGS__);                                                            \
		names_end(&change, fd >= 0);                                                       \
		if (fd >= 0 && (flags & O_CREAT))                                                  \
			files_note(fd, target);                                                    \
		after(how);                                                                        \
		return fd;                                                                         \
	}

OPEN_CALL(open, (const char *path, int flags, ...), AT_FDCWD, path, flags, mode)
OPEN_CALL(open64, (const char *path, int flags, ...), AT_FDCWD, path, flags, mode)
OPEN_CALL(openat, (int at, const char *path, int flags, ...), at, at, path, flags, mode)
OPEN_CALL(openat64, (int at, const char *path, int flags, ...), at, at, path, flags, mode)

/* SQLite locks its files and the regions of its shared memory so. */
#define FCNTL_CALL(name)                                                                           \
	__attribute__((visibility("default"))) int name(int fd, int command, ...)                  \
	{                                                                                          \
		REAL(name);                                                                        \
		enum how how = GO_ON;                                                              \
		va_list rest;                                                                      \
		void *argument;                                                                    \
		int done;                                                                          \
                                                                                                   \
		va_start(rest, command);                                                           \
		argument = va_arg(rest, void *);                                                   \
		va_end(rest);                                                                      \
		if (command == F_SETLK && ((const struct flock *)argument)->l_type != F_UNLCK)     \
			how = meet(LOCK, target_of(fd));                                           \
		if (fails(how))                                                                    \
			return -1;                                                                 \
		done = real(fd, command, argument);                                                \
		after(how);                                                                        \
		return done;                                                                       \
	}

FCNTL_CALL(fcntl)
FCNTL_CALL(fcntl64)
