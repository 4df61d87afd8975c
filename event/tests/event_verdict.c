/* Reads JSON texts, one a line, and prints the reader's verdict on each: for test_schemas.py. With
 * --types it prints the types there are, their service and partition: for test_asyncapi.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

static int print_types(void)
{
	for (int type = EVENT_OTHER + 1; type < EVENT_TYPES; type++)
		printf("%s %s %d\n", event_type_name((enum event_type)type),
			event_service((enum event_type)type),
			event_partition((enum event_type)type));
	return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
	struct event_reader *reader;
	struct event event;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (argc > 1 && strcmp(argv[1], "--types") == 0)
		return print_types();
	reader = event_reader_new();
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
