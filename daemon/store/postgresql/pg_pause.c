#include "store/postgresql/pg_pause.h"

#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_tell.h"

#include <errno.h>

/* As they are stored. SQL_PAUSES leaves out what a newer version may have besides. */
enum pause_kind { KIND_ALL, KIND_HOST, KIND_PARSER };

/* Whether it was so already, or is so by this: nobody is told a difference. */
static void take_pause(void *arg, const PGresult *result)
{
    const struct group *group = arg;
    (void)result;
    group->pg->batch.order[group->first]->result = 0;
}

void pause_send(struct pg *pg, struct group *group, bool stood)
{
    struct store_pause *call = CALL_AS(store_pause, pg->batch.order[group->first]);
    tell_pauses(pg);
    if (stood) {
        call->call.result = 0;
        return;
    }
    args_reset(&pg->args);
    args_int(&pg->args, call->host ? KIND_HOST : call->parser ? KIND_PARSER : KIND_ALL);
    args_text(&pg->args, call->host ? call->host : call->parser ? call->parser : "");
    args_int(&pg->args, call->uid);
    args_text(&pg->args, pg->name);
    channel_step(&pg->w, call->held ? SQL_PAUSE : SQL_RESUME, &pg->args, take_pause, group);
}

static int add_row(struct store_pauses *call, const PGresult *result, int i)
{
    int64_t kind = row_int(result, i, 0);
    char *name = PQgetvalue(result, i, 1);
    struct store_pause_row row = {.host = kind == KIND_HOST ? name : NULL,
                                  .parser = kind == KIND_PARSER ? name : NULL,
                                  .held = PQgetvalue(result, i, 2)[0] == 't',
                                  .uid = (uint32_t)row_int(result, i, 3),
                                  .at = row_int(result, i, 4),
                                  .member = PQgetvalue(result, i, 5),
                                  .version = (uint64_t)row_int(result, i, 6)};
    return store_pauses_add(call, &row);
}

static void take_pauses(void *arg, const PGresult *result)
{
    struct store_pauses *call = arg;
    int r = 0;
    for (int i = 0; i < PQntuples(result) && r == 0; i++)
        r = add_row(call, result, i);
    call->call.result = r < 0 ? error_set(&call->call.error, r, "out of memory") : 0;
    if (r < 0)
        store_pauses_free(call);
}

void pause_read(struct pg *pg, struct store_pauses *call)
{
    args_reset(&pg->args);
    args_int(&pg->args, (int64_t)call->after);
    args_int(&pg->args, call->limit > INT32_MAX ? INT32_MAX : (int64_t)call->limit);
    channel_step(&pg->w, SQL_PAUSES, &pg->args, take_pauses, call);
}
