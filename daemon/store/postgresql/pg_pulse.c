#include "store/postgresql/pg_pulse.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_answer.h"
#include "store/postgresql/pg_beat.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_lease.h"
#include "store/postgresql/pg_member.h"
#include "store/postgresql/pg_moves.h"
#include "store/postgresql/pg_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AWAIT_NS      (100 * NS_PER_MS)
#define WALK_NS       (30 * NS_PER_SEC)
#define HEALTH_NS     (30 * NS_PER_SEC)
#define SOON_NS       (20 * NS_PER_MS) /* between beats that hints ask for */
#define COUNT_SHARE   20
#define CANCELS_AGAIN 10 /* beats */
#define PARKED_AGAIN  30 /* beats, too */
#define PARKED_STEP   10000

/* --- who we are ------------------------------------------------------------------------------- */

/* As a new member, of which nothing is known. */
static void become(struct pulse *p)
{
    struct store_shards none = {.bits = {0}};
    pthread_mutex_lock(&p->f->lock);
    p->member = p->f->member;
    p->epoch = p->f->epoch;
    pthread_mutex_unlock(&p->f->lock);
    p->owned = p->wanted = p->leaving = p->give = p->take = none;
    p->move_due = p->drain_told = false;
    p->joined_told = p->epoch == 0;
    p->n = p->dead = 0;
    p->looked_at = p->next_beat = p->next_count = p->signature = 0;
    p->timeline[0] = '\0';
    p->version = p->pauses = -1;
    p->cancel_count = 0;
    p->kinds = p->next_parked = 0;
    p->count_parked = false;
    p->parked_most = PARKED_ALL;
    p->next_walk = lease_clock() + WALK_NS;
    elsewhere_clear(&p->elsewhere);
}

static void answer_evict(struct pulse *p, struct store_evict *call, int code, const char *why)
{
    call->call.result =
        code < 0 ? error_set(&call->call.error, code, "%s: %s", call->name, why) : 0;
    mailbox_post(p->pg->store.mailbox, &call->call.mail);
}

static void drop_connection(struct pulse *p)
{
    if (p->evict)
        answer_evict(p, p->evict, -EIO, "the connection was lost; look whether it is gone");
    p->evict = NULL;
    p->dead = 0;
    p->cancel_count = 0;
    p->kinds = 0; /* what was being counted is counted again */
    p->looked_at = 0;
    p->greeted = false;
    p->work = WORK_NONE;
    channel_close(&p->ch);
    p->ch.retry_at = clock_now() + p->pg->config.retry_ns;
}

/* False: there is no member for whom to beat. */
static bool is_member(struct pulse *p)
{
    pthread_mutex_lock(&p->f->lock);
    bool fenced = p->f->fenced, other = p->f->epoch != p->epoch;
    pthread_mutex_unlock(&p->f->lock);
    if (fenced || other)
        drop_connection(p);
    if (other && !fenced) {
        char name[64];
        become(p);
        member_application(p->pg, p->member, name, sizeof name);
        p->ch.retry_at = 0;
        if (target_call(&p->target, name) < 0)
            log_error("store: out of memory");
    }
    return !fenced;
}

/* --- what was answered ------------------------------------------------------------------------ */

static void tell_joined(struct pulse *p)
{
    struct store_event *event = p->joined_told ? NULL : fleet_event(p->f, EVENT_JOINED);
    if (!event)
        return;
    p->joined_told = true;
    fleet_post(p->f, event);
}

static void tell_schedules(struct pulse *p)
{
    if (p->version != p->answer.version || p->schedules_told) {
        fleet_post(p->f, fleet_event(p->f, EVENT_SCHEDULES));
        p->count_schedules = true;
    }
    p->version = p->answer.version;
    p->schedules_told = false;
}

static void tell_pauses(struct pulse *p)
{
    struct store_event *event =
        p->pauses != p->answer.pauses ? fleet_event(p->f, EVENT_PAUSES) : NULL;
    if (!event)
        return;
    p->pauses = p->answer.pauses;
    fleet_post(p->f, event);
}

static void walk(struct pulse *p)
{
    if (lease_clock() < p->next_walk)
        return;
    p->next_walk = lease_clock() + WALK_NS;
    p->count_schedules = true;
    /* The sequence goes on before the rows are there, and the hint behind them may be lost. */
    p->schedules_told |= p->walked_version != p->version;
    p->walked_version = p->version;
    fleet_post(p->f, fleet_event(p->f, EVENT_HOST));
}

/* What jobs are parked is counted when that changes or some were parked here, and now and then how
 * many. */
static void look_at_parked(struct pulse *p)
{
    const struct answer *a = &p->answer;
    if (a->kinds != p->kinds || atomic_exchange(&p->f->parked_here, false) ||
        (a->kind_count > 0 && p->beats % PARKED_AGAIN == 0))
        p->count_parked = true;
    p->kinds = a->kinds;
}

static void beat_answered(struct pulse *p)
{
    health_add_beat(p->f, lease_clock() - p->sent);
    if (p->answer.failed || !watch_self(p))
        return;
    p->held = false;
    tell_joined(p);
    watch_others(p);
    moves_reckon(p);
    moves_tell_elsewhere(p);
    answer_post_events(p);
    tell_schedules(p);
    tell_pauses(p);
    calls_bring_others(p->pg, p->answer.others);
    walk(p);
    look_at_parked(p);
    if (++p->beats % CANCELS_AGAIN == 0)
        p->cancel_count = 0;
}

/* So that counting takes a twentieth of the time at most, however many there are and however often
 * they change. */
static void count_answered(struct pulse *p)
{
    uint64_t now = lease_clock();
    p->next_count = now + COUNT_SHARE * (now - p->sent);
    if (p->answer.has_schedules)
        calls_bring_schedules(p->pg, p->answer.schedules);
}

static void parked_answered(struct pulse *p)
{
    uint64_t now = lease_clock();
    p->next_parked = now + COUNT_SHARE * (now - p->sent);
    if (p->answer.failed) {
        p->kinds = 0; /* counted again after the next beat */
        return;
    }
    answer_post_events(p);
    if (p->parked_most < PARKED_ALL)
        p->parked_most *= PARKED_STEP; /* there may be fewer by now */
}

/* There are too many to be counted: fewer are, since what is needed has to be known. */
static bool parked_too_many(struct pulse *p)
{
    if (p->work != WORK_PARKED || strcmp(p->ch.sqlstate, "57014") != 0)
        return false;
    uint64_t now = lease_clock();
    p->next_parked = now + COUNT_SHARE * (now - p->sent);
    p->count_parked = true;
    if (p->parked_most > 1)
        p->parked_most /= PARKED_STEP;
    return true;
}

static void reap_answered(struct pulse *p)
{
    if (p->answer.declared)
        log_warning("store: the member %s of the fleet is declared dead: %s", p->dead_name,
                    p->evict ? "as somebody asked" : "it gave no sign of life for its lease");
    if (p->evict)
        answer_evict(p, p->evict, p->answer.declared ? 0 : -ENOENT, "there is no such member");
    p->evict = NULL;
    p->dead = 0;
    p->next_beat = 0; /* what it had is free */
}

static void work_failed(struct pulse *p)
{
    p->cancel_count = 0;
    p->kinds = 0;
    if (strcmp(p->ch.sqlstate, "22012") != 0) {
        log_warning("store: the fleet cannot be asked: %s", p->ch.fault.text);
    } else {
        struct error why;
        error_set(&why, -EIO, "the fleet has declared this member, %s, dead", p->pg->name);
        fleet_end_lease(p->f, &why);
    }
    if (p->evict)
        answer_evict(p, p->evict, -EIO, p->ch.fault.text);
    p->evict = NULL;
    p->dead = 0;
    p->held = true;
    if (p->work == WORK_HELLO)
        drop_connection(p);
}

static void work_done(struct pulse *p)
{
    enum work work = p->work;
    if (p->ch.fault_code != 0) {
        if (!parked_too_many(p))
            work_failed(p);
    } else if (work == WORK_HELLO) {
        p->greeted = true;
        p->next_beat = 0;
    } else if (work == WORK_BEAT) {
        beat_answered(p);
    } else if (work == WORK_MOVE && !p->answer.failed) {
        moves_done(p);
        answer_post_events(p);
    } else if (work == WORK_REAP) {
        reap_answered(p);
    } else if (work == WORK_COUNT) {
        count_answered(p);
    } else if (work == WORK_PARKED) {
        parked_answered(p);
    } else if (work == WORK_HEALTH) {
        health_take(p->f, p->answer.standby_lags, p->answer.oldest_ns);
    } else if (work == WORK_DRAIN) {
        p->drain_told = true;
        p->next_beat = 0; /* it says that all goes */
    }
    p->work = WORK_NONE;
    answer_clear(&p->answer);
}

/* --- hints ------------------------------------------------------------------------------------ */

static void tell_host(struct pulse *p, const char *host)
{
    struct store_shards mine = fleet_mine(p->f);
    if (host && !store_shards_has(&mine, store_shard(host)))
        return;
    struct store_event *event = fleet_event(p->f, EVENT_HOST);
    if (event && host)
        event->host = strdup(host); /* without memory: any host */
    fleet_post(p->f, event);
}

static void take_hint(struct pulse *p, const char *text)
{
    switch ((enum hint_kind)text[0]) {
    case HINT_HOST:
        if (text[1] == ' ')
            tell_host(p, text + 2);
        return;
    case HINT_ALL:
        tell_host(p, NULL);
        return;
    case HINT_SCHEDULES:
        p->schedules_told = true; /* the version may have been seen before the rows were there */
        p->beat_soon = true;
        return;
    case HINT_CANCEL:
        p->beat_soon = true; /* it says what, and why */
        return;
    case HINT_PAUSES:
        fleet_post(p->f, fleet_event(p->f, EVENT_PAUSES));
        return;
    }
}

static void take_hints(struct pulse *p)
{
    PGnotify *note;
    while (p->ch.conn && (note = PQnotifies(p->ch.conn))) {
        take_hint(p, note->extra);
        PQfreemem(note);
    }
}

/* --- what is next ----------------------------------------------------------------------------- */

static struct store_evict *next_evict(struct pulse *p)
{
    pthread_mutex_lock(&p->f->lock);
    struct list *e = list_pop(&p->f->evicts);
    pthread_mutex_unlock(&p->f->lock);
    return e ? CALL_AS(store_evict, container_of(e, struct store_call, link)) : NULL;
}

static void refuse_evicts(struct pulse *p)
{
    for (struct store_evict *call; (call = next_evict(p));)
        answer_evict(p, call, -EIO, "this daemon cannot reach the server just now");
}

/* True: somebody is to be declared dead. */
static bool take_evict(struct pulse *p)
{
    struct store_evict *call;
    while (p->dead == 0 && p->looked_at && (call = next_evict(p))) {
        const struct fleet_member *m = NULL;
        for (size_t i = 0; i < p->f->member_count; i++)
            if (strcmp(p->f->members[i].name, call->name) == 0)
                m = &p->f->members[i];
        if (!m) {
            answer_evict(p, call, -ENOENT, "there is no such member");
        } else if (m->id == p->member) {
            answer_evict(p, call, -EINVAL, "that is this daemon itself; stop it instead");
        } else {
            p->dead = m->id;
            p->dead_n = -1;
            p->evict = call;
            snprintf(p->dead_name, sizeof p->dead_name, "%s", m->name);
        }
    }
    return p->dead != 0;
}

static bool drain_due(struct pulse *p)
{
    pthread_mutex_lock(&p->f->lock);
    bool due = p->f->draining && !p->drain_told;
    pthread_mutex_unlock(&p->f->lock);
    return due;
}

/* Parked jobs can be run here that could not be before. */
static bool is_able_anew(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    bool changed = f->able_changed;
    f->able_changed = false;
    pthread_mutex_unlock(&f->lock);
    return changed;
}

static void begin_next(struct pulse *p)
{
    uint64_t now = lease_clock();
    p->beat_soon |= is_able_anew(p->f);
    if (p->beat_soon && p->next_beat > now + SOON_NS)
        p->next_beat = now + SOON_NS;
    p->beat_soon = false;
    if (now >= p->next_beat) {
        p->next_beat = now + lease_beat(p->pg->config.lease_ns);
        beat_send(p);
    } else if (p->looked_at && !p->held && drain_due(p)) {
        beat_drain(p);
    } else if (p->looked_at && !p->held && moves_due(p)) {
        beat_move(p);
    } else if (!p->held && take_evict(p)) {
        beat_reap(p);
    } else if (beat_tell(p)) {
        return;
    } else if (p->count_schedules && now >= p->next_count && p->looked_at && !p->held) {
        beat_count(p);
    } else if (p->count_parked && now >= p->next_parked && p->looked_at && !p->held) {
        beat_parked(p);
    } else if (now >= p->next_health && p->looked_at && !p->held) {
        p->next_health = now + HEALTH_NS;
        beat_health(p);
    } else if (now >= p->next_await) {
        p->next_await = now + AWAIT_NS;
        beat_await(p);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void turn(struct pulse *p)
{
    enum channel_event event = channel_turn(&p->ch);
    take_hints(p);
    if (event == CHANNEL_CONNECTED)
        beat_hello(p);
    else if (event == CHANNEL_DONE)
        work_done(p);
    else if (event == CHANNEL_LOST)
        drop_connection(p);
    if (p->ch.state == CHANNEL_DOWN && clock_now() >= p->ch.retry_at)
        channel_connect(&p->ch);
    if (p->ch.state == CHANNEL_IDLE && p->greeted && p->work == WORK_NONE)
        begin_next(p);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* In ns, of clock_now. */
static uint64_t until(uint64_t at)
{
    uint64_t now = clock_now();
    return at > now ? at - now : 0;
}

static int timeout(const struct pulse *p, bool member)
{
    uint64_t now = lease_clock(), at = now + 60 * NS_PER_SEC;
    if (!member)
        return -1; /* the store's thread tells */
    at = earlier(at, atomic_load(&p->f->lease_until));
    if (p->ch.state == CHANNEL_DOWN)
        at = earlier(at, now + until(p->ch.retry_at));
    if (p->ch.state == CHANNEL_CONNECTING)
        at = earlier(at, now + until(p->ch.patience_to));
    if (p->greeted && p->work == WORK_NONE) {
        at = earlier(at, p->next_beat);
        pthread_mutex_lock(&p->f->lock);
        if (p->f->awaited.count > 0)
            at = earlier(at, p->next_await);
        pthread_mutex_unlock(&p->f->lock);
    }
    return at <= now ? 0 : (int)((at - now) / NS_PER_MS) + 1;
}

static bool is_stopped(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    bool stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return stop;
}

static void *pulse_thread(void *arg)
{
    struct pulse *p = arg;
    uint64_t n;
    pthread_setname_np(pthread_self(), "pulse");
    while (!is_stopped(p->f)) {
        bool member = is_member(p) && fleet_watch_lease(p->f);
        if (member)
            turn(p);
        else
            refuse_evicts(p);
        member = !fleet_is_fenced(p->f, NULL);
        struct pollfd fds[2] = {{.fd = p->f->wake_fd, .events = POLLIN}, channel_poll(&p->ch)};
        if (poll(fds, 2, timeout(p, member)) < 0 && errno != EINTR)
            break; /* out of kernel memory: the lease ends, by the loop's own look at it */
        while (read(p->f->wake_fd, &n, sizeof n) > 0)
            ;
    }
    drop_connection(p);
    refuse_evicts(p);
    answer_clear(&p->answer);
    elsewhere_clear(&p->elsewhere);
    free(p->cancels);
    free(p->guests_host);
    channel_deinit(&p->ch);
    args_deinit(&p->args);
    target_deinit(&p->target);
    free(p);
    return NULL;
}

int pulse_start(struct pg *pg, const struct store_config *config, struct error *err)
{
    struct store_config direct = *config;
    struct pulse *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, -ENOMEM, "store: out of memory");
    direct.dsn = config->direct ? config->direct : config->dsn;
    direct.direct = NULL;
    int r = target_init(&p->target, &direct, err);
    if (r == 0 && target_call(&p->target, pg->application) < 0)
        r = error_set(err, -ENOMEM, "store: out of memory");
    p->pg = pg;
    p->f = pg->fleet;
    channel_init(&p->ch, &p->target, &pg->sqls);
    become(p);
    if (r == 0)
        r = -pthread_create(&p->f->thread, NULL, pulse_thread, p);
    if (r == 0) {
        p->f->started = true;
        return 0;
    }
    target_deinit(&p->target);
    free(p);
    return err->text[0] ? r : error_set(err, r, "store: no thread: %s", strerror(-r));
}

void pulse_stop(struct pg *pg)
{
    struct fleet *f = pg->fleet;
    if (!f || !f->started)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_mutex_unlock(&f->lock);
    fleet_wake(f);
    pthread_join(f->thread, NULL);
    f->started = false;
}
