#include "store/postgresql/pg_front.h"

#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_queue.h"

static struct fleet *fleet_of(struct store *s)
{
    return pg_of(s)->fleet;
}

/* --- at once ---------------------------------------------------------------------------------- */

static int64_t front_now(struct store *s)
{
    return fleet_now(fleet_of(s));
}

static enum store_owner front_owner(struct store *s, const char *host, const char **ret_name)
{
    return fleet_owner(fleet_of(s), host, ret_name);
}

static int64_t front_lease_left(struct store *s)
{
    return fleet_lease_left(fleet_of(s));
}

static void front_release(struct store *s, const struct store_shards *shards)
{
    fleet_release(fleet_of(s), shards);
}

static void front_drain(struct store *s)
{
    fleet_drain(fleet_of(s));
}

static void front_await(struct store *s, uint64_t id, bool waits)
{
    fleet_await(fleet_of(s), id, waits);
}

static void front_progress(struct store *s, unsigned running, unsigned workers)
{
    fleet_progress(fleet_of(s), running, workers);
}

static void front_able(struct store *s, const char *const *needs, size_t count)
{
    fleet_set_able(fleet_of(s), needs, count);
}

static int front_members(struct store *s, struct store_members *ret_members)
{
    return fleet_list_members(fleet_of(s), ret_members);
}

static void front_health(struct store *s, struct store_health *ret_health)
{
    health_read(fleet_of(s), ret_health);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void front_torn(struct store *s, struct store_torn *call)
{
    call->call.result = CALL_OPEN;
    call->jobs = NULL;
    call->members = NULL;
    call->count = 0;
    queue_call(pg_of(s), &call->call, OP_TORN);
}

static void front_close_torn(struct store *s, struct store_close_torn *call)
{
    call->call.result = CALL_OPEN;
    queue_call(pg_of(s), &call->call, OP_CLOSE_TORN);
}

static void front_cancel(struct store *s, struct store_cancel *call)
{
    call->call.result = CALL_OPEN;
    queue_call(pg_of(s), &call->call, OP_CANCEL);
}

static void front_park(struct store *s, struct store_park *call)
{
    call->call.result = CALL_OPEN;
    queue_call(pg_of(s), &call->call, OP_PARK);
}

static void front_pause(struct store *s, struct store_pause *call)
{
    call->call.result = CALL_OPEN;
    queue_call(pg_of(s), &call->call, OP_PAUSE);
}

static void front_pauses(struct store *s, struct store_pauses *call)
{
    call->call.result = CALL_OPEN;
    call->rows = NULL;
    call->count = 0;
    queue_call(pg_of(s), &call->call, OP_PAUSES);
}

static void front_evict(struct store *s, struct store_evict *call)
{
    call->call.result = CALL_OPEN;
    fleet_queue_evict(fleet_of(s), &call->call);
}

static void front_voided(struct store *s, struct store_void *call)
{
    call->call.result = CALL_OPEN;
    call->attempts = NULL;
    call->count = 0;
    queue_call(pg_of(s), &call->call, OP_VOIDED);
}

static const struct store_shared shared = {.now = front_now,
                                           .owner = front_owner,
                                           .lease_left = front_lease_left,
                                           .release = front_release,
                                           .drain = front_drain,
                                           .await = front_await,
                                           .progress = front_progress,
                                           .torn = front_torn,
                                           .close_torn = front_close_torn,
                                           .cancel = front_cancel,
                                           .park = front_park,
                                           .able = front_able,
                                           .pause = front_pause,
                                           .pauses = front_pauses,
                                           .members = front_members,
                                           .health = front_health,
                                           .evict = front_evict,
                                           .voided = front_voided};

const struct store_shared *front_shared(void)
{
    return &shared;
}
