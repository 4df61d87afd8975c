#include "event/event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "process/clock.h"

static const struct {
	const char *name;
	const char *service;
	int32_t partition;
} types[EVENT_TYPES] = {
	[EVENT_OTHER] = { "other", "", -1 },
	[EVENT_CART_ITEM_ADDED] = { "cart_item_added", "cart", 0 },
	[EVENT_CART_ITEM_FAILED] = { "cart_item_failed", "cart", 0 },
	[EVENT_SKU_CREATED] = { "sku_created", "stock", 1 },
	[EVENT_STOCK_CHANGED] = { "stock_changed", "stock", 1 },
	[EVENT_CART_ITEM_REMOVED] = { "cart_item_removed", "cart", 0 },
	[EVENT_CART_CLEARED] = { "cart_cleared", "cart", 0 },
};

static const char *const flaws[EVENT_FLAWS] = { "sound", "not_json", "not_object", "missing_field",
	"repeated_field", "wrong_kind", "out_of_range", "too_large" };

const char *event_type_name(enum event_type type)
{
	return types[type].name;
}

const char *event_service(enum event_type type)
{
	return types[type].service;
}

const char *event_flaw_name(enum event_flaw flaw)
{
	return flaws[flaw];
}

int32_t event_partition(enum event_type type)
{
	return types[type].partition;
}

const char *event_key(const struct event *event)
{
	return types[event->type].partition == 0 ? event->cart_id : event->sku;
}

bool event_name_valid(const char *text, size_t length)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._~-";

	if (length == 0 || length >= EVENT_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0' || !strchr(allowed, text[i]))
			return false;
	}
	return true;
}

size_t event_price(int64_t price_cents, char out[EVENT_PRICE_MAX])
{
	const int64_t whole = price_cents / 100;
	const int64_t part = price_cents % 100;
	int length;

	assert(price_cents >= 0);
	if (part == 0)
		length = snprintf(out, EVENT_PRICE_MAX, "%" PRId64, whole);
	else if (part % 10 == 0)
		length = snprintf(out, EVENT_PRICE_MAX, "%" PRId64 ".%" PRId64, whole, part / 10);
	else
		length = snprintf(out, EVENT_PRICE_MAX, "%" PRId64 ".%02" PRId64, whole, part);
	assert(length > 0 && length < EVENT_PRICE_MAX);
	return (size_t)length;
}

__attribute__((unused)) /* where asserts are compiled out */
static bool
reason_is_plain(const char *reason)
{
	for (; *reason; reason++) {
		if (*reason < ' ' || *reason > '~' || *reason == '"' || *reason == '\\')
			return false;
	}
	return true;
}

static int encode_cart(const struct event *e, const char *time, char *out)
{
	const bool added = e->type == EVENT_CART_ITEM_ADDED;

	assert(event_name_valid(e->cart_id, strlen(e->cart_id)));
	assert(e->count >= 1 && e->count <= EVENT_COUNT_MAX);
	assert(added ||
		(*e->reason && strlen(e->reason) < EVENT_NAME_MAX && reason_is_plain(e->reason)));
	return snprintf(out, EVENT_JSON_MAX,
		"{\"type\":\"%s\",\"service\":\"cart\",\"timestamp\":\"%s\",\"payload\":{"
		"\"cartId\":\"%s\",\"sku\":\"%s\",\"count\":%" PRId64 ",\"status\":\"%s\"%s%s%s}}",
		event_type_name(e->type), time, e->cart_id, e->sku, e->count,
		added ? "success" : "failed", added ? "" : ",\"reason\":\"", added ? "" : e->reason,
		added ? "" : "\"");
}

/* What leaves a cart may be more than one request put there. */
static int encode_removal(const struct event *e, const char *time, char *out)
{
	assert(event_name_valid(e->cart_id, strlen(e->cart_id)));
	assert(e->count >= 1 && e->count <= EVENT_LEVEL_MAX);
	if (e->type == EVENT_CART_CLEARED)
		return snprintf(out, EVENT_JSON_MAX,
			"{\"type\":\"cart_cleared\",\"service\":\"cart\",\"timestamp\":\"%s\","
			"\"payload\":{\"cartId\":\"%s\",\"items\":%" PRId64 "}}",
			time, e->cart_id, e->count);
	return snprintf(out, EVENT_JSON_MAX,
		"{\"type\":\"cart_item_removed\",\"service\":\"cart\",\"timestamp\":\"%s\","
		"\"payload\":{\"cartId\":\"%s\",\"sku\":\"%s\",\"count\":%" PRId64 "}}",
		time, e->cart_id, e->sku, e->count);
}

static int encode_stock(const struct event *e, const char *time, char *out)
{
	char price[EVENT_PRICE_MAX];

	assert(e->count >= 0 && e->count <= EVENT_LEVEL_MAX);
	assert(e->price_cents >= 0 && e->price_cents <= EVENT_CENTS_MAX);
	(void)event_price(e->price_cents, price);
	/* The seed's two examples order the last fields differently; so do we. */
	if (e->type == EVENT_SKU_CREATED)
		return snprintf(out, EVENT_JSON_MAX,
			"{\"type\":\"sku_created\",\"service\":\"stock\",\"timestamp\":\"%s\","
			"\"payload\":{\"sku\":\"%s\",\"price\":%s,\"count\":%" PRId64 "}}",
			time, e->sku, price, e->count);
	return snprintf(out, EVENT_JSON_MAX,
		"{\"type\":\"stock_changed\",\"service\":\"stock\",\"timestamp\":\"%s\","
		"\"payload\":{\"sku\":\"%s\",\"count\":%" PRId64 ",\"price\":%s}}",
		time, e->sku, e->count, price);
}

size_t event_encode(const struct event *event, char out[EVENT_JSON_MAX])
{
	char time[CLOCK_TEXT_MAX];
	int length = 0;

	assert(event->type == EVENT_CART_CLEARED ||
		event_name_valid(event->sku, strlen(event->sku)));
	clock_text_seconds(event->at_ms, time);
	switch (event->type) {
	case EVENT_CART_ITEM_ADDED:
	case EVENT_CART_ITEM_FAILED:
		length = encode_cart(event, time, out);
		break;
	case EVENT_CART_ITEM_REMOVED:
	case EVENT_CART_CLEARED:
		length = encode_removal(event, time, out);
		break;
	case EVENT_SKU_CREATED:
	case EVENT_STOCK_CHANGED:
		length = encode_stock(event, time, out);
		break;
	case EVENT_OTHER:
		break; /* our services emit known types only */
	}
	assert(length > 0 && length < EVENT_JSON_MAX);
	return (size_t)length;
}
