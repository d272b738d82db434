#include "schedule/run_hooks.h"

#include "base/clock.h"
#include "job/job.h"
#include "schedule/timetable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What belongs to a job that is a run. */
struct owned {
    uint64_t mark;   /* of the parser, when the attempt was made */
    char *validated; /* as job->end has it */
};

static struct schedule *schedule_of(struct schedules *schedules, const struct job *job)
{
    return job->row->schedule ? schedules_find(schedules, job->row->schedule) : NULL;
}

/* Does the job download what the schedule downloads now? It may have been changed since. */
static bool is_current(const struct job *job, const struct schedule *s)
{
    return s && s->spec.job_text && strcmp(s->spec.job_text, job->row->spec) == 0;
}

/* It asks with conditions of its own, or not for a body that could be the same again. */
static bool asks_otherwise(const struct spec *spec)
{
    if (strcmp(spec->method, "GET") != 0)
        return true;
    for (size_t i = 0; i < spec->headers.count; i++)
        if (strncasecmp(spec->headers.items[i], "If-", 3) == 0)
            return true;
    return false;
}

/* --- the parser's mark: another parser makes other records of the same body ------------------- */

static uint64_t mix(uint64_t hash, const char *text)
{
    do { /* with its end; FNV-1a */
        hash = (hash ^ (unsigned char)(text ? *text : 1)) * UINT64_C(0x100000001b3);
    } while (text && *text++);
    return hash;
}

static uint64_t parser_mark(const struct spec *spec)
{
    const struct parser_def *def = spec->parser;
    const struct process_def *process = def->process;
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), def->impl ? def->impl->name : NULL);
    for (size_t i = 0; i < def->option_count; i++)
        hash = mix(mix(hash, def->options[i].name), def->options[i].value);
    for (size_t i = 0; process && i < process->stage_count; i++) {
        for (char **arg = process->stages[i]; *arg; arg++)
            hash = mix(hash, *arg);
        hash = mix(hash, NULL);
    }
    return mix(hash, process && process->output == PROCESS_JSON ? "json" : "");
}

/* "PAGE MARK". */
static char *with_mark(const char *page, uint64_t mark)
{
    char *text;
    return asprintf(&text, "%s %016" PRIx64, page, mark) < 0 ? NULL : text;
}

/* The page that the validators are of; NULL if they count for nothing now. The caller's. */
static char *valid_page(const struct store_schedule *row, uint64_t mark)
{
    const char *space = row->validated ? strchr(row->validated, ' ') : NULL;
    if (!space || strtoull(space + 1, NULL, 16) != mark)
        return NULL;
    return strndup(row->validated, (size_t)(space - row->validated));
}

static int prepare(struct job_hooks *hooks, struct job *job)
{
    struct attempt *a = job->attempt;
    const struct schedule *s = schedule_of(container_of(hooks, struct schedules, hooks), job);
    if (!job->row->schedule)
        return 0;
    if (!job->owned)
        job->owned = calloc(1, sizeof(struct owned));
    struct owned *owned = job->owned;
    int r = owned ? attempt_name_schedule(a, job->row->schedule) : -ENOMEM;
    if (r < 0 || !is_current(job, s) || asks_otherwise(job->spec))
        return r;
    owned->mark = parser_mark(job->spec);
    char *page = s->forced ? NULL : valid_page(s->row, owned->mark);
    r = attempt_remember(a, s->row->etag, s->row->modified, page);
    free(page);
    return r;
}

static const struct store_schedule_end *ending(struct job_hooks *hooks, struct job *job)
{
    const struct schedule *s = schedule_of(container_of(hooks, struct schedules, hooks), job);
    struct attempt_report report = {0};
    struct owned *owned = job->owned;
    struct store_schedule_end *end = &job->end;
    if (!job->row->schedule)
        return NULL;
    *end = (struct store_schedule_end){.name = job->row->schedule};
    if (job->final == JOB_DONE)
        attempt_report(job->attempt, clock_now(), &report);
    if (owned && report.renewed && is_current(job, s)) {
        end->whole = true;
        end->revision = s->row->revision;
        end->etag = report.etag;
        end->modified = report.modified;
        free(owned->validated);
        owned->validated = report.page ? with_mark(report.page, owned->mark) : NULL;
        end->validated = owned->validated;
    }
    return end;
}

static void forget(struct job *job)
{
    struct owned *owned = job->owned;
    job->owned = NULL;
    free(owned->validated);
    free(owned);
}

static void replace(char **to, const char *from)
{
    free(*to);
    *to = from ? strdup(from) : NULL; /* without memory the next request is not conditional */
}

static void on_ended(struct job_watch *watch, const struct job *job)
{
    struct schedule *s = schedule_of(container_of(watch, struct schedules, watch), job);
    const struct store_schedule_end *end = &job->end;
    if (!s)
        return;
    struct store_schedule *row = s->row;
    if (row->job == job->id)
        row->job = 0;
    row->last_state = job->final;
    row->last_error = job->error;
    row->last_end = job->call.finish.finished;
    if (job->final == JOB_DONE) {
        row->last_done = row->last_end;
        row->failures = 0;
    } else if (job->final == JOB_FAILED) {
        row->failures++;
    }
    if (!end->whole || end->revision != row->revision)
        return;
    replace(&row->etag, end->etag);
    replace(&row->modified, end->modified);
    replace(&row->validated, end->validated);
}

void run_hooks_init(struct schedules *schedules)
{
    schedules->hooks = (struct job_hooks){.prepare = prepare, .ending = ending, .forget = forget};
    schedules->watch = (struct job_watch){.ended = on_ended};
    schedules->jobs->hooks = &schedules->hooks;
    job_watch_add(schedules->jobs, &schedules->watch);
}

void run_hooks_deinit(struct schedules *schedules)
{
    job_watch_remove(&schedules->watch);
    schedules->jobs->hooks = NULL;
}
