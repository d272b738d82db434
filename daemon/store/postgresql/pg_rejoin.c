#include "store/postgresql/pg_rejoin.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_lease.h"
#include "store/postgresql/pg_member.h"
#include "store/postgresql/pg_records.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_write.h"

#include <errno.h>
#include <string.h>

void rejoin_told(struct pg *pg, const struct error *why)
{
    pg->gone = pg->fenced = true;
    fleet_end_lease(pg->fleet, why);
}

/* An end or a postponement of what this member has run. */
static bool is_of_an_attempt(const struct store_call *call)
{
    return call->op == OP_POSTPONE ||
           (call->op == OP_FINISH && CALL_AS(store_finish, call)->running);
}

bool rejoin_due(struct pg *pg)
{
    if (!fleet_is_fenced(pg->fleet, NULL))
        return false;
    if (!pg->gone && !pg->records_failing && !records_idle(pg))
        return false;
    list_for_each(e, &pg->waiting)
    {
        const struct store_call *call = container_of(e, struct store_call, link);
        if (!pg->gone && call->epoch == pg->epoch && is_of_an_attempt(call))
            return false;
    }
    return true;
}

/* --- joining ---------------------------------------------------------------------------------- */

static void take_joined(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    pg->joined.member = row_int(result, 0, 0);
    pg->joined.instance = row_int(result, 0, 1);
    pg->joined.now = row_int(result, 0, 2);
}

static void step_namesake(struct pg *pg, enum sql sql)
{
    args_reset(&pg->args);
    args_text(&pg->args, pg->name);
    args_text(&pg->args, pg->fleet->machine);
    channel_step(&pg->w, sql, &pg->args, NULL, NULL);
}

static void step_join(struct pg *pg)
{
    args_reset(&pg->args);
    args_text(&pg->args, pg->name);
    args_text(&pg->args, pg->fleet->machine);
    args_text(&pg->args, PENSTOCK_VERSION);
    args_text(&pg->args, pg->config.digest);
    args_int(&pg->args, pg->config.workers);
    args_int(&pg->args, (int64_t)(pg->config.lease_ns / NS_PER_MS));
    channel_step(&pg->w, SQL_JOIN, &pg->args, take_joined, pg);
}

/* One transaction, as all before a sync is. */
void rejoin_begin(struct pg *pg)
{
    pg->stage = STAGE_JOIN;
    pg->asked = lease_clock();
    channel_step(&pg->w, SQL_LOCK_MEMBERS, NULL, NULL, NULL);
    step_namesake(pg, SQL_END_NAMESAKE);
    step_namesake(pg, SQL_BURY_NAMESAKE);
    channel_step(&pg->w, SQL_FREE_SHARDS, NULL, NULL, NULL);
    channel_step(&pg->w, SQL_KEEP_BATCHES, NULL, NULL, NULL);
    channel_step(&pg->w, SQL_FOLD_COUNTS, NULL, NULL, NULL);
    step_join(pg);
    channel_sync(&pg->w);
}

void rejoin_done(struct pg *pg)
{
    pg->stage = STAGE_NONE;
    pg->member = pg->joined.member;
    pg->instance = pg->joined.instance;
    pg->gone = pg->fenced = false;
    pg->batches = 0;
    pg->id_count = 0;
    member_application(pg, pg->member, pg->application, sizeof pg->application);
    channel_close(&pg->r); /* by its next name */
    calls_become_others(pg);
    pg->epoch++;
    fleet_joined(pg->fleet, pg->member, pg->asked, pg->joined.now);
    calls_set_working(pg);
    log_info("store: this daemon, %s, has joined the fleet anew", pg->name);
}

void rejoin_failed(struct pg *pg)
{
    struct error why = pg->w.fault;
    if (strcmp(pg->w.sqlstate, "23505") == 0)
        error_set(&why, -EBUSY, "fleet.name: %s is in the fleet already, from another machine",
                  pg->name);
    pg->stage = STAGE_NONE;
    calls_set_failing(pg, &why);
}

/* --- calls of old ----------------------------------------------------------------------------- */

static bool claims(const struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->items[i].claim)
            return true;
    return false;
}

static bool starts_something(const struct store_call *call)
{
    return call->op == OP_CLAIM || (call->op == OP_SUBMIT && claims(CALL_AS(store_submit, call)));
}

void rejoin_screen(struct pg *pg, struct store_call *call)
{
    struct error why = {"this member has joined the fleet anew meanwhile"};
    bool old = call->epoch < pg->epoch, fenced = fleet_is_fenced(pg->fleet, &why);
    if (old && is_of_an_attempt(call)) {
        call->result = error_set(&call->error, -ESTALE,
                                 "the attempt was taken from this daemon, which the fleet "
                                 "believed dead");
        return;
    }
    if (!(old || fenced) || !starts_something(call))
        return;
    if (call->op == OP_SUBMIT)
        write_undo_submit(CALL_AS(store_submit, call));
    call->error = why;
    call->result = -EIO;
}
