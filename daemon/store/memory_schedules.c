#include "store/memory_schedules.h"

#include "base/list.h"
#include "store/schedule_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct schedule_row *row_of(struct tree_node *node)
{
    return node ? container_of(node, struct schedule_row, entry) : NULL;
}

static int compare(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct schedule_row, entry)->schedule->name,
                  container_of(b, struct schedule_row, entry)->schedule->name);
}

static struct schedule_row *find(struct schedule_rows *rows, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct schedule_row key = {.schedule = &wanted};
    return row_of(tree_find(&rows->tree, &key.entry));
}

static void row_free(struct schedule_row *row)
{
    if (row)
        store_schedule_free(row->schedule);
    free(row);
}

static void remove_row(struct schedule_rows *rows, struct schedule_row *row)
{
    tree_remove(&rows->tree, &row->entry);
    row_free(row);
}

int schedule_rows_list(struct schedule_rows *rows, struct store_schedules *call)
{
    int r = 0;
    call->rows = NULL;
    call->count = 0;
    for (struct tree_node *n = tree_first(&rows->tree); n && r == 0; n = tree_next(n))
        r = store_schedules_add(&call->rows, &call->count, row_of(n)->schedule);
    if (r < 0) {
        store_schedules_free(call->rows, call->count);
        call->rows = NULL;
        call->count = 0;
    }
    return r;
}

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
    to->created = from->created;
    to->next_at = from->next_at;
    row_free(fresh);
}

int schedule_rows_put(struct schedule_rows *rows, const struct store_schedule_put *call)
{
    struct schedule_row **fresh = calloc(call->count + 1, sizeof *fresh), *row;
    size_t made = 0;
    while (fresh && made < call->count && (fresh[made] = row_new(call->rows[made])))
        made++;
    if (!fresh || made < call->count) {
        while (made > 0)
            row_free(fresh[--made]);
        free(fresh);
        return -ENOMEM;
    }
    for (size_t i = 0; i < made; i++) {
        row = row_of(tree_insert(&rows->tree, &fresh[i]->entry));
        if (row)
            redefine(row, fresh[i]);
    }
    for (size_t i = 0; i < call->removed_count; i++)
        if ((row = find(rows, call->removed[i])))
            remove_row(rows, row);
    free(fresh);
    return 0;
}

void schedule_rows_run(struct schedule_rows *rows, const struct store_schedule_run *run,
                       uint64_t job)
{
    struct schedule_row *row = find(rows, run->name);
    if (!row)
        return;
    struct store_schedule *s = row->schedule;
    s->job = s->last_job = job;
    s->runs++;
    s->last_run = run->at;
    s->next_at = run->next_at;
    s->skipped = run->skipped;
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
}

void schedule_rows_init(struct schedule_rows *rows)
{
    tree_init(&rows->tree, compare);
}

void schedule_rows_deinit(struct schedule_rows *rows)
{
    for (struct tree_node *n; (n = tree_first(&rows->tree));)
        remove_row(rows, row_of(n));
}
