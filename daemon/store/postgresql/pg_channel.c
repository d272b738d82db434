#include "store/postgresql/pg_channel.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void channel_init(struct channel *ch, const struct target *target, const struct sqls *sqls)
{
    *ch = (struct channel){.target = target, .sqls = sqls};
}

static void note_lost(struct channel *ch)
{
    if (ch->pid == 0)
        return;
    if (ch->lost_count == CHANNEL_LOST_MAX)
        memmove(ch->lost, ch->lost + 1, --ch->lost_count * sizeof ch->lost[0]);
    ch->lost[ch->lost_count++] = ch->pid;
    ch->pid = 0;
}

void channel_close(struct channel *ch)
{
    note_lost(ch);
    if (ch->conn)
        PQfinish(ch->conn);
    ch->conn = NULL;
    ch->state = CHANNEL_DOWN;
    ch->tuned = false;
    memset(ch->prepared, 0, sizeof ch->prepared);
}

void channel_deinit(struct channel *ch)
{
    channel_close(ch);
    free(ch->steps);
    ch->steps = NULL;
    ch->size = 0;
}

/* Somebody has told the server to wait for a standby no longer: it warns, and then answers as if
 * all were well. The function's name is the same in each language. */
static void hear(void *arg, const PGresult *notice)
{
    struct channel *ch = arg;
    const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    if (function && strcmp(function, "SyncRepWaitForLSN") == 0)
        ch->unsure = true;
}

int channel_begin_pipelines(struct channel *ch)
{
    PQsetNoticeReceiver(ch->conn, hear, ch);
    if (PQsetnonblocking(ch->conn, 1) != 0 || !PQenterPipelineMode(ch->conn))
        return -EIO;
    ch->state = CHANNEL_IDLE;
    ch->pid = PQbackendPID(ch->conn);
    ch->made = ch->answered = 0;
    return 0;
}

int channel_adopt(struct channel *ch, PGconn *conn, struct error *err)
{
    ch->conn = conn;
    return channel_begin_pipelines(ch) == 0 ? 0 : session_error(NULL, conn, err);
}

void channel_connect(struct channel *ch)
{
    assert(ch->state == CHANNEL_DOWN && !ch->conn);
    ch->conn = PQconnectStartParams(ch->target->names, ch->target->values, 0);
    ch->state = CHANNEL_CONNECTING;
    ch->polling = PGRES_POLLING_WRITING;
    ch->patience_to = clock_now() + ch->target->connect_ns;
    if (ch->conn)
        PQsetNoticeReceiver(ch->conn, hear, ch);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool add_step(struct channel *ch, struct step step)
{
    if (ch->made == ch->size) {
        size_t size = ch->size ? 2 * ch->size : 64;
        struct step *more = realloc(ch->steps, size * sizeof *more);
        if (!more)
            return false;
        ch->steps = more;
        ch->size = size;
    }
    ch->steps[ch->made++] = step;
    return true;
}

static void send_step(struct channel *ch, const char *text, struct args *args, struct step step)
{
    const char *const *values = args ? args_values(args) : NULL;
    int count = args ? args->count : 0;
    if (!add_step(ch, step) || !text || (args && !values) ||
        !PQsendQueryParams(ch->conn, text, count, NULL, values, NULL, NULL, 0))
        ch->send_failed = true;
}

/* A statement that is prepared may keep the plan that it got when its tables were empty: from the
 * first row on that has to be one by an index, however few rows there are just then. So none may
 * join what has no index. To compile one costs more than it brings. */
static void tune(struct channel *ch)
{
    static const char text[] =
        "SELECT set_config('enable_seqscan','off',false),set_config('enable_hashjoin','off',false),"
        "set_config('enable_mergejoin','off',false),set_config('jit','off',false)";
    ch->tuned = true;
    send_step(ch, text, NULL, (struct step){.stands = &ch->tuned});
    ch->own_sync = true; /* a transaction of its own, which no ROLLBACK undoes and no BEGIN minds */
    if (!PQpipelineSync(ch->conn))
        ch->send_failed = true;
}

static void begin(struct channel *ch)
{
    if (ch->state == CHANNEL_BUSY)
        return;
    assert(ch->state == CHANNEL_IDLE);
    ch->state = CHANNEL_BUSY;
    ch->made = ch->answered = 0;
    ch->send_failed = ch->unsure = ch->own_sync = ch->spoilt = false;
    ch->fault_code = 0;
    ch->sqlstate[0] = '\0';
    ch->unfit = false;
    if (!ch->target->pooled && !ch->tuned && PQtransactionStatus(ch->conn) == PQTRANS_IDLE)
        tune(ch); /* one that has failed takes nothing but its end */
}

void channel_step_text(struct channel *ch, const char *text, struct args *args, step_taker *take,
                       void *arg)
{
    begin(ch);
    send_step(ch, text, args, (struct step){.take = take, .arg = arg});
}

static void prepare(struct channel *ch, enum sql sql, const char *name)
{
    ch->prepared[sql] = true;
    if (!add_step(ch, (struct step){.stands = &ch->prepared[sql]}) ||
        !PQsendPrepare(ch->conn, name, ch->sqls->text[sql], 0, NULL))
        ch->send_failed = true;
}

/* Planning takes about as long as all else for some: it is done once a session. */
void channel_step(struct channel *ch, enum sql sql, struct args *args, step_taker *take, void *arg)
{
    char name[16];
    if (ch->target->pooled) {
        channel_step_text(ch, ch->sqls->text[sql], args, take, arg);
        return;
    }
    begin(ch);
    snprintf(name, sizeof name, "s%d", (int)sql);
    if (!ch->prepared[sql])
        prepare(ch, sql, name);
    const char *const *values = args ? args_values(args) : NULL;
    int count = args ? args->count : 0;
    if (!add_step(ch, (struct step){.take = take, .arg = arg}) || (args && !values) ||
        !PQsendQueryPrepared(ch->conn, name, count, values, NULL, NULL, 0))
        ch->send_failed = true;
}

static void forget_lost(void *arg, const PGresult *result)
{
    struct channel *ch = arg;
    ch->lost_count = 0;
}

void channel_end_lost(struct channel *ch, struct args *args, const char *application)
{
    for (size_t i = 0, count = ch->lost_count; i < count; i++) {
        args_reset(args);
        args_int(args, ch->lost[i]);
        args_text(args, application);
        channel_step(ch, SQL_END_SESSION, args, i + 1 == count ? forget_lost : NULL, ch);
    }
}

void channel_sync(struct channel *ch)
{
    begin(ch);
    if (!ch->send_failed && !PQpipelineSync(ch->conn))
        ch->send_failed = true;
    ch->sent_at = clock_now();
}

/* --- polling ---------------------------------------------------------------------------------- */

struct pollfd channel_poll(const struct channel *ch)
{
    struct pollfd p = {.fd = -1};
    if (!ch->conn || ch->state == CHANNEL_DOWN)
        return p;
    p.fd = PQsocket(ch->conn);
    if (ch->state == CHANNEL_CONNECTING) {
        p.events = ch->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        return p;
    }
    p.events = POLLIN;
    if (ch->state == CHANNEL_BUSY && PQflush(ch->conn) == 1)
        p.events |= POLLOUT;
    return p;
}

enum channel_event channel_lose(struct channel *ch)
{
    ch->fault_code = ch->conn ? session_error(NULL, ch->conn, &ch->fault)
                              : error_set(&ch->fault, -ENOMEM, "store: out of memory");
    ch->sqlstate[0] = '\0';
    channel_close(ch);
    return CHANNEL_LOST;
}

enum channel_event channel_drop(struct channel *ch, const char *why)
{
    ch->fault_code = error_set(&ch->fault, -ETIMEDOUT, "PostgreSQL: %s", why);
    ch->sqlstate[0] = '\0';
    channel_close(ch);
    return CHANNEL_LOST;
}

/* libpq's own limit, connect_timeout, is of connections that are waited for. */
static enum channel_event give_up_connecting(struct channel *ch)
{
    char why[64];
    snprintf(why, sizeof why, "no connection within %llu ms",
             (unsigned long long)(ch->target->connect_ns / NS_PER_MS));
    return channel_drop(ch, why);
}

static enum channel_event go_on_connecting(struct channel *ch)
{
    if (!ch->conn || PQstatus(ch->conn) == CONNECTION_BAD)
        return channel_lose(ch);
    if (clock_now() >= ch->patience_to)
        return give_up_connecting(ch);
    ch->polling = PQconnectPoll(ch->conn);
    if (ch->polling == PGRES_POLLING_FAILED)
        return channel_lose(ch);
    if (ch->polling != PGRES_POLLING_OK)
        return CHANNEL_NOTHING;
    return channel_begin_pipelines(ch) == 0 ? CHANNEL_CONNECTED : channel_lose(ch);
}

/* What was prepared is not there, or fits no more: all of that is done anew in another session. The
 * latter has no state of its own, and its message has many languages. */
static bool is_of_the_session(const PGresult *result, const char *sqlstate)
{
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0 ||
           (strcmp(sqlstate, "0A000") == 0 && function &&
            strcmp(function, "RevalidateCachedQuery") == 0);
}

/* Of a constraint, the one that is violated is named; of a row without a partition, none is: then
 * it is the table that is to be changed. P0001 is what a trigger raises. */
static bool is_unfit(const PGresult *result, const char *state)
{
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const char *column = PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
    bool violates = strncmp(state, "23", 2) == 0 && (constraint || column);
    return violates || (strncmp(state, "22", 2) == 0 && strcmp(state, "22012") != 0) ||
           strcmp(state, "54000") == 0 || strcmp(state, "P0001") == 0;
}

void channel_note_fault(struct channel *ch, const PGresult *result)
{
    if (ch->fault_code != 0)
        return;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ch->fault_code = session_error(result, ch->conn, &ch->fault);
    strncpy(ch->sqlstate, state ? state : "", sizeof ch->sqlstate - 1);
    ch->unfit = is_unfit(result, ch->sqlstate);
    ch->spoilt = is_of_the_session(result, ch->sqlstate);
}

static void take(struct channel *ch, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    assert(ch->answered < ch->made);
    struct step *step = &ch->steps[ch->answered];
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        if (step->take)
            step->take(step->arg, result);
        return;
    }
    if (step->stands)
        *step->stands = false;
    if (status != PGRES_PIPELINE_ABORTED && step->stands != &ch->tuned) /* what follows may stand */
        channel_note_fault(ch, result);
}

static enum channel_event leave_session(struct channel *ch)
{
    struct error told = ch->fault;
    channel_drop(ch, "");
    error_set(&ch->fault, ch->fault_code,
              "%s; a pooler that shares sessions out by transactions needs store.direct",
              told.text);
    return CHANNEL_LOST;
}

/* True once the pipeline is done. */
static bool take_all(struct channel *ch)
{
    while (!PQisBusy(ch->conn)) {
        PGresult *result = PQgetResult(ch->conn);
        if (!result) { /* the end of one step; behind the last of all there is a sync */
            if (PQstatus(ch->conn) == CONNECTION_BAD)
                return false;
            ch->answered++;
            continue;
        }
        bool sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (sync && ch->own_sync) {
            ch->own_sync = false;
            PQclear(result);
            continue;
        }
        if (!sync)
            take(ch, result);
        PQclear(result);
        if (sync)
            return true;
    }
    return false;
}

enum channel_event channel_turn(struct channel *ch)
{
    if (ch->state == CHANNEL_DOWN)
        return CHANNEL_NOTHING;
    if (ch->state == CHANNEL_CONNECTING)
        return go_on_connecting(ch);
    if (ch->send_failed || PQflush(ch->conn) < 0 || !PQconsumeInput(ch->conn))
        return channel_lose(ch);
    if (ch->state == CHANNEL_BUSY && take_all(ch)) {
        if (ch->unsure) /* that counts as no answer: a new connection asks after it */
            return channel_drop(ch, "a commit might not have been copied to a standby");
        if (ch->spoilt)
            return leave_session(ch);
        ch->state = CHANNEL_IDLE;
        return CHANNEL_DONE;
    }
    return PQstatus(ch->conn) == CONNECTION_BAD ? channel_lose(ch) : CHANNEL_NOTHING;
}
