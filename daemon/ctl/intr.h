/* Ctrl-C as something that one can wait for: SIGINT sets a flag and makes a descriptor readable.
 * Process-wide; for programs with one thread. */
#ifndef PENSTOCK_CTL_INTR_H
#define PENSTOCK_CTL_INTR_H

#include <stdbool.h>

/* From now on SIGINT does not end the process, unless it was ignored before (nohup). 0 or
 * -errno. */
int intr_catch(void);

/* Readable once SIGINT came; -1 before intr_catch. */
int intr_fd(void);
bool intr_came(void);

#endif
