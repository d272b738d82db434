/* Processes as /proc lists them, for those who must kill whatever else fails: the directory and one
 * more descriptor are held from the start, and nothing is allocated. So a process that has no
 * descriptor left can still look.
 *
 * One caller at a time. In a program of many threads another one may take the number of the spare
 * descriptor while it is used: then a look fails, and can be had again. */
#ifndef PENSTOCK_FLOW_PROC_H
#define PENSTOCK_FLOW_PROC_H

#include <stddef.h>

struct proc {
    int dir, spare;
};
#define PROC_INIT ((struct proc){-1, -1})

/* 0 or -errno: -ENOENT if there is no /proc. */
int proc_open(struct proc *p);
void proc_close(struct proc *p);

/* Reads /proc/PID/FILE, at most size - 1 bytes, and ends them by NUL. Returns how many; 0: the
 * process is gone, or not ours to see; or -errno: it cannot be known now. */
int proc_read(struct proc *p, const char *pid, const char *file, char *ret_text, size_t size);

/* Calls `each` with all processes' numbers, in their order, until it returns another value than 0.
 * Returns that value; or 0; or -errno: the list could not be had. */
int proc_each(struct proc *p, int (*each)(struct proc *p, const char *pid, void *arg), void *arg);

#endif
