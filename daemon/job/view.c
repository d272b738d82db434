/* Jobs, figures and parsers as JSON, for show, list, stats and parsers. */
#include "job/view.h"

#include "base/clock.h"
#include "fetch/fetch.h"
#include "job/admission.h"
#include "job/job.h"
#include "job/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_time(json_t *view, const char *name, int64_t us)
{
    char stamp[CLOCK_STAMP_SIZE];
    if (us == 0)
        return;
    clock_stamp(us, stamp);
    json_object_set_new(view, name, json_string(stamp));
}

static void set_text(json_t *view, const char *name, const char *text)
{
    json_t *value = text ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL) : NULL;
    json_object_set_new(view, name, value ? value : json_null());
}

const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job)
{
    if (row->state == JOB_WAITING)
        return "retry";
    if (row->state == JOB_QUEUED && row->due > clock_real_us())
        return "not_before";
    if (row->state == JOB_QUEUED)
        return admission_obstacle(jobs, row->host, row->parser);
    if (!job || !job->attempt || row->state != JOB_RUNNING)
        return NULL;
    if (job->place == PLACE_HOPPING)
        return "host";
    static const char *const words[] = {[WAITS_ORIGIN] = "origin",
                                        [WAITS_HOST] = "host",
                                        [WAITS_PARSER] = "parser",
                                        [WAITS_SINK] = "sink"};
    struct attempt_report report;
    attempt_report(job->attempt, clock_now(), &report);
    return words[report.waits];
}

json_t *view_running(const struct job *job)
{
    struct attempt_report r;
    uint64_t now = clock_now();
    attempt_report(job->attempt, now, &r);
    return json_pack("{s:I, s:I, s:o, s:f}", "bytes", (json_int_t)r.bytes, "records",
                     (json_int_t)r.records, "length",
                     r.length >= 0 ? json_integer(r.length) : json_null(), "seconds",
                     (double)(now - job->started_at) / 1e9);
}

static char *shown_url(const struct jobs *jobs, const struct store_job *row)
{
    json_t *spec = json_loads(row->spec, 0, NULL);
    const char *url = json_string_value(json_object_get(spec, "url"));
    char *shown = url ? spec_redact_url(url, &jobs->settings->redact) : NULL;
    json_decref(spec);
    return shown;
}

json_t *view_job(struct jobs *jobs, const struct store_job *stored)
{
    const struct job *job = job_find(jobs, stored->id);
    struct store_job seen = *stored, *row = &seen;
    if (job && job->place == PLACE_WINDOW && seen.state == JOB_RUNNING)
        seen.state = JOB_QUEUED; /* claimed ahead: no attempt is under way */
    if (job && job->spec && job->spec->run)
        seen.due = job->row->due; /* the store does not know */
    char *url = shown_url(jobs, row);
    json_t *view = json_pack("{s:I, s:s, s:I, s:s*, s:s, s:s, s:i, s:I}", "id", (json_int_t)row->id,
                             "state", job_state_name(row->state), "attempt",
                             (json_int_t)row->attempt, "url", url, "parser", row->parser, "host",
                             row->host, "priority", row->priority, "uid", (json_int_t)row->uid);
    free(url);
    if (!view)
        return NULL;
    set_time(view, "created", row->created);
    set_time(view, "due", row->due);
    set_time(view, "finished", row->finished);
    set_text(view, "labels", row->labels);
    if (row->key)
        json_object_set_new(view, "key", json_string(row->key));
    if (row->schedule)
        json_object_set_new(view, "schedule", json_string(row->schedule));
    if (row->retry_of)
        json_object_set_new(view, "retry_of", json_integer((json_int_t)row->retry_of));
    const char *what = view_waiting_for(jobs, row, job);
    if (what)
        json_object_set_new(view, "waiting_for", json_string(what));
    if (job && job->attempt && row->state == JOB_RUNNING)
        json_object_set_new(view, "running", view_running(job));
    set_text(view, "verdict", row->verdict);
    return view;
}

/* Lines that are all JSON objects, joined by commas. */
static json_t *view_history(const char *lines)
{
    char *text = NULL;
    if (asprintf(&text, "[%s]", lines) < 0)
        return NULL;
    json_t *list = json_loads(text, 0, NULL);
    free(text);
    return list;
}

json_t *view_life(struct jobs *jobs, const struct store_job *row)
{
    json_t *view = view_job(jobs, row);
    json_t *attempts = view && row->history ? view_history(row->history) : NULL;
    if (attempts)
        json_object_set_new(view, "attempts", attempts);
    return view;
}

/* --- stats ------------------------------------------------------------------------------------ */

void jobs_counts(struct jobs *jobs, struct store_counts *ret_counts)
{
    struct store *store = jobs->config.store;
    store->engine->counts(store, ret_counts);
    tree_for_each(n, &jobs->active)
    {
        const struct job *job = container_of(n, struct job, active.node);
        bool waits = job->place == PLACE_WINDOW && job->claimed; /* claimed, and not started */
        if (waits && ret_counts->by_state[JOB_RUNNING] > 0) {
            ret_counts->by_state[JOB_RUNNING]--;
            ret_counts->by_state[JOB_QUEUED]++;
        }
    }
}

json_t *view_states(struct jobs *jobs)
{
    struct store_counts counts;
    jobs_counts(jobs, &counts);
    json_t *states = json_object();
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        json_object_set_new(states, job_state_name((enum job_state)i),
                            json_integer((json_int_t)counts.by_state[i]));
    return states;
}

json_t *view_workers(struct jobs *jobs)
{
    struct pool_stats s;
    pool_stats(jobs->config.pool, &s);
    return json_pack("{s:i, s:i, s:i, s:i, s:I}", "limit", (int)s.workers, "busy", (int)s.busy,
                     "idle", (int)s.idle, "abandoned", (int)s.abandoned, "lost",
                     (json_int_t)s.lost);
}

json_t *view_fetch(struct jobs *jobs)
{
    struct fetch_loop_stats sum = {0};
    for (size_t i = 0; i < fetch_loop_count(jobs->config.fetch); i++) {
        struct fetch_loop_stats s;
        fetch_loop_stats(jobs->config.fetch, i, &s);
        sum.transfers += s.transfers;
        sum.connections += s.connections;
        sum.bytes += s.bytes;
        sum.spliced += s.spliced;
        sum.running += s.running;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "spliced", (json_int_t)sum.spliced, "loops",
                     (json_int_t)fetch_loop_count(jobs->config.fetch), "transfers",
                     (json_int_t)sum.transfers, "connections", (json_int_t)sum.connections, "bytes",
                     (json_int_t)sum.bytes, "running", (json_int_t)sum.running);
}

json_t *view_sinks(struct jobs *jobs)
{
    struct sink_status statuses[32];
    size_t n = sink_statuses(jobs->config.sink, statuses, 32);
    json_t *sinks = json_array();
    for (size_t i = 0; i < n && i < 32; i++) {
        const struct sink_status *s = &statuses[i];
        json_t *sink =
            json_pack("{s:s, s:b, s:I, s:I}", "name", s->target, "failing", s->error != 0, "lines",
                      (json_int_t)s->lines, "bytes", (json_int_t)s->bytes);
        if (s->error) {
            json_object_set_new(sink, "error", json_string(strerror(s->error)));
            json_object_set_new(sink, "errno", json_integer(s->error));
            set_time(sink, "since", s->since_us);
        }
        json_array_append_new(sinks, sink);
    }
    return sinks;
}

static json_t *view_kinds(const struct jobs *jobs)
{
    json_t *kinds = json_object();
    for (int i = 1; i < KIND_COUNT_; i++)
        if (jobs->kinds[i] > 0)
            json_object_set_new(kinds, kind_name((enum error_kind)i),
                                json_integer((json_int_t)jobs->kinds[i]));
    return kinds;
}

json_t *view_stats(struct jobs *jobs)
{
    json_t *stats = json_pack(
        "{s:f, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:i, s:i}", "uptime",
        (double)(clock_real_us() - jobs->started_us) / 1e6, "draining", jobs->draining, "jobs",
        view_states(jobs), "submitted", (json_int_t)jobs->submitted, "attempts",
        (json_int_t)jobs->attempts, "retries", (json_int_t)jobs->retries, "bytes",
        (json_int_t)jobs->bytes, "records", (json_int_t)jobs->records, "errors", view_kinds(jobs),
        "workers", view_workers(jobs), "fetch", view_fetch(jobs), "sinks", view_sinks(jobs),
        "sink_queued", (json_int_t)sink_queued(jobs->config.sink), "running",
        (int)jobs->permits_used, "ending", (int)jobs->ending_count);
    if (stats)
        json_object_set_new(stats, "instance", json_string(jobs->config.instance));
    if (stats)
        json_object_set_new(stats, "schedules", schedules_figures(jobs->schedules));
    return stats;
}

void jobs_figures(const struct jobs *jobs, unsigned *ret_running, uint64_t *ret_pending)
{
    struct store *store = jobs->config.store;
    struct store_counts counts;
    store->engine->counts(store, &counts);
    *ret_running = jobs->permits_used;
    *ret_pending = counts.by_state[JOB_QUEUED] + counts.by_state[JOB_WAITING];
}

/* --- parsers ---------------------------------------------------------------------------------- */

/* The default as this name has it: the config's, else the parser's own. */
static const char *standard(const struct parser_def *def, const struct penstock_option *option)
{
    for (size_t i = 0; i < def->option_count; i++)
        if (strcmp(def->options[i].name, option->name) == 0)
            return def->options[i].value;
    return option->standard;
}

json_t *view_parsers(const struct registry *registry)
{
    json_t *parsers = json_array();
    const struct parser_def *def;
    for (size_t i = 0; (def = registry_at(registry, i)); i++) {
        json_t *options = json_array();
        for (const struct penstock_option *o = def->impl->options; o && o->name; o++)
            json_array_append_new(options, json_pack("{s:s, s:s?, s:s}", "name", o->name, "default",
                                                     standard(def, o), "help", o->help));
        json_array_append_new(parsers,
                              json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", def->name, "summary",
                                        def->impl->summary, "type", def->impl->name, "origin",
                                        def->origin, "options", options));
    }
    json_t *faults = json_array();
    const char *file, *why;
    for (size_t i = 0; (file = registry_fault(registry, i, &why)); i++)
        json_array_append_new(faults, json_pack("{s:s, s:s}", "file", file, "message", why));
    return json_pack("{s:o, s:o}", "parsers", parsers, "faults", faults);
}
