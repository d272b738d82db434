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
#include "job/fleet.h"
#include "job/hold.h"
#include "job/host.h"
#include "job/permit.h"
#include "job/run.h"
#include "job/skip.h"
#include "job/user_turn.h"
#include "job/window.h"
#include "parse/registry.h"

#include <assert.h>

#define TURN 4096 /* hosts looked at before the loop has its turn */

/* One job of this host, if it can. False: the host has nothing to start now. */
static bool start_one(struct host *host)
{
    if (!host->held)
        window_pass_over(host);
    struct job *job = host->held ? NULL : window_next(host);
    if (!job || !host_has_slot(host) || !host_in_pace(host))
        return false;
    host_window_remove(job);
    permit_take(host->jobs);
    host_slot_take(host, job);
    user_started(job->user, host->name);
    job_start(job);
    claim_ahead(host);
    window_want(host);
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
    for (int i = 0; i < TURN && !list_empty(&jobs->ready) && permit_open(jobs, 0); i++) {
        struct host *host = container_of(list_pop(&jobs->ready), struct host, ready_link);
        jobs->steps++;
        host->ready = false;
        if (start_one(host))
            host_make_ready(host); /* behind the others */
        else
            window_rest(host);
    }
    bool open = permit_open(jobs, 0);
    if (open && !list_empty(&jobs->ready))
        wake_admit(&jobs->wake);
    if (jobs->draining)
        return;
    windows_load(jobs, open);
    user_turns_offer(jobs); /* also if others have all permits: a host waits for one like theirs */
}

/* --- time ------------------------------------------------------------------------------------- */

void admission_host_clock(struct host *host)
{
    uint64_t now = clock_now();
    host->jobs->steps++;
    if (host->back_at && host->back_at <= now)
        claim_give_back(host, now);
    if (host->wake_at && host->wake_at <= now) {
        host->wake_at = 0;
        host_make_ready(host);
        wake_admit(&host->jobs->wake);
    }
    if (host->guest_at && host->guest_at <= now) {
        host->guest_at = 0;
        host_has_more(host);
        wake_admit(&host->jobs->wake);
    }
    host_set_clock(host);
    host_put_if_idle(host);
}

void admission_host_due(struct host *host)
{
    host->jobs->steps++;
    if (host->unread_again)
        skip_clear(host);
    host_has_more(host);
    wake_admit(&host->jobs->wake);
}

const char *admission_obstacle(const struct jobs *jobs, const char *host_name, const char *parser,
                               uint32_t uid)
{
    const struct host *host = host_find(jobs, host_name);
    const struct user *user = user_find(jobs, uid);
    const char *owner = fleet_owner(jobs, host_name);
    if (hold_on_job(jobs, host_name, parser))
        return "paused";
    if (owner)
        return *owner ? "member" : "owner";
    if (jobs->fleet && !registry_find(jobs->registry, parser))
        return "parser";
    if (sink_failing(jobs->config.sink))
        return "sink";
    if (store_failing(jobs->config.store))
        return "store";
    if (user && !user_may_start(user, host_name))
        return "user";
    if (host && (!host_has_slot(host) || host->wake_at || host->pace.breaker != BREAKER_CLOSED))
        return "host";
    return "worker";
}
