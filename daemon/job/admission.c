/* Admission: which job runs next.
 *
 * A job runs when a worker permit and a slot of its host can be had together, in one step, here on
 * the control loop; both are kept through redirects and given back together, so nothing can wait in
 * a circle. One exception to "together": a redirect to another host gives the old slot back first
 * and then waits for the new one with its permit. Whoever holds a slot needs nothing more, so that
 * wait ends.
 *
 * Hosts take turns, one job each, so ten thousand jobs for one host do not hold up the one job for
 * another. A host keeps a window of its next jobs in memory; the others stay in the store. */
#include "job/admission.h"

#include "base/clock.h"
#include "job/claim.h"
#include "job/hold.h"
#include "job/host.h"
#include "job/permit.h"
#include "job/run.h"
#include "job/window.h"

#include <assert.h>

/* One job of this host, if it can. False: the host has nothing to start now. */
static bool start_one(struct host *host)
{
    window_refill(host);
    struct job *job = host->held ? NULL : window_next(host);
    if (!job || host->running >= host->limit || !host_in_pace(host))
        return false;
    host_window_remove(job);
    permit_take(host->jobs);
    host_slot_take(host, job);
    job_start(job);
    claim_ahead(host);
    return true;
}

/* They have their permits, and go on even while nothing may start: a drain lets them end. */
static void continue_hops(struct host *host)
{
    struct job *job;
    while ((job = host_take_hop(host)))
        job_continue(job);
    host_put_if_idle(host);
}

void admission_run(struct jobs *jobs)
{
    struct list *e;
    assert(jobs_are_current(jobs));
    while ((e = list_pop(&jobs->freed)))
        continue_hops(container_of(e, struct host, freed_link));
    while (!list_empty(&jobs->ready) && permit_open(jobs, 0)) {
        struct host *host = container_of(list_pop(&jobs->ready), struct host, ready_link);
        if (start_one(host))
            host_make_ready(host); /* behind the others */
        else
            host_put_if_idle(host);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static uint64_t check_host(struct host *host, uint64_t now, int64_t now_us)
{
    uint64_t next = 0;
    if (host->back_at && host->back_at <= now)
        claim_give_back(host, now);
    if (host->next_due && host->next_due <= now_us) {
        host->next_due = 0;
        host_has_more(host);
    } else if (host->next_due) {
        next = now + (uint64_t)(host->next_due - now_us) * 1000;
    }
    if (host->wake_at && host->wake_at <= now) {
        host->wake_at = 0;
        host_make_ready(host);
    } else if (host->wake_at && (next == 0 || host->wake_at < next)) {
        next = host->wake_at;
    }
    if (host->back_at && (next == 0 || host->back_at < next))
        next = host->back_at;
    return next;
}

void admission_check_due(struct jobs *jobs)
{
    uint64_t now = clock_now(), first = 0;
    int64_t now_us = clock_real_us();
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        uint64_t next = check_host(host, now, now_us);
        if (next && (first == 0 || next < first))
            first = next;
        if (!next)
            host_forget_pace(host, now);
    }
    if (first)
        wake_at(&jobs->wake, first);
    wake_admit(&jobs->wake);
}

const char *admission_obstacle(const struct jobs *jobs, const char *host_name, const char *parser)
{
    const struct host *host = host_find(jobs, host_name);
    if (hold_on_all(jobs) || (host && host->held) || hold_on_parser(jobs, parser))
        return "paused";
    if (sink_failing(jobs->config.sink))
        return "sink";
    if (store_failing(jobs->config.store))
        return "store";
    if (host &&
        (host->running >= host->limit || host->wake_at || host->pace.breaker != BREAKER_CLOSED))
        return "host";
    return "worker";
}
