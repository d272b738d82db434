/* The methods of schedules: dispatch, and those that change no schedule. */
#include "api/call_schedule.h"

#include "api/call.h"
#include "api/call_apply.h"
#include "api/job_view.h"
#include "base/json_read.h"
#include "job/job.h"
#include "schedule/schedules.h"
#include "schedule/timetable.h"
#include "terms/access.h"
#include "terms/spec_redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 1000
#define LIST_BYTES \
    ((size_t)512 << 10) /* of what was asked for, in one answer, and a schedule more */

/* --- list ------------------------------------------------------------------------------------- */

static void set_last(json_t *view, const struct store_schedule *row)
{
    if (row->last_end == 0)
        return;
    json_t *last = json_pack("{s:s}", "state", job_state_name(row->last_state));
    if (row->last_error)
        json_object_set_new(last, "error", json_string(kind_name(row->last_error)));
    view_set_time(last, "finished", row->last_end);
    json_object_set_new(view, "last", last);
    view_set_time(view, "last_done", row->last_done);
}

/* A request's headers and body may hold what only its owner knows. Null is no value of theirs, so
 * such a list is not taken for an export by mistake. */
static void withhold(json_t *asked)
{
    static const char *const members[] = {"headers", "header", "body"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_object_get(asked, members[i]) &&
            json_object_set_new(asked, members[i], json_null()) < 0)
            json_note_lost();
}

/* Who may do everything because no administrators are named sees no other's secrets by that. */
static bool may_see_all(const struct api_call *call, const struct store_schedule *row)
{
    return call->peer.uid == row->uid ||
           access_is_administrator(call->api->jobs->settings->access, &call->peer);
}

static json_t *view(const struct api_call *call, const struct schedule *s)
{
    const struct jobs *jobs = call->api->jobs;
    const struct store_schedule *row = s->row;
    json_t *asked = json_read_text(row->spec, 0, NULL);
    const char *url = json_string_value(json_object_get(asked, "url"));
    char *shown_url = url ? spec_redact_url(url, &jobs->settings->redact) : NULL;
    if (url && !shown_url)
        json_note_lost();
    json_t *view = json_pack("{s:s, s:s*}", "name", row->name, "url", shown_url);
    free(shown_url);
    if (!may_see_all(call, row))
        withhold(asked);
    if (view && asked && json_object_update_missing(view, asked) < 0)
        json_note_lost();
    json_decref(asked);
    json_object_set_new(view, "paused", json_boolean(row->paused));
    if (!row->paused && s->spec.job)
        view_set_time(view, "next", s->due);
    json_object_set_new(view, "runs", json_integer((json_int_t)row->runs));
    json_object_set_new(view, "skipped", json_integer((json_int_t)row->skipped));
    json_object_set_new(view, "failures", json_integer((json_int_t)row->failures));
    json_object_set_new(view, "failing", json_boolean(schedule_failing(s)));
    json_object_set_new(view, "conditional", json_boolean(row->validated));
    if (row->last_job)
        json_object_set_new(view, "last_job", json_integer((json_int_t)row->last_job));
    if (row->job)
        json_object_set_new(view, "running", json_integer((json_int_t)row->job));
    set_last(view, row);
    if (s->problem)
        json_object_set_new(view, "problem", json_string(s->problem));
    return view;
}

/* The members of a list's parameters. 0, or -EINVAL: answered. */
static int list_params(struct api_call *call, size_t *ret_limit, const char **ret_after,
                       bool *ret_failing)
{
    const char *name;
    json_t *value;
    *ret_limit = LIST_MAX;
    *ret_after = NULL;
    *ret_failing = false;
    json_object_foreach((json_t *)call->params, name, value)
    {
        json_int_t n = json_integer_value(value);
        if (strcmp(name, "failing") == 0 && json_is_boolean(value))
            *ret_failing = json_is_true(value);
        else if (strcmp(name, "after") == 0 && json_is_string(value))
            *ret_after = json_string_value(value);
        else if (strcmp(name, "limit") == 0 && n > 0 && n <= LIST_MAX)
            *ret_limit = (size_t)n;
        else {
            call_fail(
                call, API_INVALID_PARAMS, name,
                "%.32s: failing (true or false), after (a name) and limit (1 to %d) are wanted",
                name, LIST_MAX);
            return -EINVAL;
        }
    }
    return 0;
}

static void list_schedules(struct api_call *call)
{
    struct schedules *schedules = call->api->schedules;
    const char *after;
    size_t limit, bytes = 0;
    bool failing;
    if (list_params(call, &limit, &after, &failing) < 0)
        return;
    json_t *list = json_array(), *next = json_null();
    for (struct schedule *s = schedules_after(schedules, after); s;
         s = schedules_after(schedules, s->row->name)) {
        if (failing && !schedule_failing(s))
            continue;
        if (json_array_size(list) == limit || bytes > LIST_BYTES) {
            next = json_string(after);
            break;
        }
        json_array_append_new(list, view(call, s));
        bytes += strlen(s->row->spec);
        after = s->row->name;
    }
    call_reply(call, json_pack("{s:o, s:o}", "schedules", list, "next", next));
}

/* --- one by its name -------------------------------------------------------------------------- */

/* NULL: answered. */
static struct schedule *named(struct api_call *call, const char *member)
{
    const char *name = json_string_value(json_object_get(call->params, member));
    const json_t *force = json_object_get(call->params, "force");
    bool may_force = call->method == API_SCHEDULE_RUN && json_is_boolean(force);
    if (!name || json_object_size(call->params) != 1 + (size_t)may_force) {
        call_fail(call, API_INVALID_PARAMS, member,
                  "%s: the name of a schedule is wanted, and nothing else%s", member,
                  call->method == API_SCHEDULE_RUN ? " but force (true or false)" : "");
        return NULL;
    }
    struct schedule *s = schedules_find(call->api->schedules, name);
    if (!s)
        call_fail(call, API_NOT_FOUND, member, "%s: there is no schedule '%.64s'", member, name);
    return s;
}

struct start {
    struct schedule_ask ask;
    struct api_call *call;
};

static void on_started(struct schedule_ask *ask, uint64_t id, const struct store_call *failed)
{
    struct start *start = container_of(ask, struct start, ask);
    if (failed)
        call_fail_store(start->call, failed);
    else
        call_reply(start->call, json_pack("{s:I}", "id", (json_int_t)id));
    free(start);
}

static void start_now(struct api_call *call, struct schedule *s)
{
    struct error err;
    struct start *start = calloc(1, sizeof *start);
    if (!start) {
        call_reply(call, NULL);
        return;
    }
    start->call = call;
    start->ask.done = on_started;
    int r = schedule_start(call->api->schedules, s, s->row->next_at, &start->ask, &err);
    if (r < 0) {
        call_fail(call, r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS, NULL, "%s", err.text);
        free(start);
        return;
    }
    s->forced = json_is_true(json_object_get(call->params, "force"));
}

static void start_run(struct api_call *call, struct schedule *s)
{
    if (s->row->job || s->starting)
        call_fail(call, API_CONFLICT, "name",
                  "its last run%s has not ended; a schedule has one at a time",
                  s->starting ? "" : ", the job of `running`,");
    else
        start_now(call, s);
}

static void by_name(struct api_call *call)
{
    bool pausing = call->method == API_PAUSE || call->method == API_RESUME;
    struct schedule *s = named(call, pausing ? "schedule" : "name");
    if (!s)
        return;
    if (call->method == API_SCHEDULE_RUN)
        start_run(call, s);
    else if (call->method == API_SCHEDULE_REMOVE)
        call_remove(call, s);
    else
        call_hold(call, s, call->method == API_PAUSE);
}

/* --- dispatch --------------------------------------------------------------------------------- */

struct waiting {
    struct list link;
    struct api_call *call;
};

static void begin(struct api_call *call)
{
    if (call->method == API_SCHEDULE_LIST)
        list_schedules(call);
    else if (call->api->jobs->draining)
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping and changes no schedules");
    else if (call->method == API_SCHEDULE_APPLY || call->method == API_SCHEDULE_ADD)
        call_apply(call);
    else
        by_name(call);
}

/* A list does not wait for a change, which is not there until it is stored. */
static bool must_wait(const struct api_call *call)
{
    const struct schedules *schedules = call->api->schedules;
    return !schedules->loaded || (schedules->changing && call->method != API_SCHEDULE_LIST);
}

void call_schedule(struct api_call *call)
{
    if (!must_wait(call)) {
        begin(call);
        return;
    }
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        call_reply(call, NULL);
        return;
    }
    w->call = call;
    list_add_tail(&call->api->parked, &w->link);
}

void call_schedule_go_on(struct api *api)
{
    while (!list_empty(&api->parked)) {
        struct waiting *w = container_of(api->parked.next, struct waiting, link);
        if (must_wait(w->call))
            return;
        list_del(&w->link);
        begin(w->call);
        free(w);
    }
}

void call_schedule_refuse(struct api *api)
{
    for (struct list *e; (e = list_pop(&api->parked));) {
        struct waiting *w = container_of(e, struct waiting, link);
        call_fail(w->call, API_DRAINING, NULL, "the daemon is stopping");
        free(w);
    }
}
