#include "store/postgresql/pg_fleet.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Events may be delivered after the store is freed, so each holds the door by which it asks. `pg`
 * is the control loop's. */
struct fleet_door {
    struct pg *pg;
    atomic_uint holders;
};

struct posted {
    struct store_event event; /* first: store_event_free frees it all */
    struct fleet_door *door;
};

/* --- events ----------------------------------------------------------------------------------- */

static void door_let_go(struct fleet_door *door)
{
    if (atomic_fetch_sub(&door->holders, 1) == 1)
        free(door);
}

/* What the loop believes to own changes with what it is told. */
static void note_delivery(struct fleet *f, const struct store_event *event)
{
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        if (event->kind == EVENT_GAINED) {
            f->loop_mine.bits[i] |= event->shards.bits[i];
            f->loop_leaving.bits[i] &= ~event->shards.bits[i];
        } else if (event->kind == EVENT_LOST) {
            f->loop_mine.bits[i] &= ~event->shards.bits[i];
            f->loop_leaving.bits[i] |= event->shards.bits[i];
        } else if (event->kind == EVENT_FENCED) {
            f->loop_mine.bits[i] = f->loop_leaving.bits[i] = 0;
        }
    }
    f->loop_epoch += event->kind == EVENT_FENCED;
}

/* The control loop. */
static void deliver(struct mail *mail)
{
    struct posted *posted = container_of(mail, struct posted, event.mail);
    struct fleet_door *door = posted->door;
    struct pg *pg = door->pg;
    door_let_go(door);
    if (!pg) {
        store_event_free(&posted->event);
        return;
    }
    note_delivery(pg->fleet, &posted->event);
    pg->config.on_event(mail);
}

struct store_event *fleet_event(struct fleet *f, enum store_event_kind kind)
{
    struct posted *posted = calloc(1, sizeof *posted);
    if (!posted)
        return NULL;
    posted->door = f->door;
    posted->event.kind = kind;
    posted->event.store = &f->pg->store;
    posted->event.arg = f->pg->config.arg;
    mail_init(&posted->event.mail, deliver);
    return &posted->event;
}

void fleet_post(struct fleet *f, struct store_event *event)
{
    if (!event)
        return;
    atomic_fetch_add(&f->door->holders, 1);
    mailbox_post(f->pg->store.mailbox, &event->mail);
}

/* --- the lease -------------------------------------------------------------------------------- */

void fleet_wake(struct fleet *f)
{
    wake_by(f->wake_fd);
}

/* Of a lease that is over by now; or, `anyhow`, of any. */
static void end_lease(struct fleet *f, const struct error *why, bool anyhow)
{
    struct store_event *event = fleet_event(f, EVENT_FENCED);
    if (event)
        event->why = strdup(why->text);
    pthread_mutex_lock(&f->lock);
    bool news = !f->fenced && event && (anyhow || lease_clock() >= atomic_load(&f->lease_until));
    if (news) {
        f->fenced = true;
        f->why = *why;
        f->mine = f->released = (struct store_shards){.bits = {0}};
    }
    if (news)
        atomic_store(&f->lease_until, 0);
    if (news)
        fleet_post(f, event); /* with the lock: see pg_calls.c */
    pthread_mutex_unlock(&f->lock);
    if (!news) {
        store_event_free(event);
        return;
    }
    log_warning("store: this member ends all that it runs, and joins the fleet anew: %s",
                why->text);
    wake_by(f->pg->wake_fd);
    fleet_wake(f);
}

void fleet_end_lease(struct fleet *f, const struct error *why)
{
    end_lease(f, why, true);
}

bool fleet_watch_lease(struct fleet *f)
{
    struct error why;
    uint64_t until = atomic_load(&f->lease_until);
    if (until == 0 || lease_clock() < until)
        return until != 0;
    error_set(&why, -EIO, "no beat was answered for %.1f s",
              (double)(f->pg->config.lease_ns / 10 * 7) / (double)NS_PER_SEC);
    end_lease(f, &why, false);
    return lease_clock() < atomic_load(&f->lease_until);
}

bool fleet_extend_lease(struct fleet *f, int64_t member, uint64_t sent)
{
    pthread_mutex_lock(&f->lock);
    bool ours = !f->fenced && f->member == member && lease_clock() < atomic_load(&f->lease_until);
    if (ours)
        atomic_store(&f->lease_until, lease_end(sent, f->pg->config.lease_ns));
    pthread_mutex_unlock(&f->lock);
    return ours;
}

bool fleet_is_fenced(struct fleet *f, struct error *ret_why)
{
    pthread_mutex_lock(&f->lock);
    bool fenced = f->fenced;
    if (fenced && ret_why)
        *ret_why = f->why;
    pthread_mutex_unlock(&f->lock);
    return fenced;
}

void fleet_set_clock(struct fleet *f, uint64_t at, int64_t now)
{
    atomic_store(&f->offset_us, now - (int64_t)(at / 1000));
}

int64_t fleet_now(const struct fleet *f)
{
    return (int64_t)(lease_clock() / 1000) + atomic_load(&f->offset_us);
}

int64_t fleet_time(const struct pg *pg)
{
    return pg->fleet ? fleet_now(pg->fleet) : clock_real_us();
}

void fleet_joined(struct fleet *f, int64_t member, uint64_t asked, int64_t now)
{
    fleet_set_clock(f, asked + (lease_clock() - asked) / 2, now);
    pthread_mutex_lock(&f->lock);
    f->epoch += f->fenced;
    f->fenced = false;
    f->member = member;
    f->joined_at = asked;
    atomic_store(&f->lease_until, lease_end(asked, f->pg->config.lease_ns));
    pthread_mutex_unlock(&f->lock);
    fleet_wake(f);
}

int64_t fleet_lease_left(struct fleet *f)
{
    if (!fleet_watch_lease(f))
        return 0;
    return ((int64_t)atomic_load(&f->lease_until) - (int64_t)lease_clock()) / 1000;
}

/* --- owners ----------------------------------------------------------------------------------- */

const char *fleet_name(struct fleet *f, const char *name)
{
    for (size_t i = 0; i < f->name_count; i++)
        if (strcmp(f->names[i], name) == 0)
            return f->names[i];
    char **more = realloc(f->names, (f->name_count + 1) * sizeof *more);
    if (!more)
        return NULL;
    f->names = more;
    f->names[f->name_count] = strdup(name);
    return f->names[f->name_count] ? f->names[f->name_count++] : NULL;
}

struct store_shards fleet_mine(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    struct store_shards mine = f->mine;
    pthread_mutex_unlock(&f->lock);
    return mine;
}

enum store_owner fleet_owner(struct fleet *f, const char *host, const char **ret_name)
{
    unsigned shard = store_shard(host);
    enum store_owner owner = OWNER_NOBODY;
    if (store_shards_has(&f->loop_mine, shard))
        return OWNER_MINE;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->member_count; i++) {
        if (f->members[i].id != f->owners[shard] || f->owners[shard] == f->member)
            continue;
        owner = OWNER_ANOTHER;
        if (ret_name)
            *ret_name = f->members[i].name;
    }
    pthread_mutex_unlock(&f->lock);
    return owner;
}

/* --- what the loop says ----------------------------------------------------------------------- */

void fleet_release(struct fleet *f, const struct store_shards *shards)
{
    pthread_mutex_lock(&f->lock);
    /* What the loop says of shards that it had as an earlier member is of no use to this one. */
    bool current = !f->fenced && f->loop_epoch == f->epoch;
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        if (current)
            f->released.bits[i] |= shards->bits[i] & f->loop_leaving.bits[i];
        f->loop_leaving.bits[i] &= ~shards->bits[i];
    }
    pthread_mutex_unlock(&f->lock);
    fleet_wake(f);
}

void fleet_drain(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    f->draining = true;
    pthread_mutex_unlock(&f->lock);
    fleet_wake(f);
}

void fleet_await(struct fleet *f, uint64_t id, bool waits)
{
    pthread_mutex_lock(&f->lock);
    bool first = f->awaited.count == 0;
    if (!waits)
        await_drop(&f->awaited, id);
    else if (await_add(&f->awaited, id) < 0)
        log_warning("store: the end of job %llu is told late: out of memory",
                    (unsigned long long)id);
    pthread_mutex_unlock(&f->lock);
    if (first)
        fleet_wake(f);
}

void fleet_progress(struct fleet *f, unsigned running, unsigned workers)
{
    pthread_mutex_lock(&f->lock);
    f->running = running;
    f->workers = workers;
    pthread_mutex_unlock(&f->lock);
}

void fleet_queue_evict(struct fleet *f, struct store_call *call)
{
    pthread_mutex_lock(&f->lock);
    list_add_tail(&f->evicts, &call->link);
    pthread_mutex_unlock(&f->lock);
    fleet_wake(f);
}

static void needs_clear(struct needs *needs)
{
    for (size_t i = 0; i < needs->count; i++)
        free(needs->list[i]);
    free(needs->list);
    *needs = (struct needs){.list = NULL};
}

/* 0 or -ENOMEM. */
static int needs_copy(const char *const *list, size_t count, struct needs *ret)
{
    struct needs copy = {.list = calloc(count + 1, sizeof *copy.list)};
    int r = copy.list ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && r == 0; i++) {
        copy.list[i] = strdup(list[i]);
        copy.count += copy.list[i] != NULL;
        r = copy.list[i] ? 0 : -ENOMEM;
    }
    if (r < 0)
        needs_clear(&copy);
    else
        *ret = copy;
    return r;
}

static bool needs_same(const struct needs *a, const struct needs *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->list[i], b->list[i]) == 0;
    return same;
}

void fleet_set_able(struct fleet *f, const char *const *needs, size_t count)
{
    struct needs able = {.list = NULL};
    if (needs_copy(needs, count, &able) < 0) {
        log_error("store: no memory for what parked jobs need; they stay parked");
        return;
    }
    pthread_mutex_lock(&f->lock);
    struct needs old = f->able;
    f->able = able;
    f->able_changed |= !needs_same(&able, &old);
    pthread_mutex_unlock(&f->lock);
    needs_clear(&old);
    fleet_wake(f);
}

bool fleet_args_able(struct fleet *f, struct args *args)
{
    int at = args->count;
    args_arrays(args, 1);
    pthread_mutex_lock(&f->lock);
    size_t count = f->able.count;
    for (size_t i = 0; i < count; i++)
        array_text(args, at, f->able.list[i]);
    pthread_mutex_unlock(&f->lock);
    args_close(args);
    return count > 0;
}

/* --- members ---------------------------------------------------------------------------------- */

static int copy_member(const struct fleet *f, const struct fleet_member *m,
                       struct store_member *ret)
{
    *ret = (struct store_member){.id = m->id,
                                 .name = strdup(m->name),
                                 .machine = strdup(m->machine),
                                 .version = strdup(m->version),
                                 .config = strdup(m->config),
                                 .started = m->started,
                                 .beat_age_ns = lease_clock() - m->moved_at,
                                 .workers = m->workers,
                                 .running = m->running,
                                 .self = m->id == f->member,
                                 .draining = m->draining};
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        ret->shards += f->owners[i] == m->id;
    return ret->name && ret->machine && ret->version && ret->config ? 0 : -ENOMEM;
}

int fleet_list_members(struct fleet *f, struct store_members *ret_members)
{
    struct store_members list = {.members = NULL};
    int r = 0;
    pthread_mutex_lock(&f->lock);
    list.members = calloc(f->member_count + 1, sizeof *list.members);
    if (!list.members)
        r = -ENOMEM;
    for (size_t i = 0; i < f->member_count && r == 0; i++)
        r = copy_member(f, &f->members[i], &list.members[list.count++]);
    pthread_mutex_unlock(&f->lock);
    if (r < 0)
        store_members_free(&list);
    else
        *ret_members = list;
    return r;
}

/* --- life ------------------------------------------------------------------------------------- */

int fleet_init(struct pg *pg)
{
    struct fleet *f = calloc(1, sizeof *f);
    struct fleet_door *door = calloc(1, sizeof *door);
    if (!f || !door) {
        free(f);
        free(door);
        return -ENOMEM;
    }
    door->pg = pg;
    atomic_init(&door->holders, 1);
    f->pg = pg;
    f->door = door;
    f->workers = pg->config.workers;
    list_init(&f->evicts);
    pthread_mutex_init(&f->lock, NULL);
    pg->fleet = f;
    f->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return f->wake_fd < 0 ? -errno : 0;
}

void fleet_deinit(struct pg *pg)
{
    struct fleet *f = pg->fleet;
    if (!f)
        return;
    f->door->pg = NULL;
    door_let_go(f->door);
    for (size_t i = 0; i < f->member_count; i++) {
        free(f->members[i].machine);
        free(f->members[i].version);
        free(f->members[i].config);
    }
    free(f->members);
    for (size_t i = 0; i < f->name_count; i++)
        free(f->names[i]);
    free(f->names);
    await_deinit(&f->awaited);
    hints_clear(&f->noted);
    hints_clear(&f->outbox);
    needs_clear(&f->able);
    if (f->wake_fd >= 0)
        close(f->wake_fd);
    pthread_mutex_destroy(&f->lock);
    free(f);
    pg->fleet = NULL;
}
