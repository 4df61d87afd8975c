/* metrics-consumer/feed_message.h - the messages to viewers. Only for feed.c. */
#ifndef METRICS_CONSUMER_FEED_MESSAGE_H
#define METRICS_CONSUMER_FEED_MESSAGE_H

#include "metrics-consumer/feed.h"

/* With the lock of the picture held. What changed since the last message, or all there is; NULL: no
 * memory. Free it. @up_to names the place in the journal it goes up to. */
char *feed_message(struct feed *feed, bool all, char up_to[static VIEWERS_PLACE_MAX]);

#endif
