/* The brokers' clock, by the last records: a broker stamps each when it appends it, and who wrote
 * it stamped it before. So a stamp of the future, or one before its event, tells of a clock that is
 * wrong, and nothing has to be written to find out. Each partition is looked at by itself: it has
 * its own writer, and that one its own clock.
 *
 * What it cannot see: that the clock here is ahead while nothing that runs here writes. The last
 * record may be as old as it looks. */
#include <inttypes.h>
#include <string.h>

#include "doctor/checks.h"
#include "event/event.h"
#include "kafka/client/headers.h"
#include "process/clock.h"

#define LAST     20 /* records of each partition */
#define READ_MS  2000
#define SKEW_MS  1000
#define AHEAD_MS 10000 /* an event may have waited for Kafka, but the last ones all so long? */

struct stamps { /* of a partition */
	int count;
	int64_t newest_ms, least_ms; /* least: from an event to its record */
	char source[SOURCE_MAX];     /* that wrote the one of the least */
};

static void take(struct stamps list[static EVENT_PARTITIONS], const rd_kafka_message_t *record)
{
	struct stamps *const s = &list[record->partition];
	rd_kafka_timestamp_type_t kind;
	struct record_headers headers;
	const int64_t stamp = rd_kafka_message_timestamp(record, &kind);

	headers_read(record, &headers);
	if (kind != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME || headers.time_ms < 0)
		return;
	if (s->count == 0 || stamp > s->newest_ms)
		s->newest_ms = stamp;
	if (s->count == 0 || stamp - headers.time_ms < s->least_ms) {
		s->least_ms = stamp - headers.time_ms;
		strcpy(s->source, headers.source);
	}
	s->count++;
}

static void read_last(const struct kafka_look *look, struct stamps list[static EVENT_PARTITIONS])
{
	rd_kafka_queue_t *const queue = rd_kafka_queue_new(look->client);
	const int64_t until = clock_mono_ms() + READ_MS;
	int started = 0, ends = 0;

	while (started < EVENT_PARTITIONS && rd_kafka_consume_start_queue(look->topic, started,
						     RD_KAFKA_OFFSET_TAIL(LAST), queue) == 0)
		started++;
	while (ends < started && clock_mono_ms() < until) {
		rd_kafka_message_t *const record = rd_kafka_consume_queue(queue, 100);

		if (!record)
			continue;
		if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ends++;
		else if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			take(list, record);
		rd_kafka_message_destroy(record);
	}
	while (started > 0)
		(void)rd_kafka_consume_stop(look->topic, --started);
	rd_kafka_queue_destroy(queue);
}

/* What the records of a partition say of the clock of who wrote them; nothing where it is well. */
static void judge_writer(const struct stamps *s, int32_t partition, char *text, size_t size)
{
	const char *const who = *s->source ? s->source : "another producer";

	if (s->count > 0 && s->least_ms < -SKEW_MS)
		report_append(text, size,
			"partition %" PRId32 ": a record has a time %" PRId64
			" ms before its event: the brokers are behind who wrote it, %s",
			partition, -s->least_ms, who);
	else if (s->count > 0 && s->least_ms > AHEAD_MS)
		report_append(text, size,
			"partition %" PRId32 ": the last %d records came %" PRId64
			" ms or more after their events: they waited, or the brokers are ahead of "
			"who wrote them, %s",
			partition, s->count, s->least_ms, who);
}

void check_clocks(struct report *report, const struct kafka_look *look)
{
	static const char mend[] = "on each of the machines: timedatectl, or chronyc tracking";
	struct stamps list[EVENT_PARTITIONS] = { 0 };
	int64_t newest_ms = 0, least_ms = INT64_MAX;
	char text[1024] = "";
	int count = 0;

	read_last(look, list);
	for (int32_t i = 0; i < EVENT_PARTITIONS; i++) {
		count += list[i].count;
		if (list[i].count > 0 && list[i].newest_ms > newest_ms)
			newest_ms = list[i].newest_ms;
		if (list[i].count > 0 && list[i].least_ms < least_ms)
			least_ms = list[i].least_ms;
	}
	if (newest_ms - clock_wall_ms() > SKEW_MS)
		report_append(text, sizeof(text),
			"the brokers are %" PRId64
			" ms ahead of this machine: delays, retention and what is shown of both "
			"are wrong by that",
			newest_ms - clock_wall_ms());
	for (int32_t i = 0; i < EVENT_PARTITIONS; i++)
		judge_writer(&list[i], i, text, sizeof(text));
	if (count == 0)
		report_say(report, VERDICT_OK, "clocks", "", "no record to compare them by");
	else if (*text)
		report_say(report, VERDICT_WARN, "clocks", mend, "%s", text);
	else
		report_say(report, VERDICT_OK, "clocks", "",
			"agree by the last %d records: the quickest came %" PRId64
			" ms after its event",
			count, least_ms);
}
