/* apply, add, remove, pause and resume: what is wanted is compared with what there is, and the
 * difference becomes a change of the schedules (schedule/change.h). */
#include "api/call_apply.h"

#include "api/call.h"
#include "base/clock.h"
#include "job/job.h"
#include "job/submission.h"
#include "schedule/change.h"
#include "schedule/timetable.h"
#include "store/schedule_row.h"
#include "terms/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLY_MAX 5000

struct change {
    struct schedule_change change;
    struct api_call *call;
    json_t *result;
};

static void change_free(struct change *c)
{
    if (!c)
        return;
    schedule_change_deinit(&c->change);
    json_decref(c->result);
    free(c);
}

static void on_changed(struct schedule_change *change, const struct store_call *failed)
{
    struct change *c = container_of(change, struct change, change);
    if (failed)
        call_fail_store(c->call, failed);
    else
        call_reply(c->call, json_incref(c->result));
    change_free(c);
}

static struct change *change_new(struct api_call *call, size_t count, size_t removed, bool specs)
{
    struct change *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->call = call;
    if (schedule_change_init(&c->change, call->api->schedules, count, removed, specs) == 0) {
        c->change.done = on_changed;
        return c;
    }
    change_free(c);
    return NULL;
}

/* Takes ownership of the change; with nothing in it the call is answered at once. */
static void change_store(struct change *c)
{
    int r = schedule_change_store(&c->change);
    if (r == 0)
        return;
    call_reply(c->call, r == -ENOMEM ? NULL : json_incref(c->result));
    change_free(c);
}

/* --- apply ------------------------------------------------------------------------------------ */

/* {"schedules":[…]} or, to add, one schedule. */
static const json_t *item_of(const struct api_call *call, size_t i)
{
    return call->method == API_SCHEDULE_ADD
               ? call->params
               : json_array_get(json_object_get(call->params, "schedules"), i);
}

static void refuse_item(struct api_call *call, size_t i, int r, const char *field,
                        const struct error *err)
{
    char path[64];
    int code = r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS;
    if (call->method == API_SCHEDULE_ADD)
        snprintf(path, sizeof path, "%.60s", field ? field : "");
    else
        snprintf(path, sizeof path, "schedules[%zu]%s%.32s", i, field ? "." : "",
                 field ? field : "");
    call_fail(call, code, path, "%s", err->text);
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

static char *renew(char *old, const char *text)
{
    free(old);
    return strdup(text);
}

/* The row as it is to be. NULL: out of memory. */
static struct store_schedule *make_row(const struct api_call *call, const struct schedule *s,
                                       const struct schedule_spec *spec)
{
    int64_t now = clock_real_us();
    struct store_schedule *row = s ? store_schedule_copy(s->row) : calloc(1, sizeof *row);
    if (!row)
        return NULL;
    row->name = renew(row->name, spec->name);
    row->spec = renew(row->spec, spec->text);
    row->uid = call->peer.uid;
    row->gid = call->peer.gid;
    if (!s)
        row->created = now;
    /* The time of the change: it never comes again, not even for a schedule that is made anew. */
    if (!s || !s->spec.job_text || strcmp(s->spec.job_text, spec->job_text) != 0)
        row->revision = (uint64_t)now;
    if (s && s->starting) /* its row does not have it yet */
        row->next_at = s->due;
    if (!s || !s->spec.when || strcmp(s->spec.when, spec->when) != 0)
        row->next_at = timing_first(&spec->timing, spec->name, now);
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

/* Takes the spec over. 0, or an error as a negative errno. */
static int take_spec(struct change *c, struct schedule_spec *spec, bool dry)
{
    struct schedule *s = schedules_find(c->change.schedules, spec->name);
    bool same = s && s->spec.text && strcmp(s->spec.text, spec->text) == 0;
    int r = note_change(c, spec->name, same ? "unchanged" : s ? "updated" : "created");
    if (r < 0 || same || dry) {
        schedule_spec_deinit(spec);
        return r;
    }
    c->change.rows[c->change.count] = make_row(c->call, s, spec);
    if (!c->change.rows[c->change.count]) {
        schedule_spec_deinit(spec);
        return -ENOMEM;
    }
    c->change.specs[c->change.count++] = *spec;
    return 0;
}

/* One item: read, checked, compared. False: the call has been answered. */
static bool take_item(struct change *c, size_t i, json_t *names, bool dry)
{
    struct schedule_spec spec;
    struct error err = {"out of memory"};
    const char *field = NULL;
    int r = schedule_spec_parse(item_of(c->call, i), &spec, &err, &field);
    if (r == 0) {
        r = check_job(c->call, &spec, &err, &field);
        if (r == 0 && json_object_get(names, spec.name)) {
            field = "name";
            r = error_set(&err, -EINVAL, "name: '%.64s' stands twice", spec.name);
        }
        if (r == 0 && json_object_set_new(names, spec.name, json_true()) < 0)
            r = error_set(&err, -ENOMEM, "out of memory");
        if (r < 0) { /* the field may be of the spec's JSON */
            refuse_item(c->call, i, r, r == -ENOMEM ? NULL : field, &err);
            schedule_spec_deinit(&spec);
            return false;
        }
        r = take_spec(c, &spec, dry);
    }
    if (r < 0)
        refuse_item(c->call, i, r, r == -ENOMEM ? NULL : field, &err);
    return r == 0;
}

/* Within the request's part of the names; of other users by administrators alone. */
static bool may_prune(const struct api_call *call, const struct store_schedule *row)
{
    const char *after = json_string_value(json_object_get(call->params, "after"));
    const char *until = json_string_value(json_object_get(call->params, "until"));
    return (!after || strcmp(row->name, after) > 0) && (!until || strcmp(row->name, until) <= 0) &&
           (row->uid == call->peer.uid ||
            access_is_administrator(call->api->jobs->settings->access, &call->peer));
}

/* Those that nobody named go. */
static int prune(struct change *c, const json_t *names, bool dry)
{
    for (struct schedule *s = schedules_after(c->change.schedules, NULL); s;
         s = schedules_after(c->change.schedules, s->row->name)) {
        if (json_object_get(names, s->row->name) || !may_prune(c->call, s->row))
            continue;
        if (note_change(c, s->row->name, "removed") < 0)
            return -ENOMEM;
        if (dry)
            continue;
        c->change.removed[c->change.removed_count] = strdup(s->row->name);
        if (!c->change.removed[c->change.removed_count])
            return -ENOMEM;
        c->change.removed_count++;
    }
    return 0;
}

static int keep_names(const json_t *keep, json_t *names)
{
    size_t i;
    json_t *name;
    json_array_foreach(keep, i, name)
    {
        if (json_object_set_new(names, json_string_value(name), json_true()) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool has_room(struct change *c)
{
    size_t created = 0;
    for (size_t i = 0; i < c->change.count; i++)
        created += !schedules_find(c->change.schedules, c->change.rows[i]->name);
    if (c->change.schedules->count + created <= SCHEDULE_MAX + c->change.removed_count)
        return true;
    call_fail(c->call, API_QUEUE_FULL, NULL, "a daemon has %d schedules at most", SCHEDULE_MAX);
    return false;
}

static bool is_there(struct api_call *call)
{
    const char *name = json_string_value(json_object_get(call->params, "name"));
    if (call->method != API_SCHEDULE_ADD || !name || !schedules_find(call->api->schedules, name))
        return false;
    call_fail(call, API_CONFLICT, "name",
              "name: there is a schedule '%.64s' already; `schedule apply` changes it", name);
    return true;
}

static void apply(struct change *c, size_t count, json_t *names)
{
    bool dry = json_is_true(json_object_get(c->call->params, "dry_run"));
    for (size_t i = 0; i < count; i++)
        if (!take_item(c, i, names, dry)) {
            change_free(c);
            return;
        }
    int r = 0;
    if (json_is_true(json_object_get(c->call->params, "prune"))) {
        r = keep_names(json_object_get(c->call->params, "keep"), names);
        if (r == 0)
            r = prune(c, names, dry);
    }
    if (r < 0) {
        call_reply(c->call, NULL);
        change_free(c);
    } else if (!has_room(c)) {
        change_free(c);
    } else {
        change_store(c);
    }
}

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
    if ((!add && check_params(call) < 0) || is_there(call))
        return;
    size_t count = add ? 1 : json_array_size(json_object_get(call->params, "schedules"));
    struct change *c = change_new(call, count, call->api->schedules->count, true);
    json_t *names = json_object();
    if (c)
        c->result = json_pack("{s:[]}", "changes");
    if (c && names && c->result) {
        apply(c, count, names);
    } else {
        change_free(c);
        call_reply(call, NULL);
    }
    json_decref(names);
}

/* --- remove, pause ---------------------------------------------------------------------------- */

void call_remove(struct api_call *call, struct schedule *s)
{
    struct change *c = change_new(call, 0, 1, false);
    if (c && (c->change.removed[0] = strdup(s->row->name))) {
        c->change.removed_count = 1;
        c->result = json_pack("{s:b}", "removed", 1);
    }
    if (c && c->result) {
        change_store(c);
        return;
    }
    change_free(c);
    call_reply(call, NULL);
}

void call_hold(struct api_call *call, struct schedule *s, bool held)
{
    int64_t now = clock_real_us();
    struct change *c = change_new(call, 1, 0, false);
    if (c && (c->change.rows[0] = store_schedule_copy(s->row))) {
        c->change.count = 1;
        c->change.rows[0]->paused = held;
        if (s->starting)
            c->change.rows[0]->next_at = s->due;
        if (!held && s->spec.job && s->row->next_at <= now) /* nothing is caught up with */
            c->change.rows[0]->next_at =
                timing_next(&s->spec.timing, s->row->name, s->row->next_at, now);
        c->result = json_pack("{s:b}", "paused", held);
    }
    if (c && c->result) {
        change_store(c);
        return;
    }
    change_free(c);
    call_reply(call, NULL);
}
