/* Who answers, and whether the addresses that brokers tell can be reached from here. */
#include <inttypes.h>
#include <string.h>

#include "doctor/checks.h"
#include "doctor/reach.h"

#define METADATA_MS 3000
#define REACH_MS    2000

static size_t parse_all(const char *brokers, struct reach reaches[REACH_MAX])
{
	size_t count = 0;

	while (*brokers && count < REACH_MAX) {
		const size_t length = strcspn(brokers, ",");

		if (length > 0)
			reach_parse(&reaches[count++], brokers, length);
		brokers += length + (brokers[length] == ',');
	}
	return count;
}

static void say_unreached(const struct reach *reaches, size_t count, char *out, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		if (!reaches[i].reached)
			report_append(out, size, "%s:%s: %s", reaches[i].host, reaches[i].port,
				reaches[i].why);
	}
}

static void report_silence(struct report *report, const struct kafka_look *look,
	rd_kafka_resp_err_t error, bool any_reached, const char *unreached)
{
	if (any_reached)
		report_say(report, VERDICT_BAD, "brokers",
			"look at RDKAFKA_SECURITY_PROTOCOL and its like; --log-level debug says "
			"more",
			"%s can be reached, but none answers as Kafka: %s", look->brokers,
			rd_kafka_err2str(error));
	else
		report_say(report, VERDICT_BAD, "brokers",
			"start them: make up, or docker start kafka1 kafka2; or set KAFKA_BROKERS",
			"none answers, so nothing else is asked of Kafka; %s", unreached);
}

bool check_brokers(struct report *report, struct kafka_look *look)
{
	static struct reach reaches[REACH_MAX];
	const size_t count = parse_all(look->brokers, reaches);
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TRANSPORT;
	char text[512] = "", answering[256] = "";
	bool any = false;

	reach_all(reaches, count, REACH_MS);
	say_unreached(reaches, count, text, sizeof(text));
	for (size_t i = 0; i < count; i++)
		any = any || reaches[i].reached;
	if (any)
		error = rd_kafka_metadata(
			look->client, 0, look->topic, &look->metadata, METADATA_MS);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
		look->metadata = NULL;
		report_silence(report, look, error, any, text);
		return false;
	}
	for (int i = 0; i < look->metadata->broker_cnt; i++)
		report_append(
			answering, sizeof(answering), "%" PRId32, look->metadata->brokers[i].id);
	if (*text)
		report_say(report, VERDICT_WARN, "brokers",
			"start it: docker start kafka1 or kafka2, or kafka/cluster start 1 or 2",
			"answering: %s; %s", answering, text);
	else
		report_say(report, VERDICT_OK, "brokers", "", "answering: %s", answering);
	return true;
}

void check_listeners(struct report *report, const struct kafka_look *look)
{
	static struct reach reaches[REACH_MAX];
	const struct rd_kafka_metadata *const m = look->metadata;
	const size_t count = m->broker_cnt < REACH_MAX ? (size_t)m->broker_cnt : REACH_MAX;
	char bad[512] = "", good[512] = "";

	for (size_t i = 0; i < count; i++) {
		reaches[i] = (struct reach){ 0 };
		(void)snprintf(reaches[i].host, sizeof(reaches[i].host), "%s", m->brokers[i].host);
		(void)snprintf(reaches[i].port, sizeof(reaches[i].port), "%d", m->brokers[i].port);
	}
	reach_all(reaches, count, REACH_MS);
	for (size_t i = 0; i < count; i++) {
		const struct reach *const r = &reaches[i];

		report_append(r->reached ? good : bad, sizeof(good),
			"broker %" PRId32 " at %s:%s%s%s", m->brokers[i].id, r->host, r->port,
			r->reached ? "" : ": ", r->why);
	}
	if (*bad)
		report_say(report, VERDICT_BAD, "listeners",
			"make the name known here (/etc/hosts), or change that broker's "
			"advertised.listeners",
			"%s", bad);
	else
		report_say(report, VERDICT_OK, "listeners", "", "%s", good);
}
