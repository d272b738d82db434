/* Labels are bounded: states, outcomes and kinds are closed lists, hosts are the patterns of the
 * config, sinks its sections; schedules alone are named one by one, and no more than
 * METRICS_SCHEDULES of them. No URL, no job, no parser's word ever becomes a label. A sample that
 * can be is there from the start, as 0, so that its first increase is seen. */
#include "api/metrics_text.h"

#include "api/call.h"
#include "base/clock.h"
#include "base/self.h"
#include "fetch/fetch.h"
#include "flow/body_pipe.h"
#include "job/hold.h"
#include "job/fleet.h"
#include "job/host.h"
#include "job/jobs.h"
#include "job/park.h"
#include "parse/pool.h"

#include <stddef.h>
#include <stdlib.h>

#define SINKS_SHOWN 64
#define OTHER_HOSTS "(other)" /* no pattern: those have no brackets */

static void one(struct metric *m, enum metric_type type, const char *name, const char *unit,
                const char *help, uint64_t value)
{
    metric_begin(m, type, name, unit, help);
    metric_u64(m, NULL, value);
}

static void one_ns(struct metric *m, enum metric_type type, const char *name, const char *help,
                   uint64_t ns)
{
    metric_begin(m, type, name, "seconds", help);
    metric_seconds(m, NULL, ns);
}

static void one_time(struct metric *m, const char *name, const char *help, int64_t us)
{
    one_ns(m, METRIC_GAUGE, name, help, (uint64_t)us * 1000);
}

static void labelled(struct metric *m, const char *label, const char *name, uint64_t value)
{
    struct buf labels = BUF_INIT;
    metric_label(&labels, label, name);
    m->text->failed |= labels.failed;
    metric_u64(m, labels.data, value);
    buf_deinit(&labels);
}

static void distribution(struct metric *m, const char *name, const char *help,
                         const struct histogram *histogram)
{
    metric_begin(m, METRIC_HISTOGRAM, name, "seconds", help);
    metric_histogram(m, NULL, histogram);
}

/* --- the daemon ------------------------------------------------------------------------------- */

static void put_daemon(struct metric *m, const struct api *api)
{
    const struct jobs *jobs = api->jobs;
    struct buf labels = BUF_INIT;
    metric_label(&labels, "version", PENSTOCK_VERSION);
    metric_label(&labels, "store", jobs->config.store->engine->name);
    metric_begin(m, METRIC_GAUGE, "penstock_build_info", NULL, "The daemon's version; always 1.");
    metric_u64(m, labels.data, 1);
    m->text->failed |= labels.failed;
    buf_deinit(&labels);
    one(m, METRIC_GAUGE, "penstock_draining", NULL, "1 while the daemon stops.", jobs->draining);
    one(m, METRIC_GAUGE, "penstock_paused", NULL, "1 while an operator has paused everything.",
        hold_on_all(jobs));
    metric_begin(m, METRIC_COUNTER, "penstock_config_reloads", NULL,
                 "Reloads that took effect, and those that were refused.");
    labelled(m, "outcome", "done", api->reloads);
    labelled(m, "outcome", "refused", api->reloads_refused);
    one_time(m, "penstock_config_last_success_timestamp_seconds",
             "When the config that holds was read.", api->reloaded_us);
}

static void put_process(struct metric *m, const struct api *api, const struct self *self)
{
    one_ns(m, METRIC_COUNTER, "penstock_process_cpu_seconds", "CPU time of all threads.",
           self->cpu_ns);
    one(m, METRIC_GAUGE, "penstock_process_resident_memory_bytes", "bytes", "Resident memory.",
        self->resident);
    one(m, METRIC_GAUGE, "penstock_process_virtual_memory_bytes", "bytes", "Address space.",
        self->address_space);
    one(m, METRIC_GAUGE, "penstock_process_open_fds", NULL, "Descriptors that are open.",
        self->open_fds);
    one(m, METRIC_GAUGE, "penstock_process_max_fds", NULL, "How many may be.", self->max_fds);
    one(m, METRIC_GAUGE, "penstock_process_threads", NULL, "Threads.", self->threads);
    one_time(m, "penstock_process_start_time_seconds", "When the daemon started.", api->started_us);
}

/* --- the fleet -------------------------------------------------------------------------------- */

static void put_roundtrips(struct metric *m, const struct store_health *h)
{
    static const char *const names[] = {"changes", "reads", "records"};
    _Static_assert(sizeof names / sizeof *names == STORE_CONNECTION_COUNT_, "");
    metric_begin(m, METRIC_HISTOGRAM, "penstock_store_roundtrip_seconds", "seconds",
                 "What is sent to the server at once, until all of it is answered.");
    for (size_t i = 0; i < STORE_CONNECTION_COUNT_; i++) {
        struct buf labels = BUF_INIT;
        metric_label(&labels, "connection", names[i]);
        m->text->failed |= labels.failed;
        metric_histogram(m, labels.data, &h->roundtrips[i]);
        buf_deinit(&labels);
    }
}

static void put_health(struct metric *m, const struct fleet *fleet)
{
    struct store_health h;
    fleet->shared->health(fleet->store, &h);
    metric_begin(m, METRIC_GAUGE, "penstock_fleet_members", NULL,
                 "Members of the fleet, as of this one's last beat.");
    labelled(m, "state", "working", h.members - h.draining);
    labelled(m, "state", "draining", h.draining);
    one(m, METRIC_GAUGE, "penstock_store_standby_lags", NULL,
        "1 while the server has a standby that no commit waits for.", h.standby_lags);
    one_ns(m, METRIC_GAUGE, "penstock_store_xmin_age_seconds",
           "How long the server's oldest transaction lasts, of those that the role may see.",
           h.oldest_ns);
    distribution(m, "penstock_beat_seconds", "Beats, from the question to the server's answer.",
                 &h.beats);
    put_roundtrips(m, &h);
    one_ns(m, METRIC_GAUGE, "penstock_store_commit_wait_seconds",
           "How long the change that was sent last has waited for its answer.", h.unanswered_ns);
    one(m, METRIC_COUNTER, "penstock_store_reconnects", NULL,
        "Connections for changes that were made anew.", h.reconnects);
    metric_begin(m, METRIC_COUNTER, "penstock_store_unanswered", NULL,
                 "Transactions without an answer, by what was found out of them.");
    labelled(m, "outcome", "stood", h.unanswered_stood);
    labelled(m, "outcome", "lost", h.unanswered_lost);
    one(m, METRIC_COUNTER, "penstock_store_lost_commits", NULL,
        "How often the server no longer knew what it had answered.", h.lost_commits);
}

static void put_fleet(struct metric *m, const struct api *api)
{
    const struct jobs *jobs = api->jobs;
    const struct fleet *fleet = jobs->fleet;
    if (!fleet)
        return;
    int64_t left = fleet->shared->lease_left(fleet->store);
    one(m, METRIC_GAUGE, "penstock_fleet_member", NULL,
        "1 while this daemon is a member of its fleet.", !fleet->fenced);
    one(m, METRIC_GAUGE, "penstock_fleet_shards_owned", NULL,
        "Of 256 shards of hosts, how many are this daemon's.", fleet_shards(jobs));
    one_ns(m, METRIC_GAUGE, "penstock_lease_remaining_seconds",
           "How long this daemon may go on without an answer of the server.",
           left > 0 ? (uint64_t)left * 1000 : 0);
    one(m, METRIC_COUNTER, "penstock_fenced", NULL,
        "How often this daemon was taken for dead, and ended what it ran.", fleet->fences);
    one(m, METRIC_COUNTER, "penstock_lines_revoked", NULL,
        "Attempts whose lines in this daemon's log do not count.", fleet->revoked);
    one(m, METRIC_COUNTER, "penstock_attempts_torn", NULL,
        "Attempts of members that are gone, which this daemon has closed.", fleet->torn);
    one(m, METRIC_COUNTER, "penstock_guest_transfers", NULL,
        "Attempts that began here on hosts of other members.", fleet->guests);
    one(m, METRIC_GAUGE, "penstock_jobs_parked", NULL,
        "Jobs of this daemon's hosts that wait for a member with what they need.",
        park_count(jobs));
    put_health(m, fleet);
}

/* --- jobs ------------------------------------------------------------------------------------- */

/* Those of the whole fleet are one member's to tell: a sum over all would count them many times. */
static bool tells_states(const struct jobs *jobs)
{
    struct store_health health;
    if (!jobs->fleet)
        return true;
    jobs->fleet->shared->health(jobs->fleet->store, &health);
    return health.first;
}

static void put_states(struct metric *m, const struct api *api)
{
    struct store_counts counts;
    if (!tells_states(api->jobs))
        return;
    jobs_counts(api->jobs, &counts);
    metric_begin(m, METRIC_GAUGE, "penstock_jobs", NULL, "Jobs in the store, by state.");
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        labelled(m, "state", job_state_name((enum job_state)i), counts.by_state[i]);
    one(m, METRIC_GAUGE, "penstock_queue_jobs", NULL,
        "Jobs that wait: queued, or for another attempt.",
        counts.by_state[JOB_QUEUED] + counts.by_state[JOB_WAITING]);
    one(m, METRIC_GAUGE, "penstock_queue_limit_jobs", NULL,
        "How many jobs may wait or run before more are refused.", api->max_jobs);
    one(m, METRIC_GAUGE, "penstock_users_at_limit", NULL,
        "Users who have as many jobs running as max_running lets them.", api->jobs->users.full);
}

/* The oldest of those that may run now and are next in line at their hosts: what is behind them
 * came later, priorities aside. */
static uint64_t oldest_age(const struct jobs *jobs)
{
    int64_t now = jobs_now(jobs), oldest = now;
    list_for_each(h, &jobs->stocked)
    {
        struct host *host = container_of(h, struct host, stocked_link);
        list_for_each(e, &host->window)
        {
            const struct store_job *row = container_of(e, struct job, link)->row;
            int64_t from = row->due > row->created ? row->due : row->created;
            oldest = from < oldest ? from : oldest;
        }
    }
    return (uint64_t)(now - oldest) * 1000;
}

static const char *const outcomes[OUTCOME_COUNT_] = {"done", "retry", "failed", "cancelled",
                                                     "interrupted"};

static void by_kind(struct metric *m, const char *label, const char *name,
                    const uint64_t counts[KIND_COUNT_], bool errors)
{
    for (int k = errors ? 1 : 0; k < (errors ? KIND_COUNT_ : 1); k++) {
        struct buf labels = BUF_INIT;
        metric_label(&labels, label, name);
        metric_label(&labels, "kind", k ? kind_name((enum error_kind)k) : "none");
        m->text->failed |= labels.failed;
        metric_u64(m, labels.data, counts[k]);
        buf_deinit(&labels);
    }
}

static void put_ends(struct metric *m, const struct jobs *jobs)
{
    const struct metrics *c = &jobs->metrics;
    metric_begin(m, METRIC_COUNTER, "penstock_attempts", NULL,
                 "Attempts that have ended, by outcome and kind of error.");
    for (int o = 0; o < OUTCOME_COUNT_; o++)
        by_kind(m, "outcome", outcomes[o], c->outcomes[o],
                o == OUTCOME_RETRY || o == OUTCOME_FAILED);
    metric_begin(m, METRIC_COUNTER, "penstock_verdicts", NULL,
                 "Jobs that have ended, by state and kind of error.");
    for (int s = JOB_DONE; s < JOB_STATE_COUNT_; s++)
        by_kind(m, "state", job_state_name((enum job_state)s), c->verdicts[s], s == JOB_FAILED);
}

/* What has come of bodies: attempts that have ended, and those under way. */
static uint64_t body_bytes(const struct jobs *jobs)
{
    uint64_t bytes = jobs->bytes, now = clock_now();
    list_for_each(e, &jobs->running)
    {
        const struct job *job = container_of(e, struct job, link);
        if (!job->attempt || job->counted)
            continue;
        struct attempt_report report;
        attempt_report(job->attempt, now, &report);
        bytes += report.bytes;
    }
    return bytes;
}

static void put_work(struct metric *m, const struct jobs *jobs)
{
    const struct metrics *c = &jobs->metrics;
    one(m, METRIC_COUNTER, "penstock_jobs_submitted", NULL, "Jobs that were accepted.",
        jobs->submitted);
    one_ns(m, METRIC_GAUGE, "penstock_queue_oldest_age_seconds",
           "How long the oldest of the jobs next in line has been able to run.", oldest_age(jobs));
    one(m, METRIC_COUNTER, "penstock_body_bytes", "bytes", "Bytes of bodies, as they arrived.",
        body_bytes(jobs));
    one(m, METRIC_COUNTER, "penstock_records", NULL,
        "Records of attempts that have ended, as they stand in the log.", jobs->records);
    one(m, METRIC_COUNTER, "penstock_resumes", NULL, "Bodies that were resumed after a cut.",
        c->resumes);
    one(m, METRIC_COUNTER, "penstock_redirects", NULL, "Redirects that were followed.",
        c->redirects);
    metric_begin(m, METRIC_COUNTER, "penstock_wait_seconds", "seconds",
                 "Time that attempts which have ended spent waiting, by what for.");
    metric_seconds(m, "on=\"origin\"", c->wait_origin);
    metric_seconds(m, "on=\"parser\"", c->wait_parser);
    metric_seconds(m, "on=\"sink\"", c->wait_sink);
}

static void put_phases(struct metric *m, const struct jobs *jobs)
{
    const struct metrics *c = &jobs->metrics;
    distribution(m, "penstock_job_queued_seconds",
                 "What a job waited, all in all, from its submission on.", &c->queued);
    distribution(
        m, "penstock_connect_seconds",
        "From the start of a transfer to its connection, TLS included, where one was made.",
        &c->connect);
    distribution(m, "penstock_first_byte_seconds",
                 "From the start of a transfer to the response's first byte.", &c->first_byte);
    distribution(m, "penstock_attempt_seconds", "Attempts, from start to end.", &c->attempt);
    distribution(m, "penstock_job_seconds", "Jobs, from submission to verdict.", &c->total);
}

/* --- hosts ------------------------------------------------------------------------------------ */

static void put_sums(struct metric *m, const struct jobs *jobs, const char *name, const char *help,
                     size_t member)
{
    const struct settings *s = jobs->settings;
    metric_begin(m, METRIC_GAUGE, name, NULL, help);
    for (size_t i = 0; i <= s->host_count; i++)
        labelled(m, "host", i < s->host_count ? s->hosts[i].pattern : OTHER_HOSTS,
                 *(const unsigned *)((const char *)&jobs->host_sums[i] + member));
}

static void put_hosts(struct metric *m, const struct jobs *jobs)
{
    if (!jobs->host_sums)
        return;
    put_sums(m, jobs, "penstock_hosts", "Hosts with jobs or a memory of failures, by pattern.",
             offsetof(struct host_sum, hosts));
    put_sums(m, jobs, "penstock_host_running_jobs", "Jobs that hold a slot of such a host.",
             offsetof(struct host_sum, running));
    put_sums(m, jobs, "penstock_host_breakers_open",
             "Such hosts where nothing starts because they kept failing.",
             offsetof(struct host_sum, open));
}

/* --- the parts -------------------------------------------------------------------------------- */

static void put_workers(struct metric *m, const struct jobs *jobs)
{
    struct pool_stats s;
    uint64_t bytes, pipes;
    pool_stats(jobs->config.pool, &s);
    body_pipe_totals(&bytes, &pipes);
    one(m, METRIC_GAUGE, "penstock_running_jobs", NULL, "Jobs that hold a worker's permit.",
        jobs->permits_used);
    one(m, METRIC_GAUGE, "penstock_workers_limit", NULL, "How many may at once.", s.workers);
    one(m, METRIC_GAUGE, "penstock_workers_busy", NULL, "Threads that run a parser.", s.busy);
    one(m, METRIC_GAUGE, "penstock_workers_idle", NULL, "Threads that wait for one.", s.idle);
    one(m, METRIC_GAUGE, "penstock_workers_stuck", NULL,
        "Threads whose parsers were given up and have not returned.", s.abandoned);
    one(m, METRIC_COUNTER, "penstock_workers_lost", NULL, "Workers that were given up.", s.lost);
    one(m, METRIC_GAUGE, "penstock_pipe_bytes", "bytes", "What all body pipes together can hold.",
        bytes);
    one(m, METRIC_GAUGE, "penstock_pipes", NULL, "Body pipes that are open.", pipes);
}

static void put_fetch(struct metric *m, const struct jobs *jobs)
{
    struct fetch_loop_stats sum = {0};
    for (size_t i = 0; i < fetch_loop_count(jobs->config.fetch); i++) {
        struct fetch_loop_stats s;
        fetch_loop_stats(jobs->config.fetch, i, &s);
        sum.transfers += s.transfers;
        sum.connections += s.connections;
        sum.running += s.running;
    }
    one(m, METRIC_COUNTER, "penstock_transfers", NULL, "Requests that were made.", sum.transfers);
    one(m, METRIC_GAUGE, "penstock_transfers_running", NULL, "Requests under way.", sum.running);
    one(m, METRIC_COUNTER, "penstock_connections", NULL, "Connections that were made.",
        sum.connections);
}

static void put_sinks(struct metric *m, const struct jobs *jobs)
{
    struct sink_status statuses[SINKS_SHOWN];
    size_t n = sink_statuses(jobs->config.sink, statuses, SINKS_SHOWN);
    n = n < SINKS_SHOWN ? n : SINKS_SHOWN;
    metric_begin(m, METRIC_COUNTER, "penstock_sink_lines", NULL, "Lines that were written.");
    for (size_t i = 0; i < n; i++)
        labelled(m, "sink", statuses[i].target, statuses[i].lines);
    metric_begin(m, METRIC_COUNTER, "penstock_sink_bytes", "bytes", "Bytes that were written.");
    for (size_t i = 0; i < n; i++)
        labelled(m, "sink", statuses[i].target, statuses[i].bytes);
    metric_begin(m, METRIC_GAUGE, "penstock_sink_failing", NULL,
                 "1 while it cannot be written to; no job starts meanwhile.");
    for (size_t i = 0; i < n; i++)
        labelled(m, "sink", statuses[i].target, statuses[i].error != 0);
    one(m, METRIC_GAUGE, "penstock_sink_queue_bytes", "bytes", "Lines that wait to be written.",
        sink_queued(jobs->config.sink));
}

static void put_store(struct metric *m, const struct jobs *jobs)
{
    struct store *store = jobs->config.store;
    struct histogram commits = {0};
    if (store->engine->commits)
        store->engine->commits(store, &commits);
    distribution(m, "penstock_store_commit_seconds",
                 "Commits of the durable store, until they are on the disk.", &commits);
    one(m, METRIC_GAUGE, "penstock_store_failing", NULL,
        "1 while nothing can be stored; no job is accepted or started meanwhile.",
        store_failing(store));
}

/* --- schedules -------------------------------------------------------------------------------- */

static void put_schedules(struct metric *m, const struct api *api,
                          const struct store_schedules *shown)
{
    struct store *store = api->jobs->config.store;
    struct store_counts counts;
    store->engine->counts(store, &counts);
    metric_begin(m, METRIC_GAUGE, "penstock_schedule_last_success_timestamp_seconds", "seconds",
                 "When the schedule's last good run ended; 0: none has.");
    for (size_t i = 0; i < shown->count; i++) {
        struct buf labels = BUF_INIT;
        metric_label(&labels, "schedule", shown->rows[i]->name);
        m->text->failed |= labels.failed;
        metric_seconds(m, labels.data, (uint64_t)shown->rows[i]->last_done * 1000);
        buf_deinit(&labels);
    }
    metric_begin(m, METRIC_GAUGE, "penstock_schedule_failures", NULL,
                 "Runs of the schedule that failed in a row.");
    for (size_t i = 0; i < shown->count; i++)
        labelled(m, "schedule", shown->rows[i]->name, shown->rows[i]->failures);
    one(m, METRIC_GAUGE, "penstock_schedules", NULL, "Schedules; the first 1000 are named above.",
        counts.schedules);
}

void metrics_text(struct api *api, enum metric_format format, const struct self *self,
                  const struct store_schedules *schedules, struct buf *text)
{
    struct jobs *jobs = api->jobs;
    struct metric m = {.text = text, .format = format};
    put_daemon(&m, api);
    put_process(&m, api, self);
    put_fleet(&m, api);
    put_states(&m, api);
    put_ends(&m, jobs);
    put_work(&m, jobs);
    put_phases(&m, jobs);
    put_hosts(&m, jobs);
    put_workers(&m, jobs);
    put_fetch(&m, jobs);
    put_sinks(&m, jobs);
    put_store(&m, jobs);
    put_schedules(&m, api, schedules);
    metric_end(&m);
}
