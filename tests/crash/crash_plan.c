#include "tests/crash/crash_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const operation_names[] = { "write", "sync", "rename", "cut", "create", "send",
	"lock" };
static const char *const target_names[] = { "store", "wal", "journal", "rotated", "checkpoint",
	"dead", "directory", "kafka", "http", "other" };
static const char *const how_names[] = { "", "kill-before", "kill-half", "kill-after", "short",
	"eio", "enospc", "reset", "busy" };

static const int error_of[] = {
	[FAIL_EIO] = EIO, [FAIL_ENOSPC] = ENOSPC, [FAIL_RESET] = ECONNRESET, [FAIL_BUSY] = EAGAIN
};

/* As the file of CRASH_COUNT has it; the driver reads it as numbers of 64 bits. */
struct counts {
	_Atomic uint64_t met; /* calls of the chosen kinds */
	_Atomic uint64_t calls[OPERATIONS][TARGETS];
};

static struct {
	pthread_once_t once;
	struct counts *counts;
	bool chosen[OPERATIONS][TARGETS], lost[TARGETS];
	bool zero;
	enum how how;
	uint64_t at, times;
	const char *journal, *kafka;
} plan = { .once = PTHREAD_ONCE_INIT };

_Noreturn void plan_complain(const char *what)
{
	(void)fprintf(stderr, "crash_point: %s\n", what);
	_exit(99);
}

static bool listed(const char *list, const char *word)
{
	const size_t length = strlen(word);

	for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

static bool kind_listed(const char *list, int operation, int target)
{
	char exact[64], any_target[64], any_operation[64];

	(void)snprintf(
		exact, sizeof(exact), "%s.%s", operation_names[operation], target_names[target]);
	(void)snprintf(any_target, sizeof(any_target), "%s.*", operation_names[operation]);
	(void)snprintf(any_operation, sizeof(any_operation), "*.%s", target_names[target]);
	return listed(list, exact) || listed(list, any_target) || listed(list, any_operation);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *const text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void map_counts(const char *path)
{
	static struct counts unseen;
	const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	plan.counts = &unseen;
	if (!path)
		return;
	if (fd < 0)
		plan_complain("CRASH_COUNT is not there");
	plan.counts = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (plan.counts == MAP_FAILED)
		plan_complain("CRASH_COUNT cannot be mapped");
	close(fd);
}

static void read_plan(void)
{
	const char *const kinds = getenv("CRASH_KIND"), *const how = getenv("CRASH_HOW");
	const char *const lose = getenv("CRASH_LOSE"), *const lose_how = getenv("CRASH_LOSE_HOW");

	plan.journal = getenv("CRASH_JOURNAL");
	plan.kafka = getenv("CRASH_KAFKA");
	plan.at = number("CRASH_AT", 1);
	plan.times = number("CRASH_TIMES", 1);
	plan.zero = lose_how && strcmp(lose_how, "zero") == 0;
	for (int c = 0; c < TARGETS; c++) {
		plan.lost[c] = listed(lose, target_names[c]);
		for (int o = 0; o < OPERATIONS; o++)
			plan.chosen[o][c] = kind_listed(kinds, o, c);
	}
	for (size_t i = 1; how && i < sizeof(how_names) / sizeof(how_names[0]); i++) {
		if (strcmp(how, how_names[i]) == 0)
			plan.how = (enum how)i;
	}
	if (kinds && plan.how == GO_ON)
		plan_complain("CRASH_HOW is missing or unknown");
	map_counts(getenv("CRASH_COUNT"));
}

/* The constructors of other libraries may call us before ours. */
static void prepare(void)
{
	static _Thread_local bool inside;

	if (inside)
		return;
	inside = true;
	(void)pthread_once(&plan.once, read_plan);
	inside = false;
}

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

enum target target_of_path(const char *path)
{
	const char *const slash = strrchr(path, '/');
	const char *const name = slash ? slash + 1 : path;

	prepare();
	if (ends_with(name, ".db-wal"))
		return WAL;
	if (ends_with(name, ".db") || ends_with(name, ".db-shm") || ends_with(name, ".db-journal"))
		return STORE;
	if (strncmp(name, "dead-letter", strlen("dead-letter")) == 0)
		return DEAD;
	if (!plan.journal || strncmp(name, plan.journal, strlen(plan.journal)) != 0)
		return OTHER;
	if (strstr(name, ".checkpoint"))
		return CHECKPOINT;
	return name[strlen(plan.journal)] == '\0' ? JOURNAL : ROTATED;
}

static enum target target_of_socket(int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t length = sizeof(peer);
	char port[16];

	if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0)
		return OTHER;
	if (peer.ss_family == AF_INET)
		(void)snprintf(port, sizeof(port), "%u",
			ntohs(((const struct sockaddr_in *)&peer)->sin_port));
	else if (peer.ss_family == AF_INET6)
		(void)snprintf(port, sizeof(port), "%u",
			ntohs(((const struct sockaddr_in6 *)&peer)->sin6_port));
	else
		return OTHER;
	return listed(plan.kafka, port) ? KAFKA : HTTP;
}

enum target target_of(int fd)
{
	const int before = errno;
	enum target target = OTHER;
	char link[64], path[PATH_MAX];
	struct stat st;
	ssize_t length;

	prepare();
	if (fstat(fd, &st) != 0) {
		errno = before;
		return OTHER;
	}
	if (S_ISSOCK(st.st_mode)) {
		target = target_of_socket(fd);
	} else if (S_ISDIR(st.st_mode)) {
		target = DIRECTORY;
	} else if (S_ISREG(st.st_mode)) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		length = readlink(link, path, sizeof(path) - 1);
		if (length > 0) {
			path[length] = '\0';
			target = target_of_path(path);
		}
	}
	errno = before;
	return target;
}

enum how plan_meet(enum operation operation, enum target target)
{
	uint64_t met;

	prepare();
	atomic_fetch_add(&plan.counts->calls[operation][target], 1);
	if (!plan.chosen[operation][target])
		return GO_ON;
	met = atomic_fetch_add(&plan.counts->met, 1) + 1;
	if (met < plan.at || (plan.times > 0 && met - plan.at >= plan.times))
		return GO_ON;
	if (plan.how >= FAIL_EIO)
		errno = error_of[plan.how];
	return plan.how;
}

bool plan_loses(enum target target)
{
	return plan.lost[target];
}

bool plan_loses_zeros(void)
{
	return plan.zero;
}

/* Also where nothing is ever met: a plan that makes no sense is said at once. */
__attribute__((constructor)) static void begin(void)
{
	prepare();
}
