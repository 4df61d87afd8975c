/* crash_files.h - the end of the process, and what its files lose then. */
#ifndef CRASH_FILES_H
#define CRASH_FILES_H

#include "tests/crash/crash_plan.h"
#include <sys/types.h>

/* Each keeps errno, and does nothing for files that lose nothing. */
void files_note(int fd, enum target target); /* before it is written, after it is made */
void files_note_synced(int fd, enum target target, off_t size);
void files_note_cut(int fd, enum target target, off_t size);

/* Takes from the files what they lose, and kills the process. */
_Noreturn void files_die(void);

#endif
