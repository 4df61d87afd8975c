#include "doctor/doctor.h"

#include "doctor/checks.h"
#include "doctor/report.h"

static const struct kafka_property defaults[] = { { NULL, NULL } };
static const struct kafka_property fixed[] = {
	{ "enable.auto.commit", "false" },
	{ "enable.partition.eof", "true" },
	{ "fetch.wait.max.ms", "100" },
	{ NULL, NULL },
};

static bool open_look(
	struct kafka_look *look, const struct kafka_settings *kafka, struct fail *fail)
{
	rd_kafka_conf_t *const conf = kafka_conf(kafka, defaults, fixed, fail);

	*look = (struct kafka_look){ .brokers = kafka->brokers, .name = kafka->topic };
	look->client = conf ? kafka_client_new(RD_KAFKA_CONSUMER, conf, fail) : NULL;
	if (!look->client)
		return false;
	look->topic = rd_kafka_topic_new(look->client, kafka->topic, NULL);
	return look->topic || fail_set(fail, FAIL_REFUSE, "topic %s: %s", kafka->topic,
				      rd_kafka_err2str(rd_kafka_last_error()));
}

static void close_look(struct kafka_look *look)
{
	if (look->metadata)
		rd_kafka_metadata_destroy(look->metadata);
	if (look->topic)
		rd_kafka_topic_destroy(look->topic);
	(void)kafka_client_destroy(&look->client);
}

static void check_kafka(struct report *report, const struct kafka_settings *kafka)
{
	struct kafka_look look;
	struct fail fail = { 0 };

	if (!open_look(&look, kafka, &fail)) {
		report_say(report, VERDICT_BAD, "brokers", "", "%s", fail.text);
	} else if (check_brokers(report, &look)) {
		check_listeners(report, &look);
		if (check_topic(report, &look)) {
			check_topic_settings(report, &look);
			check_copies(report, &look);
			check_clocks(report, &look);
		}
	}
	close_look(&look);
}

int doctor_visit(const struct doctor_visit *visit)
{
	struct report report;
	bool runs;

	report_begin(&report, stdout);
	check_process(&report, visit, &runs);
	check_directory(&report, visit);
	check_disk(&report, visit);
	check_owner(&report, visit, runs);
	check_kafka(&report, &visit->kafka);
	return report.bad > 0 || ferror(stdout) ? 1 : 0;
}
