/* apply, add, remove, pause and resume: what is wanted is compared with what there is, and the
 * difference becomes a change of the schedules (schedule/change.h).
 *
 * A request with many schedules is read in slices, and compared as many at a time as the store
 * gives: no step on the loop grows with them. What has been read is compared once more if somebody
 * else has changed a schedule meanwhile. */
#include "api/call_apply.h"

#include "api/call.h"
#include "base/clock.h"
#include "job/job.h"
#include "job/submission.h"
#include "schedule/change.h"
#include "schedule/definition.h"
#include "store/schedule_row.h"
#include "terms/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLY_MAX    5000
#define SCHEDULE_MAX 1000000 /* of them in a daemon */
#define READ_SLICE   4       /* read in one go; each takes some 0.1 ms */
#define LOOK_ROWS    64      /* compared in one go */
#define PRUNE_ROWS   256
#define PRUNE_MAX    5000 /* removed in one request; then it says where to go on */
#define TRIES        8    /* when others change the same schedules */

struct change {
    struct schedule_change change;
    struct api_call *call;
    json_t *result;

    /* apply */
    struct slice slice;
    json_t *names; /* of the items, and those to be kept */
    struct schedule_spec *items;
    size_t count, read, compared;
    size_t created;
    bool dry;
    unsigned tries;
    const char *wanted[LOOK_ROWS];
    struct store_schedule_get get;
    struct store_schedules page;
    char *after; /* pruned up to here */
};

static void change_free(struct change *c)
{
    struct api *api = c->call->api;
    schedule_change_deinit(&c->change);
    for (size_t i = 0; i < c->read; i++)
        schedule_spec_deinit(&c->items[i]);
    free(c->items);
    free(c->after);
    json_decref(c->names);
    json_decref(c->result);
    free(c);
    turns_give(&api->turns);
}

/* Answers with what has become of it. */
static void change_end(struct change *c, const struct store_call *failed)
{
    if (failed && failed->result == -ESTALE)
        call_fail(c->call, API_CONFLICT, NULL, "%s; ask again", failed->error.text);
    else if (failed)
        call_fail_store(c->call, failed);
    else
        call_reply(c->call, json_incref(c->result));
    change_free(c);
}

static void change_lost(struct change *c)
{
    call_reply(c->call, NULL);
    change_free(c);
}

static void compare_again(struct change *c);

static void on_changed(struct schedule_change *change, const struct store_call *failed)
{
    struct change *c = container_of(change, struct change, change);
    if (failed && failed->result == -ESTALE && c->items && ++c->tries < TRIES)
        compare_again(c);
    else
        change_end(c, failed);
}

/* Within the turn. NULL: the call has been answered, and the turn given back. */
static struct change *change_new(struct api_call *call, size_t rows)
{
    struct change *c = calloc(1, sizeof *c);
    if (!c) {
        call_reply(call, NULL);
        turns_give(&call->api->turns);
        return NULL;
    }
    c->call = call;
    c->change.done = on_changed;
    if (schedule_change_init(&c->change, call->api->schedules, rows) == 0) {
        c->change.done = on_changed;
        return c;
    }
    change_lost(c);
    return NULL;
}

/* With nothing in it the call is answered at once. */
static void change_store(struct change *c)
{
    if (schedule_change_store(&c->change) < 0)
        change_end(c, NULL);
}

/* --- apply: reading --------------------------------------------------------------------------- */

/* {"schedules":[…]} or, to add, one schedule. */
static const json_t *item_of(const struct api_call *call, size_t i)
{
    return call->method == API_SCHEDULE_ADD
               ? call->params
               : json_array_get(json_object_get(call->params, "schedules"), i);
}

static void refuse_item(struct change *c, size_t i, int r, const char *field,
                        const struct error *err)
{
    struct api_call *call = c->call;
    char path[64];
    int code = r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS;
    if (call->method == API_SCHEDULE_ADD)
        snprintf(path, sizeof path, "%.60s", field ? field : "");
    else
        snprintf(path, sizeof path, "schedules[%zu]%s%.32s", i, field ? "." : "",
                 field ? field : "");
    call_fail(call, code, path, "%s", err->text);
    change_free(c);
}

/* Would it make a job today? */
static int check_job(struct api_call *call, const struct schedule_spec *spec, struct error *err,
                     const char **ret_field)
{
    struct store_job *row;
    struct spec *job;
    struct submission submission = {.json = spec->job, .peer = call->peer, .schedule = spec->name};
    int r = submission_row(call->api->jobs, &submission, &row, &job, err, ret_field);
    if (r < 0)
        return r;
    store_job_free(row);
    spec_free(job);
    return 0;
}

/* The next item: read and checked. False: the call has been answered. */
static bool read_item(struct change *c)
{
    size_t i = c->read;
    struct schedule_spec *spec = &c->items[i];
    struct error err = {"out of memory"};
    const char *field = NULL;
    int r = schedule_spec_parse(item_of(c->call, i), spec, &err, &field);
    if (r < 0) {
        refuse_item(c, i, r, r == -ENOMEM ? NULL : field, &err);
        return false;
    }
    c->read++;
    r = check_job(c->call, spec, &err, &field);
    if (r == 0 && json_object_get(c->names, spec->name)) {
        field = "name";
        r = error_set(&err, -EINVAL, "name: '%.64s' stands twice", spec->name);
    }
    if (r == 0 && json_object_set_new(c->names, spec->name, json_true()) < 0)
        r = error_set(&err, -ENOMEM, "out of memory");
    if (r < 0) { /* the field may be of the spec's JSON */
        refuse_item(c, i, r, r == -ENOMEM ? NULL : field, &err);
        return false;
    }
    json_decref(spec->job); /* its text is what is stored */
    spec->job = NULL;
    return true;
}

static int keep_names(struct change *c)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(c->call->params, "keep"), i, name)
    {
        if (json_object_set_new(c->names, json_string_value(name), json_true()) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void on_read_slice(struct slice *slice)
{
    struct change *c = container_of(slice, struct change, slice);
    for (int i = 0; i < READ_SLICE && c->read < c->count; i++)
        if (!read_item(c))
            return;
    if (c->read < c->count)
        slices_add(&c->call->api->slices, slice);
    else if (keep_names(c) < 0)
        change_lost(c);
    else
        compare_again(c);
}

/* --- apply: comparing ------------------------------------------------------------------------- */

static char *renew(char *old, const char *text)
{
    free(old);
    return strdup(text);
}

/* The row as it is to be; `old` is what there is, or NULL. NULL: out of memory. */
static struct store_schedule *make_row(const struct api_call *call,
                                       const struct store_schedule *old,
                                       const struct schedule_spec *spec)
{
    int64_t now = jobs_now(call->api->jobs);
    struct schedule_spec was = {0};
    struct error err;
    struct store_schedule *row = old ? store_schedule_copy(old) : calloc(1, sizeof *row);
    if (!row)
        return NULL;
    if (old)
        (void)schedule_spec_read(old->spec, &was, &err); /* one that cannot be read is another */
    row->name = renew(row->name, spec->name);
    row->spec = renew(row->spec, spec->text);
    row->uid = call->peer.uid;
    row->gid = call->peer.gid;
    if (!old)
        row->created = now;
    /* The time of the change: it never comes again, not even for a schedule that is made anew. */
    if (!was.job_text || strcmp(was.job_text, spec->job_text) != 0)
        row->revision = (uint64_t)now;
    row->next_at = !was.when || strcmp(was.when, spec->when) != 0
                       ? timing_first(&spec->timing, spec->name, now)
                       : 0;
    schedule_spec_deinit(&was);
    if (row->name && row->spec)
        return row;
    store_schedule_free(row);
    return NULL;
}

static int note_change(struct change *c, const char *name, const char *what)
{
    json_t *changes = json_object_get(c->result, "changes");
    json_t *one = json_pack("{s:s, s:s}", "name", name, "change", what);
    return json_array_append_new(changes, one) == 0 ? 0 : -ENOMEM;
}

/* 0 or -ENOMEM. */
static int compare(struct change *c, const struct schedule_spec *spec,
                   const struct store_schedule *old)
{
    bool same = old && strcmp(old->spec, spec->text) == 0;
    int r = note_change(c, spec->name, same ? "unchanged" : old ? "updated" : "created");
    if (r < 0 || same || c->dry)
        return r;
    struct store_schedule *row = make_row(c->call, old, spec);
    if (!row)
        return -ENOMEM;
    c->change.rows[c->change.count++] = row;
    c->created += !old;
    return 0;
}

static bool has_room(struct change *c)
{
    struct store *store = c->call->api->jobs->config.store;
    struct store_counts counts;
    store->engine->counts(store, &counts);
    return counts.schedules + c->created <= SCHEDULE_MAX + c->change.removed_count;
}

static void finish(struct change *c)
{
    if (!has_room(c)) {
        call_fail(c->call, API_QUEUE_FULL, NULL, "a daemon has %d schedules at most", SCHEDULE_MAX);
        change_free(c);
        return;
    }
    change_store(c);
}

static void prune(struct change *c);

static void look_up(struct change *c);

static void on_looked_up(struct mail *mail)
{
    struct change *c = container_of(mail, struct change, get.call.mail);
    const struct store_call *call = &c->get.call;
    bool adding = c->call->method == API_SCHEDULE_ADD;
    int r = call->result;
    if (r == 0 && adding && c->get.rows[0]) {
        call_fail(c->call, API_CONFLICT, "name",
                  "name: there is a schedule '%.64s' already; `schedule apply` changes it",
                  c->items[0].name);
        store_schedules_free(c->get.rows, c->get.count);
        change_free(c);
        return;
    }
    for (size_t i = 0; call->result == 0 && r == 0 && i < c->get.count; i++)
        r = compare(c, &c->items[c->compared + i], c->get.rows[i]);
    if (call->result == 0)
        store_schedules_free(c->get.rows, c->get.count);
    c->compared += c->get.count;
    if (call->result < 0)
        change_end(c, call);
    else if (r < 0)
        change_lost(c);
    else
        look_up(c);
}

static void look_up(struct change *c)
{
    struct store *store = c->call->api->jobs->config.store;
    size_t left = c->count - c->compared, n = left < LOOK_ROWS ? left : LOOK_ROWS;
    if (n == 0 && json_is_true(json_object_get(c->call->params, "prune"))) {
        prune(c);
        return;
    }
    if (n == 0) {
        finish(c);
        return;
    }
    for (size_t i = 0; i < n; i++)
        c->wanted[i] = c->items[c->compared + i].name;
    c->get = (struct store_schedule_get){.names = c->wanted, .count = n};
    mail_init(&c->get.call.mail, on_looked_up);
    store->engine->schedule_get(store, &c->get);
}

/* From the first item on. */
static void compare_again(struct change *c)
{
    schedule_change_clear(&c->change);
    c->compared = c->created = 0;
    free(c->after);
    c->after = NULL;
    json_decref(c->result);
    c->result = json_pack("{s:[]}", "changes");
    if (c->result)
        look_up(c);
    else
        change_lost(c);
}

/* --- apply: pruning --------------------------------------------------------------------------- */

/* Of other users by administrators alone. */
static bool may_prune(const struct api_call *call, const struct store_schedule *row)
{
    return row->uid == call->peer.uid ||
           access_is_administrator(call->api->jobs->settings->access, &call->peer);
}

static int prune_row(struct change *c, const struct store_schedule *row)
{
    if (json_object_get(c->names, row->name) || !may_prune(c->call, row))
        return 0;
    int r = note_change(c, row->name, "removed");
    return r < 0 || c->dry ? r : schedule_change_remove(&c->change, row->name);
}

static void on_page(struct mail *mail)
{
    struct change *c = container_of(mail, struct change, page.call.mail);
    struct store_schedules *page = &c->page;
    if (page->call.result < 0) {
        change_end(c, &page->call);
        return;
    }
    int r = 0;
    bool more = page->more;
    for (size_t i = 0; i < page->count && r == 0; i++)
        r = prune_row(c, page->rows[i]);
    if (r == 0 && more)
        r = (c->after = renew(c->after, page->rows[page->count - 1]->name)) ? 0 : -ENOMEM;
    store_schedules_free(page->rows, page->count);
    bool full = json_array_size(json_object_get(c->result, "changes")) >= c->count + PRUNE_MAX;
    if (r == 0 && more && full)
        r = json_object_set_new(c->result, "next", json_string(c->after));
    if (r < 0)
        change_lost(c);
    else if (more && !full)
        prune(c);
    else
        finish(c);
}

/* Those that nobody named go, within the request's part of the names. */
static void prune(struct change *c)
{
    struct store *store = c->call->api->jobs->config.store;
    const json_t *params = c->call->params;
    const char *after = json_string_value(json_object_get(params, "after"));
    c->page = (struct store_schedules){.after = c->after ? c->after : after,
                                       .until = json_string_value(json_object_get(params, "until")),
                                       .brief = true,
                                       .limit = PRUNE_ROWS};
    mail_init(&c->page.call.mail, on_page);
    store->engine->schedules(store, &c->page);
}

/* --- apply ------------------------------------------------------------------------------------ */

/* 0, or -EINVAL: answered. */
static int check_params(struct api_call *call)
{
    const char *name;
    json_t *value, *item;
    size_t i;
    json_object_foreach((json_t *)call->params, name, value)
    {
        bool array = strcmp(name, "schedules") == 0 || strcmp(name, "keep") == 0;
        bool flag = strcmp(name, "prune") == 0 || strcmp(name, "dry_run") == 0;
        bool part = strcmp(name, "after") == 0 || strcmp(name, "until") == 0;
        if ((array && json_is_array(value)) || (flag && json_is_boolean(value)) ||
            (part && json_is_string(value)))
            continue;
        call_fail(
            call, API_INVALID_PARAMS, name,
            "%.32s: schedules and keep (arrays), prune and dry_run (true or false), after and "
            "until (names) are wanted",
            name);
        return -EINVAL;
    }
    json_array_foreach(json_object_get(call->params, "keep"), i, item)
    {
        if (json_is_string(item))
            continue;
        call_fail(call, API_INVALID_PARAMS, "keep", "keep: an array of names is wanted");
        return -EINVAL;
    }
    const json_t *schedules = json_object_get(call->params, "schedules");
    if (schedules && json_array_size(schedules) <= APPLY_MAX)
        return 0;
    call_fail(call, API_INVALID_PARAMS, "schedules",
              "schedules: an array of up to %d schedules is wanted", APPLY_MAX);
    return -EINVAL;
}

void call_apply(struct api_call *call)
{
    bool add = call->method == API_SCHEDULE_ADD;
    if (!add && check_params(call) < 0)
        return;
    size_t count = add ? 1 : json_array_size(json_object_get(call->params, "schedules"));
    turns_take(&call->api->turns);
    struct change *c = change_new(call, count);
    if (!c)
        return;
    c->count = count;
    c->dry = json_is_true(json_object_get(call->params, "dry_run"));
    c->names = json_object();
    c->items = calloc(count + 1, sizeof *c->items);
    c->slice.step = on_read_slice;
    if (c->names && c->items)
        on_read_slice(&c->slice);
    else
        change_lost(c);
}

/* --- remove, pause ---------------------------------------------------------------------------- */

void call_remove(struct api_call *call, const struct store_schedule *row)
{
    struct change *c = change_new(call, 0);
    if (!c)
        return;
    c->result = json_pack("{s:b}", "removed", 1);
    if (c->result && schedule_change_remove(&c->change, row->name) == 0)
        change_store(c);
    else
        change_lost(c);
}

/* What was left out meanwhile is not caught up with. One that cannot be read any more runs no
 * sooner. */
static int64_t resumed_at(const struct store_schedule *row, int64_t now)
{
    int64_t next = row->next_at;
    struct schedule_plan plan;
    struct error err;
    if (row->next_at > now || schedule_plan_read(row->spec, &plan, &err) < 0)
        return next;
    next = timing_next(&plan.timing, row->name, row->next_at, now);
    schedule_plan_deinit(&plan);
    return next;
}

void call_hold(struct api_call *call, const struct store_schedule *row, bool held)
{
    struct change *c = change_new(call, 1);
    if (!c)
        return;
    c->result = json_pack("{s:b}", "paused", held);
    c->change.rows[0] = store_schedule_copy(row);
    if (!c->result || !c->change.rows[0]) {
        change_lost(c);
        return;
    }
    c->change.count = 1;
    c->change.rows[0]->paused = held;
    /* While it is not paused a run may be on its way that changes it. */
    c->change.rows[0]->next_at = row->paused ? resumed_at(row, jobs_now(c->call->api->jobs)) : 0;
    change_store(c);
}
