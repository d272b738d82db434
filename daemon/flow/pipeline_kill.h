/* Trees of processes, killed so that none of them meets an end because another one died. */
#ifndef PENSTOCK_FLOW_PIPELINE_KILL_H
#define PENSTOCK_FLOW_PIPELINE_KILL_H

#include <stdbool.h>
#include <sys/types.h>

struct pipeline_process {
    pid_t pid, parent, session;
};

/* Takes what the two below need, so that they work when the process has no descriptor and no memory
 * left. Once is enough. 0, also where there is no /proc; or -errno. Any thread. */
int pipeline_prepare(void);

/* Stops the processes that `root` picks and all that descends from them, looks again until there is
 * no new one, and then kills them all. Does not wait for them. Returns once it has worked: while
 * the system can't show them all it tries again, and the caller holds what they could take for the
 * end of their input. Where there is no /proc nothing is done. Any thread; `root` must not
 * block. */
void pipeline_slay(bool (*root)(const struct pipeline_process *process, void *arg), void *arg);

/* One process that `root` picks, or 0. As above. */
pid_t pipeline_find(bool (*root)(const struct pipeline_process *process, void *arg), void *arg);

#endif
