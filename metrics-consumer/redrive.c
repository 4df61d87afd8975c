/* Bringing repaired dead letters into the journal.
 *
 * Going well: take the journal's lock, read the input and judge each line as the consumer judges a
 * record, open the journal as the consumer does, read all of it to see what is there, append the
 * rest, make a checkpoint.
 * Going wrong:
 * - a line of the input is no dead letter, or its value is no sound event: it is named and left
 *   out, the others go their way;
 * - the journal has the number from another place or with another value: a second line of it
 *   would be a repetition, so it is refused;
 * - we are killed before the checkpoint: what we wrote is cut by whoever opens the journal next,
 *   and a second run does it again; behind the checkpoint, a second run finds it and leaves it
 *   out. */
#include "metrics-consumer/redrive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/event.h"
#include "metrics-consumer/checksum.h"
#include "metrics-consumer/dead_letter.h"
#include "metrics-consumer/journal.h"
#include "metrics-consumer/journal_walk.h"
#include "metrics-consumer/letter.h"
#include "metrics-consumer/place.h"
#include "process/clock.h"
#include "process/progress_bar.h"

#define LINES_LOOK 65536 /* lines between two looks at the progress */

struct redriving {
	FILE *out;
	int progress_fd;
	struct journal *journal; /* locked, unless it is a dry run */
	struct place place;
	struct dead_letter dead; /* the place wants one; it is not opened */
	struct event_reader *reader;
	struct event event;
	struct letter *list;
	size_t count, room;
	size_t bytes;  /* of values */
	size_t *slots; /* index + 1 of a letter, by its name; 0: empty */
	size_t slot_count;
	uint64_t refused, there;
};

static uint64_t slot_of(
	int32_t partition, int64_t offset, const char *source, size_t source_length, int64_t id)
{
	struct {
		char text[SOURCE_MAX];
		int64_t a, b;
	} name;

	memset(&name, 0, sizeof(name));
	if (source_length > 0)
		memcpy(name.text, source, source_length);
	name.a = source_length > 0 ? id : offset;
	name.b = source_length > 0 ? 0 : partition;
	return checksum64(&name, sizeof(name));
}

/* The slot of the letter of that name, or the empty one where it belongs. An event is named by
 * source and number, or, where it has none, by its place. */
static size_t *find_slot(const struct redriving *r, int32_t partition, int64_t offset,
	const char *source, size_t source_length, int64_t id)
{
	size_t at = (size_t)slot_of(partition, offset, source, source_length, id) % r->slot_count;

	for (; r->slots[at] != 0; at = (at + 1) % r->slot_count) {
		const struct letter *const l = &r->list[r->slots[at] - 1];

		if (strlen(l->source) != source_length)
			continue;
		if (source_length == 0
				? l->partition == partition && l->offset == offset
				: l->id == id && memcmp(l->source, source, source_length) == 0)
			break;
	}
	return &r->slots[at];
}

static void refuse(struct redriving *r, const struct letter *letter, const char *why)
{
	r->refused++;
	fprintf(r->out,
		"line %" PRIu64 ", partition %" PRId32 " offset %" PRId64 " source %s id %" PRId64
		": %s\n",
		letter->number, letter->partition, letter->offset,
		letter->source[0] ? letter->source : "-", letter->id, why);
}

static bool keep(struct redriving *r, const struct letter *letter, struct fail *fail)
{
	if (r->count == r->room) {
		const size_t room = r->room > 0 ? 2 * r->room : 64;
		struct letter *const grown = reallocarray(r->list, room, sizeof(*grown));

		if (!grown)
			return fail_set(fail, FAIL_FATAL, "out of memory");
		r->list = grown;
		r->room = room;
	}
	r->list[r->count++] = *letter;
	r->bytes += letter->length + sizeof(*letter);
	return r->bytes <= REDRIVE_BYTES_MAX ||
	       fail_set(fail, FAIL_REFUSE, "more than %d MB at once: give it in parts",
		       REDRIVE_BYTES_MAX / 1048576);
}

static bool take_line(
	struct redriving *r, uint64_t number, const char *bytes, size_t length, struct fail *fail)
{
	struct letter letter;
	struct fail why = { 0 };

	if (!letter_read(&letter, bytes, length, &why)) {
		r->refused++;
		fprintf(r->out, "line %" PRIu64 " is no dead letter: %s\n", number, why.text);
		return true;
	}
	letter.number = number;
	letter_judge(&letter, r->reader, &r->event);
	if (keep(r, &letter, fail))
		return true;
	if (r->count == 0 || r->list[r->count - 1].value != letter.value)
		free(letter.value);
	return false;
}

/* From a pipe as from a file: file_lines reads by position. */
static bool read_pipe(void *context, char *bytes, size_t room, size_t *got, struct fail *fail)
{
	ssize_t length;

	do {
		length = read(*(const int *)context, bytes, room);
	} while (length < 0 && errno == EINTR);
	*got = length > 0 ? (size_t)length : 0;
	return length >= 0 || fail_errno(fail, FAIL_FATAL, errno, "read");
}

static bool read_lines(struct redriving *r, struct file_lines *lines, struct fail *fail)
{
	const char *bytes;
	size_t length;

	for (;;) {
		switch (file_lines_next(lines, &bytes, &length, fail)) {
		case FILE_LINES_LINE:
			break;
		case FILE_LINES_FAILED:
			return false;
		case FILE_LINES_END: /* an editor may have left the last line open */
			length = file_lines_torn(lines, &bytes);
			return length == 0 || take_line(r, lines->number + 1, bytes, length, fail);
		}
		if (length > 0 && !take_line(r, lines->number, bytes, length, fail))
			return false;
	}
}

static bool read_input(struct redriving *r, const char *path, struct fail *fail)
{
	const bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct file_lines lines;
	bool good;

	if (fd < 0)
		return fail_errno(fail, FAIL_REFUSE, errno, "open %s", path);
	good = file_lines_open_source(&lines, read_pipe, &fd, fail);
	lines.name = standard ? "standard input" : path;
	good = good && read_lines(r, &lines, fail);
	file_lines_close(&lines);
	if (!standard)
		close(fd);
	return good;
}

/* Of two lines of one event the sound one counts, or the first. */
static bool name_letters(struct redriving *r, struct fail *fail)
{
	r->slot_count = 2 * r->count + 1;
	r->slots = calloc(r->slot_count, sizeof(*r->slots));
	if (!r->slots)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	for (size_t i = 0; i < r->count; i++) {
		struct letter *const l = &r->list[i];
		size_t *const slot =
			find_slot(r, l->partition, l->offset, l->source, strlen(l->source), l->id);
		struct letter *const before = *slot > 0 ? &r->list[*slot - 1] : NULL;

		if (before && (before->flaw == EVENT_SOUND || l->flaw != EVENT_SOUND)) {
			l->there = true;
			r->there++;
			continue;
		}
		if (before) {
			before->there = true;
			r->there++;
		}
		*slot = i + 1;
	}
	return true;
}

static void meet(struct redriving *r, const struct line *line)
{
	const size_t slot = *find_slot(
		r, line->partition, line->offset, line->source, line->source_length, line->id);
	struct letter *const l = slot > 0 ? &r->list[slot - 1] : NULL;

	if (!l || l->there)
		return;
	l->there = true;
	if (l->partition == line->partition && l->offset == line->offset)
		r->there++;
	else
		refuse(r, l, "the journal has this number, from another place");
}

static bool read_journal(struct redriving *r, const char *path, struct fail *fail)
{
	struct line_second second = { 0 };
	struct journal_walk walk;
	struct progress_bar bar;
	enum file_lines_result result = FILE_LINES_FAILED;
	const char *bytes;
	size_t length;
	bool good = journal_walk_open(&walk, path, fail);

	progress_bar_start(&bar, r->progress_fd);
	while (good &&
		(result = journal_walk_next(&walk, &bytes, &length, fail)) == FILE_LINES_LINE) {
		struct line line;

		if (line_read(&second, bytes, length, &line) && line.source_length < SOURCE_MAX)
			meet(r, &line);
		else
			good = journal_walk_damaged(&walk, fail);
		if (walk.count % LINES_LOOK == 0 && progress_bar_is_due(&bar))
			progress_bar_draw(&bar, (double)journal_walk_position(&walk),
				(double)walk.bytes, "of the journal is read");
	}
	progress_bar_end(&bar);
	good = good && result == FILE_LINES_END;
	journal_walk_close(&walk);
	return good;
}

static bool write_lines(struct redriving *r, char **lines, size_t *length, struct fail *fail)
{
	const int64_t now_ms = clock_wall_ms();
	struct line_second second = { 0 };
	size_t room = 1;

	for (size_t i = 0; i < r->count; i++)
		room += LINE_HEAD_MAX + r->list[i].length;
	*lines = malloc(room);
	*length = 0;
	if (!*lines)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	for (size_t i = 0; i < r->count; i++) {
		const struct letter *const l = &r->list[i];
		const struct line line = { .time_ms = now_ms,
			.partition = l->partition,
			.offset = l->offset,
			.source = l->source,
			.source_length = strlen(l->source),
			.id = l->id,
			.delay_ms = now_ms - l->at_ms,
			.trace = *l->trace ? l->trace : NULL,
			.value = l->value,
			.length = l->length };

		if (!l->there && l->flaw == EVENT_SOUND)
			*length += line_write(&second, &line, *lines + *length);
		else if (!l->there)
			refuse(r, l, event_flaw_name(l->flaw));
	}
	return true;
}

static void count_redriven(const struct redriving *r, struct place *place)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct letter *const l = &r->list[i];

		if (!l->there && l->flaw == EVENT_SOUND)
			place_redriven(place, l->type, l->partition, l->source, l->id);
	}
}

/* Their offsets are lower than those of the lines before. A checkpoint behind them says that they
 * are sound; without it the consumer cuts them at its start, and redrive is to be run again. */
static bool append(struct redriving *r, const char *lines, size_t length, struct fail *fail)
{
	struct journal *const journal = r->journal;

	if (!journal_write(journal, lines, length, fail))
		return false;
	count_redriven(r, &r->place);
	return journal_checkpoint(journal, place_save(&r->place), fail);
}

/* What the journal knows, as the consumer reads it at its start. */
static bool open_journal(struct redriving *r, const char *path, struct fail *fail)
{
	static const struct journal_settings as_it_is = { 0 };
	const struct journal_reader reader = { .restore = place_restore,
		.seen = place_recall_line,
		.context = &r->place,
		.next = r->place.progress.next };

	if (access(path, F_OK) != 0)
		return fail_errno(fail, FAIL_REFUSE, errno, "no journal at %s", path);
	return place_open(&r->place, &r->dead, fail) &&
	       journal_open(r->journal, path, &as_it_is, &reader, fail);
}

static bool redrive_all(
	struct redriving *r, const struct redrive_options *options, struct fail *fail)
{
	char *lines = NULL;
	size_t length = 0;
	const bool good = read_input(r, options->input_path, fail) && name_letters(r, fail) &&
			  (options->dry_run || open_journal(r, options->journal_path, fail)) &&
			  read_journal(r, options->journal_path, fail) &&
			  write_lines(r, &lines, &length, fail) &&
			  (options->dry_run || length == 0 || append(r, lines, length, fail));
	uint64_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += lines[i] == '\n';
	if (good)
		fprintf(r->out,
			"%" PRIu64 "%s redriven, %" PRIu64 " already there, %" PRIu64 " refused\n",
			count, options->dry_run ? " would be" : "", r->there, r->refused);
	free(lines);
	return good;
}

bool redrive(const struct redrive_options *options, FILE *out, bool *all, struct fail *fail)
{
	struct journal journal = { .file.fd = -1, .directory = -1 };
	struct redriving r = { .out = out,
		.progress_fd = options->progress_fd,
		.journal = &journal,
		.dead.file.fd = -1 };
	bool good = false;

	if (!options->dry_run && !journal_lock(&journal, options->journal_path, fail))
		return fail->kind == FAIL_OWNED
			       ? fail_set(fail, FAIL_OWNED, "the consumer runs: stop it first")
			       : false;
	r.reader = event_reader_new();
	if (!r.reader)
		fail_set(fail, FAIL_FATAL, "out of memory");
	else
		good = redrive_all(&r, options, fail);
	*all = r.refused == 0;
	if (r.reader)
		event_reader_free(&r.reader);
	for (size_t i = 0; i < r.count; i++)
		free(r.list[i].value);
	free(r.list);
	place_close(&r.place);
	free(r.slots);
	journal_close(&journal);
	return good;
}
