/* doctor/report.h - what the doctor says: a line a check, and one how to mend it. */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include <stdbool.h>
#include <stdio.h>

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_BAD };

struct report {
	FILE *out;
	bool colours;
	unsigned warned, bad;
};

/* Colours only on a terminal, and not where NO_COLOR is set. */
void report_begin(struct report *report, FILE *out);
/* `warn  copies     partition 0 ...`, and below it @mend where that is not empty. */
void report_say(struct report *report, enum verdict verdict, const char *check, const char *mend,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Appends to a text of @size bytes, after "; " where it is not empty; what has no room is cut. */
void report_append(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
