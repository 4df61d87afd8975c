/* What libfaketime 0.9.10 leaves out: it tells C11's timespec_get the wrong time, and does not know
 * cnd_timedwait, which would wait until that by the right clock: for the hour that it is off, or
 * not at all. librdkafka waits so. Preloaded with libfaketime, this hands it to
 * pthread_cond_timedwait, which libfaketime knows; to glibc both are one. */
#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
	switch (pthread_cond_timedwait(
		(pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until)) {
	case 0:
		return thrd_success;
	case ETIMEDOUT:
		return thrd_timedout;
	default:
		return thrd_error;
	}
}
