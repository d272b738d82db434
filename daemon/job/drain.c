#include "job/drain.h"

#include "base/log.h"
#include "job/claim.h"
#include "job/fleet.h"
#include "job/membership.h"
#include "job/pauses.h"
#include "job/recover.h"
#include "job/run.h"
#include "job/torn.h"
#include "job/walk.h"
#include "job/watch.h"
#include "job/window.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct drain {
    struct walk lost;  /* over the queue that ends with the daemon */
    bool cancelling;   /* that walk is under way */
    unsigned deferred; /* drain_defer */
    bool told;
    void (*drained)(void *arg);
    void *drained_arg;
};

int drain_new(struct drain **ret_drain)
{
    *ret_drain = calloc(1, sizeof **ret_drain);
    return *ret_drain ? 0 : -ENOMEM;
}

void drain_free(struct drain *drain)
{
    assert(!drain || drain->deferred == 0);
    free(drain);
}

/* --- a queue that would be lost: each of its jobs gets its verdict ---------------------------- */

/* What runs is left to the drain. */
static bool on_lost_row(struct walk *walk, struct store_job *row)
{
    const struct job *job = job_find(walk->jobs, row->id);
    if (job && !job_waits(job))
        store_job_free(row);
    else
        job_cancel_row(walk->jobs, row, DRAIN_NOT_KEPT);
    return true;
}

static void on_lost_end(struct walk *walk, const struct store_call *failed)
{
    if (failed)
        log_error("the queue that ends with the daemon could not be read: %s", failed->error.text);
    container_of(walk, struct drain, lost)->cancelling = false;
    wake_drained(&walk->jobs->wake);
}

static void cancel_queued(struct jobs *jobs)
{
    struct drain *drain = jobs->drain;
    drain->cancelling = true;
    drain->lost = (struct walk){.jobs = jobs,
                                .select = {.state = -1, .error = -1},
                                .fresh = true,
                                .row = on_lost_row,
                                .end = on_lost_end};
    walk_start(&drain->lost);
}

/* A command's job that does not run yet has nobody to come back to, and ends while there is a log
 * to say so. */
static void cancel_commands(struct jobs *jobs)
{
    tree_for_each(n, &jobs->active)
    {
        struct job *job = container_of(n, struct job, active.node);
        bool waits = job_waits(job) || job->place == PLACE_CLAIMING;
        if (waits && job->spec && job->spec->run)
            job_cancel(job, remote_stopped(job));
    }
}

/* --- the drain -------------------------------------------------------------------------------- */

void drain_begin(struct jobs *jobs, void (*drained)(void *arg), void *arg)
{
    assert(jobs_are_current(jobs));
    if (jobs->draining)
        return;
    jobs->draining = jobs->wake.draining = true;
    jobs->drain->drained = drained;
    jobs->drain->drained_arg = arg;
    watch_tell_stopping(jobs);
    cancel_commands(jobs);
    if (!jobs->config.store->engine->keeps)
        cancel_queued(jobs);
    else
        claim_drain(jobs);
    membership_drain(jobs);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

void drain_stop(struct jobs *jobs)
{
    struct store *store = jobs->config.store;
    assert(jobs_are_current(jobs));
    jobs->stopped = true;
    if (store->engine->give_up)
        store->engine->give_up(store);
    list_for_each(e, &jobs->running) job_interrupt(container_of(e, struct job, link));
}

void drain_defer(struct jobs *jobs)
{
    assert(jobs_are_current(jobs));
    jobs->drain->deferred++;
}

void drain_allow(struct jobs *jobs)
{
    assert(jobs_are_current(jobs));
    assert(jobs->drain->deferred > 0);
    jobs->drain->deferred--;
    wake_drained(&jobs->wake);
}

void drain_look(struct jobs *jobs)
{
    struct drain *drain = jobs->drain;
    if (drain->told || !list_empty(&jobs->running) || !list_empty(&jobs->ending) ||
        drain->cancelling || drain->deferred > 0 || recover_busy(jobs) || claims_busy(jobs) ||
        windows_loading(jobs) || torn_busy(jobs) || pauses_busy(jobs) ||
        (jobs->fleet && jobs->fleet->orphans > 0))
        return;
    drain->told = jobs->over = true;
    drain->drained(drain->drained_arg);
}
