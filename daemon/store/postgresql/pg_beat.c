#include "store/postgresql/pg_beat.h"

#include "base/clock.h"
#include "store/postgresql/pg_answer.h"
#include "store/postgresql/pg_lease.h"
#include "store/postgresql/pg_member.h"
#include "store/postgresql/pg_others.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AWAITED_MAX 4096 /* that are asked after at once */
#define KINDS_MAX   1024 /* of parked jobs */

static void begin(struct pulse *p, enum work work)
{
    answer_clear(&p->answer);
    p->work = work;
    p->sent = lease_clock();
}

static void step(struct pulse *p, enum sql sql, struct args *args, step_taker *take)
{
    channel_step(&p->ch, sql, args, take, p);
}

/* What this thread changes waits for no standby: without one all members would be silent, and end
 * what they run. A server that takes over may lack the last of it, and then all of it that came
 * behind. Nothing of the store's thread can: its commits wait, and what was written before them is
 * there as well. */
static void locally(struct pulse *p)
{
    step(p, SQL_LOCALLY, NULL, NULL);
}

static struct args *me(struct pulse *p)
{
    args_reset(&p->args);
    args_int(&p->args, p->member);
    return &p->args;
}

static struct args *shards(struct pulse *p, const struct store_shards *s)
{
    args_reset(&p->args);
    others_args_shards(&p->args, s, 0);
    return &p->args;
}

static struct args *me_and_shards(struct pulse *p, const struct store_shards *s)
{
    me(p);
    others_args_shards(&p->args, s, 0);
    return &p->args;
}

static void channel_name(char *ret, size_t size, const struct pulse *p, int64_t member)
{
    snprintf(ret, size, "penstock_%s_%lld", p->pg->fleet_id, (long long)member);
}

void beat_hello(struct pulse *p)
{
    char name[64], text[80];
    begin(p, WORK_HELLO);
    member_application(p->pg, p->member, name, sizeof name);
    channel_end_lost(&p->ch, &p->args, name);
    channel_name(name, sizeof name, p, p->member);
    snprintf(text, sizeof text, "LISTEN %s", name);
    channel_step_text(&p->ch, text, NULL, NULL, NULL);
    step(p, SQL_HOLD, me(p), NULL);
    channel_sync(&p->ch);
}

/* Hosts of others that have parked jobs which can be run here: from where the last page ended on,
 * so that however many there are each has its turn. */
static void step_guests(struct pulse *p)
{
    args_reset(&p->args);
    fleet_args_able(p->f, &p->args);
    args_int(&p->args, p->guests_host ? store_shard(p->guests_host) : 0);
    args_text(&p->args, p->guests_host ? p->guests_host : "");
    others_args_shards(&p->args, &p->owned, 0);
    args_int(&p->args, GUESTS_MAX);
    args_int(&p->args, p->member);
    step(p, SQL_GUESTS, &p->args, answer_take_guests);
}

/* Nothing is asked as long as nothing is parked that could be run here. */
static void step_able(struct pulse *p)
{
    struct fleet *f = p->f;
    shards(p, &p->owned);
    if (!fleet_args_able(f, &p->args))
        return;
    step(p, SQL_UNPARK, &p->args, answer_take_due);
    pthread_mutex_lock(&f->lock);
    bool draining = f->draining;
    pthread_mutex_unlock(&f->lock);
    if (!draining)
        step_guests(p);
}

void beat_send(struct pulse *p)
{
    begin(p, WORK_BEAT);
    locally(p);
    step(p, SQL_ALIVE, me(p), NULL);
    me(p);
    pthread_mutex_lock(&p->f->lock);
    args_int(&p->args, p->f->running);
    args_int(&p->args, p->f->workers);
    pthread_mutex_unlock(&p->f->lock);
    step(p, SQL_BEAT, &p->args, answer_take_beat);
    step(p, SQL_MEMBERS, NULL, answer_take_members);
    step(p, SQL_SHARDS, NULL, answer_take_shards);
    step(p, SQL_DUE, shards(p, &p->owned), answer_take_due);
    step(p, SQL_ELSEWHERE, me_and_shards(p, &p->owned), answer_take_elsewhere);
    step(p, SQL_CANCELS, me_and_shards(p, &p->owned), answer_take_cancels);
    step(p, SQL_ANY_TORN, shards(p, &p->owned), answer_take_torn);
    step(p, SQL_VERSION, NULL, answer_take_version);
    step(p, SQL_PAUSES_VERSION, NULL, answer_take_pauses);
    step(p, SQL_COUNTS, me(p), answer_take_counts);
    args_reset(&p->args);
    args_int(&p->args, KINDS_MAX);
    step(p, SQL_KINDS, &p->args, answer_take_kinds);
    step_able(p);
    channel_sync(&p->ch);
}

void beat_move(struct pulse *p)
{
    struct store_shards mine = shards_or(shards_less(p->owned, p->give), p->take);
    begin(p, WORK_MOVE);
    locally(p);
    step(p, SQL_ALIVE, me(p), NULL);
    if (shards_any(&p->give))
        step(p, SQL_GIVE, me_and_shards(p, &p->give), NULL);
    if (shards_any(&p->take))
        step(p, SQL_TAKE, me_and_shards(p, &p->take), NULL);
    step(p, SQL_SHARDS, NULL, answer_take_shards);
    step(p, SQL_ELSEWHERE, me_and_shards(p, &mine), answer_take_elsewhere);
    step(p, SQL_ANY_TORN, shards(p, &mine), answer_take_torn);
    channel_sync(&p->ch);
}

static void step_patience(struct pulse *p, enum sql sql, uint64_t ns)
{
    char text[24];
    snprintf(text, sizeof text, "%llums", (unsigned long long)(ns / NS_PER_MS + 1));
    args_reset(&p->args);
    args_text(&p->args, text);
    step(p, sql, &p->args, NULL);
}

/* Whoever holds the row must not make our lease lapse. */
static void briefly(struct pulse *p)
{
    step_patience(p, SQL_BRIEFLY, p->pg->config.lease_ns / 10);
}

/* It reads all of them, so it is no part of a beat. */
void beat_count(struct pulse *p)
{
    begin(p, WORK_COUNT);
    briefly(p);
    p->count_schedules = false;
    step(p, SQL_SCHEDULES_COUNT, NULL, answer_take_schedules);
    channel_sync(&p->ch);
}

/* It reads all that are parked, or as many as it may; the next beat does not stand behind it. */
void beat_parked(struct pulse *p)
{
    begin(p, WORK_PARKED);
    step_patience(p, SQL_HASTILY, lease_beat(p->pg->config.lease_ns) / 4);
    p->count_parked = false;
    shards(p, &p->owned);
    args_int(&p->args, KINDS_MAX);
    args_int(&p->args, p->parked_most);
    step(p, SQL_PARKED, &p->args, answer_take_parked);
    channel_sync(&p->ch);
}

void beat_health(struct pulse *p)
{
    begin(p, WORK_HEALTH);
    step(p, SQL_HEALTH, NULL, answer_take_health);
    channel_sync(&p->ch);
}

void beat_drain(struct pulse *p)
{
    begin(p, WORK_DRAIN);
    locally(p);
    briefly(p);
    step(p, SQL_DRAIN, me(p), NULL);
    channel_sync(&p->ch);
}

static struct args *the_dead(struct pulse *p)
{
    args_reset(&p->args);
    args_int(&p->args, p->dead);
    return &p->args;
}

/* Its sessions end first: one that hangs in a transaction would hold its row. */
void beat_reap(struct pulse *p)
{
    begin(p, WORK_REAP);
    locally(p);
    step(p, SQL_ALIVE, me(p), NULL);
    briefly(p);
    step(p, SQL_END_SESSIONS, the_dead(p), NULL);
    step(p, SQL_LOCK_MEMBER, the_dead(p), NULL);
    the_dead(p);
    args_int(&p->args, p->dead_n);
    step(p, SQL_DECLARE, &p->args, answer_take_declared);
    step(p, SQL_FREE_SHARDS, NULL, NULL);
    step(p, SQL_KEEP_BATCHES, NULL, NULL);
    step(p, SQL_FOLD_COUNTS, NULL, NULL);
    step(p, SQL_TIDY, NULL, NULL);
    channel_sync(&p->ch);
}

static void add_hint(struct pulse *p, const struct hint *hint)
{
    char name[64], text[300];
    channel_name(name, sizeof name, p, hint->member);
    snprintf(text, sizeof text, "%c%s%s", (char)hint->kind, hint->text ? " " : "",
             hint->text ? hint->text : "");
    array_text(&p->args, 0, name);
    array_text(&p->args, 1, text);
}

bool beat_tell(struct pulse *p)
{
    struct hints hints;
    pthread_mutex_lock(&p->f->lock);
    hints = p->f->outbox;
    p->f->outbox = (struct hints){.list = NULL};
    pthread_mutex_unlock(&p->f->lock);
    if (hints.count == 0)
        return false;
    begin(p, WORK_TELL);
    step(p, SQL_QUICK, NULL, NULL);
    args_reset(&p->args);
    args_arrays(&p->args, 2);
    for (size_t i = 0; i < hints.count; i++)
        add_hint(p, &hints.list[i]);
    args_close(&p->args);
    step(p, SQL_NOTIFY, &p->args, NULL);
    channel_sync(&p->ch);
    hints_clear(&hints);
    return true;
}

bool beat_await(struct pulse *p)
{
    const struct await *a = &p->f->awaited;
    args_reset(&p->args);
    args_arrays(&p->args, 1);
    pthread_mutex_lock(&p->f->lock);
    size_t count = a->count < AWAITED_MAX ? a->count : AWAITED_MAX;
    for (size_t i = 0; i < count; i++) /* all in turn */
        array_int(&p->args, 0, (int64_t)a->list[p->await_from++ % a->count].id);
    pthread_mutex_unlock(&p->f->lock);
    args_close(&p->args);
    if (count == 0)
        return false;
    begin(p, WORK_AWAIT);
    step(p, SQL_AWAITED, &p->args, answer_take_ended);
    channel_sync(&p->ch);
    return true;
}
