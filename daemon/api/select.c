/* SELECT: the members by which list, cancel, retry and follow choose jobs. */
#include "api/select.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/units.h"
#include "job/job.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static int text_member(const json_t *value, const char *name, const char **ret, struct error *err)
{
    if (!json_is_string(value))
        return error_set(err, -EINVAL, "%s: a string is wanted", name);
    *ret = json_string_value(value);
    return 0;
}

static int parse_state(const json_t *value, struct store_select *s, struct error *err)
{
    enum job_state state;
    char near[64];
    const char *text = json_string_value(value);
    if (!text || job_state_parse(text, &state) < 0)
        return error_set(
            err, -EINVAL,
            "state: one of queued, waiting, running, done, failed, cancelled is wanted%s",
            text ? job_state_meant(text, near, sizeof near) : "");
    s->state = (int)state;
    return 0;
}

static int parse_error(const json_t *value, struct store_select *s, struct error *err)
{
    enum error_kind kind;
    char near[64];
    const char *text = json_string_value(value);
    if (!text)
        return error_set(err, -EINVAL, "error: an error kind is wanted, as in error.kind");
    if (kind_parse(text, &kind) < 0)
        return error_set(err, -EINVAL, "error: there is no kind '%.40s'%s", text,
                         kind_meant(text, near, sizeof near));
    s->error = (int)kind;
    return 0;
}

/* {"K":"V"}, one pair. */
static int parse_label(const json_t *value, struct store_select *s, struct error *err)
{
    void *it = json_object_iter((json_t *)value);
    if (!json_is_object(value) || json_object_size(value) != 1 ||
        !json_is_string(json_object_iter_value(it)))
        return error_set(err, -EINVAL, "label: an object with one string member is wanted");
    s->label_key = json_object_iter_key(it);
    s->label_value = json_string_value(json_object_iter_value(it));
    return 0;
}

/* A moment: RFC 3339 in UTC or with an offset, or a duration ("1h"): so long ago. */
static int parse_since(const json_t *value, int64_t now, struct store_select *s, struct error *err)
{
    uint64_t ago;
    const char *text = json_string_value(value);
    if (text && parse_duration(text, false, &ago, NULL) == 0) {
        s->since = now - (int64_t)(ago / 1000);
        return 0;
    }
    if (!text || clock_parse(text, &s->since) < 0)
        return error_set(
            err, -EINVAL,
            "since: a time as 2026-01-31T12:00:00Z, or a duration as 1h (so long ago)");
    return 0;
}

static bool is_allowed(const char *name, const char *const *allowed)
{
    for (; allowed && *allowed; allowed++)
        if (strcmp(*allowed, name) == 0)
            return true;
    return false;
}

int select_parse(const json_t *params, const char *const *allowed, int64_t now,
                 struct store_select *ret, struct error *err, const char **ret_field)
{
    struct store_select s = {.state = -1, .error = -1};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value)
    {
        int r = 0;
        *ret_field = name;
        if (strcmp(name, "state") == 0)
            r = parse_state(value, &s, err);
        else if (strcmp(name, "error") == 0)
            r = parse_error(value, &s, err);
        else if (strcmp(name, "label") == 0)
            r = parse_label(value, &s, err);
        else if (strcmp(name, "since") == 0)
            r = parse_since(value, now, &s, err);
        else if (strcmp(name, "host") == 0)
            r = text_member(value, name, &s.host, err);
        else if (strcmp(name, "parser") == 0)
            r = text_member(value, name, &s.parser, err);
        else if (strcmp(name, "schedule") == 0)
            r = text_member(value, name, &s.schedule, err);
        else if (!is_allowed(name, allowed))
            r = error_set(
                err, -EINVAL,
                "%s: not known here; state, error, label, schedule, host, parser and since "
                "select jobs",
                name);
        if (r < 0)
            return r;
    }
    *ret_field = NULL;
    *ret = s;
    return 0;
}

int select_events(const json_t *events, unsigned *ret_mask, struct error *err)
{
    unsigned mask = 0;
    size_t i;
    json_t *item;
    if (!events)
        return 0;
    if (!json_is_array(events) || json_array_size(events) == 0)
        return error_set(err, -EINVAL, "events: an array of event names is wanted");
    json_array_foreach(events, i, item)
    {
        enum event event;
        char near[64];
        const char *name = json_string_value(item);
        if (!name || event_parse(name, &event) < 0)
            return error_set(
                err, -EINVAL,
                "events[%zu]: one of start, record, attempt, verdict, stop, revoke is wanted%s", i,
                name ? event_meant(name, near, sizeof near) : "");
        mask |= event;
    }
    *ret_mask = mask;
    return 0;
}
