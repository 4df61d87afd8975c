/* Threads of C11 under ThreadSanitizer.
 *
 * librdkafka starts its threads with thrd_create, which the sanitizer of gcc 12 and clang 14
 * does not see; the first allocation on such a thread is its end. Here they are started by
 * pthread_create, which it does see. What librdkafka does inside, with C11 mutexes that are not
 * seen either, is left out. Linked into programs built with -fsanitize=thread only. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:librdkafka.so\n";
}

struct start {
	thrd_start_t run;
	void *argument;
};

static void *run(void *context)
{
	const struct start start = *(struct start *)context;

	free(context);
	return (void *)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
	struct start *const start = malloc(sizeof(*start));
	pthread_t made;

	if (!start)
		return thrd_nomem;
	*start = (struct start){ function, argument };
	if (pthread_create(&made, NULL, run, start) != 0) {
		free(start);
		return thrd_error;
	}
	*thread = made;
	return thrd_success;
}

int thrd_join(thrd_t thread, int *result)
{
	void *value = NULL;

	if (pthread_join(thread, &value) != 0)
		return thrd_error;
	if (result)
		*result = (int)(intptr_t)value;
	return thrd_success;
}
