#include "metrics-consumer/tests/book.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics-consumer/journal_files.h"
#include "metrics-consumer/tests/disk.h"

int book_setup(void **state)
{
	struct book *const b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	scratch_make(&b->scratch);
	b->journal.file.fd = b->journal.directory = -1;
	disk_is_fine();
	*state = b;
	return 0;
}

int book_teardown(void **state)
{
	struct book *const b = *state;

	disk_is_fine();
	book_close(b);
	scratch_remove(&b->scratch);
	free(b);
	return 0;
}

static bool restore(void *context, const json_t *state, struct fail *fail)
{
	struct book *const b = context;
	json_int_t next, count;

	if (json_unpack((json_t *)(intptr_t)state, "{s:I, s:I}", "next", &next, "count", &count) !=
		0)
		return fail_set(fail, FAIL_REFUSE, "no state of a book");
	b->next[0] = next;
	b->count = count;
	return true;
}

static bool see(void *context, const struct line *line)
{
	struct book *const b = context;

	b->next[line->partition] = line->offset + 1;
	b->count++;
	b->read++;
	return true;
}

static json_t *know(const struct book *b)
{
	return json_pack(
		"{s:I, s:I}", "next", (json_int_t)b->next[0], "count", (json_int_t)b->count);
}

bool book_open(struct book *b)
{
	const char *const path = scratch_path(&b->scratch, "metrics.log");
	const struct journal_reader reader = { restore, see, b, b->next };

	book_close(b);
	b->next[0] = 1;
	b->next[1] = 0;
	b->count = b->read = 0;
	b->fail = (struct fail){ 0 };
	return journal_lock(&b->journal, path, &b->fail) &&
	       journal_open(&b->journal, path, &b->settings, &reader, &b->fail);
}

void book_close(struct book *b)
{
	journal_close(&b->journal);
}

bool book_write(struct book *b, int64_t count)
{
	struct line_second second = { 0 };
	char text[LINE_HEAD_MAX + 16];

	b->fail = (struct fail){ 0 };
	for (int64_t i = 0; i < count; i++) {
		const struct line line = { .time_ms =
						   BOOK_TIME + b->next[0], /* files have an order */
			.offset = b->next[0],
			.source = "cart/a",
			.source_length = 6,
			.id = b->next[0],
			.value = "{\"type\":\"x\"}",
			.length = 12 };

		if (!journal_write(&b->journal, text, line_write(&second, &line, text), &b->fail))
			return false;
		b->next[0]++;
		b->count++;
	}
	return true;
}

bool book_checkpoint(struct book *b)
{
	b->fail = (struct fail){ 0 };
	return journal_checkpoint(&b->journal, know(b), &b->fail);
}

bool book_rotate(struct book *b)
{
	b->fail = (struct fail){ 0 };
	return journal_rotate(&b->journal, know(b), &b->fail);
}

bool book_reopen(struct book *b)
{
	b->fail = (struct fail){ 0 };
	return journal_reopen(&b->journal, know(b), &b->fail);
}

static void check_file(const struct journal_file *file, int64_t *offset)
{
	struct file_lines lines;
	struct fail fail = { 0 };
	struct line_second second = { 0 };
	struct line line;
	const char *bytes;
	size_t length;

	assert_true(journal_file_open(&lines, file, &fail));
	while (file_lines_next(&lines, &bytes, &length, &fail) == FILE_LINES_LINE) {
		assert_true(line_read(&second, bytes, length, &line));
		assert_int_equal(line.offset, ++*offset);
	}
	assert_int_equal(file_lines_torn(&lines, &bytes), 0);
	journal_file_close(&lines);
}

void book_assert_whole(struct book *b, int64_t wanted)
{
	struct journal_file active = { 0 };
	struct journal_files files;
	int64_t offset = 0;

	strcpy(active.path, scratch_path(&b->scratch, "metrics.log"));
	assert_true(journal_files_list(active.path, &files, &b->fail));
	for (size_t i = 0; i < files.count; i++)
		check_file(&files.list[i], &offset);
	journal_files_free(&files);
	check_file(&active, &offset);
	assert_int_equal(offset, wanted);
	assert_int_equal(b->next[0], wanted + 1);
	assert_int_equal(b->count, wanted);
}

bool book_has(struct book *b, const char *name)
{
	return access(scratch_path(&b->scratch, name), F_OK) == 0;
}

void book_move(struct book *b, const char *from, const char *to)
{
	char path[PATH_MAX];

	strcpy(path, scratch_path(&b->scratch, from));
	assert_int_equal(rename(path, scratch_path(&b->scratch, to)), 0);
}

void book_assert_fail(const struct book *b, enum fail_kind kind, const char *text)
{
	if (b->fail.kind != kind || !strstr(b->fail.text, text))
		fail_msg("kind %d, '%s': not kind %d, '%s'", (int)b->fail.kind, b->fail.text,
			(int)kind, text);
}
