/* wait: answers once all the jobs it names have ended. Who waits for a job is found by its id. */
#include "api/call_wait.h"

#include "api/call.h"
#include "job/fleet.h"
#include "api/job_view.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct wait;

struct waits {
    struct tree awaited; /* by id */
    struct list list;    /* struct wait */
};

/* A job that somebody waits for. */
struct awaited {
    struct tree_id entry; /* waits->awaited */
    struct list items;
    bool told; /* it has ended elsewhere, and the store has forgotten that we wait */
};

struct wait_item {
    struct list link; /* awaited */
    struct awaited *awaited;
    struct store_get get;
    struct wait *wait;
    char *view;  /* once it has ended: the job object */
    bool asking; /* the store was asked */
    bool again;  /* and is to be asked once more: the job has ended since */
};

struct wait {
    struct list link;
    struct api *api;
    struct api_call *call;
    struct wait_item *items;
    size_t count, ended, asking;
    bool over; /* answered; it is freed when the store owes nothing more */
};

static struct awaited *awaited_find(const struct waits *waits, uint64_t id)
{
    return tree_entry(tree_find_id(&waits->awaited, id), struct awaited, entry.node);
}

/* 0 or -ENOMEM. */
static int await(struct wait_item *item)
{
    struct waits *waits = item->wait->api->waits;
    struct awaited *awaited = awaited_find(waits, item->get.id);
    if (!awaited) {
        awaited = calloc(1, sizeof *awaited);
        if (!awaited)
            return -ENOMEM;
        awaited->entry.id = item->get.id;
        list_init(&awaited->items);
        tree_insert(&waits->awaited, &awaited->entry.node);
        fleet_await(item->wait->api->jobs, item->get.id, true);
    }
    item->awaited = awaited;
    list_add_tail(&awaited->items, &item->link);
    return 0;
}

static void unawait(struct api *api, struct wait_item *item)
{
    struct waits *waits = api->waits;
    struct jobs *jobs = api->jobs;
    struct awaited *awaited = item->awaited;
    item->awaited = NULL;
    list_del(&item->link);
    if (!awaited || !list_empty(&awaited->items))
        return;
    if (!awaited->told)
        fleet_await(jobs, awaited->entry.id, false);
    tree_remove(&waits->awaited, &awaited->entry.node);
    free(awaited);
}

static void wait_free(struct wait *w)
{
    list_del(&w->link);
    for (size_t i = 0; i < w->count; i++) {
        unawait(w->api, &w->items[i]);
        free(w->items[i].view);
    }
    free(w->items);
    free(w);
}

static void answer(struct wait *w)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < w->count; i++) {
        buf_puts(&text, i > 0 ? "," : "{\"jobs\":[");
        buf_puts(&text, w->items[i].view);
    }
    buf_puts(&text, "]}");
    w->over = true;
    w->call->wait = NULL;
    call_reply_text(w->call, &text);
}

static void end(struct wait *w, int code, const char *text)
{
    if (w->over)
        return;
    w->over = true;
    w->call->wait = NULL;
    call_fail(w->call, code, NULL, "%s", text);
}

static void forbid(struct wait *w, uint64_t id)
{
    w->over = true;
    w->call->wait = NULL;
    call_fail(w->call, API_FORBIDDEN, "ids", "job %llu is another user's", (unsigned long long)id);
}

/* It has ended, and this is its view. */
static void settle(struct wait_item *item, struct buf *view)
{
    struct wait *w = item->wait;
    unawait(w->api, item);
    item->view = buf_steal(view);
    if (!item->view)
        end(w, API_INTERNAL, "no memory for the answer");
    else if (++w->ended == w->count)
        answer(w);
}

static void on_got(struct mail *mail);

static void ask(struct wait_item *item)
{
    struct store *store = item->wait->api->jobs->config.store;
    uint64_t id = item->get.id;
    item->get = (struct store_get){.id = id};
    item->asking = true;
    item->again = false;
    item->wait->asking++;
    api_owe(item->wait->api);
    mail_init(&item->get.call.mail, on_got);
    store->engine->get(store, &item->get);
}

static void on_got(struct mail *mail)
{
    struct wait_item *item = container_of(mail, struct wait_item, get.call.mail);
    struct wait *w = item->wait;
    const struct store_call *call = &item->get.call;
    struct store_job *row = item->get.job;
    struct api *api = w->api;
    struct buf view = BUF_INIT;

    item->asking = false;
    w->asking--;
    if (w->over || item->view) { /* it has ended meanwhile */
        store_job_free(row);
    } else if (call->result == -ENOENT) {
        w->over = true;
        w->call->wait = NULL;
        call_fail(w->call, API_NOT_FOUND, "ids", "there is no job %llu",
                  (unsigned long long)item->get.id);
    } else if (call->result < 0) {
        end(w, API_UNAVAILABLE, call->error.text);
    } else {
        if (!call_may_see(w->call, row)) {
            forbid(w, item->get.id);
        } else if (job_state_final(row->state)) {
            view_job(&view, api->jobs, row);
            settle(item, &view);
        } else if (item->again) {
            ask(item);
        }
        store_job_free(row);
    }
    if (w->over && w->asking == 0)
        wait_free(w);
    api_paid(api);
}

/* One of those who wait for this job, which is none of them any more. */
static void tell(struct wait_item *item, const struct job *job)
{
    struct wait *w = item->wait;
    struct buf view = BUF_INIT;
    if (w->over) {
        unawait(w->api, item);
        return;
    }
    if (call_may_see(w->call, job->row)) {
        view_ended(&view, job);
        settle(item, &view);
    } else {
        unawait(w->api, item);
        forbid(w, job->id);
    }
    if (w->over && w->asking == 0)
        wait_free(w);
}

void waits_ended(struct api *api, const struct job *job)
{
    struct awaited *awaited;
    while ((awaited = awaited_find(api->waits, job->id)))
        tell(container_of(awaited->items.next, struct wait_item, link), job);
}

void waits_ended_elsewhere(struct api *api, uint64_t id)
{
    struct awaited *awaited = awaited_find(api->waits, id);
    if (!awaited)
        return;
    awaited->told = true;
    list_for_each(e, &awaited->items)
    {
        struct wait_item *item = container_of(e, struct wait_item, link);
        if (item->asking)
            item->again = true;
        else
            ask(item);
    }
}

void waits_fail(struct api *api)
{
    list_for_each(e, &api->waits->list)
    {
        struct wait *w = container_of(e, struct wait, link);
        end(w, API_DRAINING, "the daemon stops before these jobs have ended");
        if (w->asking == 0)
            wait_free(w);
    }
}

void wait_abandon(struct api_call *call)
{
    struct wait *w = call->wait;
    if (!w)
        return;
    end(w, API_INTERNAL, "the caller has gone");
    if (w->asking == 0)
        wait_free(w);
}

/* Its end will be told by waits_ended, so the store has nothing to say before that. */
static bool still_lives(const struct wait_item *item)
{
    const struct job *job = job_find(item->wait->api->jobs, item->get.id);
    return job && call_may_see(item->wait->call, job->row);
}

void call_wait(struct api_call *call)
{
    uint64_t *ids = NULL;
    struct wait *w = calloc(1, sizeof *w);
    if (!w) {
        call_reply(call, NULL);
        return;
    }
    list_init(&w->link);
    w->api = call->api;
    w->call = call;
    int r = call_ids(call, &ids, &w->count);
    if (r == 0)
        call_fail(call, API_INVALID_PARAMS, "ids", "ids: an array of positive integers is wanted");
    if (r > 0)
        w->items = calloc(w->count, sizeof *w->items);
    if (r > 0 && !w->items)
        call_reply(call, NULL);
    if (!w->items) {
        free(ids);
        free(w);
        return;
    }
    call->wait = w;
    list_add_tail(&call->api->waits->list, &w->link);
    for (size_t i = 0; i < w->count; i++) {
        w->items[i].wait = w;
        list_init(&w->items[i].link);
        w->items[i].get.id = ids[i];
        if (r > 0 && await(&w->items[i]) < 0)
            r = -ENOMEM;
    }
    free(ids);
    if (r < 0) {
        w->over = true;
        call->wait = NULL;
        call_reply(call, NULL);
        wait_free(w);
        return;
    }
    for (size_t i = 0; i < w->count; i++)
        if (!still_lives(&w->items[i]))
            ask(&w->items[i]);
}

int waits_new(struct waits **ret_waits)
{
    struct waits *waits = calloc(1, sizeof *waits);
    if (!waits)
        return -ENOMEM;
    tree_init(&waits->awaited, tree_by_id);
    list_init(&waits->list);
    *ret_waits = waits;
    return 0;
}

void waits_free(struct waits *waits)
{
    assert(!waits || list_empty(&waits->list));
    free(waits);
}
