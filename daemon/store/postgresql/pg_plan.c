#include "store/postgresql/pg_plan.h"

#include "store/shared.h"

#include <stdlib.h>
#include <string.h>

#define TOUCHED 4096 /* jobs, by their id's last bits: two that share them only cost a round */

/* The statements go in rounds; within one, in the order of enum op. */
struct planner {
    unsigned round;
    int last;              /* the highest op of this round */
    bool schedules;        /* the call before changes one */
    uint8_t seen[TOUCHED]; /* 1 + the highest op that names the job in this round */
};

static uint64_t named(const struct store_call *call)
{
    switch (call->op) {
    case OP_CLAIM:
        return CALL_AS(store_claim, call)->id;
    case OP_FINISH:
        return CALL_AS(store_finish, call)->id;
    case OP_POSTPONE:
        return CALL_AS(store_postpone, call)->id;
    case OP_CLOSE_TORN:
        return CALL_AS(store_close_torn, call)->id;
    case OP_CANCEL:
        return CALL_AS(store_cancel, call)->id;
    case OP_PARK:
        return CALL_AS(store_park, call)->id;
    default:
        return 0;
    }
}

static void next_round(struct planner *p)
{
    p->round++;
    p->last = 0;
    p->schedules = false;
    memset(p->seen, 0, sizeof p->seen);
}

/* A schedule's row is changed by submissions, ends and puts alike. */
static bool has_schedule(const struct store_call *call)
{
    return call->op == OP_SCHEDULE_PUT || call->op == OP_SCHEDULE_PASS ||
           (call->op == OP_SUBMIT && CALL_AS(store_submit, call)->run) ||
           (call->op == OP_FINISH && CALL_AS(store_finish, call)->end);
}

/* The call's round. */
static unsigned place(struct planner *p, const struct store_call *call)
{
    uint64_t id = named(call);
    uint8_t *seen = &p->seen[id % TOUCHED];
    bool after_read = !op_writes(p->last) && op_writes(call->op);
    bool again = id && *seen > call->op;
    bool schedules = has_schedule(call) && (p->schedules || p->last > call->op);
    if (after_read || again || schedules)
        next_round(p);
    p->schedules = has_schedule(call);
    if (id)
        *seen = (uint8_t)(call->op + 1);
    if (call->op > p->last)
        p->last = call->op;
    return p->round;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool stands_alone(const struct store_call *call)
{
    return call->op == OP_CLOSE_TORN || call->op == OP_CANCEL || call->op == OP_PARK ||
           call->op == OP_VOIDED || call->op == OP_PAUSE || call->op == OP_SCHEDULE_PUT ||
           call->op == OP_SCHEDULE_PASS ||
           (call->op == OP_SUBMIT && CALL_AS(store_submit, call)->run);
}

/* A key is round, kind and place in the order of arrival. */
static void make_groups(struct pg *pg, const uint64_t *keys, size_t count,
                        struct store_call *const *calls)
{
    struct batch *b = &pg->batch;
    for (size_t i = 0; i < count; i++) {
        struct store_call *call = calls[keys[i] & 0xffff];
        if (i == 0 || keys[i] >> 16 != keys[i - 1] >> 16 || stands_alone(call) ||
            stands_alone(b->order[i - 1]))
            b->groups[b->group_count++] =
                (struct group){.op = call->op, .first = i, .pg = pg, .batch = b};
        b->order[i] = call;
        b->groups[b->group_count - 1].count++;
    }
}

void plan_make(struct pg *pg)
{
    struct planner p = {.round = 0};
    struct store_call *calls[BATCH_CALLS];
    uint64_t keys[BATCH_CALLS];
    size_t count = 0;
    pg->batch.group_count = pg->batch.keyed_count = 0;
    list_for_each(e, &pg->batch.calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (call->result != CALL_OPEN)
            continue;
        calls[count] = call;
        keys[count] = (uint64_t)place(&p, call) << 24 | (uint64_t)call->op << 16 | count;
        count++;
    }
    qsort(keys, count, sizeof keys[0], compare_keys);
    make_groups(pg, keys, count, calls);
}
