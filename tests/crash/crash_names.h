/* crash_names.h - names that power loss takes back: a file that was made, renamed or removed, and
 * whose directory was not synced since. Only where CRASH_LOSE has `directory`. */
#ifndef CRASH_NAMES_H
#define CRASH_NAMES_H

#include "tests/crash/crash_plan.h"
#include <stdint.h>

enum change { MADE, RENAMED, LINKED, REMOVED };

struct names_change {
	bool kept; /* the rest means something, and the lock is held */
	enum change change;
	char *from; /* the name before, of what was renamed or linked */
	char *to;   /* the name that changes */
	char *old;  /* another name for what was there before; NULL: nothing was */
};

/* In front of a change and behind it; in between no other one happens, and nobody dies. @target is
 * that of @to. What the test does not look at, and what makes a name that is there, is let alone.
 * Each keeps errno. */
void names_begin(struct names_change *change, enum change kind, enum target target, int directory,
	const char *from, const char *to);
void names_end(struct names_change *change, bool done);

/* The sync of directory @fd says yes to what names_now() said before it. */
uint64_t names_now(void);
void names_synced(int fd, uint64_t until);

/* For whoever ends the process: takes back what was not synced, and the lock for good. */
void names_lose(void);

#endif
