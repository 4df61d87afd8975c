/* doctor/reach.h - whether a host and port can be reached from here, several at a time. */
#ifndef DOCTOR_REACH_H
#define DOCTOR_REACH_H

#include <stdbool.h>
#include <stddef.h>

#define REACH_MAX 16

struct reach {
	char host[256];
	char port[8];
	bool reached;
	char why[128]; /* where it was not */
};

/* Reads [PROTOCOL://]HOST[:PORT], port 9092 where none is said; brackets around an IPv6 address. */
void reach_parse(struct reach *reach, const char *text, size_t length);
/* Resolves and connects to all of them, at most REACH_MAX, and waits at most @wait_ms. */
void reach_all(struct reach *reaches, size_t count, int wait_ms);

#endif
