/* doctor/doctor.h - the command `doctor`: looks at what a process of ours stands on, and says of
 * each whether it is well, and how to mend it. Changes nothing, takes no lock, joins no group:
 * it may be asked while the process runs. */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include <stdint.h>

#include "kafka/client/client.h"

struct doctor_visit {
	const char *program;
	struct kafka_settings kafka;
	const char *http_address;
	int64_t http_port;
	const char *state_directory; /* where the owned file is */
	const char *owned;           /* the file or directory that the process locks */
	const char *owned_name;      /* what it is: "store" */
};

/* Prints a line a check on standard output; each wait is bounded, all of them by some 10 s. Returns
 * the exit status: 1 where anything is bad, otherwise 0. */
int doctor_visit(const struct doctor_visit *visit);

#endif
