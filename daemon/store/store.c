/* What every engine needs: rows as structs, result arrays, selection. */
#include "store/store.h"

#include "base/clock.h"
#include "store/schedule_row.h"
#include "store/shared.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int64_t store_now(struct store *s)
{
    return s->engine->shared ? s->engine->shared->now(s) : clock_real_us();
}

int64_t store_rank(const struct store_job *job)
{
    int64_t from = job->due > job->created ? job->due : job->created;
    return from - job->priority * STORE_AGE_US;
}

int store_check_room(const struct store_config *config, const struct store_counts *counts,
                     const struct store_job *job, struct error *err)
{
    const uint64_t *n = counts->by_state;
    uint64_t pending = n[JOB_QUEUED] + n[JOB_RUNNING] + n[JOB_WAITING];
    uint64_t bytes = strlen(job->spec);
    if (config->max_jobs && pending >= config->max_jobs)
        return error_set(err, -EDQUOT,
                         "the queue is full: %llu jobs wait or run, and queue.max_jobs is %llu",
                         (unsigned long long)pending, (unsigned long long)config->max_jobs);
    if (config->max_bytes && counts->pending_bytes + bytes > config->max_bytes)
        return error_set(
            err, -EDQUOT,
            "the queue is full: jobs of %llu bytes wait or run, this one has %llu, and "
            "queue.max_bytes is %llu; submit it again when some have ended, or raise that",
            (unsigned long long)counts->pending_bytes, (unsigned long long)bytes,
            (unsigned long long)config->max_bytes);
    return 0;
}

int store_check_user(const struct store_submit *call, const struct store_job *job, uint64_t pending,
                     struct error *err)
{
    if (!call->user_max || pending < call->user_max)
        return 0;
    return error_set(err, -EUSERS,
                     "uid %u has %llu jobs that wait or run, and max_jobs of %s is %llu; submit it "
                     "again when some have ended, or have that raised",
                     (unsigned)job->uid, (unsigned long long)pending, call->user_section,
                     (unsigned long long)call->user_max);
}

int store_check_running(struct store_finish *call, enum job_state state)
{
    if (call->running == (state == JOB_RUNNING))
        return 0;
    return error_set(&call->call.error, -ESTALE,
                     call->running ? "job %llu does not run any more: it is %s"
                                   : "job %llu does not wait any more: it is %s",
                     (unsigned long long)call->id, job_state_name(state));
}

int store_make_dir(const char *path, struct error *err)
{
    char *dir = strdup(path);
    if (!dir)
        return error_set(err, -ENOMEM, "%s: out of memory", path);
    int r = 0;
    for (char *slash = strchr(dir + 1, '/'); slash && r == 0; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(dir, 0700) < 0 && errno != EEXIST)
            r = error_set(err, -errno, "store.path: the directory %s cannot be made: %s", dir,
                          strerror(errno));
        *slash = '/';
    }
    free(dir);
    return r;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) : 0;
}

bool store_list_full(const struct store_list *list)
{
    return list->count == list->limit || (list->max_bytes && list->bytes >= list->max_bytes);
}

void store_list_count(struct store_list *list)
{
    const struct store_job *job = list->jobs[list->count - 1];
    list->bytes += text_bytes(job->spec) + text_bytes(job->labels) + text_bytes(job->verdict);
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
    free(job->needs);
    store_schedule_free(job->definition);
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
    copy->key = copy->schedule = copy->verdict = copy->history = copy->needs = NULL;
    copy->definition = NULL;
    if (copy_string(&copy->host, job->host) && copy_string(&copy->parser, job->parser) &&
        copy_string(&copy->spec, job->spec) && copy_string(&copy->labels, job->labels) &&
        copy_string(&copy->key, job->key) && copy_string(&copy->schedule, job->schedule) &&
        copy_string(&copy->verdict, job->verdict) && copy_string(&copy->history, job->history) &&
        copy_string(&copy->needs, job->needs))
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

void store_window_reset(struct store_window *call)
{
    for (size_t i = 0; i < call->count; i++) {
        struct store_window_host *host = &call->hosts[i];
        store_jobs_free(host->jobs, host->count);
        host->jobs = NULL;
        host->count = 0;
        host->next_due = 0;
        free(host->left_out);
        host->left_out = NULL;
        host->left_count = 0;
    }
}

size_t store_window_limit(const struct store_window *call, uint32_t uid)
{
    size_t from = 0, to = call->user_count;
    while (from < to) {
        size_t at = from + (to - from) / 2;
        if (call->users[at].uid == uid)
            return call->users[at].limit;
        if (call->users[at].uid < uid)
            from = at + 1;
        else
            to = at;
    }
    return SIZE_MAX;
}

int store_window_leave(struct store_window_host *wanted, uint32_t uid)
{
    size_t n = wanted->left_count;
    if ((n & (n - 1)) == 0) { /* the array's size is the next power of two */
        uint32_t *more = realloc(wanted->left_out, (n ? 2 * n : 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        wanted->left_out = more;
    }
    wanted->left_out[wanted->left_count++] = uid;
    return 0;
}

int store_hosts_add(struct store_hosts *call, const char *name)
{
    size_t n = call->count;
    if ((n & (n - 1)) == 0) { /* the array's size is the next power of two */
        char **more = realloc(call->hosts, (n ? 2 * n : 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        call->hosts = more;
    }
    char *copy = name ? strdup(name) : NULL;
    if (!copy)
        return -ENOMEM;
    call->hosts[call->count++] = copy;
    return 0;
}

void store_hosts_free(struct store_hosts *call)
{
    for (size_t i = 0; i < call->count; i++)
        free(call->hosts[i]);
    free(call->hosts);
    call->hosts = NULL;
    call->count = 0;
}

static bool equal(const char *wanted, const char *s)
{
    return !wanted || (s && strcmp(wanted, s) == 0);
}

/* The byte that a backslash and what follows it stand for; -1: a character of several bytes, which
 * is not written so in labels. */
static int escaped(const char **p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = *++*p ? strchr(from, **p) : NULL;
    char digits[5] = {0};
    if (found)
        return to[found - from];
    if (**p != 'u')
        return -1;
    for (int i = 0; i < 4 && (*p)[1]; i++)
        digits[i] = *++*p;
    long c = strtol(digits, NULL, 16);
    return c > 0 && c < 0x80 ? (int)c : -1;
}

/* Behind the string that begins at `p`; *ret_same: it is this one. NULL: there is no string
 * there. */
static const char *compare_string(const char *p, const char *wanted, bool *ret_same)
{
    bool same = true;
    if (*p != '"')
        return NULL;
    for (p++; *p && *p != '"'; p++) {
        int c = *p == '\\' ? escaped(&p) : *p;
        if (!*p)
            return NULL;
        same = same && *wanted && c == *wanted++;
    }
    *ret_same = same && !*wanted;
    return *p ? p + 1 : NULL;
}

/* Labels stand in the store as spec.c has made them: one object of strings, without white space.
 * They are looked at where they are, as a job that is not found for want of memory would be a wrong
 * answer. */
static bool has_label(const char *labels, const char *key, const char *value)
{
    bool same_key, same_value;
    for (const char *p = labels; p && (*p == '{' || *p == ',') && p[1] == '"';) {
        p = compare_string(p + 1, key, &same_key);
        if (!p || *p++ != ':')
            return false;
        p = compare_string(p, value ? value : "", &same_value);
        if (p && same_key && (!value || same_value))
            return true;
    }
    return false;
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
