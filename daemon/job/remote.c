#include "job/remote.h"

#include "base/fd.h"
#include "job/job.h"

void runner_init(struct runner *runner,
                 void (*tell)(struct runner *runner, const char *what, uint64_t id))
{
    *runner = (struct runner){.tell = tell};
    list_init(&runner->jobs);
}

bool runner_has_room(const struct runner *runner)
{
    unsigned count = runner->asking;
    const struct list *e = runner->jobs.next;
    for (; e != &runner->jobs && count < RUNNER_HEADS; e = e->next)
        count++;
    return count < RUNNER_HEADS;
}

struct job *runner_drop(struct runner *runner)
{
    struct list *e;
    while ((e = list_pop(&runner->jobs))) {
        struct remote *remote = container_of(e, struct remote, link);
        remote->runner = NULL;
        if (!remote->ended) /* else it has said what there was to say */
            return container_of(remote, struct job, remote);
    }
    return NULL;
}

/* --- what the client is told ------------------------------------------------------------------ */

static void tell(struct job *job, const char *what)
{
    struct runner *runner = job->remote.runner;
    if (runner && !spec_is_head(job->spec)) /* else it has no command */
        runner->tell(runner, what, job->id);
}

void remote_attach(struct job *job, int fd, struct runner *runner)
{
    job->remote.fd = fd;
    job->remote.runner = runner;
    list_add_tail(&runner->jobs, &job->remote.link);
}

void remote_begin(struct job *job)
{
    struct remote *remote = &job->remote;
    fd_close_foreign(&remote->fd);
    if (!remote->begun && !remote->over)
        tell(job, "begin");
    remote->begun = true;
}

void remote_complete(struct job *job)
{
    if (!job->remote.over)
        tell(job, "complete");
    job->remote.over = true;
}

/* Also of one that is complete already: somebody wants its command to end. */
void remote_abort(struct job *job)
{
    struct remote *remote = &job->remote;
    if (!remote->aborted)
        tell(job, "abort");
    remote->over = remote->aborted = true;
}

void remote_ended(struct job *job)
{
    job->remote.ended = job->remote.over = job->remote.aborted = true;
}

int remote_lend(struct job *job, int *ret_fd)
{
    if (!job->spec->run || spec_is_head(job->spec))
        return 0;
    int fd = fd_dup(job->remote.fd);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

const char *remote_stopped(const struct job *job)
{
    return spec_is_head(job->spec) ? "the daemon stops, and a HEAD is not kept"
                                   : "the daemon stops, and the command's pipe goes with it";
}

bool remote_waits(const struct job *job)
{
    return job->remote.runner && job->remote.fd >= 0 && !job->remote.begun &&
           (!job->attempt || attempt_untouched(job->attempt));
}
