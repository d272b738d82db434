#include "job/remote.h"

#include "base/clock.h"
#include "base/fd.h"
#include "job/admission.h"
#include "job/calls.h"
#include "job/finish.h"
#include "job/follow.h"
#include "job/job.h"
#include "job/run.h"
#include "job/submit.h"
#include "parse/given.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void remote_init(struct remote *remote)
{
    *remote = (struct remote){.fd = -1};
    list_init(&remote->link);
}

void remote_deinit(struct remote *remote)
{
    fd_close(&remote->fd);
    list_del(&remote->link);
}

void jobs_runner_init(struct jobs_runner *runner,
                      void (*tell)(struct jobs_runner *runner, const char *what, uint64_t id))
{
    runner->tell = tell;
    list_init(&runner->jobs);
}

void jobs_runner_gone(struct jobs_runner *runner)
{
    struct list *e;
    while ((e = list_pop(&runner->jobs))) {
        struct remote *remote = container_of(e, struct remote, link);
        struct job *job = container_of(remote, struct job, remote);
        remote->runner = NULL;
        if (remote->ended)
            continue; /* it has said what there was to say */
        job_cancel(job, "the client that ran the command has gone");
        if (job->attempt)
            attempt_returned(job->attempt); /* nobody is left who could say so */
    }
}

/* --- what the client is told ------------------------------------------------------------------------ */

static void tell(struct job *job, const char *what)
{
    struct jobs_runner *runner = job->remote.runner;
    if (runner)
        runner->tell(runner, what, job->id);
}

void remote_begin(struct job *job)
{
    struct remote *remote = &job->remote;
    fd_close(&remote->fd);
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
    if (!job->spec->run)
        return 0;
    int fd = fd_dup(job->remote.fd);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

/* --- not due yet ---------------------------------------------------------------------------------- */

bool remote_waits(const struct job *job)
{
    return job->remote.runner && job->remote.fd >= 0 && !job->remote.begun &&
           attempt_untouched(job->attempt);
}

static struct job *job_at(struct list *e)
{
    return container_of(e, struct job, link);
}

static void wait_until(struct jobs *jobs, int64_t due)
{
    int64_t wait = due - clock_real_us();
    jobs_set_timer(jobs, clock_now() + (wait > 0 ? (uint64_t)wait * 1000 : 0));
}

void remote_wait(struct job *job)
{
    struct list *at = job->jobs->remotes.prev;
    while (at != &job->jobs->remotes && job_at(at)->row->due > job->row->due)
        at = at->prev;
    list_add_head(at, &job->link);
    job->claimed = false;
    wait_until(job->jobs, job->row->due);
}

void remote_check_due(struct jobs *jobs)
{
    int64_t now = clock_real_us();
    while (!list_empty(&jobs->remotes)) {
        struct job *job = job_at(jobs->remotes.next);
        if (job->row->due > now) {
            wait_until(jobs, job->row->due);
            return;
        }
        list_del(&job->link);
        admission_queue(job);
    }
}

void remote_drain(struct jobs *jobs)
{
    tree_for_each(n, &jobs->active)
    {
        struct job *job = container_of(n, struct job, active.node);
        bool waits = job->place == PLACE_WINDOW || job->place == PLACE_CLAIMING;
        if (waits && job->spec && job->spec->run)
            job_cancel(job, REMOTE_STOPPED);
    }
}

/* --- run ----------------------------------------------------------------------------------------- */

struct run {
    struct store_submit store;
    struct store_submit_item item;
    struct jobs_call *call;
    struct spec *spec;
    int fd;
};

static void run_free(struct run *run)
{
    fd_close(&run->fd);
    spec_free(run->spec);
    free(run);
}

static void start(struct run *run, struct store_job *row)
{
    struct jobs_call *call = run->call;
    struct jobs *jobs = call->jobs;
    row->due = run->spec->not_before;
    struct job *job = job_new(jobs, row, run->spec, NULL);
    run->spec = NULL;
    if (!job) {
        call_fail(call, JOBS_INTERNAL, NULL, "no memory for the job");
        return;
    }
    jobs->submitted++;
    job->remote.fd = run->fd;
    run->fd = -1;
    job->remote.runner = call->runner;
    list_add_tail(&call->runner->jobs, &job->remote.link);
    call_reply(call, json_pack("{s:I}", "id", (json_int_t)job->id));
    if (job->row->due > clock_real_us())
        remote_wait(job);
    else
        admission_queue(job);
    if (jobs->draining)
        remote_drain(jobs);
}

static void on_stored(struct mail *mail)
{
    struct run *run = container_of(mail, struct run, store.call.mail);
    struct jobs_call *call = run->call;
    struct store_job *row = run->item.job;
    struct cause gone = {.cancelled = true, .message = "the client that ran the command has gone"};

    if (run->store.call.result < 0) {
        call_fail_store(call, &run->store.call);
        store_job_free(row);
    } else if (run->item.existing || run->item.result < 0) {
        call_fail(call, JOBS_CONFLICT, "key",
                  "key: there is a job with this key already, and its body went elsewhere");
        store_job_free(row);
    } else if (call->abandoned) {
        struct job *job = job_new(call->jobs, row, run->spec, NULL);
        run->spec = NULL;
        if (job)
            job_finish(job, JOB_CANCELLED, &gone);
        call_fail(call, JOBS_INTERNAL, NULL, "%s", gone.message);
    } else if (call->follower && !follow_add_id(call->follower, call->jobs, row->id, true)) {
        call_fail(call, JOBS_INTERNAL, NULL, "no memory to follow the job");
        store_job_free(row);
    } else {
        start(run, row);
    }
    run_free(run);
}

/* The field that is at fault may be a name of `job`: it lasts as long. */
static int make_row(struct run *run, json_t *job, struct error *err, const char **ret_field)
{
    struct jobs_call *call = run->call;
    struct submission s = {.json = job, .peer = call->peer, .run = true};
    int r = given_check(run->fd, call->peer.uid, err);
    if (r < 0)
        return r;
    if (json_object_set_new(job, "run", json_true()) < 0)
        return error_set(err, -EINVAL, "run: an object with at least the member url is wanted");
    r = submission_row(call->jobs, &s, &run->item.job, &run->spec, err, ret_field);
    if (r == 0)
        run->item.job->due = 0; /* in the store: as finish.c's postpone */
    return r;
}

/* False: the call has been answered. */
static bool prepare(struct run *run)
{
    struct jobs_call *call = run->call;
    struct error err = {"no memory for the job"};
    const char *field = NULL;
    json_t *job = json_deep_copy(call->params);
    int r = job ? make_row(run, job, &err, &field) : -ENOMEM;
    if (r < 0)
        call_fail(call, r == -ENOMEM ? JOBS_INTERNAL : JOBS_INVALID_PARAMS, field, "%s", err.text);
    json_decref(job);
    return r == 0;
}

void call_run(struct jobs_call *call)
{
    struct store *store = call->jobs->config.store;
    struct run *run = calloc(1, sizeof *run);
    if (!run) {
        fd_close(&call->fd);
        call_reply(call, NULL);
        return;
    }
    run->call = call;
    run->fd = call->fd;
    call->fd = -1;
    if (call->jobs->draining) {
        call_fail(call, JOBS_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
        run_free(run);
        return;
    }
    if (!prepare(run)) {
        run_free(run);
        return;
    }
    run->store.items = &run->item;
    run->store.count = 1;
    mail_init(&run->store.call.mail, on_stored);
    store->engine->submit(store, &run->store);
}

/* --- exited ---------------------------------------------------------------------------------------- */

void call_exited(struct jobs_call *call)
{
    json_int_t id = json_integer_value(json_object_get(call->params, "id"));
    const json_t *status = json_object_get(call->params, "status");
    json_int_t value = json_integer_value(status);
    struct job *job = id > 0 ? job_find(call->jobs, (uint64_t)id) : NULL;

    if (!json_is_integer(status) || value < 0 || value > 255) {
        call_fail(call, JOBS_INVALID_PARAMS, "status",
                  "status: the command's exit status is wanted, from 0 to 255");
        return;
    }
    if (!job || !call->runner || job->remote.runner != call->runner || !job->remote.begun) {
        call_fail(call, JOBS_NOT_FOUND, "id",
                  "id: no command of this connection runs for such a job");
        return;
    }
    remote_ended(job);
    if (job->attempt)
        attempt_command_ended(job->attempt, (int)value);
    call_reply(call, json_object());
}
