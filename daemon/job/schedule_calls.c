/* The methods of schedules: dispatch, and those that change no schedule. */
#include "base/clock.h"
#include "job/calls.h"
#include "job/job.h"
#include "job/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 1000

/* --- list --------------------------------------------------------------------------------------- */

static void set_time(json_t *view, const char *name, int64_t us)
{
    char stamp[CLOCK_STAMP_SIZE];
    if (us == 0)
        return;
    clock_stamp(us, stamp);
    json_object_set_new(view, name, json_string(stamp));
}

static void set_last(json_t *view, const struct store_schedule *row)
{
    if (row->last_end == 0)
        return;
    json_t *last = json_pack("{s:s}", "state", job_state_name(row->last_state));
    if (row->last_error)
        json_object_set_new(last, "error", json_string(kind_name(row->last_error)));
    set_time(last, "finished", row->last_end);
    json_object_set_new(view, "last", last);
    set_time(view, "last_done", row->last_done);
}

static json_t *view(const struct jobs *jobs, const struct schedule *s)
{
    static const char *const shown[] = {"every", "cron", "timezone", "jitter", "parser", "labels"};
    const struct store_schedule *row = s->row;
    json_t *asked = json_loads(row->spec, 0, NULL);
    const char *url = json_string_value(json_object_get(asked, "url"));
    char *shown_url = url ? spec_redact_url(url, &jobs->settings->redact) : NULL;
    json_t *view = json_pack("{s:s, s:s*}", "name", row->name, "url", shown_url);
    free(shown_url);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        json_t *value = json_object_get(asked, shown[i]);
        if (value)
            json_object_set(view, shown[i], value);
    }
    json_decref(asked);
    json_object_set_new(view, "paused", json_boolean(row->paused));
    if (!row->paused && s->spec.job)
        set_time(view, "next", s->due);
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
static int list_params(struct jobs_call *call, size_t *ret_limit, const char **ret_after,
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
                call, JOBS_INVALID_PARAMS, name,
                "%.32s: failing (true or false), after (a name) and limit (1 to %d) are wanted",
                name, LIST_MAX);
            return -EINVAL;
        }
    }
    return 0;
}

static void list_schedules(struct jobs_call *call)
{
    struct schedules *schedules = call->jobs->schedules;
    const char *after;
    size_t limit;
    bool failing;
    if (list_params(call, &limit, &after, &failing) < 0)
        return;
    json_t *list = json_array(), *next = json_null();
    for (struct schedule *s = schedules_after(schedules, after); s;
         s = schedules_after(schedules, s->row->name)) {
        if (failing && !schedule_failing(s))
            continue;
        if (json_array_size(list) == limit) {
            next = json_string(after);
            break;
        }
        json_array_append_new(list, view(call->jobs, s));
        after = s->row->name;
    }
    call_reply(call, json_pack("{s:o, s:o}", "schedules", list, "next", next));
}

/* --- one by its name ---------------------------------------------------------------------------- */

/* NULL: answered. */
static struct schedule *named(struct jobs_call *call, const char *member)
{
    const char *name = json_string_value(json_object_get(call->params, member));
    const json_t *force = json_object_get(call->params, "force");
    bool may_force = call->method == JOBS_SCHEDULE_RUN && json_is_boolean(force);
    if (!name || json_object_size(call->params) != 1 + (size_t)may_force) {
        call_fail(call, JOBS_INVALID_PARAMS, member,
                  "%s: the name of a schedule is wanted, and nothing else%s", member,
                  call->method == JOBS_SCHEDULE_RUN ? " but force (true or false)" : "");
        return NULL;
    }
    struct schedule *s = schedules_find(call->jobs->schedules, name);
    if (!s)
        call_fail(call, JOBS_NOT_FOUND, member, "%s: there is no schedule '%.64s'", member, name);
    return s;
}

static void start_now(struct jobs_call *call, struct schedule *s)
{
    bool force = json_is_true(json_object_get(call->params, "force"));
    schedule_start(call->jobs->schedules, s, s->row->next_at, call);
    s->forced = force && s->starting;
}

static void start_run(struct jobs_call *call, struct schedule *s)
{
    if (s->row->job || s->starting)
        call_fail(call, JOBS_CONFLICT, "name",
                  "its last run%s has not ended; a schedule has one at a time",
                  s->starting ? "" : ", the job of `running`,");
    else
        start_now(call, s);
}

static void by_name(struct jobs_call *call)
{
    bool pausing = call->method == JOBS_PAUSE || call->method == JOBS_RESUME;
    struct schedule *s = named(call, pausing ? "schedule" : "name");
    if (!s)
        return;
    if (call->method == JOBS_SCHEDULE_RUN)
        start_run(call, s);
    else if (call->method == JOBS_SCHEDULE_REMOVE)
        change_remove(call, s);
    else
        change_pause(call, s, call->method == JOBS_PAUSE);
}

/* --- dispatch ----------------------------------------------------------------------------------- */

struct waiting {
    struct list link;
    struct jobs_call *call;
};

static void begin(struct jobs_call *call)
{
    if (call->method == JOBS_SCHEDULE_LIST)
        list_schedules(call);
    else if (call->jobs->draining)
        call_fail(call, JOBS_DRAINING, NULL, "the daemon is stopping and changes no schedules");
    else if (call->method == JOBS_SCHEDULE_APPLY || call->method == JOBS_SCHEDULE_ADD)
        change_apply(call);
    else
        by_name(call);
}

/* A list does not wait for a change, which is not there until it is stored. */
static bool must_wait(const struct jobs_call *call)
{
    const struct schedules *schedules = call->jobs->schedules;
    return !schedules->loaded || (schedules->changing && call->method != JOBS_SCHEDULE_LIST);
}

void call_schedule(struct jobs_call *call)
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
    list_add_tail(&call->jobs->schedules->waiting, &w->link);
}

void schedules_go_on(struct schedules *schedules)
{
    while (!list_empty(&schedules->waiting)) {
        struct waiting *w = container_of(schedules->waiting.next, struct waiting, link);
        if (must_wait(w->call))
            return;
        list_del(&w->link);
        begin(w->call);
        free(w);
    }
}

void schedules_drain(struct schedules *schedules)
{
    for (struct list *e; (e = list_pop(&schedules->waiting));) {
        struct waiting *w = container_of(e, struct waiting, link);
        call_fail(w->call, JOBS_DRAINING, NULL, "the daemon is stopping");
        free(w);
    }
}
