#include "job/membership.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/fleet.h"
#include "job/host.h"
#include "job/park.h"
#include "job/pauses.h"
#include "job/recover.h"
#include "job/run.h"
#include "job/torn.h"
#include "job/watch.h"
#include "job/window.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS NS_PER_SEC

/* --- whose hosts ------------------------------------------------------------------------------ */

/* All that are in memory, as the shards are now. */
static void hosts_change_hands(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        bool ours = fleet_owns(jobs, host->name);
        if (ours == host->ours)
            continue;
        host_set_ours(host, ours);
        if (ours)
            host_put_if_idle(host);
        else
            window_leave(host);
    }
    hosts_leave_backlog(jobs);
    wake_admit(&jobs->wake);
}

static unsigned count(const struct store_shards *shards)
{
    unsigned n = 0;
    for (size_t i = 0; i < STORE_SHARDS / 64; i++)
        n += (unsigned)__builtin_popcountll(shards->bits[i]);
    return n;
}

static void gain(struct jobs *jobs, const struct store_shards *shards)
{
    struct fleet *fleet = jobs->fleet;
    uint64_t now = clock_now();
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (store_shards_has(shards, i) && !store_shards_has(&fleet->mine, i))
            fleet->gained_at[i] = now;
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        fleet->mine.bits[i] |= shards->bits[i];
        fleet->leaving.bits[i] &= ~shards->bits[i];
    }
    log_info("fleet: %u shards gained; %u of %u are this daemon's", count(shards),
             fleet_shards(jobs), STORE_SHARDS);
    hosts_change_hands(jobs);
    recover_hosts(jobs);
    watch_tell_schedules(jobs);
}

static void lose(struct jobs *jobs, const struct store_shards *shards)
{
    struct fleet *fleet = jobs->fleet;
    for (size_t i = 0; i < STORE_SHARDS / 64; i++)
        fleet->mine.bits[i] &= ~shards->bits[i];
    log_info("fleet: %u shards given up; %u of %u are this daemon's", count(shards),
             fleet_shards(jobs), STORE_SHARDS);
    hosts_change_hands(jobs);
    fleet_leave(jobs, shards);
}

/* --- what others run there -------------------------------------------------------------------- */

static void elsewhere_set(struct jobs *jobs, struct fleet_elsewhere *e)
{
    struct host *host = host_find(jobs, e->name);
    if (host && host->ours)
        host_set_elsewhere(host, e->running);
}

static void elsewhere_add(struct fleet *fleet, const struct store_elsewhere *news)
{
    struct fleet_elsewhere *e = tree_entry(tree_find_name(&fleet->elsewhere, news->host),
                                           struct fleet_elsewhere, entry.node);
    if (!e) {
        size_t size = strlen(news->host) + 1;
        e = calloc(1, sizeof *e + size);
        if (!e) {
            log_error("no memory to count what other members run on %s", news->host);
            return;
        }
        memcpy(e->name, news->host, size);
        e->entry.name = e->name;
        tree_insert(&fleet->elsewhere, &e->entry.node);
    }
    e->running = news->running;
}

static void take_elsewhere(struct jobs *jobs, const struct store_event *event)
{
    struct fleet *fleet = jobs->fleet;
    tree_for_each(n, &fleet->elsewhere) container_of(n, struct fleet_elsewhere, entry.node)
        ->running = 0;
    for (size_t i = 0; i < event->elsewhere_count; i++)
        elsewhere_add(fleet, &event->elsewhere[i]);
    tree_for_each(n, &fleet->elsewhere)
    {
        struct fleet_elsewhere *e = container_of(n, struct fleet_elsewhere, entry.node);
        elsewhere_set(jobs, e);
        if (e->running > 0)
            continue;
        tree_remove(&fleet->elsewhere, n);
        free(e);
    }
}

/* --- one host, one job ------------------------------------------------------------------------ */

static void take_host(struct jobs *jobs, const char *name)
{
    if (!name) {
        recover_hosts(jobs);
        return;
    }
    if (host_queued(jobs, name) < 0)
        wake_recover(&jobs->wake);
    wake_admit(&jobs->wake);
}

/* Can guests have all slots of the host, so that its owner has none? */
static bool may_be_crowded(const struct jobs *jobs, const char *name)
{
    struct store_health health;
    jobs->fleet->shared->health(jobs->fleet->store, &health);
    unsigned guests = health.members > 2 ? health.members - 1 : 1;
    return host_limit(jobs->settings, name) <= guests * jobs->settings->guest_connections;
}

/* What was to run on the host as a guest is left to the store. It may be freed. */
static void guest_stops(struct host *host)
{
    if (host->takes_turns)
        return; /* it is one job at most */
    host->takes_turns = true;
    window_leave(host);
}

/* Where the owner has jobs that wait, and might get no slot, guests and the owner take turns. While
 * a guest runs no other one is invited, and one that is invited waits for more than a beat: so
 * after each guest that was invited before has run one job, the owner sees that a slot is free, and
 * takes it. Without memory it comes again. */
static void take_guest(struct jobs *jobs, const struct store_event *event)
{
    struct host *host = host_find(jobs, event->host);
    bool turns = event->owner_waits && may_be_crowded(jobs, event->host);
    if (jobs->draining || jobs->fleet->fenced)
        return;
    if (turns && host && !host->ours)
        guest_stops(host);
    if (turns && event->others_run)
        return;
    if (host_invited(jobs, event->host, turns) == 0)
        wake_admit(&jobs->wake);
}

/* The row of a job that nobody runs is as good as cancelled: its verdict is this daemon's to
 * give. */
struct orphan {
    struct store_get get;
    struct jobs *jobs;
};

static void on_orphan(struct mail *mail)
{
    struct orphan *orphan = container_of(mail, struct orphan, get.call.mail);
    struct store_job *row = orphan->get.job;
    bool waits = row && (row->state == JOB_QUEUED || row->state == JOB_WAITING);
    if (waits && fleet_owns(orphan->jobs, row->host))
        job_cancel_row(orphan->jobs, row, "cancelled on request");
    else
        store_job_free(row);
    orphan->jobs->fleet->orphans--;
    wake_drained(&orphan->jobs->wake);
    free(orphan);
}

static void take_cancel(struct jobs *jobs, uint64_t id, const char *why)
{
    struct fleet *fleet = jobs->fleet;
    struct job *job = job_find(jobs, id);
    if (job) {
        job_cancel_told(job, why);
        return;
    }
    struct orphan *orphan = jobs->draining ? NULL : calloc(1, sizeof *orphan);
    if (!orphan)
        return; /* it comes again */
    orphan->jobs = jobs;
    orphan->get.id = id;
    fleet->orphans++;
    mail_init(&orphan->get.call.mail, on_orphan);
    fleet->store->engine->get(fleet->store, &orphan->get);
}

/* --- in and out ------------------------------------------------------------------------------- */

static void jobs_fence(struct jobs *jobs)
{
    tree_for_each(n, &jobs->active) job_fence(container_of(n, struct job, active.node));
}

static void fence(struct jobs *jobs, const char *why)
{
    struct fleet *fleet = jobs->fleet;
    bool known = fleet->fenced;
    fleet->fenced = true;
    if (!known) {
        fleet->fences++;
        log_error("fleet: this daemon is no member any more (%s): what runs ends, and runs again "
                  "at another member; nothing starts here until it is one again",
                  why ? why : "its lease is over");
        jobs_fence(jobs);
    }
    /* Where our own clock knew first, shards may have been gained since, by what was on its way. */
    fleet_forget_shards(jobs);
    hosts_change_hands(jobs);
    if (!known)
        watch_tell_room(jobs);
}

static void join(struct jobs *jobs)
{
    if (jobs->fleet->fenced)
        log_info("fleet: this daemon is a member again");
    jobs->fleet->fenced = false;
    torn_read_void(jobs);
    pauses_begin(jobs);
    wake_admit(&jobs->wake);
}

void membership_take(struct jobs *jobs, struct store_event *event)
{
    if (!jobs || jobs->over) {
        store_event_free(event);
        return;
    }
    assert(jobs_are_current(jobs) && jobs->fleet);
    switch (event->kind) {
    case EVENT_GAINED:
        take_elsewhere(jobs, event);
        gain(jobs, &event->shards);
        break;
    case EVENT_LOST:
        lose(jobs, &event->shards);
        break;
    case EVENT_ELSEWHERE:
        take_elsewhere(jobs, event);
        break;
    case EVENT_HOST:
        take_host(jobs, event->host);
        break;
    case EVENT_CANCEL:
        take_cancel(jobs, event->id, event->why);
        break;
    case EVENT_ENDED:
        watch_tell_ended_elsewhere(jobs, event->id);
        break;
    case EVENT_FENCED:
        fence(jobs, event->why);
        break;
    case EVENT_JOINED:
        join(jobs);
        break;
    case EVENT_TORN:
        torn_read(jobs);
        break;
    case EVENT_SCHEDULES:
        watch_tell_schedules(jobs);
        break;
    case EVENT_PARKED:
        park_take(jobs, event);
        break;
    case EVENT_GUEST:
        take_guest(jobs, event);
        break;
    case EVENT_PAUSES:
        pauses_changed(jobs);
        break;
    }
    store_event_free(event);
}

void membership_tick(struct jobs *jobs)
{
    struct fleet *fleet = jobs->fleet;
    if (jobs->over)
        return;
    fleet->shared->progress(fleet->store, jobs->permits_used, (unsigned)jobs->settings->workers);
    /* The thread that would say so may hang. */
    if (!fleet->fenced && fleet->shared->lease_left(fleet->store) <= 0)
        fence(jobs, NULL);
    if (fleet->torn_more)
        torn_read(jobs);
    pauses_tick(jobs);
    wake_at(&jobs->wake, &fleet->clock, clock_now() + TICK_NS);
}

void membership_start(struct jobs *jobs)
{
    if (!jobs->fleet)
        return;
    torn_read_void(jobs);
    pauses_begin(jobs);
    wake_at(&jobs->wake, &jobs->fleet->clock, clock_now() + TICK_NS);
}

void membership_drain(struct jobs *jobs)
{
    if (jobs->fleet)
        jobs->fleet->shared->drain(jobs->fleet->store);
}
