/* arrive: adds items at a constant rate, and tells how long the answers took and how long after
 * them the journal had the lines, as one line of JSON (times in microseconds).
 *
 *   arrive PORT RATE SECONDS CONNECTIONS CARTS SKUS SEED AFTER [SOURCE JOURNAL]
 *
 * PORT is cart's. AFTER is its last event's number, SOURCE its name (`GET /outbox` has both);
 * nobody else may add anything meanwhile. All latencies begin at the time for which a request was
 * scheduled, so that a service that stalls cannot hide it. From answer to line may be below 0: the
 * journal had the line before the answer was read.
 * Exit status: 0, 1 failed, 64 wrong usage. An answer that is not 201, and a line that does not
 * come within 30 s, are counted and told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/arrive_client.h"
#include "bench/arrive_journal.h"

#define LINE_SECONDS 30

struct word {
	const char *name;
	int64_t smallest, largest;
};

enum { PORT, RATE, SECONDS, CONNECTIONS, CARTS, SKUS, SEED, AFTER, NUMBERS };

static const struct word words[NUMBERS] = { { "PORT", 1, 65535 }, { "RATE", 1, 1000000 },
	{ "SECONDS", 1, 3600 }, { "CONNECTIONS", 1, CONNECTIONS_MAX }, { "CARTS", 1, 100000000 },
	{ "SKUS", 1, 10000000 }, { "SEED", 0, INT64_MAX }, { "AFTER", 0, INT64_MAX / 2 } };

static bool read_numbers(char **argv, int64_t numbers[NUMBERS])
{
	for (int i = 0; i < NUMBERS; i++) {
		char *end;

		errno = 0;
		numbers[i] = strtoll(argv[i + 1], &end, 10);
		if (errno != 0 || end == argv[i + 1] || *end || numbers[i] < words[i].smallest ||
			numbers[i] > words[i].largest) {
			fprintf(stderr, "arrive: %s=%s: %" PRId64 " to %" PRId64 "\n",
				words[i].name, argv[i + 1], words[i].smallest, words[i].largest);
			return false;
		}
	}
	if (numbers[RATE] * numbers[SECONDS] <= REQUESTS_MAX)
		return true;
	fprintf(stderr, "arrive: RATE times SECONDS: at most %d\n", REQUESTS_MAX);
	return false;
}

static void print(struct times *t, const struct journal_watch *watch, int64_t client_ns)
{
	printf("{\"requests\":%" PRId64 ",\"refused\":%" PRId64 ",", t->count, t->refused);
	times_print("sent_late", t->late, t->count);
	printf(",");
	times_print("answer", t->waited, t->answers);
	if (watch) {
		const int64_t events = t->answers - t->refused, lines = t->lines;
		int64_t *const ns = t->journaled;
		const int64_t both = times_between(t);
		int64_t first = 0;

		for (int64_t i = 0; i < both; i++)
			first += ns[i] < 0;
		printf(",\"lines_missing\":%" PRId64 ",\"lines_first\":%" PRId64 ",",
			events - lines, first);
		times_print("line", ns, both);
		printf(",\"journal_cpu_s\":%.3f,\"journal_reads\":%" PRId64,
			(double)watch->cpu_ns / 1e9, watch->reads);
	}
	printf(",\"client_cpu_s\":%.3f}\n", (double)client_ns / 1e9);
}

static bool run(const int64_t numbers[NUMBERS], const char *source, const char *path,
	struct journal_watch *watch, struct fail *fail)
{
	const struct client_options options = { .port = numbers[PORT],
		.rate = numbers[RATE],
		.connections = numbers[CONNECTIONS],
		.carts = numbers[CARTS],
		.skus = numbers[SKUS],
		.seed = numbers[SEED] };
	const int64_t before = thread_ns();
	struct times times;
	int64_t used;
	bool good;

	if (!times_init(&times, numbers[AFTER], numbers[RATE] * numbers[SECONDS], fail))
		return false;
	good = !path || journal_watch_start(watch, path, source, &times, fail);
	if (good) {
		struct fail second = { 0 };

		good = client_run(&options, &times, fail);
		used = thread_ns() - before;
		if (path &&
			!journal_watch_join(watch, times.answers - times.refused,
				good ? LINE_SECONDS : 0, &second) &&
			good) {
			*fail = second;
			good = false;
		}
		if (good)
			print(&times, path ? watch : NULL, used);
	}
	times_fini(&times);
	return good;
}

int main(int argc, char **argv)
{
	struct journal_watch *watch;
	struct fail fail = { 0 };
	int64_t numbers[NUMBERS];
	bool good;

	if (argc != NUMBERS + 1 && argc != NUMBERS + 3) {
		fprintf(stderr, "usage: arrive PORT RATE SECONDS CONNECTIONS CARTS SKUS SEED AFTER "
				"[SOURCE JOURNAL]\n");
		return 64;
	}
	if (!read_numbers(argv, numbers))
		return 64;
	if (argc > NUMBERS + 1 && strlen(argv[NUMBERS + 1]) >= SOURCE_MAX) {
		fprintf(stderr, "arrive: SOURCE: at most %d bytes\n", SOURCE_MAX - 1);
		return 64;
	}
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return 1;
	good = run(numbers, argc > NUMBERS + 1 ? argv[NUMBERS + 1] : NULL,
		argc > NUMBERS + 1 ? argv[NUMBERS + 2] : NULL, watch, &fail);
	free(watch);
	if (!good)
		fprintf(stderr, "arrive: %s\n", fail.text);
	return good && fflush(stdout) == 0 ? 0 : 1;
}
