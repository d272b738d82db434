/* The api as control/ sees it, without any jobs: calls are held until the test answers them, in any
 * order. Included once by each test program; its definitions stand in for daemon/api's at link
 * time. */
#ifndef PENSTOCK_TESTS_FAKE_API_H
#define PENSTOCK_TESTS_FAKE_API_H

#include "api/api.h"
#include "api/follower.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct api {
    struct api_call *pending[4096]; /* in order of the calls */
    size_t count;
    size_t made, abandoned;
    uint64_t next_id;
    struct follower *follower; /* the last one subscribed */
    json_t *follow_params;     /* as follower_begin got them */
    int follow_result;         /* what the next follower_begin returns */
    bool hold;                 /* fake_run answers nothing */
    uint64_t takes;            /* ns of each call, before it has begun */
};

static size_t fake_unfollowed; /* follower_end knows no api */

void api_call(struct api *api, struct api_call *call)
{
    if (api->count == sizeof api->pending / sizeof api->pending[0])
        abort();
    uint64_t begun = clock_now();
    while (clock_now() - begun < api->takes)
        ;
    call->api = api;
    api->pending[api->count++] = call;
    api->made++;
    if (call->follower)
        api->follower = call->follower;
}

void api_call_abandon(struct api_call *call)
{
    call->api->abandoned++;
}

int follower_begin(struct api *api, struct follower *follower, const json_t *params,
                   struct error *err)
{
    if (api->follow_result < 0)
        return error_set(err, api->follow_result, "follow: refused by the test");
    api->follower = follower;
    json_decref(api->follow_params);
    api->follow_params = json_deep_copy(params);
    return 0;
}

void follower_end(struct follower *follower)
{
    (void)follower;
    fake_unfollowed++;
}

static size_t fake_given_back, fake_most_owed, fake_let_go; /* of whoever presses */

int follower_press(struct follower *follower, struct api *api, size_t max)
{
    (void)api;
    follower->credit = (struct sink_credit *)follower; /* not NULL, and never looked into */
    fake_most_owed = max;
    return 0;
}

void follower_taken(struct follower *follower, size_t bytes, size_t max)
{
    fake_given_back += follower->credit ? bytes : 0;
    fake_most_owed = max ? max : fake_most_owed;
}

static bool fake_held_up; /* others wait for what its jobs have */
static size_t fake_asked; /* … so often was that asked for */

bool follower_holds_up(const struct follower *follower)
{
    fake_asked++;
    return follower->credit && fake_held_up;
}

void follower_let_go(struct follower *follower)
{
    fake_let_go += follower->credit != NULL;
    follower->credit = NULL;
}

void runner_init(struct runner *runner,
                 void (*tell)(struct runner *runner, const char *what, uint64_t id))
{
    runner->tell = tell;
    list_init(&runner->jobs);
}

void api_runner_gone(struct runner *runner)
{
    (void)runner;
}

static inline struct api_call *fake_take(struct api *api, size_t i)
{
    struct api_call *call = api->pending[i];
    api->count--;
    memmove(&api->pending[i], &api->pending[i + 1], (api->count - i) * sizeof api->pending[0]);
    return call;
}

static inline void fake_answer(struct api *api, size_t i, json_t *result)
{
    struct api_call *call = fake_take(api, i);
    call->answer(call, result, 0, NULL, NULL);
}

/* The result as text. */
static inline void fake_answer_text(struct api *api, size_t i, const char *result)
{
    struct api_call *call = fake_take(api, i);
    buf_puts(&call->text, result);
    call->answer(call, NULL, 0, NULL, NULL);
}

static inline void fake_refuse(struct api *api, size_t i, int code, const char *message,
                               const char *field)
{
    struct api_call *call = fake_take(api, i);
    struct error err;
    error_set(&err, code, "%s", message);
    call->answer(call, NULL, code, &err, field);
}

static inline json_t *fake_submitted(struct api *api, const json_t *job)
{
    if (!json_object_get(job, "url"))
        return json_pack("{s:{s:i,s:s}}", "error", "code", API_INVALID_PARAMS, "message",
                         "url: missing");
    return json_pack("{s:I}", "id", (json_int_t)++api->next_id);
}

/* What a call asks for, told back: its answer can be known by its request. */
static inline void fake_default(struct api *api, size_t i)
{
    const struct api_call *call = api->pending[i];
    json_t *result;
    if (call->method == API_SUBMIT && json_is_array(call->params)) {
        result = json_array();
        for (size_t k = 0; k < json_array_size(call->params); k++)
            json_array_append_new(result, fake_submitted(api, json_array_get(call->params, k)));
    } else if (call->method == API_SUBMIT) {
        result = fake_submitted(api, call->params);
    } else {
        result = call->params ? json_deep_copy(call->params) : json_object();
    }
    fake_answer(api, i, result);
}

/* Answers all that is pending, but `wait`, the newest first. */
static inline void fake_run(struct api *api)
{
    for (size_t i = api->count; !api->hold && i > 0; i--)
        if (api->pending[i - 1]->method != API_WAIT)
            fake_default(api, i - 1);
}

static inline void fake_line(struct api *api, enum event event, uint64_t job, const char *text)
{
    api->follower->line(api->follower, event, job, text, strlen(text), false);
}

/* A record of a job that the follower presses on. */
static inline void fake_owed(struct api *api, uint64_t job, const char *text)
{
    api->follower->line(api->follower, EVENT_RECORD, job, text, strlen(text), true);
}

static inline void fake_unknown(struct api *api, uint64_t id)
{
    api->follower->unknown(api->follower, id);
}

static inline void fake_deinit(struct api *api)
{
    json_decref(api->follow_params);
}

#endif
