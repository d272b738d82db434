#include "api/daemon_view.h"

#include "api/call.h"
#include "api/fleet_view.h"
#include "api/job_view.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "fetch/fetch.h"
#include "job/hold.h"
#include "parse/pool.h"

#include <string.h>

#define PAUSES_SHOWN 100

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
            view_set_time(sink, "since", s->since_us);
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

static json_t *view_store(struct store *store)
{
    bool failing = store_failing(store);
    struct error why = {""};
    if (failing && store->engine->trouble)
        store->engine->trouble(store, &why);
    json_t *view = json_pack("{s:s, s:b}", "engine", store->engine->name, "failing", failing);
    if (view && failing)
        json_object_set_new(view, "error", json_string(why.text));
    return view;
}

static json_t *view_schedules(struct store *store)
{
    struct store_counts counts;
    store->engine->counts(store, &counts);
    return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)counts.schedules, "failing",
                     (json_int_t)counts.schedules_failing, "paused",
                     (json_int_t)counts.schedules_paused);
}

/* What is paused, and who has said so: the widest first. NULL: nothing is. */
static json_t *view_pauses(const struct jobs *jobs)
{
    const struct hold *hold = hold_next(jobs, NULL);
    json_t *list = hold ? json_array() : NULL;
    for (int i = 0; hold && i < PAUSES_SHOWN; i++, hold = hold_next(jobs, hold)) {
        struct buf text = BUF_INIT;
        view_hold(&text, hold);
        json_t *view = text.failed ? NULL : json_read_text(text.data, 0, NULL);
        if (view)
            json_array_append_new(list, view);
        else
            json_note_lost();
        buf_deinit(&text);
    }
    return list;
}

json_t *view_stats(const struct api *api)
{
    struct jobs *jobs = api->jobs;
    json_t *stats = json_pack(
        "{s:f, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:i, s:i}", "uptime",
        (double)(clock_real_us() - api->started_us) / 1e6, "draining", jobs->draining, "jobs",
        view_states(jobs), "submitted", (json_int_t)jobs->submitted, "attempts",
        (json_int_t)jobs->attempts, "retries", (json_int_t)jobs->retries, "bytes",
        (json_int_t)jobs->bytes, "records", (json_int_t)jobs->records, "errors", view_kinds(jobs),
        "workers", view_workers(jobs), "fetch", view_fetch(jobs), "sinks", view_sinks(jobs),
        "sink_queued", (json_int_t)sink_queued(jobs->config.sink), "running",
        (int)jobs->permits_used, "ending", (int)jobs->ending_count);
    if (stats)
        json_object_set_new(stats, "instance", json_string(api->config.instance));
    if (stats)
        json_object_set_new(stats, "schedules", view_schedules(jobs->config.store));
    if (stats)
        json_object_set_new(stats, "store", view_store(jobs->config.store));
    if (stats && hold_next(jobs, NULL))
        json_object_set_new(stats, "pauses", view_pauses(jobs));
    if (stats && jobs->fleet) {
        json_object_set_new(stats, "fleet", fleet_view_self(jobs));
        json_object_set_new(stats, "members", fleet_view_members(jobs));
    }
    return stats;
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
