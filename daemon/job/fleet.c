#include "job/fleet.h"

#include "base/clock.h"
#include "base/log.h"
#include "record/line.h"
#include "record/notice.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GUEST_WAIT_NS (2 * NS_PER_SEC) /* two beats, which are a second apart at most */

int fleet_new(struct store *store, const char *name, struct fleet **ret_fleet)
{
    *ret_fleet = NULL;
    if (!store->engine->shared)
        return 0;
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (!fleet)
        return -ENOMEM;
    fleet->shared = store->engine->shared;
    fleet->store = store;
    fleet->guest_wait_ns = GUEST_WAIT_NS;
    tree_init(&fleet->elsewhere, tree_by_name);
    wake_timer_init(&fleet->clock, WAKE_FLEET);
    if (name && *name)
        snprintf(fleet->name, sizeof fleet->name, "%s", name);
    else if (gethostname(fleet->name, sizeof fleet->name - 1) < 0)
        strcpy(fleet->name, "penstock");
    *ret_fleet = fleet;
    return 0;
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    assert(!fleet->torn_reading && !fleet->void_reading);
    tree_for_each(n, &fleet->elsewhere)
    {
        tree_remove(&fleet->elsewhere, n); /* the next one's place is looked up by its parents */
        free(container_of(n, struct fleet_elsewhere, entry.node));
    }
    for (size_t i = 0; i < fleet->parked_count; i++)
        free(fleet->parked[i].needs);
    free(fleet->parked);
    free(fleet->parking);
    free(fleet);
}

/* --- whose hosts ------------------------------------------------------------------------------ */

bool fleet_owns(const struct jobs *jobs, const char *host)
{
    return !jobs->fleet || store_shards_has(&jobs->fleet->mine, store_shard(host));
}

const char *fleet_owner(const struct jobs *jobs, const char *host)
{
    const struct fleet *fleet = jobs->fleet;
    const char *name = NULL;
    if (fleet_owns(jobs, host))
        return NULL;
    enum store_owner owner = fleet->shared->owner(fleet->store, host, &name);
    return owner == OWNER_ANOTHER && name ? name : "";
}

unsigned fleet_shards(const struct jobs *jobs)
{
    unsigned n = 0;
    for (size_t i = 0; i < STORE_SHARDS / 64; i++)
        n += (unsigned)__builtin_popcountll(jobs->fleet->mine.bits[i]);
    return n;
}

uint64_t fleet_gained_at(const struct jobs *jobs, const char *host)
{
    return jobs->fleet ? jobs->fleet->gained_at[store_shard(host)] : 0;
}

unsigned fleet_running_elsewhere(const struct jobs *jobs, const char *host)
{
    if (!jobs->fleet)
        return 0;
    const struct fleet_elsewhere *e = tree_entry(tree_find_name(&jobs->fleet->elsewhere, host),
                                                 struct fleet_elsewhere, entry.node);
    return e ? e->running : 0;
}

/* --- giving shards up ------------------------------------------------------------------------- */

void fleet_hold(struct jobs *jobs, const char *host)
{
    if (jobs->fleet)
        jobs->fleet->held[store_shard(host)]++;
}

unsigned fleet_held(const struct jobs *jobs, const char *host)
{
    return jobs->fleet ? store_shard(host) : 0;
}

void fleet_let_go(struct jobs *jobs, unsigned shard)
{
    struct fleet *fleet = jobs->fleet;
    if (!fleet)
        return;
    assert(fleet->held[shard] > 0);
    if (--fleet->held[shard] > 0 || !store_shards_has(&fleet->leaving, shard))
        return;
    struct store_shards one = {{0}};
    one.bits[shard / 64] = UINT64_C(1) << shard % 64;
    fleet->leaving.bits[shard / 64] &= ~one.bits[shard / 64];
    fleet->shared->release(fleet->store, &one);
}

void fleet_leave(struct jobs *jobs, const struct store_shards *shards)
{
    struct fleet *fleet = jobs->fleet;
    struct store_shards free_ones = *shards;
    bool any = false;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (fleet->held[i] > 0)
            free_ones.bits[i / 64] &= ~(UINT64_C(1) << i % 64);
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        fleet->leaving.bits[i] |= shards->bits[i] & ~free_ones.bits[i];
        any |= free_ones.bits[i] != 0;
    }
    if (any)
        fleet->shared->release(fleet->store, &free_ones);
}

void fleet_forget_shards(struct jobs *jobs)
{
    jobs->fleet->mine = jobs->fleet->leaving = (struct store_shards){{0}};
}

/* --- what does not count ---------------------------------------------------------------------- */

bool fleet_has_lost(const struct job *job)
{
    const struct fleet *fleet = job->jobs->fleet;
    if (!fleet)
        return false;
    return job->fenced || (job->claimed && fleet->shared->lease_left(fleet->store) <= 0);
}

void fleet_revoke(struct jobs *jobs, uint64_t job, uint32_t attempt)
{
    log_warning("job %llu: attempt %u was closed by another member, and what it says in this log "
                "does not count",
                (unsigned long long)job, (unsigned)attempt);
    fleet_post_revoke(jobs, job, attempt);
}

void fleet_post_revoke(struct jobs *jobs, uint64_t job, uint32_t attempt)
{
    struct sink_line *line = notice_new(EVENT_REVOKE);
    if (jobs->fleet)
        jobs->fleet->revoked++;
    if (!line)
        return; /* of several verdicts of a job the last one of the highest attempt counts anyway */
    line->job = job;
    line_u64(&line->text, "job", job);
    line_u64(&line->text, "attempt", attempt);
    line_str(&line->text, "by", fleet_name(jobs));
    notice_post(jobs->config.sink, line);
}

void fleet_torn_closed(struct jobs *jobs)
{
    struct fleet *fleet = jobs->fleet;
    assert(fleet->torn_open > 0);
    if (--fleet->torn_open == 0 && fleet->torn_more)
        wake_at(&jobs->wake, &fleet->clock, clock_now()); /* membership.c asks for others */
}

/* --- who waits -------------------------------------------------------------------------------- */

void fleet_await(struct jobs *jobs, uint64_t id, bool waits)
{
    if (jobs->fleet)
        jobs->fleet->shared->await(jobs->fleet->store, id, waits);
}
