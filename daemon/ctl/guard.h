/* `run` in two processes, so that a SIGKILL of one of them is not an end of the body: each holds a duplicate of
 * the pipe's write end, each kills all that COMMAND has started when the other is gone, and only then lets go.
 *
 * The one in front is the caller's child: it waits, hands signals on, and exits as the other one does. The one behind
 * it does the work. It has a process group of its own, as a SIGKILL to the caller's group (timeout -s KILL) is meant
 * for the first one, and another name, as killall's is. */
#ifndef PENSTOCK_CTL_GUARD_H
#define PENSTOCK_CTL_GUARD_H

#include "base/error.h"

struct guard {
    int link;   /* of the worker: readable once the one in front is gone */
    int status; /* of the one in front: how the worker ended, as an exit status */
};

/* Splits the process. `ends` is the body's pipe: the worker has both ends, the one in front keeps the write end until
 * guard_complete. 1: this is the worker. 0, in front, when the worker has ended and with it all that it had started;
 * both ends are closed. Or a negative errno and a sentence. One thread. */
int guard_split(struct guard *guard, int ends[2], struct error *err);

/* The worker's: the body is whole, so the one in front may let go of the write end, too. */
void guard_complete(struct guard *guard);

#endif
