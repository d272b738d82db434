/* The methods of schedules: dispatch, and those that change no schedule. */
#include "api/call_schedule.h"

#include "api/call.h"
#include "api/call_apply.h"
#include "api/job_view.h"
#include "base/json_read.h"
#include "job/job.h"
#include "schedule/definition.h"
#include "schedule/start.h"
#include "store/schedule_row.h"
#include "terms/access.h"
#include "terms/spec_redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX   1000
#define LIST_SLICE 8 /* that are made JSON of in one go: others want the loop as well */
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

static json_t *view(const struct api_call *call, const struct store_schedule *row)
{
    const struct jobs *jobs = call->api->jobs;
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
    if (!row->paused)
        view_set_time(view, "next", row->next_at);
    json_object_set_new(view, "runs", json_integer((json_int_t)row->runs));
    json_object_set_new(view, "skipped", json_integer((json_int_t)row->skipped));
    json_object_set_new(view, "failures", json_integer((json_int_t)row->failures));
    json_object_set_new(view, "failing", json_boolean(store_schedule_failing(row)));
    json_object_set_new(view, "conditional", json_boolean(row->validated));
    if (row->last_job)
        json_object_set_new(view, "last_job", json_integer((json_int_t)row->last_job));
    if (row->job)
        json_object_set_new(view, "running", json_integer((json_int_t)row->job));
    set_last(view, row);
    if (row->problem)
        json_object_set_new(view, "problem", json_string(row->problem));
    return view;
}

/* The members of a list's parameters. 0, or -EINVAL: answered. */
static int list_params(struct api_call *call, struct store_schedules *page)
{
    const char *name;
    json_t *value;
    *page = (struct store_schedules){.limit = LIST_MAX, .max_bytes = LIST_BYTES};
    json_object_foreach((json_t *)call->params, name, value)
    {
        json_int_t n = json_integer_value(value);
        if (strcmp(name, "failing") == 0 && json_is_boolean(value))
            page->failing = json_is_true(value);
        else if (strcmp(name, "after") == 0 && json_is_string(value))
            page->after = json_string_value(value);
        else if (strcmp(name, "limit") == 0 && n > 0 && n <= LIST_MAX)
            page->limit = (size_t)n;
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

struct listing {
    struct api_call *call;
    struct store_schedules page;
    struct slice slice;
    json_t *views, *next;
    size_t viewed; /* of the rows */
};

static void listing_free(struct listing *l)
{
    for (size_t i = l->viewed; i < l->page.count; i++)
        store_schedule_free(l->page.rows[i]);
    free(l->page.rows);
    json_decref(l->views);
    json_decref(l->next);
    free(l);
}

static void listing_step(struct slice *slice)
{
    struct listing *l = container_of(slice, struct listing, slice);
    for (int i = 0; i < LIST_SLICE && l->viewed < l->page.count; i++) {
        struct store_schedule *row = l->page.rows[l->viewed++];
        json_array_append_new(l->views, view(l->call, row));
        store_schedule_free(row);
    }
    if (l->viewed < l->page.count) {
        slices_add(&l->call->api->slices, slice);
        return;
    }
    call_reply(l->call, json_pack("{s:O, s:O}", "schedules", l->views, "next", l->next));
    listing_free(l);
}

static void on_listed(struct mail *mail)
{
    struct listing *l = container_of(mail, struct listing, page.call.mail);
    if (l->page.call.result < 0) {
        call_fail_store(l->call, &l->page.call);
        listing_free(l);
        return;
    }
    l->views = json_array();
    l->next = l->page.more ? json_string(l->page.rows[l->page.count - 1]->name) : json_null();
    l->slice.step = listing_step;
    listing_step(&l->slice);
}

static void list_schedules(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    struct store_schedules page;
    if (list_params(call, &page) < 0)
        return;
    struct listing *l = calloc(1, sizeof *l);
    if (!l) {
        call_reply(call, NULL);
        return;
    }
    l->call = call;
    l->page = page;
    mail_init(&l->page.call.mail, on_listed);
    store->engine->schedules(store, &l->page);
}

/* --- one by its name -------------------------------------------------------------------------- */

/* A call that is about one schedule, which is read from the store. */
struct named {
    struct api_call *call;
    const char *member, *name; /* borrowed from the call */
    struct store_schedule_get get;
    struct schedule_start start;
};

static const char *name_of(struct api_call *call, const char *member)
{
    const char *name = json_string_value(json_object_get(call->params, member));
    const json_t *force = json_object_get(call->params, "force");
    bool may_force = call->method == API_SCHEDULE_RUN && json_is_boolean(force);
    if (name && json_object_size(call->params) == 1 + (size_t)may_force)
        return name;
    call_fail(call, API_INVALID_PARAMS, member,
              "%s: the name of a schedule is wanted, and nothing else%s", member,
              call->method == API_SCHEDULE_RUN ? " but force (true or false)" : "");
    return NULL;
}

static void on_started(struct schedule_start *start)
{
    struct named *n = container_of(start, struct named, start);
    const struct store_call *made = &start->submit.call;
    if (made->result == 0)
        call_reply(n->call, json_pack("{s:I}", "id", (json_int_t)start->id));
    else if (made->result == -EBUSY || made->result == -ESTALE)
        call_fail(n->call, API_CONFLICT, "name", "%s", made->error.text);
    else
        call_fail_store(n->call, made);
    free(n);
}

/* The time of its next run stays. True: on_started frees `n`. */
static bool start_run(struct named *n, const struct store_schedule *row)
{
    struct schedule_plan plan;
    struct error err;
    struct schedule_how how = {.next_at = row->next_at,
                               .asked = true,
                               .forced = json_is_true(json_object_get(n->call->params, "force"))};
    int r = schedule_plan_read(row->spec, &plan, &err);
    if (r == 0) {
        n->start.done = on_started;
        r = schedule_start(&n->start, n->call->api->jobs, row, plan.job, how, &err);
        schedule_plan_deinit(&plan);
    }
    if (r < 0)
        call_fail(n->call, r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS, NULL, "%s", err.text);
    return r == 0;
}

static void on_found(struct mail *mail)
{
    struct named *n = container_of(mail, struct named, get.call.mail);
    struct api_call *call = n->call;
    struct store_schedule *row = n->get.call.result == 0 ? n->get.rows[0] : NULL;
    bool kept = false;
    free(n->get.rows);
    if (n->get.call.result < 0)
        call_fail_store(call, &n->get.call);
    else if (!row)
        call_fail(call, API_NOT_FOUND, n->member, "%s: there is no schedule '%.64s'", n->member,
                  n->name);
    else if (call->method == API_SCHEDULE_RUN)
        kept = start_run(n, row);
    else if (call->method == API_SCHEDULE_REMOVE)
        call_remove(call, row);
    else
        call_hold(call, row, call->method == API_PAUSE);
    if ((n->get.call.result < 0 || !row) && call->method != API_SCHEDULE_RUN)
        turns_give(&call->api->turns);
    store_schedule_free(row);
    if (!kept)
        free(n);
}

static void by_name(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    bool pausing = call->method == API_PAUSE || call->method == API_RESUME;
    const char *member = pausing ? "schedule" : "name", *name = name_of(call, member);
    struct named *n = name ? calloc(1, sizeof *n) : NULL;
    if (!n) {
        if (name)
            call_reply(call, NULL);
        return;
    }
    if (call->method != API_SCHEDULE_RUN)
        turns_take(&call->api->turns);
    n->call = call;
    n->member = member;
    n->name = name;
    n->get = (struct store_schedule_get){.names = &n->name, .count = 1};
    mail_init(&n->get.call.mail, on_found);
    store->engine->schedule_get(store, &n->get);
}

/* --- dispatch --------------------------------------------------------------------------------- */

void call_schedule_begin(struct api_call *call)
{
    if (call->api->jobs->draining)
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping and changes no schedules");
    else if (call->method == API_SCHEDULE_APPLY || call->method == API_SCHEDULE_ADD)
        call_apply(call);
    else
        by_name(call);
}

/* A list does not wait for a change, which is not there until it is stored. */
void call_schedule(struct api_call *call)
{
    if (call->method == API_SCHEDULE_LIST)
        list_schedules(call);
    else
        turns_ask(&call->api->turns, call);
}
