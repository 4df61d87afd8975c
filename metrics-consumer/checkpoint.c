#include "metrics-consumer/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics-consumer/append_file.h"
#include "metrics-consumer/checksum.h"
#include "process/clock.h"

#define VERSION    1
#define TAIL_BYTES 4096
#define BYTES_MAX  (64 * 1024 * 1024) /* of a checkpoint; ours are far smaller */
#define SUM_BYTES  23                 /* `\nxxh3=0123456789abcdef\n` */
#define ADVICE     "delete it, and the next start reads the whole journal"

static void name(const char *path, const char *end, char out[PATH_MAX])
{
	const int length = snprintf(out, PATH_MAX, "%.*s%s", PATH_MAX - 32, path, end);

	assert(length > 0 && length < PATH_MAX);
	(void)length;
}

void checkpoint_path(const char *path, char out[PATH_MAX])
{
	name(path, ".checkpoint", out);
}

bool checkpoint_tail(int fd, int64_t position, uint64_t *tail, struct fail *fail)
{
	char bytes[TAIL_BYTES];
	const size_t wanted = position < TAIL_BYTES ? (size_t)position : TAIL_BYTES;
	size_t there = 0;

	while (there < wanted) {
		const ssize_t got = pread(fd, bytes + there, wanted - there,
			position - (int64_t)wanted + (int64_t)there);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail_errno(
				fail, FAIL_FATAL, got < 0 ? errno : EIO, "read the journal's end");
		there += (size_t)got;
	}
	*tail = checksum64(bytes, wanted);
	return true;
}

/* The document goes to the file in pieces: its text is never whole in memory. */
struct output {
	int fd;
	int error;
	XXH3_state_t sum;
	size_t length;
	char bytes[16384];
};

static bool flush(struct output *out)
{
	size_t done = 0;

	while (done < out->length) {
		const ssize_t written = write(out->fd, out->bytes + done, out->length - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			out->error = written < 0 ? errno : EIO;
			return false;
		}
		done += (size_t)written;
	}
	out->length = 0;
	return true;
}

static int put(const char *bytes, size_t length, void *context)
{
	struct output *const out = context;

	(void)XXH3_64bits_update(&out->sum, bytes, length);
	while (length > 0) {
		const size_t room = sizeof(out->bytes) - out->length;
		const size_t part = length < room ? length : room;

		memcpy(out->bytes + out->length, bytes, part);
		out->length += part;
		bytes += part;
		length -= part;
		if (out->length == sizeof(out->bytes) && !flush(out))
			return -1;
	}
	return 0;
}

static json_t *document(const struct checkpoint *checkpoint)
{
	char time[CLOCK_TEXT_MAX], tail[17];

	clock_text(checkpoint->time_ms, time);
	(void)snprintf(tail, sizeof(tail), "%016" PRIx64, checkpoint->tail);
	return json_pack("{s:i, s:s, s:I, s:I, s:b, s:s, s:I, s:s, s:O}", "version", VERSION,
		"journal", checkpoint->journal, "number", (json_int_t)checkpoint->number,
		"position", (json_int_t)checkpoint->position, "begins", (int)checkpoint->begins,
		"tail", tail, "deleted", (json_int_t)checkpoint->deleted, "time", time, "state",
		checkpoint->state);
}

/* 0 or an errno value. */
static int write_document(int fd, const json_t *root)
{
	struct output out = { .fd = fd };
	char sum[SUM_BYTES + 1];

	(void)XXH3_64bits_reset(&out.sum);
	if (json_dump_callback(root, put, &out, JSON_COMPACT) != 0)
		return out.error != 0 ? out.error : ENOMEM;
	(void)snprintf(sum, sizeof(sum), "\nxxh3=%016" PRIx64 "\n",
		(uint64_t)XXH3_64bits_digest(&out.sum));
	if (put(sum, SUM_BYTES, &out) != 0 || !flush(&out))
		return out.error;
	return fdatasync(fd) == 0 ? 0 : errno;
}

bool checkpoint_write(const char *path, const struct checkpoint *checkpoint, struct fail *fail)
{
	char final[PATH_MAX], temporary[PATH_MAX];
	json_t *const root = document(checkpoint);
	int fd, error;

	if (!root)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	checkpoint_path(path, final);
	name(path, ".checkpoint.tmp", temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	error = fd >= 0 ? write_document(fd, root) : errno;
	if (fd >= 0 && close(fd) != 0 && error == 0)
		error = errno;
	json_decref(root);
	if (error == 0 && rename(temporary, final) != 0)
		error = errno;
	if (error != 0) {
		if (fd >= 0)
			(void)unlink(temporary);
		return fail_errno(fail, append_file_is_full(error) ? FAIL_RETRY : FAIL_FATAL, error,
			"write %s", final);
	}
	return append_file_sync_directory(path, fail);
}

static bool refuse(const char *path, const char *why, struct fail *fail)
{
	return fail_set(fail, FAIL_REFUSE, "%s %s: " ADVICE, path, why);
}

/* The document's length where the checksum behind it is right; 0 where not. */
static size_t check_sum(const char *bytes, size_t length)
{
	char want[SUM_BYTES + 1];

	if (length <= SUM_BYTES)
		return 0;
	(void)snprintf(want, sizeof(want), "\nxxh3=%016" PRIx64 "\n",
		checksum64(bytes, length - SUM_BYTES));
	return memcmp(bytes + length - SUM_BYTES, want, SUM_BYTES) == 0 ? length - SUM_BYTES : 0;
}

static bool is_hex(const char *text)
{
	return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

static bool take_document(json_t *root, struct checkpoint *c)
{
	const char *journal, *tail, *time;
	json_int_t number, position, deleted;
	json_t *state;
	int begins;

	if (json_unpack(root, "{s:s, s:I, s:I, s:b, s:s, s:I, s:s, s:o}", "journal", &journal,
		    "number", &number, "position", &position, "begins", &begins, "tail", &tail,
		    "deleted", &deleted, "time", &time, "state", &state) != 0 ||
		!is_hex(journal) || !is_hex(tail) || number < 1 || position < 0 || deleted < 0 ||
		deleted >= number || !clock_parse(time, strlen(time), &c->time_ms))
		return false;
	strcpy(c->journal, journal);
	c->number = number;
	c->position = position;
	c->deleted = deleted;
	c->begins = begins != 0;
	c->tail = strtoull(tail, NULL, 16);
	c->state = json_incref(state);
	return true;
}

static bool parse(
	const char *path, const char *bytes, size_t length, struct checkpoint *c, struct fail *fail)
{
	const size_t document = check_sum(bytes, length);
	json_t *root;
	int version = 0;
	bool good;

	if (document == 0)
		return refuse(path, "is damaged (its checksum is wrong)", fail);
	root = json_loadb(bytes, document, 0, NULL);
	(void)json_unpack(root, "{s:i}", "version", &version);
	good = root && version == VERSION && take_document(root, c);
	json_decref(root);
	if (!good && version != VERSION)
		return refuse(path, "is not of a version this program knows", fail);
	return good || refuse(path, "is no checkpoint", fail);
}

/* The whole file, to be freed. */
static char *read_file(const char *path, int fd, size_t *length, struct fail *fail)
{
	struct stat st;
	char *bytes;

	if (fstat(fd, &st) != 0) {
		(void)fail_errno(fail, FAIL_FATAL, errno, "look at %s", path);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > BYTES_MAX) {
		(void)refuse(path, "is no checkpoint", fail);
		return NULL;
	}
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes) {
		(void)fail_set(fail, FAIL_FATAL, "out of memory");
		return NULL;
	}
	for (*length = 0; *length < (size_t)st.st_size;) {
		const ssize_t got = read(fd, bytes + *length, (size_t)st.st_size - *length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			(void)fail_errno(fail, FAIL_FATAL, errno, "read %s", path);
			free(bytes);
			return NULL;
		}
		if (got == 0)
			break;
		*length += (size_t)got;
	}
	return bytes;
}

bool checkpoint_read(
	const char *path, struct checkpoint *checkpoint, bool *there, struct fail *fail)
{
	char from[PATH_MAX];
	char *bytes;
	size_t length;
	bool good;
	int fd;

	*checkpoint = (struct checkpoint){ 0 };
	*there = false;
	checkpoint_path(path, from);
	fd = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "open %s", from);
	bytes = read_file(from, fd, &length, fail);
	close(fd);
	good = bytes && parse(from, bytes, length, checkpoint, fail);
	free(bytes);
	*there = good;
	return good;
}

void checkpoint_sweep(const char *path)
{
	char temporary[PATH_MAX];

	name(path, ".checkpoint.tmp", temporary);
	(void)unlink(temporary);
}

void checkpoint_clear(struct checkpoint *checkpoint)
{
	json_decref(checkpoint->state);
	checkpoint->state = NULL;
}
