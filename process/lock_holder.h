/* process/lock_holder.h - who has a file that one process at a time may have. */
#ifndef PROCESS_LOCK_HOLDER_H
#define PROCESS_LOCK_HOLDER_H

/* The process that holds an flock on the file or directory at @path; takes no lock to find out.
 * 0: nobody does, or one that cannot be seen from here, as in another container. */
int lock_holder(const char *path);

#endif
