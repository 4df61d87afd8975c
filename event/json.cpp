/* Reading a record in any form: simdjson behind the C face of event.h.
 *
 * The whole document is validated (its UTF-8 too), the fields of the envelope and of the
 * type's payload are looked at, anything beyond them is allowed and ignored. Each object is
 * walked once, so that a field that stands there twice is seen: readers would disagree about
 * which one counts. */
#include "event/own.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <simdjson.h>
#pragma GCC diagnostic pop

#include <cmath>
#include <cstring>
#include <new>
#include <string_view>

#include "process/clock.h"

using simdjson::dom::element;
using simdjson::dom::object;

struct event_reader {
	simdjson::dom::parser parser;
};

namespace
{

/* The fields of an object that matter, in a fixed order: found[i] is field names[i]. Most writers
 * keep that order, so each is looked for first behind the one before. */
template <size_t N> struct fields {
	element found[N];
	bool there[N] = {};

	enum event_flaw collect(const object &from, const std::string_view (&names)[N])
	{
		size_t likely = 0;

		for (const auto field : from) {
			for (size_t tried = 0, i = likely; tried < N; tried++, i = (i + 1) % N) {
				if (field.key != names[i])
					continue;
				if (there[i])
					return EVENT_REPEATED_FIELD;
				there[i] = true;
				found[i] = field.value;
				likely = (i + 1) % N;
				break;
			}
		}
		return EVENT_SOUND;
	}
};

/* A NUL inside would end the C string early and make two ids one. */
bool text_fits(std::string_view text)
{
	return !text.empty() && text.size() < EVENT_TEXT_MAX && text.find('\0') == text.npos;
}

enum event_flaw take_text(const element &from, char out[EVENT_TEXT_MAX])
{
	std::string_view text;

	if (from.get(text) != simdjson::SUCCESS)
		return EVENT_WRONG_KIND;
	if (!text_fits(text))
		return EVENT_OUT_OF_RANGE;
	memcpy(out, text.data(), text.size());
	out[text.size()] = '\0';
	return EVENT_SOUND;
}

/* JSON has one kind of number: 2.0 and 2e0 are as whole as 2. */
enum event_flaw take_whole(const element &from, int64_t smallest, int64_t &out)
{
	double real;

	if (from.get(out) != simdjson::SUCCESS) {
		if (from.get(real) != simdjson::SUCCESS)
			return EVENT_WRONG_KIND;
		if (real != std::floor(real))
			return EVENT_WRONG_KIND;
		if (std::fabs(real) > static_cast<double>(EVENT_NUMBER_MAX))
			return EVENT_OUT_OF_RANGE;
		out = static_cast<int64_t>(real);
	}
	return out < smallest || out > EVENT_NUMBER_MAX ? EVENT_OUT_OF_RANGE : EVENT_SOUND;
}

/* In schemas/ too. */
constexpr double PRICE_MAX = 90071992547409.0;

/* A price of others may have more than two decimals: it is rounded to cents for our use. */
enum event_flaw take_price(const element &from, int64_t &cents)
{
	double real;

	if (from.get(real) != simdjson::SUCCESS)
		return EVENT_WRONG_KIND;
	if (real < 0 || real > PRICE_MAX)
		return EVENT_OUT_OF_RANGE;
	cents = static_cast<int64_t>(std::llround(real * 100));
	return EVENT_SOUND;
}

enum event_flaw take_word(const element &from, std::string_view wanted)
{
	std::string_view text;

	if (from.get(text) != simdjson::SUCCESS)
		return EVENT_WRONG_KIND;
	return text == wanted ? EVENT_SOUND : EVENT_OUT_OF_RANGE;
}

#define CHECK(call)                                                                                \
	do {                                                                                       \
		const enum event_flaw flaw_ = (call);                                              \
		if (flaw_ != EVENT_SOUND)                                                          \
			return flaw_;                                                              \
	} while (0)

enum event_flaw read_cart(const object &payload, struct event *event)
{
	static const std::string_view names[] = { "cartId", "sku", "count", "status", "reason" };
	const bool failed = event->type == EVENT_CART_ITEM_FAILED;
	fields<5> f;

	CHECK(f.collect(payload, names));
	for (int i = 0; i < (failed ? 5 : 4); i++) {
		if (!f.there[i])
			return EVENT_MISSING_FIELD;
	}
	CHECK(take_text(f.found[0], event->cart_id));
	CHECK(take_text(f.found[1], event->sku));
	CHECK(take_whole(f.found[2], 1, event->count));
	CHECK(take_word(f.found[3], failed ? "failed" : "success"));
	return failed ? take_text(f.found[4], event->reason) : EVENT_SOUND;
}

enum event_flaw read_removed(const object &payload, struct event *event)
{
	static const std::string_view names[] = { "cartId", "sku", "count" };
	fields<3> f;

	CHECK(f.collect(payload, names));
	if (!f.there[0] || !f.there[1] || !f.there[2])
		return EVENT_MISSING_FIELD;
	CHECK(take_text(f.found[0], event->cart_id));
	CHECK(take_text(f.found[1], event->sku));
	return take_whole(f.found[2], 1, event->count);
}

enum event_flaw read_cleared(const object &payload, struct event *event)
{
	static const std::string_view names[] = { "cartId", "items" };
	fields<2> f;

	CHECK(f.collect(payload, names));
	if (!f.there[0] || !f.there[1])
		return EVENT_MISSING_FIELD;
	CHECK(take_text(f.found[0], event->cart_id));
	return take_whole(f.found[1], 1, event->count);
}

enum event_flaw read_stock(const object &payload, struct event *event)
{
	static const std::string_view names[] = { "sku", "count", "price" };
	fields<3> f;

	CHECK(f.collect(payload, names));
	for (int i = 0; i < 3; i++) {
		if (!f.there[i])
			return EVENT_MISSING_FIELD;
	}
	CHECK(take_text(f.found[0], event->sku));
	CHECK(take_whole(f.found[1], 0, event->count));
	return take_price(f.found[2], event->price_cents);
}

enum event_type type_of(std::string_view name)
{
	for (int i = EVENT_OTHER + 1; i < EVENT_TYPES; i++) {
		if (name == event_type_name(static_cast<enum event_type>(i)))
			return static_cast<enum event_type>(i);
	}
	return EVENT_OTHER;
}

enum event_flaw read_envelope(const object &root, struct event *event)
{
	static const std::string_view names[] = { "type", "service", "timestamp", "payload" };
	std::string_view type, service, timestamp;
	object payload;
	fields<4> f;

	CHECK(f.collect(root, names));
	for (int i = 0; i < 4; i++) {
		if (!f.there[i])
			return EVENT_MISSING_FIELD;
	}
	if (f.found[0].get(type) != simdjson::SUCCESS ||
		f.found[1].get(service) != simdjson::SUCCESS ||
		f.found[2].get(timestamp) != simdjson::SUCCESS ||
		f.found[3].get(payload) != simdjson::SUCCESS)
		return EVENT_WRONG_KIND;
	if (!text_fits(type) || !text_fits(service))
		return EVENT_OUT_OF_RANGE;
	if (!clock_parse(timestamp.data(), timestamp.size(), &event->at_ms))
		return EVENT_OUT_OF_RANGE;
	event->type = type_of(type);
	event->cart_id[0] = event->sku[0] = event->reason[0] = '\0';
	event->count = event->price_cents = 0;
	if (event->type != EVENT_OTHER && service != event_service(event->type))
		return EVENT_OUT_OF_RANGE;
	switch (event->type) {
	case EVENT_CART_ITEM_ADDED:
	case EVENT_CART_ITEM_FAILED:
		return read_cart(payload, event);
	case EVENT_CART_ITEM_REMOVED:
		return read_removed(payload, event);
	case EVENT_CART_CLEARED:
		return read_cleared(payload, event);
	case EVENT_SKU_CREATED:
	case EVENT_STOCK_CHANGED:
		return read_stock(payload, event);
	case EVENT_OTHER:
		return EVENT_SOUND;
	}
	return EVENT_SOUND;
}

} // namespace

extern "C" struct event_reader *event_reader_new(void)
{
	return new (std::nothrow) event_reader;
}

extern "C" void event_reader_free(struct event_reader **reader)
{
	delete *reader;
	*reader = nullptr;
}

extern "C" enum event_flaw event_decode(
	struct event_reader *reader, const void *bytes, size_t length, struct event *event)
{
	return event_decode_own(static_cast<const char *>(bytes), length, event)
		       ? EVENT_SOUND
		       : event_decode_any(reader, bytes, length, event);
}

extern "C" enum event_flaw event_decode_any(
	struct event_reader *reader, const void *bytes, size_t length, struct event *event)
{
	element root;
	object envelope;

	if (length > EVENT_BYTES_MAX)
		return EVENT_TOO_LARGE;
	/* The parser copies the bytes to where it may read beyond their end. */
	if (reader->parser.parse(static_cast<const char *>(bytes), length, true).get(root) !=
		simdjson::SUCCESS)
		return EVENT_NOT_JSON;
	if (root.get(envelope) != simdjson::SUCCESS)
		return EVENT_NOT_OBJECT;
	return read_envelope(envelope, event);
}

extern "C" size_t event_minify(const void *bytes, size_t length, char *out)
{
	size_t written = 0;

	if (simdjson::minify(static_cast<const char *>(bytes), length, out, written) !=
		simdjson::SUCCESS)
		return 0;
	return written;
}
