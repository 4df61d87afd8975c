/* process/clock.h - the time, in milliseconds, and how it is written.
 *
 * Tests set the clock instead of sleeping. Any thread may ask. */
#ifndef PROCESS_CLOCK_H
#define PROCESS_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLOCK_TEXT_MAX 32 /* bytes of a written time, with the NUL */

/* Milliseconds since the epoch, UTC. */
int64_t clock_wall_ms(void);
/* Milliseconds since some fixed moment; never goes back, above 0. */
int64_t clock_mono_ms(void);
/* The same in microseconds. */
int64_t clock_mono_us(void);

/* Writes `2025-07-08T19:15:32.481Z` (RFC 3339, UTC). Years 0001 to 9999. */
void clock_text(int64_t wall_ms, char out[CLOCK_TEXT_MAX]);
/* Writes `2025-07-08T19:15:32Z`. */
void clock_text_seconds(int64_t wall_ms, char out[CLOCK_TEXT_MAX]);

/* Reads an RFC 3339 time in UTC: `YYYY-MM-DDThh:mm:ss`, any number of digits of a fraction
 * (milliseconds are kept), then `Z` or `+00:00`. False where the text is anything else. */
bool clock_parse(const char *text, size_t length, int64_t *wall_ms);

/* For tests: the clock stands at @wall_ms, and its monotonic side at the same number, until
 * it is set again; 0 lets it run. */
void clock_set(int64_t wall_ms);

#ifdef __cplusplus
}
#endif
#endif
