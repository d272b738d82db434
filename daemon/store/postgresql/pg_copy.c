#include "store/postgresql/pg_copy.h"

#include <assert.h>

void copy_begin(struct copy *copy, struct channel *ch, const char *sql)
{
    assert(copy->state == COPY_NONE && ch->state == CHANNEL_IDLE);
    *copy = (struct copy){.channel = ch, .state = COPY_BEGINS};
    ch->state = CHANNEL_BUSY;
    ch->fault_code = 0;
    ch->sqlstate[0] = '\0';
    ch->unfit = false;
    ch->send_failed = !PQexitPipelineMode(ch->conn) || !PQsendQuery(ch->conn, sql);
}

void copy_put(struct copy *copy, const char *data, size_t len)
{
    struct channel *ch = copy->channel;
    assert(copy->state == COPY_TAKES && len <= INT32_MAX);
    if (PQputCopyData(ch->conn, data, (int)len) != 1)
        ch->send_failed = true;
}

void copy_end(struct copy *copy, const char *why_not)
{
    struct channel *ch = copy->channel;
    assert(copy->state == COPY_TAKES);
    copy->state = COPY_ENDS;
    if (PQputCopyEnd(ch->conn, why_not) != 1)
        ch->send_failed = true;
}

static enum channel_event lose(struct copy *copy)
{
    copy->state = COPY_NONE;
    return channel_lose(copy->channel);
}

/* Of the statement: false while there may be more. */
static bool take_results(struct copy *copy)
{
    struct channel *ch = copy->channel;
    while (!PQisBusy(ch->conn)) {
        PGresult *result = PQgetResult(ch->conn);
        if (!result)
            return true;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_COPY_IN && copy->state == COPY_BEGINS)
            copy->state = COPY_TAKES;
        else if (status != PGRES_COMMAND_OK && status != PGRES_COPY_IN)
            channel_note_fault(ch, result);
        PQclear(result);
        if (status == PGRES_COPY_IN) /* it is said again and again until the end is sent */
            return false;
    }
    return false;
}

enum channel_event copy_turn(struct copy *copy)
{
    struct channel *ch = copy->channel;
    int left = ch->send_failed ? -1 : PQflush(ch->conn);
    if (left < 0 || !PQconsumeInput(ch->conn))
        return lose(copy);
    if (copy->state != COPY_TAKES && take_results(copy)) {
        copy->state = COPY_NONE;
        return channel_begin_pipelines(ch) == 0 ? CHANNEL_DONE : channel_lose(ch);
    }
    if (PQstatus(ch->conn) == CONNECTION_BAD)
        return lose(copy);
    return copy->state == COPY_TAKES && left == 0 ? CHANNEL_MORE : CHANNEL_NOTHING;
}
