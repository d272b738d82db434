#include "store/memory_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_ready(const struct row *a, const struct row *b)
{
    if (a->job.rank != b->job.rank)
        return a->job.rank < b->job.rank ? -1 : 1;
    return compare_u64(a->job.id, b->job.id);
}

static int compare_due(const struct row *a, const struct row *b)
{
    if (a->job.due != b->job.due)
        return a->job.due < b->job.due ? -1 : 1;
    return compare_u64(a->job.id, b->job.id);
}

static int compare_key(const struct keyed *a, const struct keyed *b)
{
    return a->uid != b->uid ? compare_u64(a->uid, b->uid) : strcmp(a->key, b->key);
}

static int compare_host(const struct host *a, const struct host *b)
{
    return strcmp(a->name, b->name);
}

/* clang-format off */
RB_GENERATE_STATIC(ready_tree, row, run, compare_ready)
RB_GENERATE_STATIC(due_tree, row, run, compare_due)
RB_GENERATE_STATIC(key_tree, keyed, entry, compare_key)
RB_GENERATE_STATIC(host_tree, host, entry, compare_host)
/* clang-format on */

static struct host *host_get(struct rows *rows, const char *name)
{
    struct host *host = rows_get_host(rows, name);
    if (host)
        return host;
    size_t len = strlen(name);
    host = calloc(1, sizeof *host + len + 1);
    if (!host)
        return NULL;
    memcpy(host->text, name, len + 1);
    host->name = host->text;
    RB_INIT(&host->ready);
    RB_INIT(&host->due);
    RB_INSERT(host_tree, &rows->hosts, host);
    return host;
}

static void host_put(struct rows *rows, struct host *host)
{
    if (host->rows > 0)
        return;
    RB_REMOVE(host_tree, &rows->hosts, host);
    free(host);
}

static void row_unplace(struct row *row)
{
    if (row->place == PLACE_READY)
        RB_REMOVE(ready_tree, &row->host->ready, row);
    else if (row->place == PLACE_DUE)
        RB_REMOVE(due_tree, &row->host->due, row);
    row->place = PLACE_NONE;
}

static void row_place(struct row *row, enum place place)
{
    if (place == PLACE_READY)
        RB_INSERT(ready_tree, &row->host->ready, row);
    else
        RB_INSERT(due_tree, &row->host->due, row);
    row->place = place;
}

void row_set_state(struct rows *rows, struct row *row, enum job_state state, int64_t due)
{
    bool was_pending = !job_state_final(row->job.state);
    rows->counts.by_state[row->job.state]--;
    rows->counts.by_state[state]++;
    row_unplace(row);
    row->job.state = state;
    row->job.due = due;
    if (state == JOB_QUEUED || state == JOB_WAITING)
        row_place(row, due ? PLACE_DUE : PLACE_READY);
    if (was_pending && job_state_final(state))
        row->host->pending--;
}

static char *put_string(char **at, const char *s)
{
    if (!s)
        return NULL;
    char *copy = *at;
    *at = stpcpy(copy, s) + 1;
    return copy;
}

static size_t room(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static struct row *row_alloc(const struct store_job *job, uint64_t id)
{
    size_t keyed = job->key ? sizeof(struct keyed) : 0;
    struct row *row = malloc(sizeof *row + keyed + room(job->parser) + room(job->spec) +
                             room(job->labels) + room(job->key) + room(job->schedule));
    if (!row)
        return NULL;
    char *at = (char *)row->keyed + keyed;
    *row = (struct row){.job = {.id = id,
                                .state = JOB_QUEUED,
                                .priority = job->priority,
                                .rank = store_rank(job),
                                .uid = job->uid,
                                .gid = job->gid,
                                .created = job->created,
                                .due = job->due,
                                .retry_of = job->retry_of,
                                .parser = put_string(&at, job->parser),
                                .spec = put_string(&at, job->spec),
                                .labels = put_string(&at, job->labels),
                                .key = put_string(&at, job->key),
                                .schedule = put_string(&at, job->schedule)}};
    if (keyed)
        row->keyed[0] = (struct keyed){.uid = job->uid, .key = row->job.key, .row = row};
    return row;
}

int rows_add(struct rows *rows, const struct store_job *job)
{
    struct row *row = row_alloc(job, rows->counts.last_id + 1);
    if (!row)
        return -ENOMEM;
    struct host *host = host_get(rows, job->host);
    if (!host) {
        free(row);
        return -ENOMEM;
    }
    int r = idmap_set(&rows->by_id, row->job.id, row);
    if (r < 0) {
        host_put(rows, host);
        free(row);
        return r;
    }
    rows->counts.last_id++;
    row->host = host;
    row->job.host = host->text;
    host->rows++;
    host->pending++;
    if (row->job.key)
        RB_INSERT(key_tree, &rows->keys, row->keyed);
    rows->counts.by_state[JOB_QUEUED]++;
    row_place(row, row->job.due ? PLACE_DUE : PLACE_READY);
    return 0;
}

void rows_remove(struct rows *rows, struct row *row)
{
    row_unplace(row);
    rows->counts.by_state[row->job.state]--;
    if (!job_state_final(row->job.state))
        row->host->pending--;
    if (row->job.key)
        RB_REMOVE(key_tree, &rows->keys, row->keyed);
    idmap_clear(&rows->by_id, row->job.id);
    if (row->job.finish_seq)
        idmap_clear(&rows->ended, row->job.finish_seq);
    row->host->rows--;
    host_put(rows, row->host);
    free(row->job.verdict);
    free(row->job.history);
    free(row);
}

void rows_undo(struct rows *rows, uint64_t last_id)
{
    for (uint64_t id = last_id + 1; id <= rows->counts.last_id; id++)
        rows_remove(rows, idmap_get(&rows->by_id, id));
    rows->counts.last_id = last_id;
}

int row_number_end(struct rows *rows, struct row *row)
{
    int r = idmap_set(&rows->ended, rows->counts.last_finish_seq + 1, row);
    if (r == 0)
        row->job.finish_seq = ++rows->counts.last_finish_seq;
    return r;
}

struct row *rows_get(const struct rows *rows, uint64_t id)
{
    return idmap_get(&rows->by_id, id);
}

struct row *rows_get_key(struct rows *rows, uint32_t uid, const char *key)
{
    struct keyed wanted = {.uid = uid, .key = key};
    struct keyed *known = RB_FIND(key_tree, &rows->keys, &wanted);
    return known ? known->row : NULL;
}

struct host *rows_get_host(struct rows *rows, const char *name)
{
    struct host wanted = {.name = name};
    return RB_FIND(host_tree, &rows->hosts, &wanted);
}

struct row *rows_oldest_end(struct rows *rows)
{
    return idmap_from(&rows->ended, rows->first_ended, &rows->first_ended);
}

uint64_t rows_pending(const struct rows *rows)
{
    const uint64_t *n = rows->counts.by_state;
    return n[JOB_QUEUED] + n[JOB_RUNNING] + n[JOB_WAITING];
}

uint64_t rows_ended(const struct rows *rows)
{
    const uint64_t *n = rows->counts.by_state;
    return n[JOB_DONE] + n[JOB_FAILED] + n[JOB_CANCELLED];
}

struct row *host_first_ready(struct host *host, int64_t now, int64_t *ret_next_due)
{
    struct row *row, *next;
    *ret_next_due = 0;
    RB_FOREACH_SAFE(row, due_tree, &host->due, next)
    {
        if (row->job.due <= now) {
            row_unplace(row);
            row_place(row, PLACE_READY);
        } else if (!row->skip) {
            *ret_next_due = row->job.due;
            break;
        }
    }
    return RB_MIN(ready_tree, &host->ready);
}

struct row *host_next_ready(struct row *row)
{
    return RB_NEXT(ready_tree, , row);
}

struct host *rows_first_host(struct rows *rows)
{
    return RB_MIN(host_tree, &rows->hosts);
}

struct host *rows_next_host(struct host *host)
{
    return RB_NEXT(host_tree, , host);
}

void rows_init(struct rows *rows)
{
    *rows = (struct rows){0};
    RB_INIT(&rows->keys);
    RB_INIT(&rows->hosts);
}

void rows_deinit(struct rows *rows)
{
    uint64_t id = 0;
    for (struct row *row; (row = idmap_from(&rows->by_id, id, &id));)
        rows_remove(rows, row);
    idmap_deinit(&rows->by_id);
    idmap_deinit(&rows->ended);
}
