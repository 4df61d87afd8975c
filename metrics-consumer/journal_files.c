#include "metrics-consumer/journal_files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics-consumer/append_file.h"
#include "metrics-consumer/line.h"
#include "metrics-consumer/zst_reader.h"

#define HEAD          1024 /* bytes that tell whether a first line is one: more than LINE_HEAD_MAX */
#define NUMBER_DIGITS 6

bool journal_file_open(struct file_lines *lines, const struct journal_file *file, struct fail *fail)
{
	const int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct zst_reader *reader = NULL;
	bool good;

	*lines = (struct file_lines){ .fd = -1 };
	if (fd < 0)
		return fail_errno(fail, errno == ENOENT ? FAIL_RETRY : FAIL_FATAL, errno, "open %s",
			file->path);
	if (!file->compressed)
		good = file_lines_open(lines, fd, fail);
	else
		good = zst_reader_open(&reader, fd, fail) &&
		       file_lines_open_source(lines, zst_reader_next, reader, fail);
	lines->name = file->path;
	if (!good && reader)
		zst_reader_close(&reader);
	else if (!good && !file->compressed)
		close(fd);
	if (!good)
		lines->fd = -1;
	return good;
}

void journal_file_close(struct file_lines *lines)
{
	struct zst_reader *reader = lines->context;

	file_lines_close(lines);
	zst_reader_close(&reader);
	if (lines->fd >= 0)
		close(lines->fd);
	lines->context = NULL;
	lines->fd = -1;
}

int64_t journal_file_position(const struct file_lines *lines)
{
	return lines->source ? zst_reader_position(lines->context) : lines->read_to;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	const size_t wanted = strlen(end);

	return length >= wanted && memcmp(text + length - wanted, end, wanted) == 0;
}

/* The number of a rotated file: at least six digits, as `%06` writes it. 0: another name. */
static int64_t read_number(const char *text, size_t length)
{
	int64_t number = 0;

	if (length < NUMBER_DIGITS || length > 18 || (length > NUMBER_DIGITS && text[0] == '0'))
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* Whether @end, what stands behind `P.`, may be a file with lines; fills what the name tells. */
static bool read_name(struct journal_file *file, const char *end)
{
	size_t length = strlen(end);

	if (length == 0 || strcmp(end, "checkpoint") == 0 || ends_with(end, length, ".tmp") ||
		(strncmp(end, "cut.", 4) == 0 && read_number(end + 4, length - 4) > 0))
		return false;
	file->compressed = ends_with(end, length, ".zst");
	if (file->compressed)
		length -= strlen(".zst");
	file->number = read_number(end, length);
	return length > 0;
}

bool journal_files_has(const char *end)
{
	struct journal_file file = { 0 };

	return *end != '\0' && (!read_name(&file, end) || file.number > 0);
}

/* Reads the first bytes, at most HEAD. A file that cannot be read or is damaged gives none here:
 * whoever reads it all will say so. */
static size_t read_head(const struct journal_file *file, char head[static HEAD])
{
	struct fail ignored = { 0 };
	struct file_lines lines;
	size_t there = 0, got = 1;

	if (!journal_file_open(&lines, file, &ignored))
		return 0;
	while (there < HEAD && got > 0) {
		got = 0;
		if (lines.source) {
			if (!lines.source(
				    lines.context, head + there, HEAD - there, &got, &ignored))
				break;
		} else {
			const ssize_t length =
				pread(lines.fd, head + there, HEAD - there, (off_t)there);

			got = length > 0 ? (size_t)length : 0;
		}
		there += got;
	}
	journal_file_close(&lines);
	return there;
}

/* The beginning of the first line is enough: a value may be long. */
static int64_t read_first_time(const struct journal_file *file)
{
	char head[HEAD];
	const size_t length = read_head(file, head);
	const char *const end = memchr(head, '\n', length);
	struct line_second second = { 0 };
	struct line line;

	static_assert(HEAD > LINE_HEAD_MAX, "the value begins within it");
	if (length == 0 || (!end && length < HEAD) ||
		!line_read(&second, head, end ? (size_t)(end - head) : length, &line))
		return INT64_MIN;
	return line.time_ms;
}

static bool look_at(struct journal_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) != 0 || !S_ISREG(st.st_mode))
		return false; /* gone, or not ours */
	file->size = st.st_size;
	file->device = st.st_dev;
	file->inode = st.st_ino;
	return true;
}

static bool keep(struct journal_files *files, const struct journal_file *file, struct fail *fail)
{
	struct journal_file *const grown =
		reallocarray(files->list, files->count + 1, sizeof(*files->list));

	if (!grown)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	files->list = grown;
	files->list[files->count++] = *file;
	return true;
}

static bool list_directory(
	DIR *directory, const char *path, struct journal_files *files, struct fail *fail)
{
	const char *const slash = strrchr(path, '/');
	const char *const base = slash ? slash + 1 : path;
	const size_t length = strlen(base);
	const struct dirent *entry;

	while (errno = 0, (entry = readdir(directory))) {
		struct journal_file file = { .first_ms = INT64_MIN };

		if (strncmp(entry->d_name, base, length) != 0 || entry->d_name[length] != '.' ||
			!read_name(&file, entry->d_name + length + 1))
			continue;
		if (snprintf(file.path, PATH_MAX, "%s%s", path, entry->d_name + length) >= PATH_MAX)
			return fail_set(
				fail, FAIL_REFUSE, "the path of %s is too long", entry->d_name);
		if (look_at(&file) && !keep(files, &file, fail))
			return false;
	}
	return errno == 0 || fail_errno(fail, FAIL_FATAL, errno, "read the directory of %s", path);
}

static int compare_names(const void *a, const void *b)
{
	const struct journal_file *const one = a, *const other = b;

	if (one->number != other->number)
		return one->number < other->number ? -1 : 1;
	return strcmp(one->path, other->path);
}

static int compare_times(const void *a, const void *b)
{
	const struct journal_file *const one = a, *const other = b;

	if (one->number == 0 && other->number == 0 && one->first_ms != other->first_ms)
		return one->first_ms < other->first_ms ? -1 : 1;
	return compare_names(a, b);
}

/* Sorted by name, `X.zst` stands right behind `X` or other names that begin with it. */
static void drop_doubles(struct journal_files *files)
{
	size_t kept = 0;

	for (size_t i = 0; i < files->count; i++) {
		const struct journal_file *const file = &files->list[i];
		const size_t length = strlen(file->path) - strlen(".zst");
		bool doubled = false;

		for (size_t k = kept; file->compressed && k > 0 && !doubled; k--) {
			const struct journal_file *const other = &files->list[k - 1];

			if (other->number != file->number ||
				strncmp(other->path, file->path, length) != 0)
				break;
			doubled = !other->compressed && other->path[length] == '\0';
		}
		if (!doubled)
			files->list[kept++] = *file;
	}
	files->count = kept;
}

static void drop_strangers(struct journal_files *files)
{
	size_t kept = 0;

	for (size_t i = 0; i < files->count; i++) {
		struct journal_file *const file = &files->list[i];

		file->first_ms = read_first_time(file);
		if (file->number == 0 && file->first_ms == INT64_MIN)
			files->strangers++;
		else
			files->list[kept++] = *file;
	}
	files->count = kept;
}

/* Sorted, the other names come first: each moves behind the numbered ones that are older. */
static void place_others(struct journal_files *files)
{
	size_t others = 0;

	while (others < files->count && files->list[others].number == 0)
		others++;
	for (size_t i = others; i > 0; i--) {
		const struct journal_file file = files->list[i - 1];
		size_t at = i - 1;

		/* Not past the other names that were placed before: they are younger. */
		while (at + 1 < files->count && files->list[at + 1].number > 0 &&
			files->list[at + 1].first_ms <= file.first_ms) {
			files->list[at] = files->list[at + 1];
			at++;
		}
		files->list[at] = file;
	}
}

bool journal_files_list(const char *path, struct journal_files *files, struct fail *fail)
{
	char directory_path[PATH_MAX];
	DIR *directory;
	bool good;

	*files = (struct journal_files){ 0 };
	append_file_directory(path, directory_path);
	directory = opendir(directory_path);
	if (!directory)
		return fail_errno(fail, FAIL_FATAL, errno, "open directory %s", directory_path);
	good = list_directory(directory, path, files, fail);
	closedir(directory);
	if (!good)
		return false;
	if (files->count == 0)
		return true;
	qsort(files->list, files->count, sizeof(*files->list), compare_names);
	drop_doubles(files);
	drop_strangers(files);
	qsort(files->list, files->count, sizeof(*files->list), compare_times);
	place_others(files);
	return true;
}

void journal_files_free(struct journal_files *files)
{
	free(files->list);
	*files = (struct journal_files){ 0 };
}
