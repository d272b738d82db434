#include "schedule/definition.h"

#include "base/json_read.h"
#include "terms/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const timing_members[] = {"every", "cron", "timezone", "jitter"};
#define TIMING_MEMBERS (sizeof timing_members / sizeof timing_members[0])

static int check_name(const json_t *value, struct error *err)
{
    const char *name = json_string_value(value);
    size_t len = json_string_length(value);
    if (!name)
        return error_set(err, -EINVAL, "name: it is missing, or no string");
    if (len == 0 || len > SCHEDULE_NAME_BYTES)
        return error_set(err, -EINVAL, "name: 1 to %d bytes are allowed", SCHEDULE_NAME_BYTES);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= 0x20 || name[i] == 0x7f)
            return error_set(err, -EINVAL, "name: blanks and control characters are not allowed");
    if (name[0] == '-')
        return error_set(err, -EINVAL, "name: it may not begin with -");
    return 0;
}

/* What makes sense for one job only. */
static int check_job(const json_t *job, struct error *err, const char **ret_field)
{
    static const char *const single[][2] = {
        {"key", "key: each run is a job of its own"},
        {"not_before", "not_before: the schedule says when"},
        {"follow", "follow: a schedule's runs are followed by `follow` with `schedule`"},
        {"run", "run: it is for `run` only"},
    };
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (json_object_get(job, single[i][0])) {
            *ret_field = single[i][0];
            return error_set(err, -EINVAL, "%s", single[i][1]);
        }
    return 0;
}

/* Moves the timing's members out of `job`; their text. */
static char *take_timing(json_t *job)
{
    json_t *when = json_object();
    bool made = when;
    for (size_t i = 0; i < TIMING_MEMBERS && made; i++) {
        json_t *value = json_object_get(job, timing_members[i]);
        if (value)
            made = json_object_set(when, timing_members[i], value) == 0 &&
                   json_object_del(job, timing_members[i]) == 0;
    }
    char *text = made ? json_dumps(when, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(when);
    return text;
}

static int fill(const json_t *json, struct schedule_spec *s)
{
    s->name = strdup(json_string_value(json_object_get(json, "name")));
    s->text = spec_store_text(json);
    s->job = json_copied(json);
    if (!s->name || !s->text || !s->job || json_object_del(s->job, "name") < 0)
        return -ENOMEM;
    s->when = take_timing(s->job);
    s->job_text = s->when ? spec_store_text(s->job) : NULL;
    return s->job_text ? 0 : -ENOMEM;
}

int schedule_spec_parse(const json_t *json, struct schedule_spec *ret_spec, struct error *err,
                        const char **ret_field)
{
    struct schedule_spec s = {0};
    *ret_field = NULL;
    if (!json_is_object(json))
        return error_set(err, -EINVAL, "a schedule is an object with name, url and every or cron");
    *ret_field = "name";
    int r = check_name(json_object_get(json, "name"), err);
    if (r == 0)
        r = check_job(json, err, ret_field);
    if (r == 0)
        r = timing_parse(json, &s.timing, err, ret_field);
    if (r == 0 && fill(json, &s) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        schedule_spec_deinit(&s);
        return r;
    }
    *ret_spec = s;
    return 0;
}

void schedule_spec_deinit(struct schedule_spec *spec)
{
    free(spec->name);
    free(spec->text);
    free(spec->when);
    free(spec->job_text);
    json_decref(spec->job);
    timing_deinit(&spec->timing);
    *spec = (struct schedule_spec){0};
}

static int read_json(const char *text, json_t **ret_json, struct error *err)
{
    json_error_t where;
    *ret_json = json_read_text(text, JSON_REJECT_DUPLICATES, &where);
    if (*ret_json)
        return 0;
    if (json_error_code(&where) == json_error_out_of_memory)
        return error_set(err, -ENOMEM, "out of memory");
    return error_set(err, -EINVAL, "what is stored is not JSON: %s", where.text);
}

int schedule_spec_read(const char *text, struct schedule_spec *ret_spec, struct error *err)
{
    const char *field;
    json_t *json;
    int r = read_json(text, &json, err);
    if (r == 0)
        r = schedule_spec_parse(json, ret_spec, err, &field);
    json_decref(json);
    return r;
}

int schedule_plan_read(const char *text, struct schedule_plan *ret_plan, struct error *err)
{
    const char *field;
    struct schedule_plan plan = {0};
    int r = read_json(text, &plan.job, err);
    if (r == 0)
        r = timing_parse(plan.job, &plan.timing, err, &field);
    if (r < 0) {
        schedule_plan_deinit(&plan);
        return r;
    }
    for (size_t i = 0; i < TIMING_MEMBERS; i++)
        json_object_del(plan.job, timing_members[i]);
    json_object_del(plan.job, "name");
    *ret_plan = plan;
    return 0;
}

void schedule_plan_deinit(struct schedule_plan *plan)
{
    json_decref(plan->job);
    timing_deinit(&plan->timing);
    *plan = (struct schedule_plan){0};
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Behind the string that begins at `p`. */
static const char *skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

/* The end of a member of an object, whose text begins at `p`: its comma, or the object's brace. */
static const char *member_end(const char *p)
{
    int depth = 0;
    while (*p && (depth > 0 || (*p != ',' && *p != '}'))) {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p++;
    }
    return p;
}

static bool is_own(const char *member, size_t len)
{
    static const char *const own[] = {
        "\"every\":", "\"cron\":", "\"timezone\":", "\"jitter\":", "\"name\":"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (len > strlen(own[i]) && strncmp(member, own[i], strlen(own[i])) == 0)
            return true;
    return false;
}

bool schedule_text_makes(const char *text, const char *job_text)
{
    const char *job = job_text;
    if (*text != '{' || *job != '{')
        return false;
    for (const char *p = text; *p == '{' || *p == ',';) {
        const char *end = member_end(++p);
        size_t len = (size_t)(end - p);
        if (!is_own(p, len)) {
            if (*job++ == '}' || strncmp(job, p, len) != 0)
                return false;
            job += len;
        }
        p = end;
    }
    return strcmp(job, job == job_text ? "{}" : "}") == 0;
}
