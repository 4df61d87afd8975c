#include "process/reopen.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_bool wished;

static void on_signal(int signal)
{
	(void)signal;
	atomic_store(&wished, true);
}

bool reopen_on_signal(struct fail *fail)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGHUP, &action, NULL) != 0)
		return fail_errno(fail, FAIL_FATAL, errno, "sigaction");
	return true;
}

bool reopen_requested(void)
{
	return atomic_exchange(&wished, false);
}
