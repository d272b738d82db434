/* `run`: a job whose body goes to a command of the client's. The client made the pipe and passed its write
 * end; it starts the command, watches it, and says how it ended. A worker moves the body into its pipe
 * (parse/relay.h). Control loop.
 *
 * The client is told (jobs_runner.tell)
 *   begin     the body's first byte is in the pipe: start the command
 *   complete  every byte is in the pipe, and the end was verified: close your write end
 *   abort     the body will not arrive whole: kill the command before you close it
 * and says `exited` with the command's status. Each is told at most once, and nothing follows an abort; a job that
 * does not end well tells `abort` even if nothing ever began. A client that goes away takes its jobs with it.
 *
 * Until `begin` such a job is tried again like any other, but as nobody else has its pipe it stays in memory
 * meanwhile, in jobs->remotes: the store gives it to nobody who finds it there. */
#ifndef PENSTOCK_JOB_REMOTE_H
#define PENSTOCK_JOB_REMOTE_H

#include "base/list.h"
#include "job/jobs.h"

struct job;
struct attempt;

struct remote {
    int fd; /* the write end, until an attempt's body has begun; -1. An attempt has a duplicate. */
    bool begun, over, aborted;  /* begin was told; complete or abort; abort */
    bool ended;                 /* the client has said how its command ended */
    struct jobs_runner *runner; /* NULL: an ordinary job, or its client has gone */
    struct list link;           /* runner->jobs */
};

void remote_init(struct remote *remote);
void remote_deinit(struct remote *remote);

/* The method `run`: submits one job with call->fd and call->runner. */
void call_run(struct jobs_call *call);
/* The method `exited`. */
void call_exited(struct jobs_call *call);

/* An attempt of a `run` gets its write end. 0 (also of an ordinary job, which gets none), or a negative errno. */
int remote_lend(struct job *job, int *ret_fd);

/* Tell the client, if there is one and it may still be told. */
void remote_begin(struct job *job);
void remote_complete(struct job *job);
void remote_abort(struct job *job);

/* The client has said how its command ended. */
void remote_ended(struct job *job);

/* After an attempt: nothing has begun, and the client is there, so it can be tried again. */
bool remote_waits(const struct job *job);
/* The job, which is in no list, waits until it is due, and is queued then. */
void remote_wait(struct job *job);
void remote_check_due(struct jobs *jobs); /* the timer */
/* The daemon stops: those that do not run yet have nobody to come back to, and end while there is a log to say so. */
void remote_drain(struct jobs *jobs);
#define REMOTE_STOPPED "the daemon stops, and the command's pipe goes with it"

#endif
