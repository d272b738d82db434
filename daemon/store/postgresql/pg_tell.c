#include "store/postgresql/pg_tell.h"

#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_lease.h"

#include <stdio.h>

#define OWNER 0 /* in place of a member: whoever has the host when the transaction stands */

void tell_host(struct pg *pg, const char *host)
{
    struct fleet *f = pg->fleet;
    if (!f || !host)
        return;
    pthread_mutex_lock(&f->lock);
    bool other = !store_shards_has(&f->mine, store_shard(host));
    pthread_mutex_unlock(&f->lock);
    if (other)
        hints_add(&f->noted, OWNER, HINT_HOST, host);
}

void tell_cancel(struct pg *pg, int64_t member, uint64_t id)
{
    char text[24];
    if (!pg->fleet)
        return;
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    hints_add(&pg->fleet->noted, member, HINT_CANCEL, text);
}

static void tell_others(struct fleet *f, enum hint_kind kind)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->member_count; i++)
        if (f->members[i].id != f->member)
            hints_add(&f->noted, f->members[i].id, kind, NULL);
    pthread_mutex_unlock(&f->lock);
}

void tell_schedules(struct pg *pg)
{
    if (pg->fleet)
        tell_others(pg->fleet, HINT_SCHEDULES);
}

void tell_pauses(struct pg *pg)
{
    tell_others(pg->fleet, HINT_PAUSES);
}

void tell_submit(struct pg *pg, const struct store_submit *call)
{
    for (size_t i = 0; i < call->count && pg->fleet; i++) {
        const struct store_submit_item *item = &call->items[i];
        if (item->result == 0 && !item->existing && item->job->state == JOB_QUEUED)
            tell_host(pg, item->job->host);
    }
}

static void tell_owner(struct fleet *f, const char *host, uint64_t now)
{
    unsigned shard = store_shard(host);
    int64_t owner = f->owners[shard];
    f->told_at[shard] = now; /* for an owner whom no beat has told of yet */
    if (owner != 0 && owner != f->member)
        hints_add(&f->outbox, owner, HINT_HOST, host);
}

/* Of so many hosts that nobody counts them. */
static void tell_owners(struct fleet *f, uint64_t now)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        f->told_at[i] = now;
    for (size_t i = 0; i < f->member_count; i++)
        if (f->members[i].id != f->member)
            hints_add(&f->outbox, f->members[i].id, HINT_ALL, NULL);
}

void tell_all(struct pg *pg)
{
    struct fleet *f = pg->fleet;
    if (!f || f->noted.count == 0)
        return;
    uint64_t now = lease_clock();
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->noted.count; i++) {
        const struct hint *hint = &f->noted.list[i];
        if (hint->member != OWNER)
            hints_add(&f->outbox, hint->member, hint->kind, hint->text);
        else if (hint->kind == HINT_ALL)
            tell_owners(f, now);
        else
            tell_owner(f, hint->text, now);
    }
    hints_clear(&f->noted);
    pthread_mutex_unlock(&f->lock);
    fleet_wake(f);
}

void tell_new_owners(struct fleet *f, const int64_t owners[STORE_SHARDS])
{
    uint64_t now = lease_clock();
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        bool recent = f->told_at[i] && now - f->told_at[i] < f->pg->config.lease_ns;
        bool other = owners[i] != f->owners[i] && owners[i] != 0 && owners[i] != f->member;
        if (recent && other)
            hints_add(&f->outbox, owners[i], HINT_ALL, NULL);
    }
}

void tell_none(struct pg *pg)
{
    if (pg->fleet)
        hints_clear(&pg->fleet->noted);
}
