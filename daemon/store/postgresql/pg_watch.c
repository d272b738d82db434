#include "store/postgresql/pg_watch.h"

#include "base/clock.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_lease.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- ourselves -------------------------------------------------------------------------------- */

static bool fence(struct pulse *p, const char *why)
{
    struct error err;
    error_set(&err, -EIO, "%s", why);
    fleet_end_lease(p->f, &err);
    return false;
}

/* A server that took over may lack the last commits of the one before: all of this member's are in
 * doubt then, unless that one let nobody go on before they were copied; but for beats, which do not
 * wait for that. Where our row of beats is gone, nothing was answered, not even a timeline. */
static bool is_same_server(struct pulse *p)
{
    const struct answer *a = &p->answer;
    bool other = p->timeline[0] && strcmp(p->timeline, a->timeline) != 0;
    bool lost = !a->timeline[0] || (a->n <= p->n && !(other && p->copied));
    if (lost || (other && !p->copied))
        health_lost_commits(p->f);
    if (lost)
        return fence(p, "the server has lost commits that were answered");
    if (other && !p->copied)
        return fence(p, "another server has taken over, and commits may be lost");
    return true;
}

bool watch_self(struct pulse *p)
{
    const struct answer *a = &p->answer;
    if (!is_same_server(p) || !fleet_extend_lease(p->f, p->member, p->sent))
        return false;
    p->n = a->n;
    p->copied = a->copied;
    memcpy(p->timeline, a->timeline, sizeof p->timeline);
    fleet_set_clock(p->f, p->sent + (lease_clock() - p->sent) / 2, a->now);
    return true;
}

/* --- the others ------------------------------------------------------------------------------- */

static const struct fleet_member *find(const struct fleet *f, int64_t id)
{
    for (size_t i = 0; i < f->member_count; i++)
        if (f->members[i].id == id)
            return &f->members[i];
    return NULL;
}

static void free_members(struct fleet *f)
{
    for (size_t i = 0; i < f->member_count; i++) {
        free(f->members[i].machine);
        free(f->members[i].version);
        free(f->members[i].config);
    }
    free(f->members);
}

/* Dead is whose beats stood still for its lease while we looked all the time: after a gap in our
 * looking, as of an outage of the server, that begins anew. */
static void date(struct pulse *p, uint64_t now)
{
    struct answer *a = &p->answer;
    for (size_t i = 0; i < a->member_count; i++) {
        const struct fleet_member *before = find(p->f, a->members[i].id);
        bool gap = p->looked_at == 0 || now - p->looked_at > a->members[i].lease_ns / 2;
        bool still = before && before->n == a->members[i].n && !gap;
        a->members[i].moved_at = still ? before->moved_at : now;
    }
    p->looked_at = now;
}

static void find_dead(struct pulse *p, uint64_t now)
{
    const struct answer *a = &p->answer;
    for (size_t i = 0; i < a->member_count && p->dead == 0; i++) {
        const struct fleet_member *m = &a->members[i];
        if (m->id == p->member || now - m->moved_at < m->lease_ns)
            continue;
        p->dead = m->id;
        p->dead_n = m->n;
        snprintf(p->dead_name, sizeof p->dead_name, "%s", m->name);
    }
}

void watch_others(struct pulse *p)
{
    uint64_t now = lease_clock();
    struct answer *a = &p->answer;
    pthread_mutex_lock(&p->f->lock);
    date(p, now);
    find_dead(p, now);
    free_members(p->f);
    p->f->members = a->members;
    p->f->member_count = a->member_count;
    a->members = NULL;
    a->member_count = 0;
    pthread_mutex_unlock(&p->f->lock);
}
