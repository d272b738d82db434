#include "store/postgresql/pg_moves.h"

#include "store/postgresql/pg_answer.h"
#include "store/postgresql/pg_assign.h"
#include "store/postgresql/pg_tell.h"

#include <stdlib.h>
#include <string.h>

/* --- what each should have -------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t value)
{
    return (h ^ value) * 1099511628211u;
}

static uint64_t signature(const struct fleet *f)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < f->member_count; i++) {
        h = mix(h, (uint64_t)f->members[i].id);
        h = mix(h, f->members[i].workers);
        h = mix(h, f->members[i].draining);
    }
    return h;
}

/* The pulse alone changes the list of members. */
static void reckon_wanted(struct pulse *p)
{
    const struct fleet *f = p->f;
    struct assign_member *members = calloc(f->member_count + 1, sizeof *members);
    size_t count = 0, me = SIZE_MAX;
    if (!members)
        return; /* the next beat reckons again */
    for (size_t i = 0; i < f->member_count; i++) {
        const struct fleet_member *m = &f->members[i];
        if (m->draining)
            continue;
        if (m->id == p->member)
            me = count;
        members[count++] = (struct assign_member){.name = m->name, .workers = m->workers};
    }
    assign_shards(members, count, p->wanted_of);
    free(members);
    p->wanted = (struct store_shards){.bits = {0}};
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (me != SIZE_MAX && p->wanted_of[i] == me)
            shards_set(&p->wanted, i);
    p->signature = signature(f);
}

/* --- what it has ------------------------------------------------------------------------------ */

static struct store_shards owned_by(const struct pulse *p, int64_t member)
{
    struct store_shards s = {.bits = {0}};
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (p->answer.owners[i] == member)
            shards_set(&s, i);
    return s;
}

static void publish(struct pulse *p)
{
    struct fleet *f = p->f;
    pthread_mutex_lock(&f->lock);
    tell_new_owners(f, p->answer.owners);
    memcpy(f->owners, p->answer.owners, sizeof f->owners);
    if (!f->fenced && f->member == p->member)
        f->mine = shards_less(p->owned, p->leaving);
    pthread_mutex_unlock(&f->lock);
}

static bool tell_lost(struct pulse *p, struct store_shards shards)
{
    struct store_event *event = shards_any(&shards) ? fleet_event(p->f, EVENT_LOST) : NULL;
    if (!event)
        return false;
    event->shards = shards;
    fleet_post(p->f, event);
    return true;
}

/* What the loop let go counts no more once it is not ours: it may be again, and let go anew. */
static void forget_released(struct pulse *p, struct store_shards shards)
{
    pthread_mutex_lock(&p->f->lock);
    p->f->released = shards_less(p->f->released, shards);
    pthread_mutex_unlock(&p->f->lock);
}

/* What was taken from us without a word, as by an operator. */
static void note_taken(struct pulse *p, struct store_shards there)
{
    struct store_shards taken = shards_less(p->owned, there);
    if (!shards_any(&taken))
        return;
    tell_lost(p, shards_less(taken, p->leaving));
    p->owned = shards_and(p->owned, there);
    p->leaving = shards_and(p->leaving, there);
    forget_released(p, taken);
}

static bool is_draining(struct pulse *p)
{
    pthread_mutex_lock(&p->f->lock);
    bool draining = p->f->draining;
    pthread_mutex_unlock(&p->f->lock);
    return draining;
}

void moves_reckon(struct pulse *p)
{
    struct store_shards there = owned_by(p, p->member);
    if (p->signature != signature(p->f))
        reckon_wanted(p);
    if (is_draining(p))
        p->wanted = (struct store_shards){.bits = {0}};
    note_taken(p, there);
    struct store_shards less = shards_less(shards_less(p->owned, p->wanted), p->leaving);
    if (tell_lost(p, less))
        p->leaving = shards_or(p->leaving, less);
    struct store_shards unknown = shards_less(there, p->owned);
    p->move_due = shards_any(&unknown); /* a change that was not answered stands */
    p->take = shards_and(p->wanted, owned_by(p, 0));
    publish(p);
}

bool moves_due(struct pulse *p)
{
    pthread_mutex_lock(&p->f->lock);
    p->give = shards_and(p->leaving, p->f->released);
    pthread_mutex_unlock(&p->f->lock);
    return p->move_due || shards_any(&p->give) || shards_any(&p->take);
}

/* Hosts of shards that somebody else was quicker to take. */
static void drop_foreign(struct elsewhere *e, struct store_shards mine)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (store_shards_has(&mine, store_shard(e->list[i].host)))
            e->list[kept++] = e->list[i];
        else
            free(e->list[i].host);
    }
    e->count = kept;
}

static void keep_elsewhere(struct pulse *p)
{
    elsewhere_clear(&p->elsewhere);
    p->elsewhere = p->answer.elsewhere;
    p->answer.elsewhere = (struct elsewhere){.list = NULL};
}

/* With the lock: behind the news that this member is fenced the loop would keep the shards. */
static void post_as_member(struct pulse *p, struct store_event *event)
{
    pthread_mutex_lock(&p->f->lock);
    bool member = !p->f->fenced && p->f->member == p->member;
    if (member)
        fleet_post(p->f, event);
    pthread_mutex_unlock(&p->f->lock);
    if (!member)
        store_event_free(event);
}

void moves_done(struct pulse *p)
{
    struct store_shards there = owned_by(p, p->member);
    struct store_shards gained = shards_less(there, p->owned);
    struct store_event *event = shards_any(&gained) ? fleet_event(p->f, EVENT_GAINED) : NULL;
    struct store_shards none = {.bits = {0}};
    forget_released(p, shards_or(p->give, gained));
    p->owned = shards_and(p->owned, there); /* what was given */
    p->leaving = shards_and(p->leaving, there);
    p->give = p->take = none;
    drop_foreign(&p->answer.elsewhere, there);
    if (event && elsewhere_copy(&p->answer.elsewhere, event) < 0) {
        store_event_free(event);
        event = NULL;
    }
    p->move_due = shards_any(&gained) && !event; /* without memory: at the next beat */
    if (event)
        p->owned = shards_or(p->owned, gained);
    publish(p);
    if (event) {
        event->shards = gained;
        post_as_member(p, event);
        keep_elsewhere(p);
    }
}

void moves_tell_elsewhere(struct pulse *p)
{
    if (elsewhere_same(&p->elsewhere, &p->answer.elsewhere))
        return;
    struct store_event *event = fleet_event(p->f, EVENT_ELSEWHERE);
    if (event && elsewhere_copy(&p->answer.elsewhere, event) < 0) {
        store_event_free(event);
        event = NULL;
    }
    if (!event)
        return;
    fleet_post(p->f, event);
    keep_elsewhere(p);
}
