/* process/progress_bar.h - a line on a terminal that says how far a long work is. One thread. */
#ifndef PROCESS_PROGRESS_BAR_H
#define PROCESS_PROGRESS_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
	int fd;
	bool on;       /* @fd is a terminal */
	bool drawn;    /* there is something to clear */
	int64_t at_ms; /* when it was drawn last */
};

/* Draws on @fd where that is a terminal, and nothing at all elsewhere. */
void progress_bar_start(struct progress_bar *bar, int fd);
/* Whether it is time to draw again; cheap where it is off. */
bool progress_bar_is_due(const struct progress_bar *bar);
/* @done of @all in units of any kind, and a text behind the bar. */
void progress_bar_draw(struct progress_bar *bar, double done, double all, const char *text);
/* Clears the line. */
void progress_bar_end(struct progress_bar *bar);

#endif
