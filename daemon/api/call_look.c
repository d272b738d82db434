/* show and list: what the store has of jobs, and what is known of those in memory. */
#include "api/call_look.h"

#include "api/call.h"
#include "api/job_view.h"
#include "job/job.h"

#include <errno.h>
#include <stdlib.h>

#define LIST_DEFAULT 50
#define LIST_MAX     1000
#define LIST_AT_ONCE \
    16               /* the others wait, so that rows and answers being made take bounded memory */
#define LIST_SLICE 8 /* jobs that are made JSON of in one go: others want the loop as well */
#define LIST_BYTES ((size_t)256 << 10) /* of the jobs' texts in one answer, and a job more */

struct show {
    struct store_get get;
    struct api_call *call;
};

static void reply_life(struct api_call *call, const struct store_job *row)
{
    struct buf text = BUF_INIT;
    view_life(&text, call->api->jobs, row);
    call_reply_text(call, &text);
}

static void on_shown(struct mail *mail)
{
    struct show *show = container_of(mail, struct show, get.call.mail);
    struct api_call *call = show->call;
    if (show->get.call.result == -ENOENT)
        call_fail(call, API_NOT_FOUND, "id", "there is no job %llu",
                  (unsigned long long)show->get.id);
    else if (show->get.call.result < 0)
        call_fail_store(call, &show->get.call);
    else if (!call_may_see(call, show->get.job))
        call_fail(call, API_FORBIDDEN, "id", "job %llu is another user's",
                  (unsigned long long)show->get.id);
    else
        reply_life(call, show->get.job);
    store_job_free(show->get.job);
    free(show);
}

void call_show(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    const json_t *id = json_object_get(call->params, "id");
    if (!call_is_id(id) || json_object_size(call->params) != 1) {
        call_fail(call, API_INVALID_PARAMS, "id",
                  "id: one positive integer is wanted, and nothing else");
        return;
    }
    struct show *show = calloc(1, sizeof *show);
    if (!show) {
        call_reply(call, NULL);
        return;
    }
    show->call = call;
    show->get.id = (uint64_t)json_integer_value(id);
    mail_init(&show->get.call.mail, on_shown);
    store->engine->get(store, &show->get);
}

struct listing {
    struct list link; /* while it waits */
    struct store_list list;
    struct api_call *call;
    struct slice slice;
    struct buf answer;
    size_t viewed; /* of the rows */
};

static void listing_begin(struct listing *l)
{
    struct store *store = l->call->api->jobs->config.store;
    l->call->api->listing++;
    store->engine->list(store, &l->list);
}

/* It has been answered: another one may begin. */
static void listing_free(struct listing *l)
{
    struct api *api = l->call->api;
    struct list *e = list_pop(&api->lists);
    api->listing--;
    if (e)
        listing_begin(container_of(e, struct listing, link));
    for (size_t i = l->viewed; i < l->list.count; i++)
        store_job_free(l->list.jobs[i]);
    free(l->list.jobs);
    buf_deinit(&l->answer);
    free(l);
}

static void listing_step(struct slice *slice)
{
    struct listing *l = container_of(slice, struct listing, slice);
    for (int i = 0; i < LIST_SLICE && l->viewed < l->list.count; i++) {
        struct store_job *row = l->list.jobs[l->viewed++];
        if (l->viewed > 1)
            buf_putc(&l->answer, ',');
        view_job(&l->answer, l->call->api->jobs, row);
        store_job_free(row);
    }
    if (l->viewed < l->list.count) {
        slices_add(&l->call->api->slices, slice);
        return;
    }
    buf_puts(&l->answer, "],\"next\":");
    if (l->list.next)
        buf_printf(&l->answer, "%llu}", (unsigned long long)l->list.next);
    else
        buf_puts(&l->answer, "null}");
    call_reply_text(l->call, &l->answer);
    listing_free(l);
}

static void on_listed(struct mail *mail)
{
    struct listing *l = container_of(mail, struct listing, list.call.mail);
    if (l->list.call.result < 0) {
        call_fail_store(l->call, &l->list.call);
        listing_free(l);
    } else {
        buf_puts(&l->answer, "{\"jobs\":[");
        l->slice.step = listing_step;
        listing_step(&l->slice);
    }
}

void call_list(struct api_call *call)
{
    static const char *const also[] = {"limit", "before", NULL};
    uint64_t limit = LIST_DEFAULT, before = 0;
    struct listing *l = calloc(1, sizeof *l);
    if (!l) {
        call_reply(call, NULL);
        return;
    }
    if (call_select(call, also, &l->list.select) < 0 ||
        call_number(call, "limit", LIST_MAX, &limit) < 0 ||
        call_number(call, "before", INT64_MAX, &before) < 0) {
        free(l);
        return;
    }
    call_limit(call, &l->list.select);
    l->call = call;
    l->list.limit = (size_t)limit;
    l->list.max_bytes = LIST_BYTES;
    l->list.before = before;
    mail_init(&l->list.call.mail, on_listed);
    if (call->api->listing < LIST_AT_ONCE)
        listing_begin(l);
    else
        list_add_tail(&call->api->lists, &l->link);
}
