/* The brokers' clock, by the last records: a broker stamps each when it appends it, and who wrote
 * it stamped it before. So a stamp of the future, or one before its event, tells of a clock that is
 * wrong, and nothing has to be written to find out. */
#include <inttypes.h>

#include "doctor/checks.h"
#include "event/event.h"
#include "kafka/client/headers.h"
#include "process/clock.h"

#define LAST     20 /* records of each partition */
#define READ_MS  2000
#define SKEW_MS  1000
#define AHEAD_MS 10000 /* an event may have waited for Kafka, but the last ones all so long? */

struct stamps {
	int count, ends;
	int64_t newest_ms, least_ms; /* least: from an event to its record */
};

static void take(struct stamps *s, const rd_kafka_message_t *record)
{
	rd_kafka_timestamp_type_t kind;
	struct record_headers headers;
	int64_t stamp;

	if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		s->ends++;
	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	stamp = rd_kafka_message_timestamp(record, &kind);
	headers_read(record, &headers);
	if (kind != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME || headers.time_ms < 0)
		return;
	if (s->count == 0 || stamp > s->newest_ms)
		s->newest_ms = stamp;
	if (s->count == 0 || stamp - headers.time_ms < s->least_ms)
		s->least_ms = stamp - headers.time_ms;
	s->count++;
}

static void read_last(const struct kafka_look *look, struct stamps *s)
{
	rd_kafka_queue_t *const queue = rd_kafka_queue_new(look->client);
	const int64_t until = clock_mono_ms() + READ_MS;
	int started = 0;

	while (started < EVENT_PARTITIONS && rd_kafka_consume_start_queue(look->topic, started,
						     RD_KAFKA_OFFSET_TAIL(LAST), queue) == 0)
		started++;
	while (s->ends < started && clock_mono_ms() < until) {
		rd_kafka_message_t *const record = rd_kafka_consume_queue(queue, 100);

		if (!record)
			continue;
		take(s, record);
		rd_kafka_message_destroy(record);
	}
	while (started > 0)
		(void)rd_kafka_consume_stop(look->topic, --started);
	rd_kafka_queue_destroy(queue);
}

void check_clocks(struct report *report, const struct kafka_look *look)
{
	static const char mend[] = "on each of the machines: timedatectl, or chronyc tracking";
	struct stamps s = { 0 };
	int64_t ahead_ms;

	read_last(look, &s);
	ahead_ms = s.newest_ms - clock_wall_ms();
	if (s.count == 0)
		report_say(report, VERDICT_OK, "clocks", "", "no record to compare them by");
	else if (ahead_ms > SKEW_MS)
		report_say(report, VERDICT_WARN, "clocks", mend,
			"the brokers are %" PRId64
			" ms ahead of this machine: delays, retention and "
			"what is shown of both are wrong by that",
			ahead_ms);
	else if (s.least_ms < -SKEW_MS)
		report_say(report, VERDICT_WARN, "clocks", mend,
			"a record has a time %" PRId64
			" ms before its event: the brokers are behind "
			"who wrote it",
			-s.least_ms);
	else if (s.least_ms > AHEAD_MS)
		report_say(report, VERDICT_WARN, "clocks", mend,
			"the last %d records came %" PRId64
			" ms or more after their events: they waited, "
			"or the brokers are ahead of who wrote them",
			s.count, s.least_ms);
	else
		report_say(report, VERDICT_OK, "clocks", "",
			"agree by the last %d records: the quickest came %" PRId64
			" ms after its event",
			s.count, s.least_ms);
}
