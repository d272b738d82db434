/* What every engine needs: rows as structs, result arrays, selection. */
#include "store/store.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int64_t store_rank(const struct store_job *job)
{
    int64_t from = job->due > job->created ? job->due : job->created;
    return from - job->priority * STORE_AGE_US;
}

void store_job_free(struct store_job *job)
{
    if (!job)
        return;
    free(job->host);
    free(job->parser);
    free(job->spec);
    free(job->labels);
    free(job->key);
    free(job->schedule);
    free(job->verdict);
    free(job->history);
    free(job);
}

static bool copy_string(char **ret, const char *s)
{
    *ret = s ? strdup(s) : NULL;
    return *ret || !s;
}

struct store_job *store_job_copy(const struct store_job *job)
{
    struct store_job *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *job;
    copy->host = copy->parser = copy->spec = copy->labels = NULL;
    copy->key = copy->schedule = copy->verdict = copy->history = NULL;
    if (copy_string(&copy->host, job->host) && copy_string(&copy->parser, job->parser) &&
        copy_string(&copy->spec, job->spec) && copy_string(&copy->labels, job->labels) &&
        copy_string(&copy->key, job->key) && copy_string(&copy->schedule, job->schedule) &&
        copy_string(&copy->verdict, job->verdict) && copy_string(&copy->history, job->history))
        return copy;
    store_job_free(copy);
    return NULL;
}

int store_jobs_add(struct store_job ***jobs, size_t *count, const struct store_job *job)
{
    size_t n = *count;
    if ((n & (n - 1)) == 0) { /* the array's size is the next power of two */
        struct store_job **more = realloc(*jobs, (n ? 2 * n : 1) * sizeof **jobs);
        if (!more)
            return -ENOMEM;
        *jobs = more;
    }
    struct store_job *copy = store_job_copy(job);
    if (!copy)
        return -ENOMEM;
    (*jobs)[(*count)++] = copy;
    return 0;
}

void store_jobs_free(struct store_job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        store_job_free(jobs[i]);
    free(jobs);
}

static bool equal(const char *wanted, const char *s)
{
    return !wanted || (s && strcmp(wanted, s) == 0);
}

static bool has_label(const char *labels, const char *key, const char *value)
{
    if (!labels)
        return false;
    json_t *object = json_loads(labels, 0, NULL);
    const json_t *found = json_object_get(object, key);
    bool has = found &&
               (!value || (json_is_string(found) && strcmp(json_string_value(found), value) == 0));
    json_decref(object);
    return has;
}

bool store_select_match(const struct store_select *select, const struct store_job *job)
{
    if (select->state >= 0 && select->state != (int)job->state)
        return false;
    if (select->error > 0 && select->error != (int)job->error)
        return false;
    if (select->by_uid && select->uid != job->uid)
        return false;
    return job->created >= select->since && equal(select->host, job->host) &&
           equal(select->parser, job->parser) && equal(select->schedule, job->schedule) &&
           (!select->label_key || has_label(job->labels, select->label_key, select->label_value));
}
