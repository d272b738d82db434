/* `run`: a job whose body goes to a command of the client's. The client made the pipe and passed its write
 * end; it starts the command, watches it, and says how it ended. Towards the attempt it stands in the place
 * of a worker. Control loop.
 *
 * The client is told (jobs_runner.tell)
 *   begin     the body's first byte is on its way: start the command
 *   complete  every byte is in the pipe, and the end was verified: close your write end
 *   abort     the body will not arrive whole: kill the command before you close it
 * and says `exited` with the command's status. A client that goes away takes its jobs with it. */
#ifndef PENSTOCK_JOB_REMOTE_H
#define PENSTOCK_JOB_REMOTE_H

#include "base/list.h"
#include "job/jobs.h"

struct job;
struct attempt;

struct remote {
    int fd;                     /* the write end, until an attempt takes it; -1 */
    struct jobs_runner *runner; /* NULL: an ordinary job, or its client has gone */
    struct list link;           /* runner->jobs */
};

void remote_init(struct remote *remote);
void remote_deinit(struct remote *remote);

/* The method `run`: submits one job with call->fd and call->runner. */
void call_run(struct jobs_call *call);
/* The method `exited`. */
void call_exited(struct jobs_call *call);

void remote_tell(struct job *job, const char *what);

#endif
