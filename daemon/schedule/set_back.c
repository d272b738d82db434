#include "schedule/set_back.h"

#include "base/log.h"
#include "job/drain.h"
#include "job/job.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_ROWS  256
#define PAGE_BYTES ((size_t)1 << 20)
#define SLICE_ROWS 16

static void on_page(struct mail *mail);

static void page_free(struct set_back *w)
{
    for (size_t i = w->looked; i < w->page.count; i++)
        store_schedule_free(w->page.rows[i]);
    free(w->page.rows);
    w->page.rows = NULL;
    w->page.count = 0;
}

static void next_page(struct set_back *w)
{
    struct store *store = w->jobs->config.store;
    w->page = (struct store_schedules){
        .after = *w->after ? w->after : NULL, .limit = PAGE_ROWS, .max_bytes = PAGE_BYTES};
    w->looked = 0;
    mail_init(&w->page.call.mail, on_page);
    store->engine->schedules(store, &w->page);
}

static void finish(struct set_back *w)
{
    if (w->again && !w->jobs->draining) {
        w->again = false;
        w->after[0] = '\0';
        next_page(w);
        return;
    }
    w->under_way = w->again = false;
    w->done(w);
    drain_allow(w->jobs);
}

static void on_passed(struct mail *mail)
{
    struct set_back *w = container_of(mail, struct set_back, pass.call.mail);
    /* Refused: it was changed meanwhile, by the clock as it is; or the store fails, and it runs
     * when it was to run. */
    store_schedule_free(w->page.rows[w->looked++]);
    slices_add(w->slices, &w->slice);
}

/* True if its time was wrong and the new one is on the way to the store. */
static bool pass(struct set_back *w, const struct store_schedule *row)
{
    struct store *store = w->jobs->config.store;
    struct schedule_plan plan;
    struct error err;
    int64_t now = jobs_now(w->jobs);
    if (schedule_plan_read(row->spec, &plan, &err) < 0)
        return false;
    bool wrong = timing_too_far(&plan.timing, row->name, row->next_at, now);
    if (wrong) {
        w->pass =
            (struct store_schedule_pass){.name = row->name,
                                         .version = row->version,
                                         .expected = row->next_at,
                                         .next_at = timing_first(&plan.timing, row->name, now),
                                         .problem = row->problem};
        mail_init(&w->pass.call.mail, on_passed);
        store->engine->schedule_pass(store, &w->pass);
    }
    schedule_plan_deinit(&plan);
    return wrong;
}

static void on_slice(struct slice *slice)
{
    struct set_back *w = container_of(slice, struct set_back, slice);
    for (int i = 0; i < SLICE_ROWS && w->looked < w->page.count; i++) {
        if (pass(w, w->page.rows[w->looked]))
            return;
        store_schedule_free(w->page.rows[w->looked++]);
    }
    if (w->looked < w->page.count) {
        slices_add(w->slices, slice);
        return;
    }
    bool more = w->page.more && !w->jobs->draining;
    page_free(w);
    if (more)
        next_page(w);
    else
        finish(w);
}

static void on_page(struct mail *mail)
{
    struct set_back *w = container_of(mail, struct set_back, page.call.mail);
    if (w->page.call.result < 0 || w->jobs->draining || w->page.count == 0) {
        if (w->page.call.result < 0)
            log_error("the clock was set back, and the schedules could not be read: %s",
                      w->page.call.error.text);
        page_free(w);
        finish(w);
    } else {
        snprintf(w->after, sizeof w->after, "%s", w->page.rows[w->page.count - 1]->name);
        slices_add(w->slices, &w->slice);
    }
}

void set_back_begin(struct set_back *w)
{
    assert(jobs_are_current(w->jobs));
    if (w->under_way) {
        w->again = true;
        return;
    }
    w->under_way = true;
    drain_defer(w->jobs);
    w->after[0] = '\0';
    next_page(w);
}

void set_back_init(struct set_back *w, struct jobs *jobs, struct slices *slices,
                   void (*done)(struct set_back *walk))
{
    *w = (struct set_back){.jobs = jobs, .slices = slices, .done = done};
    w->slice.step = on_slice;
}
