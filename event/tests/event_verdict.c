/* Reads JSON texts, one a line, and prints the reader's verdict on each: for test_schemas.py. */
#include <stdio.h>
#include <stdlib.h>

#include "event/event.h"

int main(void)
{
	struct event_reader *reader = event_reader_new();
	struct event event;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (!reader)
		return 1;
	while ((length = getline(&line, &size, stdin)) > 0) {
		const enum event_flaw flaw = event_decode(reader, line, (size_t)length - 1, &event);

		puts(event_flaw_name(flaw));
	}
	free(line);
	event_reader_free(&reader);
	return ferror(stdin) || fflush(stdout) != 0;
}
