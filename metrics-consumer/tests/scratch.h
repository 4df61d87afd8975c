/* metrics-consumer/tests/scratch.h - a directory of a test's own, and files in it. */
#ifndef METRICS_CONSUMER_TESTS_SCRATCH_H
#define METRICS_CONSUMER_TESTS_SCRATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct scratch {
	char directory[64];
	char path[PATH_MAX]; /* of the file last asked for */
	bool mounted;        /* a small tmpfs */
};

/* Makes the directory; asserts that it can. */
void scratch_make(struct scratch *scratch);
/* The same on a tmpfs of @bytes; false where this process may not mount. */
bool scratch_make_small(struct scratch *scratch, size_t bytes);
void scratch_remove(struct scratch *scratch);

/* The path of a file in it, valid until the next call. */
const char *scratch_path(struct scratch *scratch, const char *name);
void scratch_write(struct scratch *scratch, const char *name, const void *bytes, size_t length);
/* The bytes of a file with a NUL behind them, to be freed; "" where it is not there. */
char *scratch_read(struct scratch *scratch, const char *name, size_t *length);
size_t scratch_count(const char *text, const char *wanted);

#endif
