/* process/fail.h - what went wrong in the world, for the program and for a person.
 *
 * A function that can fail returns false and fills the struct fail that comes last in its
 * parameters. The text grows on the way out, so that it reads as a path:
 * "start cart: open store: disk is full". Whoever decides what happens next logs it, once.
 * Our own bugs do not come here: they assert. */
#ifndef PROCESS_FAIL_H
#define PROCESS_FAIL_H

#include <stdbool.h>

#define FAIL_TEXT_MAX 512 /* bytes with the NUL; a longer text is cut at its end */

enum fail_kind {
	FAIL_NONE = 0,
	FAIL_RETRY,  /* may work later */
	FAIL_REFUSE, /* not with this input */
	FAIL_UNSURE, /* may have worked */
	FAIL_FATAL,  /* the process cannot go on */
	FAIL_OWNED,  /* another process holds what we need */
};

struct fail {
	enum fail_kind kind;
	char text[FAIL_TEXT_MAX];
};

/* Sets kind and text. Returns false, so that a caller can `return fail_set(...)`. */
bool fail_set(struct fail *fail, enum fail_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with ": " and the text of @error (an errno value) behind it. */
bool fail_errno(struct fail *fail, enum fail_kind kind, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts a text and ": " in front; keeps the kind. Returns false. */
bool fail_prefix(struct fail *fail, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status for a process that ends with @fail: 0 none, 2 refused input, 3 owned by
 * another process, 1 anything else. */
int fail_exit_status(const struct fail *fail);

#endif
