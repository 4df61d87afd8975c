/* metrics-consumer/journal_save.h - what the journal's parts share. Only for journal*.c. */
#ifndef METRICS_CONSUMER_JOURNAL_SAVE_H
#define METRICS_CONSUMER_JOURNAL_SAVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "metrics-consumer/journal.h"
#include "process/fail.h"

/* Writes a checkpoint for the file as it is, which is synced; the state is only borrowed. Then the
 * archive may remove what retention does not keep. */
bool journal_save(struct journal *journal, const json_t *state, struct fail *fail);
/* Writes one for a file with the next number that is about to begin. */
bool journal_save_next(struct journal *journal, const json_t *state, struct fail *fail);

/* The rotated file with this number: P.000001, or with ".zst" for @end P.000001.zst. */
void journal_name(const char *path, int64_t number, const char *end, char out[PATH_MAX]);

#endif
