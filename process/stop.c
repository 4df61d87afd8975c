#include "process/stop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_bool wished, signalled;
static int descriptor = -1;

void stop_request(void)
{
	const uint64_t one = 1;
	const int saved = errno;

	atomic_store(&wished, true);
	/* A full eventfd is readable already; nothing else can fail here. */
	if (descriptor >= 0)
		(void)!write(descriptor, &one, sizeof(one));
	errno = saved;
}

static void on_signal(int signal)
{
	(void)signal;
	if (atomic_exchange(&signalled, true))
		_exit(130);
	stop_request();
}

bool stop_on_signals(struct fail *fail)
{
	struct sigaction action = { .sa_handler = on_signal };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	assert(descriptor < 0);
	descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (descriptor < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "eventfd");
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
		sigaction(SIGPIPE, &ignore, NULL) != 0)
		return fail_errno(fail, FAIL_FATAL, errno, "sigaction");
	return true;
}

bool stop_requested(void)
{
	return atomic_load(&wished);
}

int stop_descriptor(void)
{
	return descriptor;
}

bool stop_wait(int wait_ms)
{
	struct pollfd on = { .fd = descriptor, .events = POLLIN };

	if (!stop_requested())
		(void)poll(&on, 1, wait_ms); /* a signal that interrupts it is the news itself */
	return stop_requested();
}

bool thread_start(
	pthread_t *thread, const char *name, void *(*run)(void *), void *context, struct fail *fail)
{
	sigset_t all, before;
	int error;

	assert(strlen(name) <= 15);
	sigfillset(&all);
	error = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (error != 0)
		return fail_errno(fail, FAIL_FATAL, error, "block signals");
	error = pthread_create(thread, NULL, run, context);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return fail_errno(fail, FAIL_FATAL, error, "start thread %s", name);
	(void)pthread_setname_np(*thread, name);
	return true;
}
