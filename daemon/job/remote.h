/* Jobs that are bound to their client, and go with it.
 *
 * `head`: a job that asks for a head alone, for who waits for its verdict. It has no pipe, and its
 * client is told nothing of what follows.
 *
 * `run`: a job whose body goes to a command of the client's. The client made the pipe and passed
 * its write end; it starts the command, watches it, and says how it ended. A worker moves the body
 * into its pipe (parse/relay.h). Control loop.
 *
 * The client is told (runner.tell)
 *   begin     the body's first byte is in the pipe: start the command
 *   complete  every byte is in the pipe, and the end was verified: close your write end
 *   abort     the body will not arrive whole: kill the command before you close it
 * and says `exited` with the command's status. Each is told at most once, and nothing follows an
 * abort; a job that does not end well tells `abort` even if nothing ever began. A client that goes
 * away takes its jobs with it.
 *
 * Until `begin` such a job is tried again like any other, but as nobody else has its pipe it stays
 * in memory meanwhile, in its host's asides: the store gives it to nobody who finds it there. */
#ifndef PENSTOCK_JOB_REMOTE_H
#define PENSTOCK_JOB_REMOTE_H

#include "base/fd.h"
#include "base/list.h"

#include <stdint.h>

struct job;
struct jobs;
struct attempt;

/* A connection that runs commands, or asks for heads. Embedded in its owner. */
struct runner {
    /* `what` is begin, complete or abort. Must not block, nor call back. */
    void (*tell)(struct runner *runner, const char *what, uint64_t id);
    struct list jobs; /* private */
    unsigned asking;  /* heads that are being stored, and are no jobs yet: who asks counts them */
};
/* What waits for a head is nothing but memory: a connection has so many at once. A command brings a
 * descriptor along, of which there are few. */
#define RUNNER_HEADS 16
void runner_init(struct runner *runner,
                 void (*tell)(struct runner *runner, const char *what, uint64_t id));
bool runner_has_room(const struct runner *runner); /* for one head more */
/* The connection has gone: the next of its jobs whose command has not ended, which the runner
 * forgets; or NULL. */
struct job *runner_drop(struct runner *runner);

struct remote {
    int fd; /* the write end, until an attempt's body has begun; -1. An attempt has a duplicate. */
    bool begun, over, aborted; /* begin was told; complete or abort; abort */
    bool ended;                /* the client has said how its command ended */
    struct runner *runner;     /* NULL: an ordinary job, or its client has gone */
    struct list link;          /* runner->jobs */
};

/* The job is a command's: its body goes to `fd`, of which it takes ownership; or asks for a head,
 * and `fd` is -1. */
void remote_attach(struct job *job, int fd, struct runner *runner);
static inline void remote_init(struct remote *remote)
{
    *remote = (struct remote){.fd = -1};
    list_init(&remote->link);
}
static inline void remote_deinit(struct remote *remote)
{
    fd_close_foreign(&remote->fd);
    list_del(&remote->link);
}

/* An attempt of a `run` gets its write end. 0 (also of an ordinary job, which gets none), or a
 * negative errno. */
int remote_lend(struct job *job, int *ret_fd);

/* Tell the client, if there is one and it may still be told. */
void remote_begin(struct job *job);
void remote_complete(struct job *job);
void remote_abort(struct job *job);

/* The client has said how its command ended. */
void remote_ended(struct job *job);

/* After an attempt: nothing has begun, and the client is there, so it can be tried again. */
bool remote_waits(const struct job *job);

/* Why such a job is cancelled when the daemon stops. */
const char *remote_stopped(const struct job *job);

#endif
