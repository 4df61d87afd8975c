#include "metrics-consumer/dead_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void dead_tail_init(struct dead_tail *tail, const char *path)
{
	*tail = (struct dead_tail){ .size = -1 };
	(void)snprintf(tail->path, sizeof(tail->path), "%s", path);
}

bool dead_tail_changed(struct dead_tail *tail)
{
	struct stat st;

	if (stat(tail->path, &st) != 0)
		st = (struct stat){ 0 }; /* there is none yet */
	if (st.st_size == tail->size && st.st_dev == tail->device && st.st_ino == tail->inode)
		return false;
	tail->size = st.st_size;
	tail->device = st.st_dev;
	tail->inode = st.st_ino;
	return true;
}

/* The end of the file, terminated; NULL: it cannot be read. */
static char *read_end(const struct dead_tail *tail, size_t *length, bool *cut)
{
	const int64_t from = tail->size > DEAD_TAIL_BYTES ? tail->size - DEAD_TAIL_BYTES : 0;
	const int fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *const bytes = malloc(DEAD_TAIL_BYTES + 1);
	ssize_t got = -1;

	*cut = from > 0;
	if (fd >= 0 && bytes) {
		do {
			got = pread(fd, bytes, DEAD_TAIL_BYTES, from);
		} while (got < 0 && errno == EINTR);
	}
	if (fd >= 0)
		close(fd);
	if (got < 0) {
		free(bytes);
		return NULL;
	}
	bytes[got] = '\0';
	*length = (size_t)got;
	return bytes;
}

/* The first bytes of a hex text, and how many there are in all; null stays null. */
static void shorten(json_t *letter, const char *name, const char *count_name)
{
	const json_t *const hex = json_object_get(letter, name);
	const char *const text = json_string_value(hex);

	if (!text)
		return;
	(void)json_object_set_new(
		letter, count_name, json_integer((json_int_t)json_string_length(hex) / 2));
	if (json_string_length(hex) > 2 * DEAD_TAIL_VALUE)
		(void)json_object_set_new(letter, name, json_stringn(text, 2 * DEAD_TAIL_VALUE));
}

json_t *dead_tail_read(struct dead_tail *tail)
{
	json_t *const list = json_array();
	size_t length = 0;
	bool cut = false;
	char *const bytes = read_end(tail, &length, &cut);
	char *line = bytes, *end;

	if (bytes && cut) {
		line = memchr(bytes, '\n', length);
		line = line ? line + 1 : bytes + length;
	}
	for (; line && (end = memchr(line, '\n', length - (size_t)(line - bytes)));
		line = end + 1) {
		json_t *const letter = json_loadb(line, (size_t)(end - line), 0, NULL);

		if (!json_is_object(letter)) {
			json_decref(letter);
			continue;
		}
		shorten(letter, "key_hex", "key_length");
		shorten(letter, "value_hex", "value_length");
		(void)json_array_append_new(list, letter);
		if (json_array_size(list) > DEAD_TAIL_MAX)
			(void)json_array_remove(list, 0);
	}
	free(bytes);
	return list;
}
