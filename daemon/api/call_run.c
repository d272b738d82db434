/* run and exited: a job whose body goes to a command of the client's; head: one that asks for the
 * head alone. Both go with their client (job/remote.h), and are otherwise jobs as any: stored,
 * counted, with a permit and a slot of the host's. */
#include "api/call_run.h"

#include "api/call.h"
#include "api/follower.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json_read.h"
#include "job/finish.h"
#include "job/host.h"
#include "job/intake.h"
#include "job/job.h"
#include "job/remote.h"
#include "job/run.h"
#include "job/submission.h"
#include "parse/given.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct store_submit store;
    struct store_submit_item item;
    struct api_call *call;
    struct spec *spec;
    int fd;
};

static void run_free(struct run *run)
{
    fd_close_foreign(&run->fd);
    spec_free(run->spec);
    free(run);
}

static void start(struct run *run, struct store_job *row)
{
    struct api_call *call = run->call;
    struct jobs *jobs = call->api->jobs;
    row->due = run->spec->not_before;
    struct job *job = job_new(jobs, row, run->spec, NULL);
    run->spec = NULL;
    if (!job) {
        call_fail(call, API_INTERNAL, NULL, "no memory for the job");
        return;
    }
    jobs->submitted++;
    remote_attach(job, run->fd, call->runner);
    run->fd = -1;
    uint64_t id = job->id;
    call_reply(call, json_pack("{s:I}", "id", (json_int_t)id));
    if (job->row->due > jobs_now(jobs))
        host_set_aside(job);
    else
        intake_job(job);
    job = jobs->draining ? job_find(jobs, id) : NULL;
    if (job)
        job_cancel(job, remote_stopped(job));
}

static void on_stored(struct mail *mail)
{
    struct run *run = container_of(mail, struct run, store.call.mail);
    struct api_call *call = run->call;
    struct store_job *row = run->item.job;
    struct cause gone = {.cancelled = true, .message = "the client has gone"};

    if (call->method == API_HEAD)
        call->runner->asking--;
    if (run->store.call.result < 0) {
        call_fail_store(call, &run->store.call);
        store_job_free(row);
    } else if (run->item.existing || run->item.result < 0) {
        call_fail(call, API_CONFLICT, "key",
                  "key: there is a job with this key already, and its body went elsewhere");
        store_job_free(row);
    } else if (call->abandoned) {
        struct job *job = job_new(call->api->jobs, row, run->spec, NULL);
        run->spec = NULL;
        if (job)
            job_finish(job, JOB_CANCELLED, &gone);
        call_fail(call, API_INTERNAL, NULL, "%s", gone.message);
    } else if (call->follower && !follower_add_id(call->follower, call->api, row->id, FOLLOW_OWN)) {
        call_fail(call, API_INTERNAL, NULL, "no memory to follow the job");
        store_job_free(row);
    } else {
        start(run, row);
    }
    run_free(run);
}

static int set_head(json_t *job, struct error *err, const char **ret_field)
{
    const json_t *method = json_object_get(job, "method");
    const char *name = json_string_value(method);
    *ret_field = "method";
    if (method && (!name || strcmp(name, "GET") != 0))
        return error_set(err, -EINVAL, "method: only what a GET would do can be asked by HEAD");
    return json_object_set_new(job, "method", json_string("HEAD")) == 0
               ? 0
               : error_set(err, -EINVAL, "an object with at least the member url is wanted");
}

/* The field that is at fault may be a name of `job`: it lasts as long. */
static int make_row(struct run *run, json_t *job, struct error *err, const char **ret_field)
{
    struct api_call *call = run->call;
    bool head = call->method == API_HEAD;
    struct submission s = {.json = job, .peer = call->peer, .run = !head, .head = head};
    int r = head ? set_head(job, err, ret_field) : given_check(run->fd, call->peer.uid, err);
    if (r < 0)
        return r;
    if (json_object_set_new(job, "run", json_true()) < 0)
        return error_set(err, -EINVAL, "run: an object with at least the member url is wanted");
    r = submission_row(call->api->jobs, &s, &run->item.job, &run->spec, err, ret_field);
    if (r == 0)
        run->item.job->due = 0; /* in the store: as finish.c's postpone */
    return r;
}

/* False: the call has been answered. */
static bool prepare(struct run *run)
{
    struct api_call *call = run->call;
    struct error err = {"no memory for the job"};
    const char *field = NULL;
    json_t *job = json_deep_copied(call->params);
    int r = job ? make_row(run, job, &err, &field) : -ENOMEM;
    if (r < 0)
        call_fail(call, r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS, field, "%s", err.text);
    json_decref(job);
    return r == 0;
}

/* True: the call has been answered. */
static bool refused(struct api_call *call)
{
    bool full = call->method == API_HEAD && !runner_has_room(call->runner);
    if (call->api->jobs->draining)
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
    else if (full)
        call_fail(call, API_QUEUE_FULL, NULL,
                  "a connection may wait for %d heads at once: one must end before the next",
                  RUNNER_HEADS);
    return call->api->jobs->draining || full;
}

void call_run(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    struct run *run = calloc(1, sizeof *run);
    if (!run) {
        fd_close_foreign(&call->fd);
        call_reply(call, NULL);
        return;
    }
    run->call = call;
    run->fd = call->method == API_RUN ? call->fd : -1;
    call->fd = -1;
    if (refused(call) || !prepare(run)) {
        run_free(run);
        return;
    }
    if (call->method == API_HEAD)
        call->runner->asking++;
    /* In a fleet its host may be another member's, who has not got its pipe: so nobody ever finds
     * it queued. */
    run->item.claim = call->api->jobs->fleet;
    run->store.items = &run->item;
    run->store.count = 1;
    submission_limit(call->api->jobs, call->peer.uid, call->peer.gid, &run->store);
    mail_init(&run->store.call.mail, on_stored);
    store->engine->submit(store, &run->store);
}

/* --- exited ----------------------------------------------------------------------------------- */

void call_exited(struct api_call *call)
{
    json_int_t id = json_integer_value(json_object_get(call->params, "id"));
    const json_t *status = json_object_get(call->params, "status");
    json_int_t value = json_integer_value(status);
    struct job *job = id > 0 ? job_find(call->api->jobs, (uint64_t)id) : NULL;

    if (!json_is_integer(status) || value < 0 || value > 255) {
        call_fail(call, API_INVALID_PARAMS, "status",
                  "status: the command's exit status is wanted, from 0 to 255");
        return;
    }
    if (!job || !call->runner || job->remote.runner != call->runner || !job->remote.begun) {
        call_fail(call, API_NOT_FOUND, "id",
                  "id: no command of this connection runs for such a job");
        return;
    }
    remote_ended(job);
    if (job->attempt)
        attempt_command_ended(job->attempt, (int)value);
    call_reply(call, json_object());
}
