#include "job/walk.h"

#include "job/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE       256
#define PAGE_BYTES ((size_t)1 << 20)
#define PAGING_MAX 8
#define ENDING_LOW 512 /* beyond so many jobs that are ending no page is asked for */

struct walk_row {
    struct store_get get;
    struct walk *walk;
};

static void room_use(struct walks *walks);

static void page_drop(struct walk *w)
{
    for (size_t i = w->page_next; i < w->page_count; i++)
        store_job_free(w->page[i]);
    free(w->page);
    w->page = NULL;
    w->page_count = w->page_next = 0;
}

static void walk_end(struct walk *w, const struct store_call *failed)
{
    struct jobs *jobs = w->jobs;
    page_drop(w);
    w->end(w, failed);
    room_use(&jobs->walks); /* if this walk ended no job, nothing else would wake the next one */
}

/* --- every row once more ---------------------------------------------------------------------- */

static bool row_is_chosen(const struct walk *w, const struct store_job *row)
{
    int state = w->select.state;
    return !job_state_final(row->state) && (state == -1 || state == (int)row->state);
}

static void on_row(struct mail *mail)
{
    struct walk_row *asked = container_of(mail, struct walk_row, get.call.mail);
    struct walk *w = asked->walk;
    struct store_job *row = asked->get.job;
    int r = asked->get.call.result;
    if (r == 0 && row_is_chosen(w, row))
        w->row(w, row);
    else
        store_job_free(row);
    if (r < 0 && r != -ENOENT) {
        w->list.call.result = r;
        w->list.call.error = asked->get.call.error;
    }
    if (--w->asked_count > 0)
        return;
    w->jobs->walks.paging--;
    free(w->asked);
    w->asked = NULL;
    if (w->list.call.result < 0)
        walk_end(w, &w->list.call);
    else
        walk_go_on(w);
}

static void rows_ask(struct walk *w)
{
    struct store *store = w->jobs->config.store;
    w->asked = calloc(w->page_count, sizeof *w->asked);
    if (!w->asked) {
        w->jobs->walks.paging--;
        w->list.call.result =
            error_set(&w->list.call.error, -ENOMEM, "no memory for a page of jobs");
        walk_end(w, &w->list.call);
        return;
    }
    w->asked_count = w->page_count;
    for (size_t i = 0; i < w->page_count; i++) {
        struct walk_row *asked = &w->asked[i];
        asked->walk = w;
        asked->get.id = w->page[i]->id;
        mail_init(&asked->get.call.mail, on_row);
        store->engine->get(store, &asked->get);
    }
    page_drop(w);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void on_page(struct mail *mail)
{
    struct walk *w = container_of(mail, struct walk, list.call.mail);
    if (w->list.call.result < 0) {
        w->jobs->walks.paging--;
        walk_end(w, &w->list.call);
        return;
    }
    w->page = w->list.jobs;
    w->page_count = w->list.count;
    w->page_next = 0;
    w->before = w->list.next;
    w->last_page = w->list.next == 0;
    if (w->page_count > 0 && w->fresh) {
        rows_ask(w);
        return;
    }
    w->jobs->walks.paging--;
    walk_go_on(w);
}

static void page_ask(struct walk *w)
{
    struct store *store = w->jobs->config.store;
    w->list = (struct store_list){
        .select = w->select, .before = w->before, .limit = PAGE, .max_bytes = PAGE_BYTES};
    w->jobs->walks.paging++;
    mail_init(&w->list.call.mail, on_page);
    store->engine->list(store, &w->list);
}

/* A walk parks only while other walks page or jobs are ending, and the end of either wakes it. */
static bool has_room(const struct jobs *jobs)
{
    return jobs->ending_count <= ENDING_LOW && jobs->walks.paging < PAGING_MAX;
}

void walk_go_on(struct walk *w)
{
    while (w->page_next < w->page_count) {
        struct store_job *row = w->page[w->page_next++];
        if (!w->row(w, row))
            return;
    }
    page_drop(w);
    if (w->last_page || (w->enough && w->enough(w)))
        walk_end(w, NULL);
    else if (has_room(w->jobs))
        page_ask(w);
    else
        list_add_tail(&w->jobs->walks.parked, &w->link);
}

void walk_abandon(struct walk *w)
{
    page_drop(w);
    room_use(&w->jobs->walks);
}

void walk_start(struct walk *w)
{
    assert(jobs_are_current(w->jobs));
    list_init(&w->link);
    w->last_page = false;
    walk_go_on(w);
}

uint64_t walk_place(const struct walk *w, const struct store_call *failed)
{
    /* Of the page that failed some rows may not have been handed out. */
    return failed ? w->list.before : w->before;
}

/* One of the walks that wait goes on, if it may. */
static void room_use(struct walks *walks)
{
    if (walks->jobs->ending_count > ENDING_LOW / 2 || walks->paging >= PAGING_MAX)
        return;
    struct list *e = list_pop(&walks->parked);
    if (e)
        page_ask(container_of(e, struct walk, link));
}

static void on_room(struct job_watch *watch)
{
    room_use(container_of(watch, struct walks, watch));
}

void walks_init(struct walks *walks, struct jobs *jobs)
{
    *walks = (struct walks){.jobs = jobs, .watch = {.room = on_room}};
    list_init(&walks->parked);
    job_watch_add(jobs, &walks->watch);
}
