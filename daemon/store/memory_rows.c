#include "store/memory_rows.h"

#include "base/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static struct row *row_of(struct tree_node *node)
{
    return node ? container_of(node, struct row, run) : NULL;
}

static struct host *host_of(struct tree_node *node)
{
    return node ? container_of(node, struct host, entry) : NULL;
}

static int compare_ready(const struct tree_node *a, const struct tree_node *b)
{
    const struct store_job *x = &container_of(a, struct row, run)->job;
    const struct store_job *y = &container_of(b, struct row, run)->job;
    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return compare_u64(x->id, y->id);
}

static int compare_due(const struct tree_node *a, const struct tree_node *b)
{
    const struct store_job *x = &container_of(a, struct row, run)->job;
    const struct store_job *y = &container_of(b, struct row, run)->job;
    if (x->due != y->due)
        return x->due < y->due ? -1 : 1;
    return compare_u64(x->id, y->id);
}

static int compare_key(const struct tree_node *a, const struct tree_node *b)
{
    const struct keyed *x = container_of(a, struct keyed, entry);
    const struct keyed *y = container_of(b, struct keyed, entry);
    return x->uid != y->uid ? compare_u64(x->uid, y->uid) : strcmp(x->key, y->key);
}

static int compare_host(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct host, entry)->name,
                  container_of(b, struct host, entry)->name);
}

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
    tree_init(&host->ready, compare_ready);
    tree_init(&host->due, compare_due);
    tree_insert(&rows->hosts, &host->entry);
    return host;
}

static void host_put(struct rows *rows, struct host *host)
{
    if (host->rows > 0)
        return;
    tree_remove(&rows->hosts, &host->entry);
    free(host);
}

static void row_unplace(struct row *row)
{
    if (row->place == PLACE_READY)
        tree_remove(&row->host->ready, &row->run);
    else if (row->place == PLACE_DUE)
        tree_remove(&row->host->due, &row->run);
    row->place = PLACE_NONE;
}

static void row_place(struct row *row, enum place place)
{
    if (place == PLACE_READY)
        tree_insert(&row->host->ready, &row->run);
    else
        tree_insert(&row->host->due, &row->run);
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
    if (was_pending && job_state_final(state)) {
        rows->counts.pending_bytes -= strlen(row->job.spec);
        user_count_add(&rows->users, row->user, -1);
    }
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
    struct user_count *user = user_counts_get(&rows->users, job->uid);
    struct row *row = user ? row_alloc(job, rows->counts.last_id + 1) : NULL;
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
    row->user = user;
    user_count_add(&rows->users, user, 1);
    row->job.host = host->text;
    host->rows++;
    if (row->job.key)
        tree_insert(&rows->keys, &row->keyed->entry);
    rows->counts.by_state[JOB_QUEUED]++;
    rows->counts.pending_bytes += strlen(row->job.spec);
    row_place(row, row->job.due ? PLACE_DUE : PLACE_READY);
    return 0;
}

void rows_remove(struct rows *rows, struct row *row)
{
    row_unplace(row);
    rows->counts.by_state[row->job.state]--;
    if (!job_state_final(row->job.state)) {
        rows->counts.pending_bytes -= strlen(row->job.spec);
        user_count_add(&rows->users, row->user, -1);
    }
    if (row->job.key)
        tree_remove(&rows->keys, &row->keyed->entry);
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
    struct tree_node *known = tree_find(&rows->keys, &wanted.entry);
    return known ? container_of(known, struct keyed, entry)->row : NULL;
}

struct host *rows_get_host(struct rows *rows, const char *name)
{
    struct host wanted = {.name = name};
    return host_of(tree_find(&rows->hosts, &wanted.entry));
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

void host_promote(struct host *host, int64_t now, int64_t *ret_next_due)
{
    struct row *next;
    *ret_next_due = 0;
    for (struct row *row = row_of(tree_first(&host->due)); row; row = next) {
        next = row_of(tree_next(&row->run));
        if (row->job.due <= now) {
            row_unplace(row);
            row_place(row, PLACE_READY);
        } else if (!row->skip) {
            *ret_next_due = row->job.due;
            return;
        }
    }
}

struct row *host_first_ready(struct host *host, uint32_t uid, int64_t from_rank)
{
    struct row before = {.job = {.uid = uid, .rank = from_rank}}; /* ids begin at 1 */
    return row_of(tree_after(&host->ready, &before.run));
}

struct row *host_next_ready(struct row *row)
{
    return row_of(tree_next(&row->run));
}

struct host *rows_host_after(struct rows *rows, const char *name)
{
    struct host before = {.name = name};
    return host_of(name ? tree_after(&rows->hosts, &before.entry) : tree_first(&rows->hosts));
}

struct host *rows_next_host(struct host *host)
{
    return host_of(tree_next(&host->entry));
}

void rows_init(struct rows *rows)
{
    *rows = (struct rows){0};
    user_counts_init(&rows->users);
    tree_init(&rows->keys, compare_key);
    tree_init(&rows->hosts, compare_host);
}

void rows_deinit(struct rows *rows)
{
    uint64_t id = 0;
    for (struct row *row; (row = idmap_from(&rows->by_id, id, &id));)
        rows_remove(rows, row);
    idmap_deinit(&rows->by_id);
    idmap_deinit(&rows->ended);
    user_counts_deinit(&rows->users);
}
