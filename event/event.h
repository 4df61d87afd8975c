/* event/event.h - what a service tells the world, and the bytes it says it in.
 *
 * Both ends of Kafka include this and nothing else of each other. An event is plain data:
 * no pointers inside, free to copy, keep and compare. schemas/ says the same as JSON Schema,
 * and tests/test_schemas.py holds the two together. */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVENT_JSON_MAX 512  /* longest event we encode in bytes, final NUL included */
#define EVENT_NAME_MAX 64   /* longest cart id or sku of our own services, with its NUL */
#define EVENT_TEXT_MAX 1025 /* longest id or reason in any record, with its NUL */

#define EVENT_COUNT_MAX  1000000000       /* asked for in one request */
#define EVENT_LEVEL_MAX  1000000000000    /* a stock level */
#define EVENT_CENTS_MAX  999999999999     /* a price: 9,999,999,999.99 */
#define EVENT_NUMBER_MAX 9007199254740991 /* any whole number in a record: RFC 8259, section 6 */

#define EVENT_BYTES_MAX (16 * 1024 * 1024) /* of any record; compressed it may pass a broker */

#define EVENT_PARTITIONS 2

enum event_type {        /* stored in outbox rows: new types get new numbers */
	EVENT_OTHER = 0, /* a sound envelope of a type we do not know: journaled all the same */
	EVENT_CART_ITEM_ADDED = 1,
	EVENT_CART_ITEM_FAILED = 2,
	EVENT_SKU_CREATED = 3,
	EVENT_STOCK_CHANGED = 4,
	EVENT_CART_ITEM_REMOVED = 5,
	EVENT_CART_CLEARED = 6,
};
#define EVENT_TYPES 7

enum event_flaw { /* why a record is not an event; the dead letter keeps it by name */
	EVENT_SOUND = 0,
	EVENT_NOT_JSON,       /* not one JSON text in UTF-8 (RFC 8259), nested deeper than 1,024, or
			       * with a number that neither 64 bits nor a double can hold */
	EVENT_NOT_OBJECT,     /* JSON, but no object */
	EVENT_MISSING_FIELD,  /* a field of the envelope or of its type's payload is not there */
	EVENT_REPEATED_FIELD, /* such a field is there twice */
	EVENT_WRONG_KIND,     /* such a field is of another kind */
	EVENT_OUT_OF_RANGE,   /* its value is not one it may have */
	EVENT_TOO_LARGE,      /* longer than EVENT_BYTES_MAX */
};
#define EVENT_FLAWS 8

struct event {
	enum event_type type;
	int64_t at_ms;            /* when it happened: milliseconds since the epoch, UTC */
	char sku[EVENT_TEXT_MAX]; /* "": cart_cleared */
	int64_t count; /* asked for, taken out, SKUs that were in it (cart); the level (stock) */
	int64_t price_cents; /* stock */
	char cart_id[EVENT_TEXT_MAX];
	char reason[EVENT_TEXT_MAX]; /* cart_item_failed */
};

/* The name of a type as it stands in the JSON; "other" for EVENT_OTHER. */
const char *event_type_name(enum event_type type);
/* "cart" or "stock"; "" for EVENT_OTHER. */
const char *event_service(enum event_type type);
/* The name of a flaw as the dead letter shows it, such as "missing_field". */
const char *event_flaw_name(enum event_flaw flaw);

/* The partition for @type, or -1 for EVENT_OTHER. One service writes one partition, so a
 * reader sees each service's story in the order it happened. Pure; any thread. */
int32_t event_partition(enum event_type type);

/* The record key: cartId for cart, sku for stock. Borrowed from @event. */
const char *event_key(const struct event *event);

/* Whether @text is an id our services take: [A-Za-z0-9._~-]{1,63}. */
bool event_name_valid(const char *text, size_t length);

/* Writes cents in the shortest decimal form: 1250 is 12.5. Returns the length. */
#define EVENT_PRICE_MAX 24
size_t event_price(int64_t price_cents, char out[EVENT_PRICE_MAX]);

/* Writes @event as JSON into @out and returns its length without the NUL. The event comes
 * from our own code, so a malformed one is a bug and asserts. Pure; any thread. */
size_t event_encode(const struct event *event, char out[EVENT_JSON_MAX]);

/* What reading takes: a parser with its memory, which grows with the longest record read.
 * One thread at a time. */
struct event_reader;
struct event_reader *event_reader_new(void); /* NULL: out of memory */
void event_reader_free(struct event_reader **reader);

/* Reads @length bytes that came from outside and are trusted in nothing. Borrows @bytes for
 * the call. Unless it returns EVENT_SOUND, *event holds nothing to rely on. */
enum event_flaw event_decode(
	struct event_reader *reader, const void *bytes, size_t length, struct event *event);

/* Writes @bytes, which event_decode found sound, without white space between its tokens, so
 * that a value with line breaks fits a line. Returns the length, at most @length, or 0 where
 * it cannot. @out has room for @length bytes. */
size_t event_minify(const void *bytes, size_t length, char *out);

#ifdef __cplusplus
}
#endif
#endif
