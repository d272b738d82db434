#include "schedule/change.h"

#include "base/list.h"
#include "job/drain.h"
#include "job/job.h"
#include "schedule/schedules.h"
#include "schedule/timetable.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int schedule_change_init(struct schedule_change *c, struct schedules *schedules, size_t rows,
                         size_t removed, bool specs)
{
    *c = (struct schedule_change){.schedules = schedules};
    c->rows = calloc(rows + 1, sizeof *c->rows);
    c->removed = calloc(removed + 1, sizeof *c->removed);
    c->specs = specs ? calloc(rows + 1, sizeof *c->specs) : NULL;
    c->blanks = calloc(rows + 1, sizeof *c->blanks);
    return c->rows && c->removed && c->blanks && (c->specs || !specs) ? 0 : -ENOMEM;
}

void schedule_change_deinit(struct schedule_change *c)
{
    for (size_t i = 0; i < c->count; i++) {
        store_schedule_free(c->rows[i]);
        if (c->specs)
            schedule_spec_deinit(&c->specs[i]);
        if (c->blanks)
            free(c->blanks[i]);
    }
    free(c->blanks);
    for (size_t i = 0; i < c->removed_count; i++)
        free(c->removed[i]);
    free(c->specs);
    free(c->rows);
    free(c->removed);
}

/* --- once it is stored ------------------------------------------------------------------------ */

static void drop(char **text)
{
    free(*text);
    *text = NULL;
}

/* Takes the definition, and leaves what the runs came to. */
static void redefine(struct schedule *s, struct store_schedule *row, struct schedule_spec *spec)
{
    struct store_schedule *to = s->row;
    char *text = to->spec;
    if (to->revision != row->revision) {
        drop(&to->etag);
        drop(&to->modified);
        drop(&to->validated);
    }
    to->spec = row->spec;
    row->spec = text;
    to->uid = row->uid;
    to->gid = row->gid;
    to->paused = row->paused;
    to->revision = row->revision;
    to->next_at = s->due = row->next_at;
    if (spec) {
        schedule_spec_deinit(&s->spec);
        s->spec = *spec;
        *spec = (struct schedule_spec){0};
        drop(&s->problem);
    }
    store_schedule_free(row);
}

static void take_row(struct schedule_change *c, size_t i)
{
    struct store_schedule *row = c->rows[i];
    struct schedule_spec *spec = c->specs ? &c->specs[i] : NULL;
    struct schedule *s = schedules_find(c->schedules, row->name);
    c->rows[i] = NULL;
    if (s)
        redefine(s, row, spec);
    else if (!spec)
        store_schedule_free(row); /* it has gone meanwhile */
    else {
        (void)schedules_add(c->schedules, c->blanks[i], row, spec); /* its name is not there */
        c->blanks[i] = NULL;
    }
}

/* What is stored is there in memory too. */
static bool make_blanks(struct schedule_change *c)
{
    for (size_t i = 0; c->specs && i < c->count; i++)
        if (!schedules_find(c->schedules, c->rows[i]->name) && !(c->blanks[i] = schedule_blank()))
            return false;
    return true;
}

static void on_stored(struct mail *mail)
{
    struct schedule_change *c = container_of(mail, struct schedule_change, put.call.mail);
    struct schedules *schedules = c->schedules;
    bool good = c->put.call.result == 0;
    schedules->changing = false;
    for (size_t i = 0; good && i < c->count; i++)
        take_row(c, i);
    for (size_t i = 0; good && i < c->removed_count; i++) {
        struct schedule *s = schedules_find(schedules, c->removed[i]);
        if (s)
            schedules_remove(schedules, s);
    }
    c->done(c, good ? NULL : &c->put.call); /* which may free it */
    schedules_settled(schedules);
    schedules_look(schedules);
    drain_allow(schedules->jobs);
}

int schedule_change_store(struct schedule_change *c)
{
    struct store *store = c->schedules->jobs->config.store;
    assert(jobs_are_current(c->schedules->jobs));
    if (c->count == 0 && c->removed_count == 0)
        return -ENOENT;
    if (!make_blanks(c))
        return -ENOMEM;
    c->put = (struct store_schedule_put){.rows = (const struct store_schedule *const *)c->rows,
                                         .count = c->count,
                                         .removed = (const char *const *)c->removed,
                                         .removed_count = c->removed_count};
    mail_init(&c->put.call.mail, on_stored);
    c->schedules->changing = true;
    drain_defer(c->schedules->jobs);
    store->engine->schedule_put(store, &c->put);
    return 0;
}
