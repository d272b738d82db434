/* What a line says is read from the call's own answer, which has all of it: so an operation knows
 * nothing of this. A call that the store broke off may have done a part: it is told with its error,
 * as is a reload that was refused. What nobody was permitted to do, or what was wrong with a
 * request, is no line.
 *
 * While a sink fails, lines wait in memory. Beyond WAITING_MAX of them further ones are left out,
 * and counted: the next one that is not has the number (`missed`). */
#include "api/audit.h"

#include "api/call.h"
#include "base/clock.h"
#include "job/job.h"
#include "record/line.h"
#include "record/sink.h"
#include "terms/settings.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 10000

/* Freed by whoever lets go of it last: its owner, or a line that the sink has taken. */
struct audit {
    atomic_uint refs;
    uint64_t missed; /* since the last line */
};

struct audit_line {
    struct sink_line line;
    struct audit *audit;
};

int audit_new(struct audit **ret_audit)
{
    struct audit *audit = calloc(1, sizeof *audit);
    if (!audit)
        return -ENOMEM;
    atomic_store(&audit->refs, 1);
    *ret_audit = audit;
    return 0;
}

void audit_free(struct audit *audit)
{
    if (audit && atomic_fetch_sub(&audit->refs, 1) == 1)
        free(audit);
}

/* --- what was done ---------------------------------------------------------------------------- */

static const char *action_of(enum api_method method)
{
    static const char *const actions[] = {[API_SUBMIT] = "submit",
                                          [API_RUN] = "run",
                                          [API_HEAD] = "head",
                                          [API_CANCEL] = "cancel",
                                          [API_RETRY] = "retry",
                                          [API_PAUSE] = "pause",
                                          [API_RESUME] = "resume",
                                          [API_RELOAD] = "reload",
                                          [API_SCHEDULE_APPLY] = "schedule_apply",
                                          [API_SCHEDULE_ADD] = "schedule_add",
                                          [API_SCHEDULE_RUN] = "schedule_run",
                                          [API_SCHEDULE_REMOVE] = "schedule_remove",
                                          [API_BACKUP] = "backup",
                                          [API_FLEET_EVICT] = "fleet_evict"};
    return method < sizeof actions / sizeof actions[0] ? actions[method] : NULL;
}

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* Jobs that were made: false if there is none. */
static bool put_made(struct buf *b, const json_t *result)
{
    size_t count = json_is_array(result) ? json_array_size(result) : 1;
    uint64_t jobs = 0, existing = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(result) ? json_array_get(result, i) : result;
        uint64_t id = number(one, "id");
        bool known = json_is_true(json_object_get(one, "existing"));
        existing += id && known;
        jobs += id && !known;
        if (id && !known && !first)
            first = id;
    }
    line_u64(b, "jobs", jobs);
    if (first)
        line_u64(b, "first", first);
    if (existing)
        line_u64(b, "existing", existing);
    return jobs + existing > 0;
}

/* Jobs that were cancelled, or copied. */
static bool put_chosen(struct buf *b, const json_t *result, const char *member)
{
    const json_t *list = json_object_get(result, member), *first = json_array_get(list, 0);
    if (!first)
        return false;
    line_u64(b, "jobs", json_array_size(list));
    line_u64(b, "first",
             json_is_object(first) ? number(first, "id") : (uint64_t)json_integer_value(first));
    if (json_is_object(first))
        line_u64(b, "retry_of", number(first, "retry_of"));
    if (json_is_true(json_object_get(result, "more")))
        line_bool(b, "more", 1);
    line_str(b, "error", json_string_value(json_object_get(result, "message")));
    return true;
}

static bool put_changes(struct buf *b, const json_t *result)
{
    static const char *const kinds[] = {"created", "updated", "removed"};
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    uint64_t counts[KINDS] = {0};
    const char *name = NULL;
    size_t i;
    json_t *change;
    json_array_foreach(json_object_get(result, "changes"), i, change)
    {
        const char *what = json_string_value(json_object_get(change, "change"));
        for (int k = 0; k < KINDS; k++) {
            if (!what || strcmp(what, kinds[k]) != 0)
                continue;
            counts[k]++;
            name = name ? name : json_string_value(json_object_get(change, "name"));
        }
    }
    for (int k = 0; k < KINDS; k++)
        if (counts[k])
            line_u64(b, kinds[k], counts[k]);
    line_str(b, "schedule", name);
    return name;
}

static bool put_held(struct buf *b, const json_t *params)
{
    static const char *const members[] = {"host", "parser", "schedule"};
    bool one = false;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *value = json_string_value(json_object_get(params, members[i]));
        line_str(b, members[i], value);
        one |= value != NULL;
    }
    if (!one)
        line_bool(b, "all", 1);
    return true;
}

/* False: nothing was done. */
static bool put_done(struct buf *b, const struct api_call *call)
{
    const json_t *result = call->result;
    if (json_is_true(json_object_get(call->params, "dry_run")))
        return false;
    switch (call->method) {
    case API_CANCEL:
        return put_chosen(b, result, "cancelled");
    case API_RETRY:
        return put_chosen(b, result, "retried");
    case API_PAUSE:
    case API_RESUME:
        return put_held(b, call->params);
    case API_SCHEDULE_APPLY:
    case API_SCHEDULE_ADD:
        return put_changes(b, result);
    case API_SCHEDULE_RUN:
    case API_SCHEDULE_REMOVE:
        line_str(b, "schedule", json_string_value(json_object_get(call->params, "name")));
        return call->method == API_SCHEDULE_REMOVE || put_made(b, result);
    case API_BACKUP:
        line_u64(b, "bytes", number(result, "bytes"));
        return true;
    case API_FLEET_EVICT:
        line_str(b, "member", json_string_value(json_object_get(call->params, "name")));
        return true;
    case API_RELOAD:
        return true;
    default:
        return put_made(b, result);
    }
}

/* --- the line --------------------------------------------------------------------------------- */

static void on_taken(struct sink_line *line)
{
    struct audit_line *l = container_of(line, struct audit_line, line);
    audit_free(l->audit);
    buf_deinit(&line->text);
    free(l);
}

static bool is_wanted(const struct api *api)
{
    const struct settings *s = api->jobs->settings;
    for (size_t i = 0; i < s->sink_count; i++)
        if (s->sinks[i].events & EVENT_AUDIT)
            return true;
    return false;
}

/* NULL: nobody wants it, or it is left out. */
static struct audit_line *line_new(struct api *api, const char *action)
{
    struct audit *audit = api->audit;
    if (!is_wanted(api))
        return NULL;
    bool room = atomic_load(&audit->refs) <= WAITING_MAX;
    struct audit_line *l = room ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        audit->missed++;
        return NULL;
    }
    list_init(&l->line.link);
    l->line.event = EVENT_AUDIT;
    l->line.taken = on_taken;
    l->audit = audit;
    atomic_fetch_add(&audit->refs, 1);
    line_begin(&l->line.text, clock_real_us(), EVENT_AUDIT);
    line_str(&l->line.text, "action", action);
    return l;
}

static void line_post(struct api *api, struct audit_line *l)
{
    if (api->audit->missed)
        line_u64(&l->line.text, "missed", api->audit->missed);
    line_end(&l->line.text);
    if (l->line.text.failed) {
        api->audit->missed++;
        on_taken(&l->line);
        return;
    }
    api->audit->missed = 0;
    sink_post(api->jobs->config.sink, &l->line);
}

void audit_call(const struct api_call *call)
{
    const char *action = action_of(call->method);
    bool partly = call->code == API_UNAVAILABLE ||
                  (call->method == API_RELOAD && call->code == API_BAD_CONFIG);
    if (!action || (call->code != 0 && !partly))
        return;
    struct audit_line *l = line_new(call->api, action);
    if (!l)
        return;
    struct buf *b = &l->line.text;
    line_u64(b, "uid", call->peer.uid);
    line_u64(b, "gid", call->peer.gid);
    if (call->peer.pid > 0)
        line_u64(b, "pid", (uint64_t)call->peer.pid);
    bool told = partly || put_done(b, call);
    if (partly)
        line_str(b, "error", call->error.text);
    if (told)
        line_post(call->api, l);
    else
        on_taken(&l->line);
}

void audit_signal(struct api *api, const char *name)
{
    struct audit_line *l = line_new(api, "reload");
    if (!l)
        return;
    line_str(&l->line.text, "signal", name);
    line_post(api, l);
}
