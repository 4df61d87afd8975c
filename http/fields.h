/* http/fields.h - a request body read strictly: one JSON object with exactly the fields of a
 * table. Whatever is wrong is answered with a 400 that names the field. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "http/server.h"

enum field_kind {
	FIELD_NAME,  /* char[]: what the table's `valid` takes; smallest..largest unused */
	FIELD_WHOLE, /* int64_t: a whole number, written without point and exponent */
	FIELD_CENTS, /* int64_t: a decimal number of at most two digits behind the point, in cents
		      */
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;             /* where in the target the value goes */
	int64_t smallest, largest; /* FIELD_CENTS: in cents */
	size_t there;              /* where a bool says whether it stood there; 0: it has to */
};

/* Whether a text is an id, and what an id looks like in words. */
struct field_names {
	bool (*valid)(const char *text, size_t length);
	size_t room; /* of a FIELD_NAME target with its NUL; a valid text fits */
	const char *shape;
};

/* Reads the body into @target. Every field of the table that may not be left out must be there,
 * once, and no other.
 * False where the request has been answered. */
bool fields_read(struct http_request *request, const struct field *table, size_t count,
	const struct field_names *names, void *target);

/* Checks an id that stands in the path in the same way. */
bool fields_path_name(struct http_request *request, const char *field, const char *text,
	const struct field_names *names);

#endif
