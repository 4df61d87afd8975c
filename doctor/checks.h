/* doctor/checks.h - the checks, for doctor/doctor.c. */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

#include "doctor/doctor.h"
#include "doctor/report.h"

/* One client for all that is asked of Kafka. */
struct kafka_look {
	rd_kafka_t *client;
	rd_kafka_topic_t *topic;
	const struct rd_kafka_metadata *metadata; /* NULL: no broker answered */
	const char *brokers, *name;               /* of the settings: bootstrap servers, topic */
};

void check_process(struct report *report, const struct doctor_visit *visit, bool *runs);
void check_directory(struct report *report, const struct doctor_visit *visit);
void check_disk(struct report *report, const struct doctor_visit *visit);
void check_owner(struct report *report, const struct doctor_visit *visit, bool runs);

/* Asks for metadata; false where no broker answered, which was reported. */
bool check_brokers(struct report *report, struct kafka_look *look);
void check_listeners(struct report *report, const struct kafka_look *look);
/* Partitions and number of copies; false where there is no topic to be asked more of. */
bool check_topic(struct report *report, const struct kafka_look *look);
void check_topic_settings(struct report *report, const struct kafka_look *look);
void check_copies(struct report *report, const struct kafka_look *look);
void check_clocks(struct report *report, const struct kafka_look *look);

#endif
