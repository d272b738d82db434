#include "store/postgresql/pg_health.h"

#include "base/clock.h"
#include "base/log.h"

/* --- counting --------------------------------------------------------------------------------- */

static void count(struct fleet *f, uint64_t *n)
{
    pthread_mutex_lock(&f->lock);
    ++*n;
    pthread_mutex_unlock(&f->lock);
}

void health_reconnected(struct pg *pg)
{
    if (pg->fleet)
        count(pg->fleet, &pg->fleet->health.reconnects);
}

void health_settled(struct pg *pg, bool stood)
{
    struct fleet *f = pg->fleet;
    if (f)
        count(f, stood ? &f->health.unanswered_stood : &f->health.unanswered_lost);
}

void health_answered(struct pg *pg, enum store_connection connection, const struct channel *ch)
{
    struct fleet *f = pg->fleet;
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    histogram_add(&f->health.roundtrips[connection], clock_now() - ch->sent_at);
    pthread_mutex_unlock(&f->lock);
}

void health_change_sent(struct pg *pg, uint64_t now)
{
    if (pg->fleet)
        atomic_store(&pg->fleet->change_since, now);
}

void health_change_over(struct pg *pg)
{
    if (pg->fleet)
        atomic_store(&pg->fleet->change_since, 0);
}

void health_lost_commits(struct fleet *f)
{
    count(f, &f->health.lost_commits);
}

void health_add_beat(struct fleet *f, uint64_t ns)
{
    pthread_mutex_lock(&f->lock);
    histogram_add(&f->health.beats, ns);
    pthread_mutex_unlock(&f->lock);
}

void health_take(struct fleet *f, bool standby_lags, uint64_t oldest_ns)
{
    pthread_mutex_lock(&f->lock);
    bool news = standby_lags && !f->health.standby_lags;
    f->health.standby_lags = standby_lags;
    f->health.oldest_ns = oldest_ns;
    pthread_mutex_unlock(&f->lock);
    if (news)
        log_warning("store: the server has a standby, and no commit waits for it: if it is "
                    "promoted, the last jobs and verdicts are lost; set synchronous_standby_names "
                    "at the server (see penstock-fleet(7))");
}

/* --- reading ---------------------------------------------------------------------------------- */

void health_read(struct fleet *f, struct store_health *ret_health)
{
    uint64_t since = atomic_load(&f->change_since);
    pthread_mutex_lock(&f->lock);
    *ret_health = f->health;
    ret_health->unanswered_ns = since ? clock_now() - since : 0;
    ret_health->first = !f->fenced && f->member_count > 0;
    for (size_t i = 0; i < f->member_count; i++) {
        ret_health->members++;
        ret_health->draining += f->members[i].draining;
        ret_health->first &= f->members[i].id >= f->member;
    }
    pthread_mutex_unlock(&f->lock);
}
