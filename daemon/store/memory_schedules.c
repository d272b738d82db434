#include "store/memory_schedules.h"

#include "base/list.h"
#include "store/schedule_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_name(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct schedule_row, by_name)->schedule->name,
                  container_of(b, struct schedule_row, by_name)->schedule->name);
}

static int compare_failing(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct schedule_row, by_failing)->schedule->name,
                  container_of(b, struct schedule_row, by_failing)->schedule->name);
}

static int compare_due(const struct tree_node *a, const struct tree_node *b)
{
    const struct store_schedule *x = container_of(a, struct schedule_row, by_due)->schedule;
    const struct store_schedule *y = container_of(b, struct schedule_row, by_due)->schedule;
    if (x->next_at != y->next_at)
        return x->next_at < y->next_at ? -1 : 1;
    return strcmp(x->name, y->name);
}

static struct schedule_row *find(struct schedule_rows *rows, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct schedule_row key = {.schedule = &wanted};
    return tree_entry(tree_find(&rows->by_name, &key.by_name), struct schedule_row, by_name);
}

static void row_free(struct schedule_row *row)
{
    if (row)
        store_schedule_free(row->schedule);
    free(row);
}

/* --- where a row stands ----------------------------------------------------------------------- */

/* Before a change of it, and for good before it is freed. */
static void row_unplace(struct schedule_rows *rows, struct schedule_row *row)
{
    if (row->is_due)
        tree_remove(&rows->by_due, &row->by_due);
    if (row->is_failing)
        tree_remove(&rows->failing, &row->by_failing);
    rows->counts->schedules_failing -= row->is_failing;
    rows->counts->schedules_paused -= row->schedule->paused;
    row->is_due = row->is_failing = false;
}

static void row_place(struct schedule_rows *rows, struct schedule_row *row)
{
    row->is_due = !row->schedule->paused;
    row->is_failing = store_schedule_failing(row->schedule);
    if (row->is_due)
        tree_insert(&rows->by_due, &row->by_due);
    if (row->is_failing)
        tree_insert(&rows->failing, &row->by_failing);
    rows->counts->schedules_failing += row->is_failing;
    rows->counts->schedules_paused += row->schedule->paused;
}

static void remove_row(struct schedule_rows *rows, struct schedule_row *row)
{
    row_unplace(rows, row);
    tree_remove(&rows->by_name, &row->by_name);
    rows->counts->schedules--;
    row_free(row);
}

/* --- questions -------------------------------------------------------------------------------- */

/* The first row of the page, and the one behind a row. */
static struct schedule_row *page_first(struct schedule_rows *rows,
                                       const struct store_schedules *call)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)call->after,
                                    .next_at = call->after_at};
    struct schedule_row key = {.schedule = &wanted};
    if (call->due)
        return tree_entry(call->after ? tree_after(&rows->by_due, &key.by_due)
                                      : tree_first(&rows->by_due),
                          struct schedule_row, by_due);
    if (call->failing)
        return tree_entry(call->after ? tree_after(&rows->failing, &key.by_failing)
                                      : tree_first(&rows->failing),
                          struct schedule_row, by_failing);
    return tree_entry(call->after ? tree_after(&rows->by_name, &key.by_name)
                                  : tree_first(&rows->by_name),
                      struct schedule_row, by_name);
}

static struct schedule_row *page_next(const struct store_schedules *call, struct schedule_row *row)
{
    if (call->due)
        return tree_entry(tree_next(&row->by_due), struct schedule_row, by_due);
    if (call->failing)
        return tree_entry(tree_next(&row->by_failing), struct schedule_row, by_failing);
    return tree_entry(tree_next(&row->by_name), struct schedule_row, by_name);
}

int schedule_rows_list(struct schedule_rows *rows, struct store_schedules *call)
{
    int r = 0;
    call->rows = NULL;
    call->count = call->bytes = 0;
    call->more = false;
    for (struct schedule_row *row = page_first(rows, call); row; row = page_next(call, row)) {
        if (call->until && strcmp(row->schedule->name, call->until) > 0)
            return 0;
        if (store_schedules_full(call)) {
            call->more = true;
            return 0;
        }
        r = store_schedules_add(&call->rows, &call->count, row->schedule);
        if (r < 0)
            break;
        if (call->brief)
            call->rows[call->count - 1]->spec[0] = '\0';
        store_schedules_count(call);
    }
    if (r < 0) {
        store_schedules_free(call->rows, call->count);
        call->rows = NULL;
        call->count = 0;
    }
    return r;
}

struct store_schedule *schedule_rows_copy(struct schedule_rows *rows, const char *name)
{
    const struct schedule_row *row = name ? find(rows, name) : NULL;
    return row ? store_schedule_copy(row->schedule) : NULL;
}

int schedule_rows_get(struct schedule_rows *rows, struct store_schedule_get *call)
{
    struct store_schedule **found = calloc(call->count + 1, sizeof *found);
    for (size_t i = 0; found && i < call->count; i++) {
        const struct schedule_row *row = find(rows, call->names[i]);
        if (!row || (found[i] = store_schedule_copy(row->schedule)))
            continue;
        store_schedules_free(found, i);
        return -ENOMEM;
    }
    call->rows = found;
    return found ? 0 : -ENOMEM;
}

/* --- changes ---------------------------------------------------------------------------------- */

static void drop_validators(struct store_schedule *s)
{
    free(s->etag);
    free(s->modified);
    free(s->validated);
    s->etag = s->modified = s->validated = NULL;
}

static struct schedule_row *row_new(const struct store_schedule *s)
{
    struct schedule_row *row = calloc(1, sizeof *row);
    struct store_schedule *copy = row ? calloc(1, sizeof *copy) : NULL;
    if (!copy) {
        free(row);
        return NULL;
    }
    row->schedule = copy;
    copy->name = strdup(s->name);
    copy->spec = strdup(s->spec);
    copy->uid = s->uid;
    copy->gid = s->gid;
    copy->paused = s->paused;
    copy->revision = s->revision;
    copy->created = s->created;
    copy->next_at = s->next_at;
    if (copy->name && copy->spec)
        return row;
    row_free(row);
    return NULL;
}

/* `fresh` has the definition; what its runs came to is the old one's. */
static void redefine(struct schedule_row *row, struct schedule_row *fresh)
{
    struct store_schedule *to = row->schedule, *from = fresh->schedule;
    char *spec = to->spec;
    if (to->revision != from->revision)
        drop_validators(to);
    to->spec = from->spec;
    from->spec = spec;
    to->uid = from->uid;
    to->gid = from->gid;
    to->paused = from->paused;
    to->revision = from->revision;
    to->version = from->version;
    to->created = from->created;
    if (from->next_at)
        to->next_at = from->next_at;
    if (strcmp(to->spec, from->spec) != 0) {
        free(to->problem);
        to->problem = NULL;
    }
    row_free(fresh);
}

/* Are they all as the caller has seen them? */
static int put_check(struct schedule_rows *rows, struct store_schedule_put *call)
{
    for (size_t i = 0; i < call->count; i++) {
        const struct schedule_row *row = find(rows, call->rows[i]->name);
        if (call->rows[i]->version != (row ? row->schedule->version : 0))
            return store_run_changed(&call->call.error, call->rows[i]->name);
    }
    return 0;
}

static void put_row(struct schedule_rows *rows, struct schedule_row *fresh)
{
    struct schedule_row *row =
        tree_entry(tree_insert(&rows->by_name, &fresh->by_name), struct schedule_row, by_name);
    if (row) {
        row_unplace(rows, row);
        redefine(row, fresh);
        row_place(rows, row);
    } else {
        rows->counts->schedules++;
        row_place(rows, fresh);
    }
}

int schedule_rows_put(struct schedule_rows *rows, struct store_schedule_put *call)
{
    int r = put_check(rows, call);
    struct schedule_row **fresh = r < 0 ? NULL : calloc(call->count + 1, sizeof *fresh), *row;
    size_t made = 0;
    if (r < 0)
        return r;
    while (fresh && made < call->count && (fresh[made] = row_new(call->rows[made])))
        made++;
    if (!fresh || made < call->count) {
        while (made > 0)
            row_free(fresh[--made]);
        free(fresh);
        return -ENOMEM;
    }
    for (size_t i = 0; i < made; i++) {
        call->rows[i]->version = fresh[i]->schedule->version = ++rows->counts->schedule_version;
        put_row(rows, fresh[i]);
    }
    for (size_t i = 0; i < call->removed_count; i++)
        if ((row = find(rows, call->removed[i])))
            remove_row(rows, row);
    free(fresh);
    return 0;
}

int schedule_rows_pass(struct schedule_rows *rows, struct store_schedule_pass *call)
{
    struct schedule_row *row = find(rows, call->name);
    char *problem = call->problem ? strdup(call->problem) : NULL;
    if (call->problem && !problem)
        return -ENOMEM;
    if (!row || row->schedule->version != call->version ||
        row->schedule->next_at != call->expected) {
        free(problem);
        return store_run_changed(&call->call.error, call->name);
    }
    row_unplace(rows, row);
    free(row->schedule->problem);
    row->schedule->problem = problem;
    row->schedule->next_at = call->next_at;
    row_place(rows, row);
    return 0;
}

/* --- runs ------------------------------------------------------------------------------------- */

int schedule_rows_check(struct schedule_rows *rows, struct store_schedule_run *run,
                        struct error *err)
{
    struct schedule_row *row = find(rows, run->name);
    struct store_schedule *s = row ? row->schedule : NULL;
    if (!s || s->version != run->version || s->next_at != run->expected ||
        (s->paused && !run->asked))
        return store_run_changed(err, run->name);
    if (!s->job)
        return 0;
    int r = store_run_busy(err, run, s);
    if (run->asked)
        return r;
    row_unplace(rows, row);
    s->skipped++;
    s->left_out++;
    s->next_at = run->next_at;
    row_place(rows, row);
    return r;
}

void schedule_rows_run(struct schedule_rows *rows, const struct store_schedule_run *run,
                       uint64_t job)
{
    struct schedule_row *row = find(rows, run->name);
    struct store_schedule *s = row->schedule;
    row_unplace(rows, row);
    s->job = s->last_job = job;
    s->forced = run->forced ? job : 0;
    s->runs++;
    s->left_out = 0;
    s->last_run = run->at;
    s->next_at = run->next_at;
    free(s->problem);
    s->problem = NULL;
    row_place(rows, row);
    rows->counts->seen = (uint64_t)run->at;
}

static void set_validators(struct store_schedule *s, const struct store_schedule_end *end)
{
    drop_validators(s);
    s->etag = end->etag ? strdup(end->etag) : NULL;
    s->modified = end->modified ? strdup(end->modified) : NULL;
    s->validated = end->validated ? strdup(end->validated) : NULL;
}

void schedule_rows_end(struct schedule_rows *rows, const struct store_finish *call)
{
    struct schedule_row *row = find(rows, call->end->name);
    if (!row)
        return;
    struct store_schedule *s = row->schedule;
    row_unplace(rows, row);
    if (s->job == call->id)
        s->job = 0;
    s->last_state = call->state;
    s->last_error = call->error;
    s->last_end = call->finished;
    if (call->state == JOB_DONE) {
        s->last_done = call->finished;
        s->failures = 0;
    } else if (call->state == JOB_FAILED) {
        s->failures++;
    }
    if (call->end->whole && s->revision == call->end->revision)
        set_validators(s, call->end);
    row_place(rows, row);
}

void schedule_rows_init(struct schedule_rows *rows, struct store_counts *counts)
{
    rows->counts = counts;
    tree_init(&rows->by_name, compare_name);
    tree_init(&rows->by_due, compare_due);
    tree_init(&rows->failing, compare_failing);
}

void schedule_rows_deinit(struct schedule_rows *rows)
{
    for (struct tree_node *n; (n = tree_first(&rows->by_name));)
        remove_row(rows, container_of(n, struct schedule_row, by_name));
}
