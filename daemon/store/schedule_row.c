/* Schedules as structs, for every engine. */

#include "store/schedule_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void store_schedule_free(struct store_schedule *schedule)
{
    if (!schedule)
        return;
    free(schedule->name);
    free(schedule->spec);
    free(schedule->problem);
    free(schedule->etag);
    free(schedule->modified);
    free(schedule->validated);
    free(schedule);
}

static bool copy_string(char **ret, const char *s)
{
    *ret = s ? strdup(s) : NULL;
    return *ret || !s;
}

struct store_schedule *store_schedule_copy(const struct store_schedule *schedule)
{
    struct store_schedule *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *schedule;
    copy->name = copy->spec = copy->problem = NULL;
    copy->etag = copy->modified = copy->validated = NULL;
    if (copy_string(&copy->name, schedule->name) && copy_string(&copy->spec, schedule->spec) &&
        copy_string(&copy->problem, schedule->problem) &&
        copy_string(&copy->etag, schedule->etag) &&
        copy_string(&copy->modified, schedule->modified) &&
        copy_string(&copy->validated, schedule->validated))
        return copy;
    store_schedule_free(copy);
    return NULL;
}

int store_schedules_add(struct store_schedule ***rows, size_t *count,
                        const struct store_schedule *row)
{
    size_t n = *count;
    if ((n & (n - 1)) == 0) { /* the array's size is the next power of two */
        struct store_schedule **more = realloc(*rows, (n ? 2 * n : 1) * sizeof **rows);
        if (!more)
            return -ENOMEM;
        *rows = more;
    }
    struct store_schedule *copy = store_schedule_copy(row);
    if (!copy)
        return -ENOMEM;
    (*rows)[(*count)++] = copy;
    return 0;
}

bool store_schedules_full(const struct store_schedules *page)
{
    return page->count == page->limit || (page->max_bytes && page->bytes >= page->max_bytes);
}

void store_schedules_count(struct store_schedules *page)
{
    page->bytes += strlen(page->rows[page->count - 1]->spec);
}

int store_run_changed(struct error *err, const char *name)
{
    return error_set(err, -ESTALE, "the schedule '%.64s' was changed meanwhile", name);
}

int store_run_busy(struct error *err, struct store_schedule_run *run,
                   const struct store_schedule *row)
{
    run->job = row->job;
    run->left_out = row->left_out + !run->asked;
    return error_set(err, -EBUSY,
                     "its last run, job %llu, has not ended; a schedule has one at a time",
                     (unsigned long long)row->job);
}

void store_schedules_free(struct store_schedule **rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        store_schedule_free(rows[i]);
    free(rows);
}
