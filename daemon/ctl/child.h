/* COMMAND of `run`: a process of ours in a group of its own, with all that it starts. One thread,
 * which is told of SIGCHLD. */
#ifndef PENSTOCK_CTL_CHILD_H
#define PENSTOCK_CTL_CHILD_H

#include "base/error.h"
#include "flow/pipeline.h"

#include <stdbool.h>

struct child {
    struct pipeline pipeline;
    bool begun, ended;
    int wait_status; /* as of waitpid(2), if it ran */
    int status;      /* as a shell's $?; 126 or 127: it could not be run */
};

/* Starts it with `in` as its standard input, which stays the caller's. A command that cannot be run
 * has ended, with a message on standard error. */
void child_start(struct child *child, char *const *argv, int in);

static inline bool child_runs(const struct child *child)
{
    return child->begun && !child->ended;
}

/* To all of its group, if it runs. */
void child_signal(struct child *child, int signo);

enum child_news { CHILD_NOTHING, CHILD_STOPPED, CHILD_CONTINUED, CHILD_ENDED };

/* What has come of it since the last call; *ret_signo: that stopped it. One after the other, until
 * there is nothing. */
enum child_news child_look(struct child *child, int *ret_signo);

/* Kills it and all that it has started, and waits for that. */
void child_kill(struct child *child);

#endif
