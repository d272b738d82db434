#include "store/postgresql/pg_park.h"

#include "store/postgresql/pg_fleet.h"
#include "store/shared.h"

#include <errno.h>

static void take_park(void *arg, const PGresult *result)
{
    const struct group *group = arg;
    struct store_park *call = CALL_AS(store_park, group->pg->batch.order[group->first]);
    call->call.result = 0;
    atomic_store(&group->pg->fleet->parked_here, true);
    if (PQntuples(result) == 0)
        call->call.result =
            error_set(&call->call.error, -ESTALE, "job %llu does not wait any more at attempt %u",
                      (unsigned long long)call->id, call->attempt);
}

void park_send(struct pg *pg, struct group *group, bool stood)
{
    const struct store_park *call = CALL_AS(store_park, pg->batch.order[group->first]);
    args_reset(&pg->args);
    args_int(&pg->args, call->id > INT64_MAX ? 0 : (int64_t)call->id);
    args_int(&pg->args, call->attempt);
    if (!stood)
        args_text(&pg->args, call->needs);
    channel_step(&pg->w, stood ? SQL_PARK_ASK : SQL_PARK, &pg->args, take_park, group);
}
