/* metrics-consumer/zst_reader.h - the bytes of a file compressed with zstd (RFC 8878), in pieces.
 *
 * Memory is the window of the frame, at most 128 MiB, and 128 KiB. Damage and a file that was
 * cut are failures: each names the byte of the file. Bytes that are wrong may have been given
 * before: a frame's checksum, where it has one, stands at its end. One thread. */
#ifndef METRICS_CONSUMER_ZST_READER_H
#define METRICS_CONSUMER_ZST_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/fail.h"

struct zst_reader;

/* Reads the file behind @fd from where it is; it is closed with the reader, or on failure. */
bool zst_reader_open(struct zst_reader **reader, int fd, struct fail *fail);
void zst_reader_close(struct zst_reader **reader);

/* The next bytes, at most @room, which is above 0; *got is 0 behind the last frame. A
 * file_lines_source, with the reader as its context. */
bool zst_reader_next(void *reader, char *bytes, size_t room, size_t *got, struct fail *fail);

/* How many bytes of the file were taken. */
int64_t zst_reader_position(const struct zst_reader *reader);

#endif
