#include "service/simulator.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "process/clock.h"
#include "process/log.h"
#include "process/random.h"
#include "process/stop.h"

#define BEHIND_MS 1000 /* what could not be sent for longer is not made up for */

struct slot {
	struct simulator *owner;
	struct slot *next;                    /* free list, under the lock */
	_Alignas(max_align_t) char command[]; /* the service's own command */
};

struct simulator {
	struct service *service;
	const struct service_definition *definition;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news; /* a slot is free, or stop */
	struct slot *free;
	char *memory;
	bool stopping;
	uint64_t seed;
	_Atomic uint64_t done, refused;
};

static void give_back(struct slot *slot)
{
	struct simulator *const s = slot->owner;

	pthread_mutex_lock(&s->lock);
	slot->next = s->free;
	s->free = slot;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
}

static void on_answer(struct command *command, const struct fail *refused)
{
	struct slot *const slot = (struct slot *)((char *)command - offsetof(struct slot, command));

	atomic_fetch_add(refused ? &slot->owner->refused : &slot->owner->done, 1);
	give_back(slot);
}

/* A free slot, waiting at most until @until_ms; NULL then, or at stop. */
static struct slot *take_slot(struct simulator *s, int64_t until_ms)
{
	const struct timespec until = { .tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000 };
	struct slot *slot = NULL;
	int error = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->free && !s->stopping && error == 0)
		error = pthread_cond_timedwait(&s->news, &s->lock, &until);
	if (s->free && !s->stopping) {
		slot = s->free;
		s->free = slot->next;
	}
	pthread_mutex_unlock(&s->lock);
	return slot;
}

/* Sleeps until @until_ms; false at stop. */
static bool sleep_until(struct simulator *s, int64_t until_ms)
{
	const struct timespec until = { .tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000 };
	bool stopping;
	int error = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping && error == 0)
		error = pthread_cond_timedwait(&s->news, &s->lock, &until);
	stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return !stopping;
}

static void ask(struct simulator *s, struct slot *slot)
{
	struct command *const command = (struct command *)slot->command;

	memset(command, 0, s->definition->command_size);
	command->answer = on_answer;
	s->definition->simulate(s->service, command, random_next(&s->seed));
	if (!service_put(s->service, command)) {
		atomic_fetch_add(&s->refused, 1);
		give_back(slot);
	}
}

static void *run(void *context)
{
	struct simulator *const s = context;
	const int64_t rate = service_settings(s->service)->simulate_per_second;
	int64_t start = clock_mono_ms(), sent = 0;

	/* Event number n is due n / rate seconds after the start. */
	while (sleep_until(s, start + (sent + 1) * 1000 / rate)) {
		const int64_t now = clock_mono_ms();
		const int64_t due = (now - start) * rate / 1000;

		for (; sent < due; sent++) {
			struct slot *const slot = take_slot(s, now + BEHIND_MS);

			if (!slot)
				break;
			ask(s, slot);
		}
		if (clock_mono_ms() - now >= BEHIND_MS || sent >= INT32_MAX) {
			start = clock_mono_ms();
			sent = 0;
		}
	}
	return NULL;
}

bool simulator_start(struct simulator **simulator, struct service *service,
	const struct service_definition *definition, struct fail *fail)
{
	const size_t align = _Alignof(max_align_t);
	const size_t size =
		(sizeof(struct slot) + definition->command_size + align - 1) / align * align;
	struct simulator *s;
	pthread_condattr_t attributes;

	*simulator = NULL;
	if (service_settings(service)->simulate_per_second == 0)
		return true;
	s = calloc(1, sizeof(*s));
	if (!s || !(s->memory = calloc(SIMULATOR_SLOTS, size))) {
		free(s);
		return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	s->service = service;
	s->definition = definition;
	s->seed = (uint64_t)service_settings(service)->simulate_seed;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->news, &attributes);
	pthread_condattr_destroy(&attributes);
	for (size_t i = 0; i < SIMULATOR_SLOTS; i++) {
		struct slot *const slot = (struct slot *)(s->memory + i * size);

		slot->owner = s;
		slot->next = s->free;
		s->free = slot;
	}
	if (!thread_start(&s->thread, "simulator", run, s, fail)) {
		simulator_free(&s);
		return false;
	}
	*simulator = s;
	return true;
}

void simulator_stop(struct simulator *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->news);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}

void simulator_free(struct simulator **simulator)
{
	struct simulator *const s = *simulator;

	if (!s)
		return;
	log_info("simulator", "ended done=%" PRIu64 " refused=%" PRIu64, atomic_load(&s->done),
		atomic_load(&s->refused));
	pthread_cond_destroy(&s->news);
	pthread_mutex_destroy(&s->lock);
	free(s->memory);
	free(s);
	*simulator = NULL;
}
