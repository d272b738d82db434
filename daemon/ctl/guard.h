/* `run` in two processes, so that a SIGKILL of one of them is not an end of the body: each holds a
 * duplicate of the pipe's write end, each kills all that COMMAND has started when the other is
 * gone, and only then lets go.
 *
 * The one in front is the caller's child, in the caller's process group: it waits, hands signals
 * on, stops and goes on as the caller's shell says, and exits as the other one does. The one behind
 * it does the work. It has a process group of its own, as a SIGKILL to the caller's group (timeout
 * -s KILL) is meant for the first one, and another name, as killall's is. COMMAND has a third
 * group, so that no signal of a terminal's can end one part of it before another, which would meet
 * an end of its input then: a Ctrl-C ends it by way of the two, all at once.
 *
 * So COMMAND starts in the background of a terminal, and is stopped by the kernel (SIGTTIN,
 * SIGTTOU) when it wants to read it or to set it up, as for a password or a pager. The one in front
 * sees that and lends it the terminal: at once if the job is in the foreground; else it stops
 * itself by the same signal, so that the shell says "Stopped (tty input)" and `fg` works. From then
 * on COMMAND gets Ctrl-C and Ctrl-Z itself. When it stops, the terminal is taken back, and the
 * job's own group is stopped in the same way. Where the group is an orphan, nobody could ever let
 * it go on: COMMAND that wants the terminal is ended then (GUARD_FORLORN). */
#ifndef PENSTOCK_CTL_GUARD_H
#define PENSTOCK_CTL_GUARD_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct guard {
    int link;    /* of the worker: readable once the one in front has a word, or is gone */
    pid_t front; /* the process in front */
    int status;  /* of the one in front: how the worker ended, as an exit status */
};

/* What the two tell each other, each with a number. */
enum guard_word {
    GUARD_NOTHING,
    GUARD_GONE, /* the other one has ended, or is about to */

    /* The worker's. */
    GUARD_COMPLETE, /* the body is whole: let go of the write end, too */
    GUARD_BEGUN,    /* COMMAND runs; its group */
    GUARD_STOPPED,  /* COMMAND has been stopped, or would be if it ran; by this signal */
    GUARD_ENDED,    /* COMMAND has ended; its status as of waitpid(2) */

    /* What the process in front asks for. */
    GUARD_STOP,    /* a terminal's stop (Ctrl-Z) */
    GUARD_GO,      /* go on after a stop */
    GUARD_FORLORN, /* COMMAND wants a terminal that it can never have */
};

/* Splits the process. `ends` is the body's pipe: the worker has both ends, the one in front keeps
 * the write end until GUARD_COMPLETE. `foreground`: COMMAND gets the terminal as soon as it begins.
 * 1: this is the worker. 0, in front, when the worker has ended; both ends are closed, and all that
 * COMMAND had started has ended unless the body was whole. Or a negative errno with a message in
 * *err. One thread. */
int guard_split(struct guard *guard, int ends[2], bool foreground, struct error *err);

/* The worker's. */
void guard_tell(struct guard *guard, enum guard_word word, int number);
enum guard_word guard_hear(struct guard *guard); /* does not wait */

#endif
