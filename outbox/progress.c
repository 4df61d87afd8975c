#include "outbox/progress.h"

#include <assert.h>

#include "process/clock.h"

void progress_init(struct progress *progress, const struct progress_numbers *first)
{
	pthread_mutex_init(&progress->lock, NULL);
	progress->numbers = *first;
}

void progress_fini(struct progress *progress)
{
	pthread_mutex_destroy(&progress->lock);
}

void progress_commit(struct progress *progress, int64_t last)
{
	pthread_mutex_lock(&progress->lock);
	assert(last >= progress->numbers.last);
	progress->numbers.last = last;
	pthread_mutex_unlock(&progress->lock);
}

void progress_acknowledge(struct progress *progress, int64_t id, int64_t offset)
{
	pthread_mutex_lock(&progress->lock);
	assert(id <= progress->numbers.last);
	if (id >= progress->numbers.acknowledged) {
		progress->numbers.seen_ms = clock_mono_ms();
		progress->numbers.acknowledged = id;
		progress->numbers.acknowledged_offset = offset;
	}
	pthread_mutex_unlock(&progress->lock);
}

void progress_rewind(struct progress *progress, int64_t offset)
{
	pthread_mutex_lock(&progress->lock);
	progress->numbers.acknowledged = progress->numbers.first - 1;
	progress->numbers.acknowledged_offset = offset;
	progress->numbers.rewinds++;
	pthread_mutex_unlock(&progress->lock);
}

bool progress_forget(struct progress *progress, int64_t rewinds, int64_t up_to)
{
	bool may;

	pthread_mutex_lock(&progress->lock);
	may = progress->numbers.rewinds == rewinds;
	if (may) {
		assert(up_to < progress->numbers.acknowledged);
		progress->numbers.first = up_to + 1;
	}
	pthread_mutex_unlock(&progress->lock);
	return may;
}

void progress_keep(struct progress *progress, int64_t first)
{
	pthread_mutex_lock(&progress->lock);
	progress->numbers.first = first;
	pthread_mutex_unlock(&progress->lock);
}

struct progress_numbers progress_read(struct progress *progress)
{
	struct progress_numbers numbers;

	pthread_mutex_lock(&progress->lock);
	numbers = progress->numbers;
	pthread_mutex_unlock(&progress->lock);
	return numbers;
}
