/* The jobs as control/ sees them, without any: calls are held until the test answers them, in any
 * order. Included once by each test program; its definitions stand in for daemon/job's at link
 * time. */
#ifndef PENSTOCK_TESTS_FAKE_JOBS_H
#define PENSTOCK_TESTS_FAKE_JOBS_H

#include "job/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct jobs {
    struct jobs_call *pending[4096]; /* in order of the calls */
    size_t count;
    size_t made, abandoned;
    uint64_t next_id;
    struct follower *follower; /* the last one subscribed */
    json_t *follow_params;     /* as jobs_follow got them */
    int follow_result;         /* what the next jobs_follow returns */
    bool hold;                 /* fake_run answers nothing */
};

static size_t fake_unfollowed; /* jobs_unfollow knows no jobs */

void jobs_call(struct jobs *jobs, struct jobs_call *call)
{
    if (jobs->count == sizeof jobs->pending / sizeof jobs->pending[0])
        abort();
    jobs->pending[jobs->count++] = call;
    jobs->made++;
    if (call->follower)
        jobs->follower = call->follower;
}

void jobs_call_abandon(struct jobs *jobs, struct jobs_call *call)
{
    (void)call;
    jobs->abandoned++;
}

int jobs_follow(struct jobs *jobs, struct follower *follower, const json_t *params,
                struct error *err)
{
    if (jobs->follow_result < 0)
        return error_set(err, jobs->follow_result, "follow: refused by the test");
    jobs->follower = follower;
    json_decref(jobs->follow_params);
    jobs->follow_params = json_deep_copy(params);
    return 0;
}

void jobs_unfollow(struct follower *follower)
{
    (void)follower;
    fake_unfollowed++;
}

void jobs_runner_init(struct jobs_runner *runner,
                      void (*tell)(struct jobs_runner *runner, const char *what, uint64_t id))
{
    runner->tell = tell;
    list_init(&runner->jobs);
}

void jobs_runner_gone(struct jobs_runner *runner)
{
    (void)runner;
}

static inline struct jobs_call *fake_take(struct jobs *jobs, size_t i)
{
    struct jobs_call *call = jobs->pending[i];
    jobs->count--;
    memmove(&jobs->pending[i], &jobs->pending[i + 1], (jobs->count - i) * sizeof jobs->pending[0]);
    return call;
}

static inline void fake_answer(struct jobs *jobs, size_t i, json_t *result)
{
    struct jobs_call *call = fake_take(jobs, i);
    call->answer(call, result, 0, NULL, NULL);
}

static inline void fake_refuse(struct jobs *jobs, size_t i, int code, const char *message,
                               const char *field)
{
    struct jobs_call *call = fake_take(jobs, i);
    struct error err;
    error_set(&err, code, "%s", message);
    call->answer(call, NULL, code, &err, field);
}

static inline json_t *fake_submitted(struct jobs *jobs, const json_t *job)
{
    if (!json_object_get(job, "url"))
        return json_pack("{s:{s:i,s:s}}", "error", "code", JOBS_INVALID_PARAMS, "message",
                         "url: missing");
    return json_pack("{s:I}", "id", (json_int_t)++jobs->next_id);
}

/* What a call asks for, told back: its answer can be known by its request. */
static inline void fake_default(struct jobs *jobs, size_t i)
{
    const struct jobs_call *call = jobs->pending[i];
    json_t *result;
    if (call->method == JOBS_SUBMIT && json_is_array(call->params)) {
        result = json_array();
        for (size_t k = 0; k < json_array_size(call->params); k++)
            json_array_append_new(result, fake_submitted(jobs, json_array_get(call->params, k)));
    } else if (call->method == JOBS_SUBMIT) {
        result = fake_submitted(jobs, call->params);
    } else {
        result = call->params ? json_deep_copy(call->params) : json_object();
    }
    fake_answer(jobs, i, result);
}

/* Answers all that is pending, but `wait`, the newest first. */
static inline void fake_run(struct jobs *jobs)
{
    for (size_t i = jobs->count; !jobs->hold && i > 0; i--)
        if (jobs->pending[i - 1]->method != JOBS_WAIT)
            fake_default(jobs, i - 1);
}

static inline void fake_line(struct jobs *jobs, enum event event, uint64_t job, const char *text)
{
    jobs->follower->line(jobs->follower, event, job, text, strlen(text));
}

static inline void fake_unknown(struct jobs *jobs, uint64_t id)
{
    jobs->follower->unknown(jobs->follower, id);
}

static inline void fake_deinit(struct jobs *jobs)
{
    json_decref(jobs->follow_params);
}

#endif
