/* top: what runs at this moment, and where. A page of it: whoever asks once a second for the rest
 * of the day must not be felt, so no row is read, and of very many hosts some are not looked at. */
#include "api/call_top.h"

#include "api/call.h"
#include "api/daemon_view.h"
#include "api/fleet_view.h"
#include "api/job_view.h"
#include "base/clock.h"
#include "job/hold.h"
#include "job/host.h"
#include "terms/access.h"

#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     500
#define HOSTS_SEEN    4096 /* looked at; the busiest of these are told */

/* --- running jobs ----------------------------------------------------------------------------- */

static json_t *view_one(const struct jobs *jobs, const struct job *job)
{
    const struct store_job *row = job->row;
    const char *shown = job->spec ? job->spec->shown_url : NULL;
    json_t *view =
        json_pack("{s:I, s:I, s:s*, s:s, s:s, s:i}", "id", (json_int_t)job->id, "attempt",
                  (json_int_t)row->attempt, "url", shown, "parser", row->parser, "host",
                  job->host ? job->host->name : row->host, "priority", row->priority);
    const char *what = view_waiting_for(jobs, row, job);
    if (view && row->schedule)
        json_object_set_new(view, "schedule", json_string(row->schedule));
    if (view && what)
        json_object_set_new(view, "waiting_for", json_string(what));
    if (view && job->attempt) {
        json_t *running = view_running(job);
        json_object_update(view, running);
        struct attempt_report report;
        attempt_report(job->attempt, clock_now(), &report);
        json_object_set_new(view, "resumes", json_integer((json_int_t)report.resumes));
        json_decref(running);
    }
    return view;
}

/* Those that the caller may see, the longest running first. */
static json_t *view_jobs(const struct api_call *call, size_t limit)
{
    const struct jobs *jobs = call->api->jobs;
    json_t *list = json_array();
    list_for_each(e, &jobs->running)
    {
        const struct job *job = container_of(e, struct job, link);
        if (json_array_size(list) == limit)
            break;
        if (call_may_see(call, job->row))
            json_array_append_new(list, view_one(jobs, job));
    }
    return list;
}

/* --- hosts ------------------------------------------------------------------------------------ */

static const char *host_state(const struct host *host)
{
    if (host->held)
        return "paused";
    if (host->pace.breaker == BREAKER_OPEN)
        return "broken";
    if (host->pace.breaker == BREAKER_PROBE)
        return "probing";
    if (!host_has_slot(host))
        return "full";
    return host->wake_at ? "paced" : "ready";
}

/* Those with trouble first, then by what they do, then by what waits. */
static uint64_t weight(const struct host *host)
{
    uint64_t waits = host->window_len + (host->more ? 1 : 0);
    bool trouble = host->held || host->pace.breaker != BREAKER_CLOSED;
    return (trouble ? UINT64_C(1) << 62 : 0) | (uint64_t)host->running << 20 | waits;
}

/* Keeps `best` in order, the heaviest first. */
static void consider(const struct host **best, size_t *count, size_t max, const struct host *host)
{
    size_t at = *count;
    while (at > 0 && weight(best[at - 1]) < weight(host))
        at--;
    if (at == max)
        return;
    size_t end = *count < max ? (*count)++ : max - 1;
    memmove(&best[at + 1], &best[at], (end - at) * sizeof best[0]);
    best[at] = host;
}

static json_t *view_host(const struct host *host, uint64_t now)
{
    size_t redirected = 0;
    list_for_each(e, &host->hops) redirected++;
    json_t *view = json_pack("{s:s, s:I, s:I, s:I, s:b, s:I, s:s}", "name", host->name, "running",
                             (json_int_t)host->running, "limit", (json_int_t)host->limit, "queued",
                             (json_int_t)host->window_len, "more", host->more, "redirected",
                             (json_int_t)redirected, "state", host_state(host));
    if (view && host->pace.failed > 0)
        json_object_set_new(view, "failures", json_integer((json_int_t)host->pace.failed));
    if (view && host->pace.breaker == BREAKER_OPEN && host->pace.retry_at > now)
        json_object_set_new(view, "retry_in",
                            json_real((double)(host->pace.retry_at - now) / NS_PER_SEC));
    return view;
}

/* Nothing is known of it but that it has a queue. */
static json_t *view_resting(const struct jobs *jobs, const struct backlog_host *host)
{
    return json_pack("{s:s, s:i, s:I, s:i, s:b, s:i, s:s}", "name", host->name, "running", 0,
                     "limit", (json_int_t)host_limit(jobs->settings, host->name), "queued", 0,
                     "more", 1, "redirected", 0, "state", "ready");
}

#define HOSTS_TOLD 64

static json_t *view_hosts(const struct api_call *call, size_t limit)
{
    const struct host *best[HOSTS_TOLD];
    size_t count = 0, seen = 0, max = limit < HOSTS_TOLD ? limit : HOSTS_TOLD;
    json_t *list = json_array();
    if (!access_may_administer(call->api->jobs->settings->access, &call->peer))
        return list; /* whose they are is nobody else's business */
    const struct jobs *jobs = call->api->jobs;
    const struct tree_node *n = tree_first(&jobs->hosts);
    for (; n && seen < HOSTS_SEEN; seen++, n = tree_next(n))
        consider(best, &count, max, container_of(n, struct host, entry.node));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, view_host(best[i], clock_now()));
    for (n = tree_first(&jobs->backlog.names); n && count < max; n = tree_next(n), count++)
        json_array_append_new(list,
                              view_resting(jobs, container_of(n, struct backlog_host, entry.node)));
    return list;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void set(json_t *view, const char *name, uint64_t value)
{
    json_object_set_new(view, name, json_integer((json_int_t)value));
}

/* Since the daemon's start. A page lists few of the running jobs, so these are not sums of it. */
static json_t *view_totals(struct jobs *jobs)
{
    json_t *totals = json_object();
    uint64_t records = jobs->records, now = clock_now();
    list_for_each(e, &jobs->running)
    {
        const struct job *job = container_of(e, struct job, link);
        if (!job->attempt)
            continue;
        struct attempt_report report;
        attempt_report(job->attempt, now, &report);
        records += report.held ? 0 : report.records;
    }
    set(totals, "submitted", jobs->submitted);
    set(totals, "attempts", jobs->attempts);
    set(totals, "retries", jobs->retries);
    set(totals, "records", records);
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        if (job_state_final((enum job_state)i))
            set(totals, job_state_name((enum job_state)i), jobs->verdicts[i]);
    return totals;
}

static json_t *view_top(const struct api_call *call, size_t limit)
{
    const struct api *api = call->api;
    struct jobs *jobs = api->jobs;
    json_t *view = json_pack("{s:s, s:s, s:f, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "instance",
                             api->config.instance, "version", PENSTOCK_VERSION, "uptime",
                             (double)(clock_real_us() - api->started_us) / 1e6, "draining",
                             jobs->draining, "paused", hold_on_all(jobs), "jobs", view_states(jobs),
                             "totals", view_totals(jobs), "workers", view_workers(jobs), "fetch",
                             view_fetch(jobs), "sinks", view_sinks(jobs));
    if (view && jobs->fleet)
        json_object_set_new(view, "fleet", fleet_view(jobs));
    if (view && store_failing(jobs->config.store))
        json_object_set_new(view, "store_failing", json_true());
    if (view) {
        set(view, "active", jobs->permits_used);
        set(view, "known_hosts", jobs->host_count + jobs->backlog.count);
        json_object_set_new(view, "running", view_jobs(call, limit));
        json_object_set_new(view, "hosts", view_hosts(call, limit));
    }
    return view;
}

void call_top(struct api_call *call)
{
    const json_t *limit = json_object_get(call->params, "limit");
    json_int_t n = limit ? json_integer_value(limit) : LIMIT_DEFAULT;
    if (json_object_size(call->params) > (limit ? 1 : 0))
        call_fail(call, API_INVALID_PARAMS, NULL, "limit is all that `top` knows");
    else if ((limit && !json_is_integer(limit)) || n < 1 || n > LIMIT_MAX)
        call_fail(call, API_INVALID_PARAMS, "limit", "limit: an integer from 1 to %d is wanted",
                  LIMIT_MAX);
    else
        call_reply(call, view_top(call, (size_t)n));
}
