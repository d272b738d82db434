#include "schedule/change.h"

#include "base/list.h"
#include "job/drain.h"
#include "job/job.h"
#include "schedule/schedules.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int schedule_change_init(struct schedule_change *c, struct schedules *schedules, size_t rows)
{
    *c = (struct schedule_change){.schedules = schedules};
    c->rows = calloc(rows + 1, sizeof *c->rows);
    return c->rows ? 0 : -ENOMEM;
}

int schedule_change_remove(struct schedule_change *c, const char *name)
{
    size_t n = c->removed_count;
    if ((n & (n - 1)) == 0) { /* the array's size is the next power of two */
        char **more = realloc(c->removed, (n ? 2 * n : 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        c->removed = more;
    }
    c->removed[n] = strdup(name);
    if (!c->removed[n])
        return -ENOMEM;
    c->removed_count++;
    return 0;
}

void schedule_change_clear(struct schedule_change *c)
{
    while (c->count > 0)
        store_schedule_free(c->rows[--c->count]);
    while (c->removed_count > 0)
        free(c->removed[--c->removed_count]);
}

void schedule_change_deinit(struct schedule_change *c)
{
    schedule_change_clear(c);
    free(c->rows);
    free(c->removed);
}

/* --- once it is stored ------------------------------------------------------------------------ */

/* A time that stays is known if the schedule is soon due. If it is not known, it is later; or a run
 * is on its way to the store, which finds the schedule changed and reads it again. */
static void take_row(struct schedules *schedules, struct store_schedule *row)
{
    const struct agenda_entry *known = agenda_find(&schedules->agenda, row->name);
    if (!row->next_at && known)
        row->next_at = known->row->next_at;
    if (row->next_at || row->paused)
        schedules_changed(schedules, row);
    else
        store_schedule_free(row);
}

static void on_stored(struct mail *mail)
{
    struct schedule_change *c = container_of(mail, struct schedule_change, put.call.mail);
    struct schedules *schedules = c->schedules;
    bool good = c->put.call.result == 0;
    for (size_t i = 0; good && i < c->count; i++)
        take_row(schedules, c->rows[i]);
    for (size_t i = 0; good && i < c->removed_count; i++)
        schedules_removed(schedules, c->removed[i]);
    if (good)
        c->count = 0;
    c->done(c, good ? NULL : &c->put.call); /* which may free it */
    schedules_look(schedules);
    drain_allow(schedules->jobs);
}

int schedule_change_store(struct schedule_change *c)
{
    struct store *store = c->schedules->jobs->config.store;
    assert(jobs_are_current(c->schedules->jobs));
    if (c->count == 0 && c->removed_count == 0)
        return -ENOENT;
    c->put = (struct store_schedule_put){.rows = c->rows,
                                         .count = c->count,
                                         .removed = (const char *const *)c->removed,
                                         .removed_count = c->removed_count};
    mail_init(&c->put.call.mail, on_stored);
    drain_defer(c->schedules->jobs);
    store->engine->schedule_put(store, &c->put);
    return 0;
}
