/* event/own.h - reading the form that event_encode writes. Not for other rooms: event_decode tries
 * it first. */
#ifndef EVENT_OWN_H
#define EVENT_OWN_H

#include "event/event.h"

#ifdef __cplusplus
extern "C" {
#endif

/* True if the bytes are an event in exactly that form, and *event is what the whole of
 * event_decode would make of it. False says nothing: they may be an event in another form, and
 * *event holds nothing to rely on. Pure; any thread. */
bool event_decode_own(const char *bytes, size_t length, struct event *event);

/* Reads any form. */
enum event_flaw event_decode_any(
	struct event_reader *reader, const void *bytes, size_t length, struct event *event);

#ifdef __cplusplus
}
#endif
#endif
