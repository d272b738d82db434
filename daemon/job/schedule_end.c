/* Jobs of schedules: conditional on what the schedule had last, and what it has next. */
#include "base/clock.h"
#include "job/job.h"
#include "job/schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct schedule *schedule_of(const struct job *job)
{
    return job->row->schedule ? schedules_find(job->jobs->schedules, job->row->schedule) : NULL;
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

/* --- the parser's mark: another parser makes other records of the same body ----------------------- */

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

int schedule_prepare(struct job *job)
{
    struct attempt *a = job->attempt;
    const struct schedule *s = schedule_of(job);
    if (!job->row->schedule)
        return 0;
    int r = attempt_name_schedule(a, job->row->schedule);
    if (r < 0 || !is_current(job, s) || asks_otherwise(job->spec))
        return r;
    job->parser_mark = parser_mark(job->spec);
    char *page = s->forced ? NULL : valid_page(s->row, job->parser_mark);
    r = attempt_remember(a, s->row->etag, s->row->modified, page);
    free(page);
    return r;
}

const struct store_schedule_end *schedule_ending(struct job *job)
{
    const struct schedule *s = schedule_of(job);
    struct attempt_report report = {0};
    struct store_schedule_end *end = &job->schedule_end;
    if (!job->row->schedule)
        return NULL;
    *end = (struct store_schedule_end){.name = job->row->schedule};
    if (job->final == JOB_DONE)
        attempt_report(job->attempt, clock_now(), &report);
    const struct validators *seen = report.validators;
    if (seen && is_current(job, s)) {
        end->whole = true;
        end->revision = s->row->revision;
        end->etag = seen->etag;
        end->modified = seen->modified;
        free(job->validated);
        job->validated = seen->page ? with_mark(seen->page, job->parser_mark) : NULL;
        end->validated = job->validated;
    }
    return end;
}

static void replace(char **to, const char *from)
{
    free(*to);
    *to = from ? strdup(from) : NULL; /* without memory the next request is not conditional */
}

void schedule_ended(struct job *job)
{
    struct schedule *s = schedule_of(job);
    const struct store_schedule_end *end = &job->schedule_end;
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
