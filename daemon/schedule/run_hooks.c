#include "schedule/run_hooks.h"

#include "base/clock.h"
#include "job/job.h"
#include "schedule/definition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What belongs to a job that is a run. */
struct owned {
    bool current;    /* it is what the schedule asked for when it was claimed */
    uint64_t mark;   /* of the parser, when the attempt was made */
    char *validated; /* as job->end has it */
};

/* Does the job download what the schedule downloads now? It may have been changed since. */
static bool is_current(const struct job *job)
{
    const struct store_schedule *s = job->row->definition;
    return s && schedule_text_makes(s->spec, job->row->spec);
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

static int prepare(struct job_hooks *unused, struct job *job)
{
    struct attempt *a = job->attempt;
    const struct store_schedule *s = job->row->definition;
    (void)unused;
    if (!job->row->schedule)
        return 0;
    if (!job->owned)
        job->owned = calloc(1, sizeof(struct owned));
    struct owned *owned = job->owned;
    int r = owned ? attempt_name_schedule(a, job->row->schedule) : -ENOMEM;
    if (r < 0)
        return r;
    owned->current = is_current(job);
    if (!owned->current || asks_otherwise(job->spec))
        return 0;
    owned->mark = parser_mark(job->spec);
    char *page = s->forced == job->id ? NULL : valid_page(s, owned->mark);
    r = attempt_remember(a, s->etag, s->modified, page);
    free(page);
    return r;
}

static const struct store_schedule_end *ending(struct job_hooks *unused, struct job *job)
{
    struct attempt_report report = {0};
    struct owned *owned = job->owned;
    struct store_schedule_end *end = &job->end;
    (void)unused;
    if (!job->row->schedule)
        return NULL;
    *end = (struct store_schedule_end){.name = job->row->schedule};
    if (job->final == JOB_DONE)
        attempt_report(job->attempt, clock_now(), &report);
    if (owned && report.renewed && owned->current) {
        end->whole = true;
        end->revision = job->row->definition->revision;
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

static struct job_hooks hooks = {.prepare = prepare, .ending = ending, .forget = forget};

void run_hooks_init(struct jobs *jobs)
{
    jobs->hooks = &hooks;
}

void run_hooks_deinit(struct jobs *jobs)
{
    jobs->hooks = NULL;
}
