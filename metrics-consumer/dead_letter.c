#include "metrics-consumer/dead_letter.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "metrics-consumer/checksum.h"
#include "process/clock.h"
#include "process/log.h"

#define HEAD_MAX  768         /* bytes of a line without key and value: a source escaped, numbers */
#define KEEP_ROOM (64 * 1024) /* memory kept once the lines are written */

static uint64_t mix(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 1099511628211u; /* FNV-1a */
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = mix(hash, *text);
	return mix(hash, ',');
}

static const char digits[] = "0123456789abcdef";

/* The same as mix_text of the hex text that put_hex writes. */
static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *const from = bytes;

	if (!bytes)
		return mix_text(hash, "null");
	if (length > DEAD_VALUE_MAX)
		length = DEAD_VALUE_MAX;
	for (size_t i = 0; i < length; i++)
		hash = mix(mix(hash, digits[from[i] >> 4]), digits[from[i] & 15]);
	return mix(hash, ',');
}

static uint64_t mix_json(uint64_t hash, const json_t *hex)
{
	return mix_text(hash, json_is_string(hex) ? json_string_value(hex) : "null");
}

#define HASH_START 14695981039346656037u

const char *dead_letter_reason(int reason)
{
	assert(reason > EVENT_SOUND && reason < DEAD_REASONS);
	return reason == DEAD_ALTERED ? "altered" : event_flaw_name((enum event_flaw)reason);
}

static int reason_of(const char *name)
{
	for (int reason = EVENT_SOUND + 1; reason < DEAD_REASONS; reason++) {
		if (strcmp(name, dead_letter_reason(reason)) == 0)
			return reason;
	}
	return DEAD_UNKNOWN;
}

uint32_t dead_letter_checksum(const void *value, size_t length)
{
	return checksum32(value ? value : "", length < DEAD_VALUE_MAX ? length : DEAD_VALUE_MAX);
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of the bytes that a hex text stands for; false where it is none. */
static bool checksum_hex(const json_t *hex, uint32_t *checksum)
{
	const char *const text = json_is_string(hex) ? json_string_value(hex) : "";
	const size_t length = json_is_string(hex) ? json_string_length(hex) : 0;
	unsigned char piece[4096];
	XXH3_state_t state;
	size_t count = 0;

	(void)XXH3_64bits_reset(&state);
	for (size_t i = 0; i + 1 < length; i += 2) {
		const int high = nibble(text[i]), low = nibble(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		piece[count++] = (unsigned char)(high << 4 | low);
		if (count == sizeof(piece)) {
			(void)XXH3_64bits_update(&state, piece, count);
			count = 0;
		}
	}
	(void)XXH3_64bits_update(&state, piece, count);
	*checksum = (uint32_t)XXH3_64bits_digest(&state);
	return length % 2 == 0;
}

bool dead_letter_parse(const char *bytes, size_t length, struct dead_record *record,
	char source[static SOURCE_MAX])
{
	json_t *const line = json_loadb(bytes, length, 0, NULL);
	const char *name = "", *time, *reason;
	json_t *key, *value;
	json_int_t partition, offset, id = 0;
	bool good;

	*record = (struct dead_record){ .source = source };
	good = line && json_unpack(line, "{s:s, s:I, s:I, s?s, s?I, s:s, s:o, s:o}", "time", &time,
			       "partition", &partition, "offset", &offset, "source", &name, "id",
			       &id, "reason", &reason, "key_hex", &key, "value_hex", &value) == 0;
	good = good && (json_is_string(value) || json_is_null(value)) &&
	       clock_parse(time, strlen(time), &record->time_ms) && partition >= 0 &&
	       partition < EVENT_PARTITIONS && offset >= 0 && id >= 0 &&
	       strlen(name) < SOURCE_MAX && (*name != '\0') == (id > 0) &&
	       checksum_hex(value, &record->checksum);
	if (good) {
		record->partition = (int32_t)partition;
		record->offset = offset;
		record->id = id;
		record->reason = reason_of(reason);
		record->hash = mix_json(mix_json(HASH_START, key), value);
		strcpy(source, name);
	}
	json_decref(line);
	return good;
}

static int compare_places(const void *a, const void *b)
{
	const struct dead_place *const one = a, *const other = b;

	if (one->partition != other->partition)
		return one->partition < other->partition ? -1 : 1;
	return one->offset < other->offset ? -1 : one->offset > other->offset;
}

static bool remember(struct dead_letter *dead, const struct dead_record *record, struct fail *fail)
{
	struct dead_place *grown;
	const size_t room = dead->known_room > 0 ? 2 * dead->known_room : 64;

	if (dead->known_count == DEAD_KNOWN_MAX)
		return true;
	if (dead->known_count == dead->known_room) {
		grown = realloc(dead->known, room * sizeof(*grown));
		if (!grown)
			return fail_set(fail, FAIL_FATAL, "out of memory");
		dead->known = grown;
		dead->known_room = room;
	}
	dead->known[dead->known_count++] =
		(struct dead_place){ record->partition, record->offset, record->hash };
	return true;
}

static bool begins(char first)
{
	return first == '{' || first == '\0';
}

static const struct append_file_lines lines_kind = { "dead-letter", "a dead letter", "dead letter",
	begins };

struct reading {
	struct dead_letter *dead;
	const int64_t *next;
	dead_letter_seen *seen;
	void *context;
};

static bool see(void *context, const char *bytes, size_t length, struct fail *fail)
{
	const struct reading *const reading = context;
	char source[SOURCE_MAX];
	struct dead_record record;

	if (!dead_letter_parse(bytes, length, &record, source) ||
		!reading->seen(reading->context, &record))
		return false;
	return record.offset < reading->next[record.partition] ||
	       remember(reading->dead, &record, fail);
}

bool dead_letter_open(struct dead_letter *dead, const char *path,
	const int64_t next[static EVENT_PARTITIONS], dead_letter_seen *seen, void *context,
	struct fail *fail)
{
	struct reading reading = { dead, next, seen, context };
	uint64_t count;

	*dead = (struct dead_letter){ .file.fd = -1 };
	if (!append_file_open(&dead->file, path, fail) ||
		!append_file_recall(&dead->file, &lines_kind, see, &reading, &count, fail))
		return false;
	if (dead->known_count > 0)
		qsort(dead->known, dead->known_count, sizeof(*dead->known), compare_places);
	return true;
}

void dead_letter_close(struct dead_letter *dead)
{
	append_file_close(&dead->file);
	free(dead->waiting);
	free(dead->known);
	dead->waiting = NULL;
	dead->known = NULL;
	dead->length = dead->room = dead->known_count = dead->known_room = 0;
}

bool dead_letter_known(const struct dead_letter *dead, const struct dead_record *record)
{
	const uint64_t hash = mix_bytes(mix_bytes(HASH_START, record->key, record->key_length),
		record->value, record->length);
	size_t low = 0, high = dead->known_count;

	while (low < high) { /* the first one at this place: there may be several */
		const size_t middle = low + (high - low) / 2;
		const struct dead_place wanted = { .partition = record->partition,
			.offset = record->offset };

		if (compare_places(&dead->known[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < dead->known_count && dead->known[low].partition == record->partition &&
		dead->known[low].offset == record->offset;
		low++) {
		if (dead->known[low].hash == hash)
			return true;
	}
	return false;
}

static bool make_room(struct dead_letter *dead, size_t more, struct fail *fail)
{
	size_t room = dead->room > 0 ? dead->room : KEEP_ROOM;
	char *grown;

	while (room - dead->length < more)
		room *= 2;
	if (room == dead->room)
		return true;
	grown = realloc(dead->waiting, room);
	if (!grown)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	dead->waiting = grown;
	dead->room = room;
	return true;
}

static void put(struct dead_letter *dead, const char *text)
{
	const size_t length = strlen(text);

	assert(dead->room - dead->length >= length);
	memcpy(dead->waiting + dead->length, text, length);
	dead->length += length;
}

/* A source is printable ASCII, so these two are all that JSON wants escaped. */
static void put_source(struct dead_letter *dead, const char *source)
{
	put(dead, ",\"source\":\"");
	for (; *source; source++) {
		if (*source == '"' || *source == '\\')
			dead->waiting[dead->length++] = '\\';
		dead->waiting[dead->length++] = *source;
	}
	put(dead, "\"");
}

static void put_hex(struct dead_letter *dead, const char *name, const void *bytes, size_t length)
{
	const unsigned char *const from = bytes;

	put(dead, name);
	if (!bytes) {
		put(dead, "null");
		return;
	}
	put(dead, "\"");
	if (length > DEAD_VALUE_MAX)
		length = DEAD_VALUE_MAX;
	for (size_t i = 0; i < length; i++) {
		dead->waiting[dead->length++] = digits[from[i] >> 4];
		dead->waiting[dead->length++] = digits[from[i] & 15];
	}
	put(dead, "\"");
}

bool dead_letter_add(struct dead_letter *dead, const struct dead_record *record, struct fail *fail)
{
	char time[CLOCK_TEXT_MAX], text[128];
	const size_t kept =
		(record->key_length < DEAD_VALUE_MAX ? record->key_length : DEAD_VALUE_MAX) +
		(record->length < DEAD_VALUE_MAX ? record->length : DEAD_VALUE_MAX);

	assert(record->partition >= 0 && record->partition < EVENT_PARTITIONS);
	if (!make_room(dead, HEAD_MAX + 2 * kept, fail))
		return false;
	clock_text(record->time_ms, time);
	(void)snprintf(text, sizeof(text),
		"{\"time\":\"%s\",\"partition\":%" PRId32 ",\"offset\":%" PRId64, time,
		record->partition, record->offset);
	put(dead, text);
	if (record->id > 0) {
		put_source(dead, record->source);
		(void)snprintf(text, sizeof(text), ",\"id\":%" PRId64, record->id);
		put(dead, text);
	}
	if (record->traceparent && *record->traceparent) {
		(void)snprintf(text, sizeof(text), ",\"traceparent\":\"%s\"", record->traceparent);
		put(dead, text);
	}
	(void)snprintf(
		text, sizeof(text), ",\"reason\":\"%s\"", dead_letter_reason(record->reason));
	put(dead, text);
	if (record->length > DEAD_VALUE_MAX) {
		(void)snprintf(text, sizeof(text), ",\"length\":%zu", record->length);
		put(dead, text);
	}
	put_hex(dead, ",\"key_hex\":", record->key, record->key_length);
	put_hex(dead, ",\"value_hex\":", record->value, record->length);
	put(dead, "}\n");
	return true;
}

static bool see_any(void *context, const char *bytes, size_t length, struct fail *fail)
{
	char source[SOURCE_MAX];
	struct dead_record record;

	(void)context;
	(void)fail;
	return dead_letter_parse(bytes, length, &record, source);
}

/* What is written to a file that was moved goes where it goes: one that an editor replaced is
 * deleted already. */
static bool follow_name(struct dead_letter *dead, struct fail *fail)
{
	struct append_file next;
	struct stat ours, there;
	uint64_t count;

	if (fstat(dead->file.fd, &ours) == 0 && stat(dead->file.path, &there) == 0 &&
		ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		return true;
	if (!append_file_open(&next, dead->file.path, fail))
		return false;
	if (!append_file_recall(&next, &lines_kind, see_any, NULL, &count, fail)) {
		append_file_close(&next);
		return false;
	}
	append_file_close(&dead->file);
	dead->file = next;
	log_warning("dead-letter",
		"the file was moved or replaced, letters go to the one of that name path=%s",
		next.path);
	return true;
}

bool dead_letter_write(struct dead_letter *dead, struct fail *fail)
{
	if (dead->length == 0)
		return true;
	if (!follow_name(dead, fail) ||
		!append_file_write(&dead->file, dead->waiting, dead->length, fail) ||
		!append_file_sync(&dead->file, fail))
		return false;
	dead->length = 0;
	if (dead->room > KEEP_ROOM) {
		free(dead->waiting);
		dead->waiting = NULL;
		dead->room = 0;
	}
	return true;
}
