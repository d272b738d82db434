/* The body of a `run`: to the worker a task like any other, but what reads the body is a command of
 * a client's, at the other end of a pipe that the client made, or of a socket (parse/given.h).
 *
 * Who owns which end, and on which thread
 *
 *   fetch loop    the write end of the body's own pipe, as of any job. It never sees the client's
 *                 pipe.
 *   worker        the read end of the body's own pipe, and the daemon's one copy of the client's
 *                 write end (`out`): it decodes what is to be decoded, and moves the bytes from one
 *                 pipe into the other.
 *   control loop  talks with the client: begin, complete, abort; hears `exited`, and tells the
 *                 worker of it.
 *   the client    a write end of its own, which it closes last: after `complete`, or once its
 *                 command is dead.
 *
 * The client's write end is an open file description that others hold as well. They can clear its
 * O_NONBLOCK at any time, so nothing here may write(2) to it, or call anything that heeds that
 * flag; nor can one of our own be opened in its place, as a service may not open a pipe of another
 * user (and has no /proc in a sandbox). splice(2) with SPLICE_F_NONBLOCK goes from pipe to pipe by
 * pages and heeds no flag of a description. Decoded bytes are written to a pipe of the worker's own
 * (`stage`) first. Into a socket bytes are sent with MSG_DONTWAIT, which heeds no flag either.
 * Whoever holds an end of a pipe can also hold the kernel's lock on it, by a read or write whose
 * memory is slow to come: then this worker is stuck, and nobody else. That is why a worker does
 * this and no loop.
 *
 * No end is an end by itself: the worker looks at the body's state at the end of its pipe, and
 * tells `delivered` only if every byte is in the client's pipe, decoded whole, and the end was
 * verified. It stays until the command has ended (relay_exited) or nobody is left who could say so
 * (relay_gone), so that its time counts as a parser's; but no longer than until the body is
 * aborted: how the job ends is settled then, and a reader that is busy with what it has already
 * occupies no worker. A client that gave a pipe has a write end of its own, so that our close is no
 * end to the command. */
#ifndef PENSTOCK_PARSE_RELAY_H
#define PENSTOCK_PARSE_RELAY_H

#include "record/kind.h"

#include <stdatomic.h>
#include <stdbool.h>

struct parse_task;

struct relay {
    /* Set by the owner before relay_attach. */
    int out; /* the client's write end; owned by the worker */
    /* All on the worker's thread, each at most once. The body's first bytes are in the pipe, or its
     * verified end is there without any. */
    void (*begun)(struct relay *relay);
    /* All of it is in the pipe, and `out` is closed. */
    void (*delivered)(struct relay *relay);
    /* After begun: it will not be delivered, as it cannot be decoded. The command is to be
     * ended. */
    void (*broken)(struct relay *relay, enum error_kind kind, const char *message);

    _Atomic int status; /* relay_exited's; RELAY_RUNS, RELAY_GONE */
    atomic_bool
        touched; /* something may be in the client's pipe: another attempt must not begin anew */
};

#define RELAY_RUNS (-1)
#define RELAY_GONE (-2)

/* Makes `task` one that is run so. The task's body is one that can be watched (body_watch). */
void relay_attach(struct parse_task *task, struct relay *relay);

/* The command has ended with this exit status, or 128 + N by signal N; or nobody can tell any more.
 * The first one counts. The caller wakes the body (body_wake) afterwards. Any thread. */
void relay_exited(struct relay *relay, int status);
void relay_gone(struct relay *relay);

#endif
