#include "store/postgresql/pg_answer.h"

#include "base/clock.h"
#include "store/postgresql/pg_row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- keeping ---------------------------------------------------------------------------------- */

void elsewhere_clear(struct elsewhere *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->list[i].host);
    free(e->list);
    *e = (struct elsewhere){.list = NULL};
}

bool elsewhere_same(const struct elsewhere *a, const struct elsewhere *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = a->list[i].running == b->list[i].running &&
               strcmp(a->list[i].host, b->list[i].host) == 0;
    return same;
}

int elsewhere_copy(const struct elsewhere *e, struct store_event *event)
{
    event->elsewhere = calloc(e->count + 1, sizeof *event->elsewhere);
    if (!event->elsewhere)
        return -ENOMEM;
    for (size_t i = 0; i < e->count; i++) {
        event->elsewhere[i].running = e->list[i].running;
        event->elsewhere[i].host = strdup(e->list[i].host);
        if (!event->elsewhere[i].host)
            return -ENOMEM;
        event->elsewhere_count++;
    }
    return 0;
}

static void free_members(struct answer *a)
{
    for (size_t i = 0; i < a->member_count; i++) {
        free(a->members[i].machine);
        free(a->members[i].version);
        free(a->members[i].config);
    }
    free(a->members);
}

void answer_clear(struct answer *a)
{
    free_members(a);
    elsewhere_clear(&a->elsewhere);
    for (size_t i = 0; i < a->event_count; i++)
        store_event_free(a->events[i]);
    free(a->events);
    *a = (struct answer){.n = 0};
}

static void add_event(struct pulse *p, struct store_event *event)
{
    struct answer *a = &p->answer;
    struct store_event **more =
        event ? realloc(a->events, (a->event_count + 1) * sizeof(struct store_event *)) : NULL;
    if (!more) {
        store_event_free(event);
        a->failed = true;
        return;
    }
    a->events = more;
    a->events[a->event_count++] = event;
}

void answer_post_events(struct pulse *p)
{
    for (size_t i = 0; i < p->answer.event_count; i++)
        fleet_post(p->f, p->answer.events[i]);
    p->answer.event_count = 0;
}

/* --- a beat ----------------------------------------------------------------------------------- */

void answer_take_beat(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    if (PQntuples(result) == 0)
        return;
    a->n = row_int(result, 0, 0);
    a->now = row_int(result, 0, 1);
    snprintf(a->timeline, sizeof a->timeline, "%s", PQgetvalue(result, 0, 2));
    a->copied = PQgetvalue(result, 0, 3)[0] == 't';
}

static bool read_member(struct fleet *f, const PGresult *result, int i, struct fleet_member *ret)
{
    int column = 0;
    ret->id = row_int(result, i, column++);
    pthread_mutex_lock(&f->lock);
    ret->name = fleet_name(f, PQgetvalue(result, i, column++));
    pthread_mutex_unlock(&f->lock);
    ret->machine = strdup(PQgetvalue(result, i, column++));
    ret->version = strdup(PQgetvalue(result, i, column++));
    ret->config = strdup(PQgetvalue(result, i, column++));
    ret->started = row_int(result, i, column++);
    ret->draining = PQgetvalue(result, i, column++)[0] == 't';
    ret->n = row_int(result, i, column++);
    ret->running = (unsigned)row_int(result, i, column++);
    ret->workers = (unsigned)row_int(result, i, column++);
    ret->lease_ns = (uint64_t)row_int(result, i, column++) * NS_PER_MS;
    return ret->name && ret->machine && ret->version && ret->config;
}

void answer_take_members(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    struct answer *a = &p->answer;
    a->members = calloc((size_t)PQntuples(result) + 1, sizeof *a->members);
    if (!a->members)
        a->failed = true;
    for (int i = 0; !a->failed && i < PQntuples(result); i++)
        a->failed = !read_member(p->f, result, i, &a->members[a->member_count++]);
}

void answer_take_shards(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    for (int i = 0; i < PQntuples(result); i++) {
        int64_t shard = row_int(result, i, 0);
        if (shard >= 0 && shard < STORE_SHARDS)
            a->owners[shard] = row_int(result, i, 1);
    }
}

void answer_take_due(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    for (int i = 0; i < PQntuples(result); i++) {
        struct store_event *event = fleet_event(p->f, EVENT_HOST);
        if (event)
            event->host = strdup(PQgetvalue(result, i, 0));
        add_event(p, event); /* without a name: any host */
    }
}

void answer_take_elsewhere(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    struct elsewhere *e = &a->elsewhere;
    e->list = calloc((size_t)PQntuples(result) + 1, sizeof *e->list);
    if (!e->list)
        a->failed = true;
    for (int i = 0; !a->failed && i < PQntuples(result); i++) {
        e->list[i].host = strdup(PQgetvalue(result, i, 0));
        e->list[i].running = (unsigned)row_int(result, i, 1);
        a->failed = !e->list[i].host;
        e->count += !a->failed;
    }
}

static bool was_told(const struct pulse *p, uint64_t id)
{
    for (size_t i = 0; i < p->cancel_count; i++)
        if (p->cancels[i] == id)
            return true;
    return false;
}

void answer_take_cancels(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    size_t count = (size_t)PQntuples(result);
    uint64_t *ids = calloc(count + 1, sizeof *ids);
    for (size_t i = 0; ids && i < count; i++) {
        ids[i] = (uint64_t)row_int(result, (int)i, 0);
        if (was_told(p, ids[i]))
            continue;
        struct store_event *event = fleet_event(p->f, EVENT_CANCEL);
        if (event) {
            event->id = ids[i];
            event->why = strdup(PQgetvalue(result, (int)i, 1));
        }
        add_event(p, event);
    }
    free(p->cancels);
    p->cancels = ids;
    p->cancel_count = ids ? count : 0;
}

void answer_take_torn(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    if (PQgetvalue(result, 0, 0)[0] == 't')
        add_event(p, fleet_event(p->f, EVENT_TORN));
}

void answer_take_version(void *arg, const PGresult *result)
{
    ((struct pulse *)arg)->answer.version = row_int(result, 0, 0);
}

void answer_take_pauses(void *arg, const PGresult *result)
{
    ((struct pulse *)arg)->answer.pauses = PQntuples(result) > 0 ? row_int(result, 0, 0) : 0;
}

void answer_take_counts(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    for (int i = 0; i <= JOB_STATE_COUNT_ && PQntuples(result) > 0; i++)
        a->others[i] = row_int(result, 0, 2 + JOB_STATE_COUNT_ + i);
}

/* The loop is told of them once they are counted. */
void answer_take_kinds(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    a->kind_count = (size_t)PQntuples(result);
    a->kinds = UINT64_C(14695981039346656037);
    for (int i = 0; i < PQntuples(result); i++)
        for (const char *c = PQgetvalue(result, i, 0);; c++) { /* with its end */
            a->kinds = (a->kinds ^ (unsigned char)*c) * UINT64_C(1099511628211);
            if (!*c)
                break;
        }
}

void answer_take_guests(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    int count = PQntuples(result);
    for (int i = 0; i < count; i++) {
        struct store_event *event = fleet_event(p->f, EVENT_GUEST);
        if (event)
            event->host = strdup(PQgetvalue(result, i, 0));
        if (event && event->host) {
            event->owner_waits = PQgetvalue(result, i, 1)[0] == 't';
            event->others_run = PQgetvalue(result, i, 2)[0] == 't';
            add_event(p, event);
        } else {
            store_event_free(event); /* it comes again */
        }
    }
    free(p->guests_host);
    p->guests_host = count < GUESTS_MAX ? NULL : strdup(PQgetvalue(result, count - 1, 0));
}

static bool add_parked(struct store_event *event, const PGresult *result, int i)
{
    struct store_parked *parked = &event->parked[i];
    parked->needs = strdup(PQgetvalue(result, i, 0));
    parked->jobs = (uint64_t)row_int(result, i, 1);
    parked->ours = (uint64_t)row_int(result, i, 2);
    event->parked_count++;
    return parked->needs;
}

void answer_take_parked(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    struct store_event *event = fleet_event(p->f, EVENT_PARKED);
    int count = PQntuples(result);
    if (event)
        event->parked = calloc((size_t)count + 1, sizeof *event->parked);
    bool whole = event && event->parked;
    for (int i = 0; whole && i < count; i++)
        whole = add_parked(event, result, i);
    if (!whole) {
        store_event_free(event);
        event = NULL;
    }
    add_event(p, event); /* NULL: it has failed */
}

void answer_take_schedules(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    for (int i = 0; i < 4; i++)
        a->schedules[i] = row_int(result, 0, i);
    a->has_schedules = true;
}

void answer_take_health(void *arg, const PGresult *result)
{
    struct answer *a = &((struct pulse *)arg)->answer;
    a->standby_lags = PQgetvalue(result, 0, 0)[0] == 't';
    a->oldest_ns = (uint64_t)row_int(result, 0, 1) * 1000;
}

/* --- other pipelines -------------------------------------------------------------------------- */

void answer_take_ended(void *arg, const PGresult *result)
{
    struct pulse *p = arg;
    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t id = (uint64_t)row_int(result, i, 0);
        struct store_event *event = fleet_event(p->f, EVENT_ENDED);
        if (!event)
            return;
        event->id = id;
        pthread_mutex_lock(&p->f->lock);
        bool awaited = await_end(&p->f->awaited, id);
        pthread_mutex_unlock(&p->f->lock);
        if (awaited)
            fleet_post(p->f, event);
        else
            store_event_free(event);
    }
}

void answer_take_declared(void *arg, const PGresult *result)
{
    char *count = PQcmdTuples((PGresult *)(uintptr_t)result);
    ((struct pulse *)arg)->answer.declared = strcmp(count, "1") == 0;
}
