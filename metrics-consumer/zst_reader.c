#include "metrics-consumer/zst_reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define WINDOW_LOG_MAX 27 /* what zstd itself takes unless it is told otherwise */

struct zst_reader {
	int fd;
	ZSTD_DCtx *context;
	char *piece;
	size_t piece_room;
	ZSTD_inBuffer in;
	int64_t read_to; /* in the file, behind the piece */
	bool whole;      /* nothing of a frame is left to come */
};

bool zst_reader_open(struct zst_reader **reader, int fd, struct fail *fail)
{
	struct zst_reader *r = calloc(1, sizeof(*r));

	*reader = r;
	if (!r) {
		close(fd);
		return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	r->fd = fd;
	r->context = ZSTD_createDCtx();
	r->piece_room = ZSTD_DStreamInSize();
	r->piece = malloc(r->piece_room);
	if (!r->context || !r->piece ||
		ZSTD_isError(
			ZSTD_DCtx_setParameter(r->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		zst_reader_close(reader);
		return fail_set(fail, FAIL_FATAL, "out of memory");
	}
	r->in.src = r->piece;
	return true;
}

void zst_reader_close(struct zst_reader **reader)
{
	struct zst_reader *const r = *reader;

	if (!r)
		return;
	close(r->fd);
	(void)ZSTD_freeDCtx(r->context);
	free(r->piece);
	free(r);
	*reader = NULL;
}

int64_t zst_reader_position(const struct zst_reader *r)
{
	return r->read_to - (int64_t)(r->in.size - r->in.pos);
}

static bool read_piece(struct zst_reader *r, struct fail *fail)
{
	ssize_t length;

	do {
		length = read(r->fd, r->piece, r->piece_room);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return fail_errno(fail, FAIL_FATAL, errno, "read");
	r->in.pos = 0;
	r->in.size = (size_t)length;
	r->read_to += length;
	return true;
}

bool zst_reader_next(void *reader, char *bytes, size_t room, size_t *got, struct fail *fail)
{
	struct zst_reader *const r = reader;
	ZSTD_outBuffer out = { .dst = bytes, .size = room };

	assert(room > 0);
	for (;;) {
		size_t left;

		/* What is held back for want of room comes without more input. */
		if (r->in.pos == r->in.size && !read_piece(r, fail))
			return false;
		if (r->in.size == 0 && r->whole)
			break;
		left = ZSTD_decompressStream(r->context, &out, &r->in);
		if (ZSTD_isError(left))
			return fail_set(fail, FAIL_FATAL,
				"the compressed data is damaged before byte %" PRId64 ": %s",
				zst_reader_position(r), ZSTD_getErrorName(left));
		r->whole = left == 0;
		if (out.pos > 0)
			break;
		if (r->in.size == 0 && !r->whole)
			return fail_set(fail, FAIL_FATAL,
				"the compressed data is cut off at byte %" PRId64,
				zst_reader_position(r));
	}
	*got = out.pos;
	return true;
}
