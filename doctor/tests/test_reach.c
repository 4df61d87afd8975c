#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "doctor/reach.h"
#include "process/clock.h"

static void an_address_is_read_as_librdkafka_reads_it(void **state)
{
	static const struct {
		const char *text, *host, *port;
	} cases[] = {
		{ "kafka1:9093", "kafka1", "9093" },
		{ "kafka1", "kafka1", "9092" },
		{ "PLAINTEXT://kafka1:1", "kafka1", "1" },
		{ "[::1]:19092", "::1", "19092" },
		{ "[::1]", "::1", "9092" },
		{ "::1", "::1", "9092" },
		{ "SSL://[fe80::1]:7", "fe80::1", "7" },
	};
	struct reach reach;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reach_parse(&reach, cases[i].text, strlen(cases[i].text));
		assert_string_equal(reach.host, cases[i].host);
		assert_string_equal(reach.port, cases[i].port);
	}
	reach_parse(&reach, "a:1,b:2", 3);
	assert_string_equal(reach.host, "a");
	assert_string_equal(reach.port, "1");
}

/* Listens on a port of this machine, or only keeps it. */
static int take_port(bool listens, char port[8])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	(void)snprintf(port, 8, "%u", ntohs(address.sin_port));
	return fd;
}

static void each_is_told_apart(void **state)
{
	struct reach reaches[3] = { { .host = "127.0.0.1" }, { .host = "127.0.0.1" },
		{ .host = "nowhere.invalid", .port = "1" } };
	const int open = take_port(true, reaches[0].port);
	const int closed = take_port(false, reaches[1].port);
	const int64_t began = clock_mono_ms();

	(void)state;
	reach_all(reaches, 3, 3000);
	assert_true(clock_mono_ms() - began < 6000);
	assert_true(reaches[0].reached);
	assert_false(reaches[1].reached);
	assert_string_equal(reaches[1].why, "Connection refused");
	assert_false(reaches[2].reached);
	assert_true(*reaches[2].why != '\0');
	close(open);
	close(closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_read_as_librdkafka_reads_it),
		cmocka_unit_test(each_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
