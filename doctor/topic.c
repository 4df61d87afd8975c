/* The topic as kafka/topic makes and checks it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/checks.h"
#include "event/event.h"

#define ASK_MS 2500
#define COPIES 2
#define REPAIR                                                                                     \
	"kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s"
#define MESSAGE 1048588

static const struct wanted {
	const char *name, *value;
} wanted[] = {
	{ "cleanup.policy", "delete" },
	{ "message.timestamp.type", "LogAppendTime" },
	{ "min.insync.replicas", "1" },
	{ "unclean.leader.election.enable", "false" },
};

bool check_topic(struct report *report, const struct kafka_look *look)
{
	const struct rd_kafka_metadata_topic *const topic = &look->metadata->topics[0];
	const int count = topic->partition_cnt;
	char mend[512] = "";
	int copies = COPIES;

	if (look->metadata->topic_cnt != 1 || topic->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		(void)snprintf(mend, sizeof(mend), "kafka/topic --brokers %s --topic %s",
			look->brokers, look->name);
		report_say(report, VERDICT_BAD, "topic", mend, "%s: %s", look->name,
			rd_kafka_err2str(topic->err));
		return false;
	}
	for (int p = 0; p < count; p++) {
		if (topic->partitions[p].replica_cnt < copies)
			copies = topic->partitions[p].replica_cnt;
	}
	if (count < EVENT_PARTITIONS)
		(void)snprintf(mend, sizeof(mend),
			"kafka-topics.sh --bootstrap-server %s --alter --topic %s --partitions %d",
			look->brokers, look->name, EVENT_PARTITIONS);
	else if (count > EVENT_PARTITIONS)
		(void)snprintf(mend, sizeof(mend),
			"another TOPIC; partitions cannot be taken away, see docs/OPERATIONS.md");
	else if (copies < COPIES)
		(void)snprintf(mend, sizeof(mend), "kafka/topic --brokers %s --topic %s says how",
			look->brokers, look->name);
	report_say(report,
		count != EVENT_PARTITIONS ? VERDICT_BAD
		: copies < COPIES         ? VERDICT_WARN
					  : VERDICT_OK,
		"topic", mend, "%s has %d partition%s and must have %d; copies: %d", look->name,
		count, count == 1 ? "" : "s", EVENT_PARTITIONS, copies);
	return true;
}

/* What the brokers say of the topic; NULL with @why. The event holds the entries. */
static rd_kafka_event_t *describe(const struct kafka_look *look,
	const rd_kafka_ConfigEntry_t ***entries, size_t *count, char *why, size_t size)
{
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, look->name);
	rd_kafka_queue_t *const queue = rd_kafka_queue_new(look->client);
	rd_kafka_AdminOptions_t *const options =
		rd_kafka_AdminOptions_new(look->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	const rd_kafka_ConfigResource_t **answers;
	rd_kafka_event_t *event;
	size_t found = 0;

	(void)rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, why, size);
	rd_kafka_DescribeConfigs(look->client, &resource, 1, options, queue);
	event = rd_kafka_queue_poll(queue, ASK_MS + 500);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	rd_kafka_ConfigResource_destroy(resource);
	if (!event) {
		(void)snprintf(why, size, "no answer in time");
		return NULL;
	}
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		(void)snprintf(why, size, "%s", rd_kafka_event_error_string(event));
	} else {
		answers = rd_kafka_DescribeConfigs_result_resources(
			rd_kafka_event_DescribeConfigs_result(event), &found);
		if (found == 1 &&
			rd_kafka_ConfigResource_error(answers[0]) == RD_KAFKA_RESP_ERR_NO_ERROR) {
			*entries = rd_kafka_ConfigResource_configs(answers[0], count);
			return event;
		}
		(void)snprintf(why, size, "%s",
			found == 1 ? rd_kafka_err2str(rd_kafka_ConfigResource_error(answers[0]))
				   : "an empty answer");
	}
	rd_kafka_event_destroy(event);
	return NULL;
}

static const char *value_of(const rd_kafka_ConfigEntry_t **entries, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			return rd_kafka_ConfigEntry_value(entries[i]);
	}
	return NULL;
}

static void compare(struct report *report, const struct kafka_look *look,
	const rd_kafka_ConfigEntry_t **entries, size_t count)
{
	const char *const largest = value_of(entries, count, "max.message.bytes");
	const char *const kept = value_of(entries, count, "retention.ms");
	const double days = kept ? strtod(kept, NULL) / 86400000 : 0;
	char flaws[512] = "", changes[256] = "", mend[1024];

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *const value = value_of(entries, count, wanted[i].name);

		if (value && strcmp(value, wanted[i].value) == 0)
			continue;
		report_append(flaws, sizeof(flaws), "%s is %s, not %s", wanted[i].name,
			value ? value : "unknown", wanted[i].value);
		(void)snprintf(changes + strlen(changes), sizeof(changes) - strlen(changes),
			"%s%s=%s", *changes ? "," : "", wanted[i].name, wanted[i].value);
	}
	if (largest && strtoll(largest, NULL, 10) < MESSAGE) {
		report_append(flaws, sizeof(flaws), "max.message.bytes is %s, less than %d",
			largest, MESSAGE);
		(void)snprintf(changes + strlen(changes), sizeof(changes) - strlen(changes),
			"%s%s=%d", *changes ? "," : "", "max.message.bytes", MESSAGE);
	}
	(void)snprintf(
		mend, sizeof(mend), REPAIR " --add-config %s", look->brokers, look->name, changes);
	if (*flaws)
		report_say(report, VERDICT_BAD, "its settings", mend, "%s", flaws);
	else if (kept && days < 0)
		report_say(
			report, VERDICT_OK, "its settings", "", "as they must be; kept for ever");
	else
		report_say(report, VERDICT_OK, "its settings", "",
			"as they must be; kept for %.1f days", days);
}

void check_topic_settings(struct report *report, const struct kafka_look *look)
{
	const rd_kafka_ConfigEntry_t **entries = NULL;
	char why[256] = "";
	size_t count = 0;
	rd_kafka_event_t *const event = describe(look, &entries, &count, why, sizeof(why));

	if (!event) {
		report_say(report, VERDICT_WARN, "its settings", "", "cannot be read: %s", why);
		return;
	}
	compare(report, look, entries, count);
	rd_kafka_event_destroy(event);
}

static bool is_in_sync(const struct rd_kafka_metadata_partition *p, int32_t broker)
{
	for (int i = 0; i < p->isr_cnt; i++) {
		if (p->isrs[i] == broker)
			return true;
	}
	return false;
}

void check_copies(struct report *report, const struct kafka_look *look)
{
	const struct rd_kafka_metadata_topic *const topic = &look->metadata->topics[0];
	char flaws[512] = "", leaders[256] = "";
	bool leaderless = false;

	for (int i = 0; i < topic->partition_cnt; i++) {
		const struct rd_kafka_metadata_partition *const p = &topic->partitions[i];

		leaderless = leaderless || p->leader < 0;
		if (p->leader < 0)
			report_append(
				flaws, sizeof(flaws), "partition %" PRId32 " has no leader", p->id);
		else
			report_append(leaders, sizeof(leaders),
				"broker %" PRId32 " leads partition %" PRId32, p->leader, p->id);
		for (int r = 0; r < p->replica_cnt; r++) {
			if (!is_in_sync(p, p->replicas[r]))
				report_append(flaws, sizeof(flaws),
					"broker %" PRId32 " is not in sync with partition %" PRId32,
					p->replicas[r], p->id);
		}
	}
	if (*flaws)
		report_say(report, leaderless ? VERDICT_BAD : VERDICT_WARN, "copies",
			"start that broker: docker start kafkaN, or kafka/cluster start N; it "
			"catches "
			"up by itself",
			"%s", flaws);
	else
		report_say(report, VERDICT_OK, "copies", "", "all in sync; %s", leaders);
}
