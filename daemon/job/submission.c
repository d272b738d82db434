#include "job/submission.h"

#include "job/job.h"
#include "terms/credential.h"
#include "terms/quota.h"
#include "terms/spec_time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *labels_text(const struct spec *spec)
{
    if (spec->label_count == 0)
        return strdup("{}");
    json_t *labels = json_object();
    bool whole = labels;
    for (size_t i = 0; whole && i < spec->label_count; i++)
        whole = json_object_set_new(labels, spec->labels[i].name,
                                    json_string(spec->labels[i].value)) == 0;
    char *text = whole ? json_dumps(labels, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(labels);
    return text;
}

static char *copy(const char *s, bool *failed)
{
    char *c = s ? strdup(s) : NULL;
    if (s && !c)
        *failed = true;
    return c;
}

static int fill_row(struct store_job *row, const struct submission *s, const struct spec *spec,
                    int64_t now)
{
    bool failed = false;
    row->state = JOB_QUEUED;
    row->priority = (int)spec->effective.priority;
    row->uid = s->peer.uid;
    row->gid = s->peer.gid;
    row->created = now;
    row->due = spec->not_before;
    row->retry_of = s->retry_of;
    row->host = copy(spec->host, &failed);
    row->parser = copy(s->run ? "run" : spec->parser->name, &failed);
    row->key = copy(spec->key, &failed);
    row->schedule = copy(s->schedule, &failed);
    row->labels = labels_text(spec);
    row->spec = spec_store_text(s->json);
    return failed || !row->labels || !row->spec ? -ENOMEM : 0;
}

static int check_credential(const struct jobs *jobs, const struct spec *spec, struct error *err,
                            const char **ret_field)
{
    const struct settings_credential *chosen;
    if (credential_choose(jobs->settings, spec, &chosen, err) == 0)
        return 0;
    *ret_field = "credential";
    return -EINVAL;
}

/* One that asks for a head may say all that a job may: it is judged as that job would be. */
static int check_head(const struct submission *s, struct error *err, const char **ret_field)
{
    *ret_field = "key";
    if (json_object_get(s->json, "key"))
        return error_set(err, -EINVAL,
                         "key: it belongs to a job whose body is wanted, and not to a HEAD");
    return 0;
}

/* What does not go with a body that a command of the client's reads. */
static int check_run(const struct spec *spec, const struct submission *s, struct error *err,
                     const char **ret_field)
{
    static const struct {
        enum param param;
        const char *name;
    } others[] = {{PARAM_PARSER, "parser"},      {PARAM_MIN_RECORDS, "min_records"},
                  {PARAM_DELIVER, "deliver"},    {PARAM_COMMIT_MAX, "commit_max"},
                  {PARAM_CHARSET, "charset"},    {PARAM_CHARSET_ERRORS, "charset_errors"},
                  {PARAM_KEEP_BODY, "keep_body"}};
    if (spec->run != (s->run || s->head)) {
        *ret_field = "run";
        return error_set(err, -EINVAL, "run: `run` is a method, and brings a pipe along");
    }
    if (spec_is_head(spec) != s->head) {
        *ret_field = "method";
        return error_set(err, -EINVAL, "method: it is \"GET\" or \"POST\"");
    }
    if (s->head)
        return check_head(s, err, ret_field);
    if (s->run && spec->option_count > 0) {
        *ret_field = "options";
        return error_set(err, -EINVAL,
                         "options: they are for a parser, and a command reads the body");
    }
    for (size_t i = 0; s->run && i < sizeof others / sizeof others[0]; i++)
        if (spec->own.set & (UINT64_C(1) << others[i].param)) {
            *ret_field = others[i].name;
            return error_set(err, -EINVAL,
                             "%s: it does not go with `run`: a command reads the body",
                             others[i].name);
        }
    return 0;
}

/* Nobody would decode what was asked for. */
static int check_compress(const struct spec *spec, struct error *err, const char **ret_field)
{
    uint64_t both = (UINT64_C(1) << PARAM_COMPRESS) | (UINT64_C(1) << PARAM_DECODE);
    if ((spec->own.set & both) != both || !spec->own.compress ||
        spec->own.decode != DECODE_FILE_NONE)
        return 0;
    *ret_field = "compress";
    return error_set(
        err, -EINVAL,
        "compress: it does not go with `decode = none`, which leaves the body encoded");
}

/* A time that was given as a wait is counted by the clock that rows are. */
static int read_not_before(const struct jobs *jobs, const struct submission *s, struct spec *spec,
                           struct error *err)
{
    const json_t *value = json_object_get(s->json, "not_before");
    bool shared = jobs->config.store->engine->shared;
    return shared && value ? spec_read_time(value, jobs_now(jobs), &spec->not_before, err) : 0;
}

/* Who asks for more than he may is told; what the config gives, a copy and a schedule's run are
 * lowered: they are not to fail for what was right when it was written. */
static int limit_priority(const struct jobs *jobs, const struct submission *s,
                          const struct spec *spec, struct store_job *row, struct error *err,
                          const char **ret_field)
{
    struct quota quota;
    char name[96];
    quota_of(jobs->settings, s->peer.uid, s->peer.gid, &quota);
    if (row->priority <= quota.max_priority)
        return 0;
    if (!(spec->own.set & (UINT64_C(1) << PARAM_PRIORITY)) || s->retry_of || s->schedule) {
        row->priority = (int)quota.max_priority;
        return 0;
    }
    *ret_field = "priority";
    return error_set(
        err, -EINVAL,
        "priority: %d is more than max_priority of %s, which is %lld; ask for less, or "
        "have that raised",
        row->priority, quota_name(quota.priority, name, sizeof name),
        (long long)quota.max_priority);
}

void submission_limit(const struct jobs *jobs, uint32_t uid, uint32_t gid,
                      struct store_submit *submit)
{
    struct quota quota;
    quota_of(jobs->settings, uid, gid, &quota);
    submit->user_max = quota.max_jobs;
    if (quota.jobs)
        quota_name(quota.jobs, submit->user_section, sizeof submit->user_section);
}

int submission_row(struct jobs *jobs, const struct submission *s, struct store_job **ret_row,
                   struct spec **ret_spec, struct error *err, const char **ret_field)
{
    struct spec *spec = NULL;
    *ret_field = NULL;
    if (!json_is_object(s->json))
        return error_set(err, -EINVAL, "a job is an object with at least the member url");
    int r = spec_parse(s->json, jobs->settings, jobs->registry, &spec, err, ret_field);
    if (r == 0)
        r = read_not_before(jobs, s, spec, err);
    if (r == 0)
        r = check_credential(jobs, spec, err, ret_field);
    if (r == 0)
        r = check_run(spec, s, err, ret_field);
    if (r == 0)
        r = check_compress(spec, err, ret_field);
    struct store_job *row = r == 0 ? calloc(1, sizeof *row) : NULL;
    if (r == 0 && (!row || fill_row(row, s, spec, jobs_now(jobs)) < 0))
        r = error_set(err, -ENOMEM, "no memory for the job");
    if (r == 0)
        r = limit_priority(jobs, s, spec, row, err, ret_field);
    if (r < 0) {
        store_job_free(row);
        spec_free(spec);
        return r;
    }
    *ret_row = row;
    *ret_spec = spec;
    return 0;
}
