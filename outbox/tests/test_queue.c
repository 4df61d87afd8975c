#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "outbox/queue.h"

static void ignore(struct command *command, const struct fail *refused)
{
	(void)command;
	(void)refused;
}

static struct command commands[QUEUE_MAX + 1];
static struct queue queue;

static int setup(void **state)
{
	struct fail fail = { 0 };

	(void)state;
	for (size_t i = 0; i <= QUEUE_MAX; i++)
		commands[i].answer = ignore;
	return queue_init(&queue, &fail) ? 0 : -1;
}

static int teardown(void **state)
{
	struct command *rest[64];

	(void)state;
	queue_close(&queue);
	while (queue_take(&queue, rest, 64, 0) > 0)
		;
	queue_fini(&queue);
	return 0;
}

static void commands_come_out_in_the_order_they_went_in(void **state)
{
	struct command *batch[4];

	(void)state;
	for (size_t round = 0; round < 2000; round++) { /* round the ring several times */
		for (size_t i = 0; i < 6; i++)
			assert_true(queue_put(&queue, &commands[i]));
		assert_int_equal(queue_take(&queue, batch, 4, -1), 4);
		for (size_t i = 0; i < 4; i++)
			assert_ptr_equal(batch[i], &commands[i]);
		assert_int_equal(queue_take(&queue, batch, 4, -1), 2);
		assert_ptr_equal(batch[1], &commands[5]);
	}
}

static void a_full_queue_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < QUEUE_MAX; i++)
		assert_true(queue_put(&queue, &commands[i]));
	assert_false(queue_put(&queue, &commands[QUEUE_MAX]));
}

static void waiting_ends_when_its_time_is_over(void **state)
{
	struct command *batch[1];

	(void)state;
	assert_int_equal(queue_take(&queue, batch, 1, 0), 0);
	assert_int_equal(queue_take(&queue, batch, 1, 20), 0);
}

static void a_closed_queue_gives_what_it_holds_and_takes_no_more(void **state)
{
	struct command *batch[2];

	(void)state;
	assert_true(queue_put(&queue, &commands[0]));
	queue_close(&queue);
	assert_false(queue_put(&queue, &commands[1]));
	assert_false(queue_ended(&queue));
	assert_int_equal(queue_take(&queue, batch, 2, -1), 1);
	assert_true(queue_ended(&queue));
	assert_int_equal(queue_take(&queue, batch, 2, -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			commands_come_out_in_the_order_they_went_in, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(
			waiting_ends_when_its_time_is_over, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_closed_queue_gives_what_it_holds_and_takes_no_more, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
