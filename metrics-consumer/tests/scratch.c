#include "metrics-consumer/tests/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

void scratch_make(struct scratch *s)
{
	*s = (struct scratch){ .directory = "/tmp/consumer-test-XXXXXX" };
	assert_non_null(mkdtemp(s->directory));
}

bool scratch_make_small(struct scratch *s, size_t bytes)
{
	char options[64];

	scratch_make(s);
	(void)snprintf(options, sizeof(options), "size=%zu", bytes);
	s->mounted = mount("tmpfs", s->directory, "tmpfs", 0, options) == 0;
	if (!s->mounted)
		scratch_remove(s);
	return s->mounted;
}

void scratch_remove(struct scratch *s)
{
	char command[128];

	if (s->mounted)
		assert_int_equal(umount2(s->directory, MNT_DETACH), 0);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", s->directory);
	assert_int_equal(system(command), 0);
}

const char *scratch_path(struct scratch *s, const char *name)
{
	(void)snprintf(s->path, sizeof(s->path), "%s/%s", s->directory, name);
	return s->path;
}

void scratch_write(struct scratch *s, const char *name, const void *bytes, size_t length)
{
	FILE *const file = fopen(scratch_path(s, name), "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

char *scratch_read(struct scratch *s, const char *name, size_t *length)
{
	FILE *const file = fopen(scratch_path(s, name), "rb");
	size_t room = 65536, there = 0, got;
	char *bytes = malloc(room);

	assert_non_null(bytes);
	while (file && (got = fread(bytes + there, 1, room - there - 1, file)) > 0) {
		there += got;
		if (room - there == 1) {
			room *= 2;
			bytes = realloc(bytes, room);
			assert_non_null(bytes);
		}
	}
	if (file)
		fclose(file);
	bytes[there] = '\0';
	if (length)
		*length = there;
	return bytes;
}

/* Not by strstr, for which a sanitizer measures the rest of the text each time. */
size_t scratch_count(const char *text, const char *wanted)
{
	const size_t length = strlen(wanted);
	size_t count = 0;

	for (; (text = strchr(text, wanted[0])); text++)
		count += strncmp(text, wanted, length) == 0;
	return count;
}
