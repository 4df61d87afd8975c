#include "outbox/outbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/log.h"

struct outbox {
	struct outbox_options options;
	struct db *db;     /* the writer's */
	struct db *reader; /* the relay's */
	struct queue queue;
	struct progress progress;
	struct writer writer;
	struct relay *relay;
	char source[ROWS_SOURCE_MAX]; /* a copy: the writer's thread has its own */
	bool started;
};

bool outbox_open(struct outbox **outbox, const struct outbox_options *options, struct fail *fail)
{
	struct outbox *const o = calloc(1, sizeof(*o));

	*outbox = NULL;
	if (!o)
		return fail_set(fail, FAIL_FATAL, "out of memory");
	o->options = *options;
	if (!db_open(&o->db, options->store, DB_WRITER, fail))
		goto free_outbox;
	if (!rows_open(o->db, options->service, &o->writer.state, fail))
		goto close_db;
	memcpy(o->source, o->writer.state.source, sizeof(o->source));
	if (!db_open(&o->reader, options->store, DB_READER, fail))
		goto close_db;
	if (!queue_init(&o->queue, fail))
		goto close_reader;
	progress_init(
		&o->progress, &(struct progress_numbers){
				      .last = o->writer.state.last,
				      .acknowledged = o->writer.state.acknowledged,
				      .acknowledged_offset = o->writer.state.acknowledged_offset,
				      .first = rows_first(&o->writer.state),
			      });
	*outbox = o;
	return true;

close_reader:
	db_close(&o->reader);
close_db:
	db_close(&o->db);
free_outbox:
	free(o);
	return false;
}

struct db *outbox_db(struct outbox *outbox)
{
	assert(!outbox->started);
	return outbox->db;
}

static void wake_relay(void *context)
{
	relay_wake(context);
}

static void wake_writer(void *context)
{
	queue_wake(context);
}

bool outbox_start(struct outbox *o, writer_apply *apply, void *service, struct fail *fail)
{
	const struct relay_options relay = { .kafka = o->options.kafka,
		.db = o->reader,
		.source = o->source,
		.partition = o->options.partition,
		.spans = o->options.spans,
		.progress = &o->progress,
		.rewound = wake_writer,
		.rewound_context = &o->queue };

	log_info("outbox", "open%s store=%s source=%s last=%" PRId64 " published=%" PRId64,
		o->writer.state.last == 0 ? " (new)" : "", o->options.store, o->writer.state.source,
		o->writer.state.last, o->writer.state.acknowledged);
	if (!relay_start(&o->relay, &relay, fail))
		return false;
	o->writer.db = o->db;
	o->writer.queue = &o->queue;
	o->writer.apply = apply;
	o->writer.service = service;
	o->writer.progress = &o->progress;
	o->writer.committed = wake_relay;
	o->writer.committed_context = o->relay;
	o->writer.max_rows = o->options.max_rows;
	o->writer.keep_ms = o->options.keep_seconds * 1000;
	if (!writer_start(&o->writer, fail)) {
		struct fail ignored = { 0 };

		(void)relay_stop(o->relay, 0, &ignored);
		return false;
	}
	o->started = true;
	return true;
}

bool outbox_put(struct outbox *outbox, struct command *command)
{
	return queue_put(&outbox->queue, command);
}

void outbox_status_read(struct outbox *o, struct outbox_status *status)
{
	const struct progress_numbers n = progress_read(&o->progress);

	memcpy(status->source, o->source, sizeof(status->source));
	status->last = n.last;
	status->published = n.acknowledged;
	status->waiting = n.last - n.acknowledged;
	status->max_rows = o->options.max_rows;
}

void outbox_times(struct outbox *o, struct histogram *commits, struct histogram *checkpoints)
{
	histogram_read(&o->writer.commit_us, commits);
	histogram_read(&o->writer.checkpoint_us, checkpoints);
}

static bool take_time(void *context, const struct row *row)
{
	*(int64_t *)context = row->at_ms;
	return false;
}

bool outbox_oldest(struct outbox *o, struct db *reader, int64_t *at_ms, struct fail *fail)
{
	const struct progress_numbers n = progress_read(&o->progress);

	*at_ms = -1;
	return n.acknowledged >= n.last ||
	       rows_read(reader, n.acknowledged + 1, 1, take_time, at_ms, fail);
}

bool outbox_holds(struct outbox *outbox, char why[RELAY_WHY_MAX])
{
	return relay_holds(outbox->relay, why);
}

bool outbox_in_place(struct outbox *outbox, struct fail *fail)
{
	return db_in_place(outbox->db, fail);
}

bool outbox_ended(struct outbox *outbox)
{
	return relay_ended(outbox->relay);
}

bool outbox_stop(struct outbox *o, int drain_ms, struct fail *fail)
{
	struct progress_numbers n;
	bool good;

	if (!o->started)
		return true;
	o->started = false;
	queue_close(&o->queue);
	writer_join(&o->writer);
	good = relay_stop(o->relay, drain_ms, fail);
	if (o->writer.ended.kind != FAIL_NONE) {
		*fail = o->writer.ended;
		return false;
	}
	good = good && writer_finish(&o->writer, fail);
	n = progress_read(&o->progress);
	log_info("outbox", "closed last=%" PRId64 " published=%" PRId64 " waiting=%" PRId64, n.last,
		n.acknowledged, n.last - n.acknowledged);
	return good;
}

void outbox_close(struct outbox **outbox)
{
	struct outbox *const o = *outbox;

	if (!o)
		return;
	assert(!o->started);
	relay_free(&o->relay);
	progress_fini(&o->progress);
	queue_fini(&o->queue);
	db_close(&o->reader);
	db_close(&o->db);
	free(o);
	*outbox = NULL;
}
