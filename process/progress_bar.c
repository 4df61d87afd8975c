#include "process/progress_bar.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/clock.h"

#define WIDTH    30
#define DRAW_MS  100
#define TEXT_MAX 80

void progress_bar_start(struct progress_bar *bar, int fd)
{
	*bar = (struct progress_bar){ .fd = fd, .on = fd >= 0 && isatty(fd) };
}

bool progress_bar_is_due(const struct progress_bar *bar)
{
	return bar->on && clock_mono_ms() >= bar->at_ms + DRAW_MS;
}

static void put(const struct progress_bar *bar, const char *text, size_t length)
{
	(void)!write(bar->fd, text, length); /* a terminal that is gone needs no bar */
}

void progress_bar_draw(struct progress_bar *bar, double done, double all, const char *text)
{
	const double share = all <= 0 || done >= all ? 1 : done / all;
	char filled[WIDTH + 1], line[TEXT_MAX + 2 * WIDTH];
	int length;

	if (!bar->on)
		return;
	memset(filled, '#', WIDTH);
	filled[WIDTH] = '\0';
	length = snprintf(line, sizeof(line), "\r\033[K[%-*.*s] %3d%% %.*s", WIDTH,
		(int)(share * WIDTH), filled, (int)(share * 100), TEXT_MAX, text);
	put(bar, line, (size_t)length);
	bar->drawn = true;
	bar->at_ms = clock_mono_ms();
}

void progress_bar_end(struct progress_bar *bar)
{
	static const char clear[] = "\r\033[K";

	if (bar->drawn)
		put(bar, clear, sizeof(clear) - 1);
	bar->drawn = false;
}
