/* Claims. A row becomes `running` in the store, and the attempt has its number, before a line of
 * the attempt can reach a sink. With a store that keeps, each claim waits for the disk; so that
 * jobs do not:
 *
 *  - a job that can start at once is claimed in the transaction of its submission (claim_fold);
 *  - where jobs come and go within the time of a commit, the next ones in the host's window are
 *    claimed before there is a slot for them (claim_ahead). How many follows from need: more when a
 *    job has to wait for its claim after one that was short, fewer after a long one, or when one
 *    was claimed long before.
 *
 * A job that is claimed and has not started counts as queued for everybody outside. One that waits
 * on (its host is paused, or busy with long jobs, the sink fails …) is given back, so that the
 * store calls it queued as well and a SELECT finds it so. If the daemon dies it is closed as
 * interrupted like one that ran; if the daemon drains it is queued again. */
#include "job/claim.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/finish.h"
#include "job/fleet.h"
#include "job/hold.h"
#include "job/permit.h"
#include "job/run.h"
#include "job/window.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define AHEAD_MAX 64
#define STALE_NS  (500 * NS_PER_MS) /* from claim to start: they are not */
#define BACK_NS   NS_PER_SEC        /* from claim to start: it is given back */

/* What claims of all hosts have in common. */
struct claims {
    unsigned folding; /* submissions that claim as well, on their way to the store */
    unsigned out;     /* claims on their way */
};

int claims_new(struct claims **ret_claims)
{
    *ret_claims = calloc(1, sizeof **ret_claims);
    return *ret_claims ? 0 : -ENOMEM;
}

void claims_free(struct claims *claims)
{
    assert(!claims || (claims->folding == 0 && claims->out == 0));
    free(claims);
}

bool claims_busy(const struct jobs *jobs)
{
    return jobs->claims->out > 0;
}

static void on_claimed(struct mail *mail);

static void post_claim(struct job *job)
{
    struct store *store = job->jobs->config.store;
    job->claiming = true;
    fleet_hold(job->jobs, job->row->host);
    job->jobs->claims->out++;
    job->call.claim = (struct store_claim){.id = job->id, .attempt = job->row->attempt};
    mail_init(&job->call.claim.call.mail, on_claimed);
    store->engine->claim(store, &job->call.claim);
}

static void cancel(struct job *job)
{
    struct cause cause = {.cancelled = true};
    snprintf(cause.message, sizeof cause.message, "%s", job->cancel_reason);
    job_finish(job, JOB_CANCELLED, &cause);
}

/* --- a job that holds permit and slot --------------------------------------------------------- */

/* Others shall have its host, and what waits there. A command's job runs as a guest, and so does
 * one that its host's owner cannot run. */
static bool has_left(const struct job *job)
{
    return job->host && !job->host->ours && !job->spec->run && !job->guest;
}

static void go(struct job *job)
{
    if (job->cancel_reason)
        cancel(job);
    else if (fleet_has_lost(job) || has_left(job) ||
             (job->jobs->stopped && job->jobs->config.store->engine->keeps))
        job_release(job);
    else
        job_launch(job);
}

static void on_go(struct mail *mail)
{
    go(container_of(mail, struct job, taken_mail));
}

/* The claim did not come about: gives permit and slot back and forgets the job; its row is the
 * store's. */
static void unclaim(struct job *job, int64_t again)
{
    struct jobs *jobs = job->jobs;
    struct host *host = job->host;
    permit_give(jobs);
    if (again)
        host_due(jobs, host->name, again);
    host_report(job, NULL);
    job->has_slot = false;
    job_free(job);
    host_slot_free(host);
}

/* In a fleet: the row was read before another member ran it, and may wait again. Of a guest's the
 * store tells. */
static void look_again(const struct job *job, int result)
{
    if (result == -ESTALE && job->jobs->fleet && job->host->ours)
        host_has_more(job->host);
}

static void refused(struct job *job, const struct store_call *call)
{
    if (call->result == -ENOENT || call->result == -ESTALE) {
        remote_abort(job);
        look_again(job, call->result);
        unclaim(job, 0); /* ended meanwhile */
        return;
    }
    if (job->cancel_reason) {
        cancel(job);
        return;
    }
    if (job->spec->run) { /* nobody else has its pipe */
        struct cause cause = {.cancelled = true};
        snprintf(cause.message, sizeof cause.message, "the job could not be claimed: %.600s",
                 call->error.text);
        job_finish(job, JOB_CANCELLED, &cause);
        return;
    }
    if (!store_failing(job->jobs->config.store)) /* it has told of it once */
        log_error("job %llu: cannot be claimed, tried again in 1 s: %s",
                  (unsigned long long)job->id, call->error.text);
    unclaim(job, jobs_now(job->jobs) + 1000000);
}

/* --- a job in the window ---------------------------------------------------------------------- */

static void claimed_ahead(struct job *job)
{
    int r = job->call.claim.call.result;
    if (r == -ENOENT || r == -ESTALE || (r < 0 && (job->fenced || has_left(job)))) {
        remote_abort(job);
        look_again(job, r);
        window_drop(job);
    } else if (job->cancel_reason)
        cancel(job);
    else if (r == 0 && (job->fenced || has_left(job)))
        job_release(job);
    else if (r == 0 && job->jobs->draining && job->jobs->config.store->engine->keeps)
        job_release(job);
    else if (r == 0)
        claim_watch(job);
    /* else it waits for its slot, and if the store fails it is claimed then */
}

static void on_claimed(struct mail *mail)
{
    struct job *job = container_of(mail, struct job, call.claim.call.mail);
    struct jobs *jobs = job->jobs;
    int r = job->call.claim.call.result;
    unsigned shard = fleet_held(jobs, job->row->host);

    job->claiming = false;
    jobs->claims->out--;
    if (r == 0) {
        jobs->claimed_waiting += job->place == PLACE_WINDOW;
        job->claimed = true;
        job->claimed_at = clock_now();
        job->row->attempt++;
        store_schedule_free(job->row->definition);
        job->row->definition = job->call.claim.definition;
        job_set_state(job, JOB_RUNNING);
    }
    if (job->place == PLACE_WINDOW)
        claimed_ahead(job);
    else if (r == 0)
        go(job);
    else
        refused(job, &job->call.claim.call);
    fleet_let_go(jobs, shard);
    wake_drained(&jobs->wake);
}

/* How far ahead claiming is worth it, from how this job found itself. */
static void adapt(struct host *host, const struct job *job)
{
    if (!host->brisk || (job->claimed && clock_now() - job->claimed_at > STALE_NS)) {
        host->ahead /= 2;
    } else if (!job->claimed) {
        host->ahead = host->ahead ? 2 * host->ahead : host->limit;
        if (host->ahead > AHEAD_MAX)
            host->ahead = AHEAD_MAX;
    }
}

void job_start(struct job *job)
{
    struct jobs *jobs = job->jobs;
    job_set_place(job, PLACE_CLAIMING);
    job->started_at = clock_now();
    if (jobs->config.store->engine->keeps)
        adapt(job->host, job);
    if (job->claimed) {
        /* From the loop, as after a claim: what a launch that fails gives back is our caller's. */
        mail_init(&job->taken_mail, on_go);
        mailbox_post(jobs->config.mailbox, &job->taken_mail);
    } else if (!job->claiming) {
        post_claim(job);
    }
}

void claim_ahead(struct host *host)
{
    unsigned n = 0;
    if (!host->ours)
        return; /* its owner counts what is claimed here among what runs there */
    list_for_each(e, &host->window)
    {
        struct job *job = container_of(e, struct job, link);
        if (n++ >= host->ahead)
            return;
        host->jobs->steps++;
        if (!job->claimed && !job->claiming && !hold_on_parser(host->jobs, job->row->parser) &&
            user_may_start(job->user, host->name))
            post_claim(job);
    }
}

/* --- with the submission ---------------------------------------------------------------------- */

static bool has_room(struct host *host)
{
    return !host->held && !host->more && !host->loading &&
           host->running + host->elsewhere + host->window_len + host->folding < host->limit &&
           pace_wait(&host->pace, &host->limits, clock_now()) == 0;
}

bool claim_fold(struct jobs *jobs, const struct store_job *row)
{
    assert(jobs_are_current(jobs));
    if (!jobs->config.store->engine->keeps || row->due || !fleet_owns(jobs, row->host) ||
        !permit_open(jobs, jobs->claims->folding) || hold_on_parser(jobs, row->parser) ||
        host_rests(jobs, row->host))
        return false;
    struct user *user = user_get(jobs, row->uid, row->gid);
    if (!user || user_is_tight(user) || user->folding >= user_room(user))
        return false;
    struct host *host = host_get(jobs, row->host);
    if (!host)
        return false;
    if (!has_room(host)) {
        host_put_if_idle(host);
        return false;
    }
    user->folding++;
    host->folding++;
    fleet_hold(jobs, row->host);
    jobs->claims->folding++;
    return true;
}

void claim_unfold(struct jobs *jobs, const struct store_job *row)
{
    struct host *host = host_find(jobs, row->host); /* it is there as long as it folds */
    assert(host && host->folding > 0 && jobs->claims->folding > 0);
    struct user *user = user_find(jobs, row->uid);
    assert(user && user->folding > 0);
    user->folding--;
    host->folding--;
    jobs->claims->folding--;
    fleet_let_go(jobs, fleet_held(jobs, row->host));
    host_put_if_idle(host);
}

/* --- drain ------------------------------------------------------------------------------------ */

void claim_drain(struct jobs *jobs)
{
    tree_for_each(n, &jobs->active)
    {
        struct job *job = container_of(n, struct job, active.node);
        if (job->place == PLACE_WINDOW && job->claimed)
            job_release(job);
    }
}

/* --- back to the queue ------------------------------------------------------------------------ */

void claim_watch(struct job *job)
{
    struct host *host = job->host;
    if (host->back_at)
        return;
    host->back_at = clock_now() + BACK_NS;
    host_set_clock(host);
}

/* A command's job stays: only this process has its pipe. */
static bool is_kept(const struct job *job, uint64_t now)
{
    return !job->claimed || job->spec->run || now - job->claimed_at < BACK_NS;
}

void claim_give_back(struct host *host, uint64_t now)
{
    struct list *next;
    host->ahead = 0;
    host->back_at = 0;
    for (struct list *e = host->window.next; e != &host->window; e = next) {
        struct job *job = container_of(e, struct job, link);
        next = e->next;
        host->jobs->steps++;
        if (!is_kept(job, now)) {
            host_has_more(host); /* and so the host stays, whatever goes */
            job_release(job);
        } else if (job->claimed && !job->spec->run) {
            uint64_t at = job->claimed_at + BACK_NS;
            host->back_at = host->back_at && host->back_at < at ? host->back_at : at;
        }
    }
    host_set_clock(host);
}
