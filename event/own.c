/* Nearly every record is one that cart or stock wrote, with the same fields in the same order and
 * no space between them. Such a record is read by comparing it with that form from left to right,
 * which takes less than a third of what parsing any JSON takes. What is compared is never looser
 * than JSON: texts are printable ASCII without escapes, numbers are digits without leading zeros.
 * tests/test_event.c holds it to the parser. */
#include "event/own.h"

#include <string.h>

#include "process/clock.h"
#include "process/text.h"

#define DIGITS_MAX 15 /* of a whole number: below 2^53 */
#define PRICE_MAX  12 /* digits of a price in front of its point */
#define SECOND     20 /* length of `2025-07-08T19:15:32Z` */

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool take_text(struct rest *rest, char out[EVENT_TEXT_MAX])
{
	const char *const first = rest->at;
	size_t length;

	while (rest->at < rest->end && is_plain(*rest->at))
		rest->at++;
	length = (size_t)(rest->at - first);
	if (length == 0 || length >= EVENT_TEXT_MAX)
		return false;
	memcpy(out, first, length);
	out[length] = '\0';
	return true;
}

static bool take_digits(struct rest *rest, int most, int64_t *value, int *count)
{
	const char *const first = rest->at;

	*value = 0;
	for (; rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9'; rest->at++) {
		if (rest->at - first == most)
			return false;
		*value = *value * 10 + (*rest->at - '0');
	}
	*count = (int)(rest->at - first);
	return *count > 0;
}

static bool take_whole(struct rest *rest, int most, int64_t *value)
{
	const char *const first = rest->at;
	int count;

	return take_digits(rest, most, value, &count) && (*first != '0' || count == 1);
}

static bool take_price(struct rest *rest, int64_t *cents)
{
	int64_t part;
	int count;

	if (!take_whole(rest, PRICE_MAX, cents))
		return false;
	*cents *= 100;
	if (!TAKE(rest, "."))
		return true;
	if (!take_digits(rest, 2, &part, &count))
		return false;
	*cents += count == 1 ? part * 10 : part;
	return true;
}

/* Up to the time's first byte. */
static enum event_type take_type(struct rest *rest)
{
	if (TAKE(rest, "{\"type\":\"cart_item_added\",\"service\":\"cart\",\"timestamp\":\""))
		return EVENT_CART_ITEM_ADDED;
	if (TAKE(rest, "{\"type\":\"stock_changed\",\"service\":\"stock\",\"timestamp\":\""))
		return EVENT_STOCK_CHANGED;
	if (TAKE(rest, "{\"type\":\"cart_item_failed\",\"service\":\"cart\",\"timestamp\":\""))
		return EVENT_CART_ITEM_FAILED;
	if (TAKE(rest, "{\"type\":\"sku_created\",\"service\":\"stock\",\"timestamp\":\""))
		return EVENT_SKU_CREATED;
	if (TAKE(rest, "{\"type\":\"cart_item_removed\",\"service\":\"cart\",\"timestamp\":\""))
		return EVENT_CART_ITEM_REMOVED;
	if (TAKE(rest, "{\"type\":\"cart_cleared\",\"service\":\"cart\",\"timestamp\":\""))
		return EVENT_CART_CLEARED;
	return EVENT_OTHER;
}

static bool take_time(struct rest *rest, int64_t *at_ms)
{
	if (rest->end - rest->at < SECOND || !clock_parse(rest->at, SECOND, at_ms))
		return false;
	rest->at += SECOND;
	return true;
}

static bool take_cleared(struct rest *rest, struct event *event)
{
	event->sku[0] = '\0';
	return TAKE(rest, "\"cartId\":\"") && take_text(rest, event->cart_id) &&
	       TAKE(rest, "\",\"items\":") && take_whole(rest, DIGITS_MAX, &event->count) &&
	       event->count >= 1 && TAKE(rest, "}}");
}

static bool take_cart(struct rest *rest, struct event *event)
{
	if (event->type == EVENT_CART_CLEARED)
		return take_cleared(rest, event);
	if (!TAKE(rest, "\"cartId\":\"") || !take_text(rest, event->cart_id) ||
		!TAKE(rest, "\",\"sku\":\"") || !take_text(rest, event->sku) ||
		!TAKE(rest, "\",\"count\":") || !take_whole(rest, DIGITS_MAX, &event->count) ||
		event->count < 1)
		return false;
	if (event->type == EVENT_CART_ITEM_ADDED)
		return TAKE(rest, ",\"status\":\"success\"}}");
	if (event->type == EVENT_CART_ITEM_REMOVED)
		return TAKE(rest, "}}");
	return TAKE(rest, ",\"status\":\"failed\",\"reason\":\"") &&
	       take_text(rest, event->reason) && TAKE(rest, "\"}}");
}

static bool take_stock(struct rest *rest, struct event *event)
{
	if (!TAKE(rest, "\"sku\":\"") || !take_text(rest, event->sku))
		return false;
	if (event->type == EVENT_SKU_CREATED)
		return TAKE(rest, "\",\"price\":") && take_price(rest, &event->price_cents) &&
		       TAKE(rest, ",\"count\":") && take_whole(rest, DIGITS_MAX, &event->count) &&
		       TAKE(rest, "}}");
	return TAKE(rest, "\",\"count\":") && take_whole(rest, DIGITS_MAX, &event->count) &&
	       TAKE(rest, ",\"price\":") && take_price(rest, &event->price_cents) &&
	       TAKE(rest, "}}");
}

bool event_decode_own(const char *bytes, size_t length, struct event *event)
{
	struct rest rest = { bytes, bytes + length };

	event->type = take_type(&rest);
	if (event->type == EVENT_OTHER || !take_time(&rest, &event->at_ms) ||
		!TAKE(&rest, "\",\"payload\":{"))
		return false;
	event->cart_id[0] = event->reason[0] = '\0';
	event->price_cents = 0;
	return (event_partition(event->type) == 0 ? take_cart(&rest, event)
						  : take_stock(&rest, event)) &&
	       rest.at == rest.end;
}
