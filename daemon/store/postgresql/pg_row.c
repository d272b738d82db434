#include "store/postgresql/pg_row.h"

#include <assert.h>
#include <stdlib.h>

int64_t row_int(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

char *row_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

void row_read(const PGresult *result, int row, struct store_job *ret)
{
    int i = 0;
    ret->id = (uint64_t)row_int(result, row, i++);
    ret->attempt = (uint32_t)row_int(result, row, i++);
    ret->state = (enum job_state)row_int(result, row, i++);
    ret->priority = (int)row_int(result, row, i++);
    ret->rank = row_int(result, row, i++);
    ret->uid = (uint32_t)row_int(result, row, i++);
    ret->gid = (uint32_t)row_int(result, row, i++);
    ret->created = row_int(result, row, i++);
    ret->due = row_int(result, row, i++);
    ret->finished = row_int(result, row, i++);
    ret->retry_of = (uint64_t)row_int(result, row, i++);
    ret->finish_seq = (uint64_t)row_int(result, row, i++);
    ret->error = (enum error_kind)row_int(result, row, i++);
    ret->host = row_text(result, row, i++);
    ret->parser = row_text(result, row, i++);
    ret->key = row_text(result, row, i++);
    ret->labels = row_text(result, row, i++);
    ret->spec = row_text(result, row, i++);
    ret->schedule = row_text(result, row, i++);
    ret->interrupted = (uint32_t)row_int(result, row, i++);
    ret->torn = (uint32_t)row_int(result, row, i++);
    ret->ran = row_int(result, row, i++);
    ret->needs = row_text(result, row, i++);
    ret->verdict = row_text(result, row, i++);
    assert(i == ROW_COLUMNS);
    ret->history = NULL;
    ret->definition = NULL;
}

void row_read_schedule(const PGresult *result, int row, struct store_schedule *ret)
{
    int i = 0;
    ret->name = row_text(result, row, i++);
    ret->spec = row_text(result, row, i++);
    ret->uid = (uint32_t)row_int(result, row, i++);
    ret->gid = (uint32_t)row_int(result, row, i++);
    ret->paused = row_text(result, row, i++)[0] == 't';
    ret->revision = (uint64_t)row_int(result, row, i++);
    ret->version = (uint64_t)row_int(result, row, i++);
    ret->created = row_int(result, row, i++);
    ret->next_at = row_int(result, row, i++);
    ret->job = (uint64_t)row_int(result, row, i++);
    ret->forced = (uint64_t)row_int(result, row, i++);
    ret->last_job = (uint64_t)row_int(result, row, i++);
    ret->runs = (uint64_t)row_int(result, row, i++);
    ret->skipped = (uint64_t)row_int(result, row, i++);
    ret->left_out = (uint64_t)row_int(result, row, i++);
    ret->last_run = row_int(result, row, i++);
    ret->problem = row_text(result, row, i++);
    ret->last_state = (enum job_state)row_int(result, row, i++);
    ret->last_error = (enum error_kind)row_int(result, row, i++);
    ret->last_end = row_int(result, row, i++);
    ret->last_done = row_int(result, row, i++);
    ret->failures = (uint64_t)row_int(result, row, i++);
    ret->etag = row_text(result, row, i++);
    ret->modified = row_text(result, row, i++);
    ret->validated = row_text(result, row, i++);
    assert(i == SCHEDULE_COLUMNS);
}
