/* Ctrl-C, and what else asks a program to end, as something that one can wait for: the signal is
 * counted and makes a descriptor readable. Process-wide; for programs with one thread. */
#ifndef PENSTOCK_CTL_INTR_H
#define PENSTOCK_CTL_INTR_H

#include <stdbool.h>

/* From now on SIGINT does not end the process, unless it was ignored before (nohup). 0 or
 * -errno. */
int intr_catch(void);
/* The same of SIGINT, SIGTERM and SIGHUP. */
int intr_catch_all(void);
/* They end the process again. What came before is remembered. */
void intr_release(void);

/* Readable once a signal came; -1 before intr_catch. */
int intr_fd(void);
bool intr_came(void);
/* The first one that came is dealt with: intr_came is false until there is another. */
void intr_take(void);
/* As a shell has it of a program that the last signal ended. */
int intr_status(void);

#endif
