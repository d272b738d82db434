/* cancel and retry, of jobs named by id or chosen by SELECT: page by page through the store, so
 * that any number of them takes bounded memory. Also the end of a memory store's queue: what is
 * queued when the daemon stops is cancelled the same way. */
#include "job/bulk.h"

#include "base/clock.h"
#include "job/calls.h"
#include "job/finish.h"
#include "job/job.h"
#include "job/run.h"
#include "job/submit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE       256
#define PAGE_BYTES ((size_t)1 << 20)
#define ANSWER_MAX 10000 /* ids in one answer; `more` says that there were others */
#define ENDING_LOW 512
#define PAGING_MAX 8 /* calls that have a page in memory */

struct bulk {
    struct list link; /* jobs->parked */
    struct jobs *jobs;
    struct jobs_call *call; /* NULL: the drain's */
    bool retry;
    uint64_t *ids; /* by id; NULL: by select */
    size_t id_count, next;
    struct store_get get;
    struct store_list list;
    struct store_submit submit;
    struct store_submit_item item;
    struct spec *spec;
    struct store_job **page;
    size_t page_count, page_next;
    struct fresh *fresh; /* of each row of the page; cancel */
    size_t asked;        /* of them, not answered yet */
    uint64_t before;
    bool last_page;
    json_t *done, *ended, *missing, *forbidden;
    bool more;
};

struct fresh {
    struct store_get get;
    struct bulk *bulk;
};

static void step(struct bulk *b);

static void drop_page(struct bulk *b)
{
    for (size_t i = b->page_next; i < b->page_count; i++)
        store_job_free(b->page[i]);
    free(b->page);
    b->page = NULL;
    b->page_count = b->page_next = 0;
}

static void bulk_free(struct bulk *b)
{
    drop_page(b);
    free(b->ids);
    json_decref(b->done);
    json_decref(b->ended);
    json_decref(b->missing);
    json_decref(b->forbidden);
    free(b);
}

static void finish(struct bulk *b)
{
    struct jobs *jobs = b->jobs;
    bool none = json_array_size(b->forbidden) > 0 && b->id_count == 1;
    if (b->call && none) {
        call_fail(b->call, JOBS_FORBIDDEN, "id", "job %llu is another user's",
                  (unsigned long long)b->ids[0]);
    } else if (b->call) {
        json_t *result = b->retry ? json_pack("{s:O, s:O, s:O}", "retried", b->done, "not_ended",
                                              b->ended, "missing", b->missing)
                                  : json_pack("{s:O, s:O, s:O}", "cancelled", b->done, "ended",
                                              b->ended, "missing", b->missing);
        if (result && b->more)
            json_object_set_new(result, "more", json_true());
        if (result && json_array_size(b->forbidden) > 0)
            json_object_set(result, "forbidden", b->forbidden);
        call_reply(b->call, result);
    } else {
        jobs->cancelling--;
    }
    bulk_free(b);
    calls_unpark(jobs); /* this one may have ended no job that would */
    jobs_drain_step(jobs);
}

static void fail(struct bulk *b, const struct store_call *failed)
{
    if (b->call) {
        call_fail_store(b->call, failed);
        b->call = NULL;
        b->jobs->cancelling++; /* finish() takes it back */
    }
    finish(b);
}

static void note(json_t *list, uint64_t id)
{
    json_array_append_new(list, json_integer((json_int_t)id));
}

/* --- cancel ----------------------------------------------------------------------------------- */

static void cancel_row(struct bulk *b, struct store_job *row)
{
    struct jobs *jobs = b->jobs;
    struct job *job = job_find(jobs, row->id);
    const char *reason = b->call ? "cancelled on request" : JOBS_NOT_KEPT;
    struct cause cause = {.cancelled = true};
    uint64_t id = row->id;

    if (job && !b->call && job->place != PLACE_WINDOW) {
        store_job_free(row); /* it runs: the drain lets it */
        return;
    }
    if (job) {
        note(job_cancel(job, reason) ? b->done : b->ended, id);
        store_job_free(row);
        return;
    }
    if (job_state_final(row->state)) {
        note(b->ended, id);
        store_job_free(row);
        return;
    }
    strcpy(cause.message, reason);
    job = job_new(jobs, row, NULL, NULL);
    if (!job) {
        note(b->missing, id);
        return;
    }
    note(b->done, id);
    job_finish(job, JOB_CANCELLED, &cause);
}

/* --- retry ------------------------------------------------------------------------------------ */

static void on_copied(struct mail *mail)
{
    struct bulk *b = container_of(mail, struct bulk, submit.call.mail);
    struct store_job *row = b->item.job;
    struct spec *spec = b->spec;
    b->spec = NULL;
    if (b->submit.call.result < 0) {
        store_job_free(row);
        spec_free(spec);
        fail(b, &b->submit.call);
        return;
    }
    json_array_append_new(b->done, json_pack("{s:I, s:I}", "id", (json_int_t)row->id, "retry_of",
                                             (json_int_t)row->retry_of));
    b->jobs->submitted++;
    submission_queue(b->jobs, row, spec);
    step(b);
}

/* Submits a copy. True if the store was asked, and on_copied goes on. */
static bool retry_row(struct bulk *b, struct store_job *row)
{
    struct error err;
    const char *field;
    struct submission s = {.peer = b->call->peer, .retry_of = row->id, .schedule = row->schedule};
    struct store_job *copy;
    int r = -EINVAL;

    if (!job_state_final(row->state)) {
        note(b->ended, row->id);
        store_job_free(row);
        return false;
    }
    json_t *json = json_loads(row->spec, 0, NULL);
    if (json) {
        json_object_del(json, "key"); /* it would only find the old job again */
        json_object_del(json, "not_before");
        s.json = json;
        r = submission_row(b->jobs, &s, &copy, &b->spec, &err, &field);
        json_decref(json);
    }
    if (r < 0) {
        note(b->missing, row->id);
        store_job_free(row);
        return false;
    }
    store_job_free(row);
    b->item = (struct store_submit_item){.job = copy};
    b->submit = (struct store_submit){.items = &b->item, .count = 1};
    mail_init(&b->submit.call.mail, on_copied);
    b->jobs->config.store->engine->submit(b->jobs->config.store, &b->submit);
    return true;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* True if the row is dealt with, false if it goes on later. */
static bool take_row(struct bulk *b, struct store_job *row)
{
    if (b->retry)
        return !retry_row(b, row);
    cancel_row(b, row);
    return true;
}

static void on_got(struct mail *mail)
{
    struct bulk *b = container_of(mail, struct bulk, get.call.mail);
    if (b->get.call.result == -ENOENT)
        note(b->missing, b->get.id);
    else if (b->get.call.result < 0) {
        fail(b, &b->get.call);
        return;
    } else if (!call_may_see(b->call, b->get.job)) {
        note(b->forbidden, b->get.id);
        store_job_free(b->get.job);
    } else if (!take_row(b, b->get.job))
        return;
    step(b);
}

/* A list goes through the store in several turns, and a job that it found queued may have ended before the
 * page came. So each row that is to be cancelled is asked for once more: such an answer is never older
 * than the news of an end (both come by the same way, in order). */
static bool is_chosen(const struct bulk *b, const struct store_job *row)
{
    int state = b->list.select.state;
    return !job_state_final(row->state) && (state == -1 || state == (int)row->state);
}

static void on_fresh(struct mail *mail)
{
    struct fresh *fresh = container_of(mail, struct fresh, get.call.mail);
    struct bulk *b = fresh->bulk;
    struct store_job *row = fresh->get.job;
    int r = fresh->get.call.result;
    if (r == 0 && is_chosen(b, row))
        cancel_row(b, row);
    else
        store_job_free(row);
    if (r < 0 && r != -ENOENT) {
        b->list.call.result = r;
        b->list.call.error = fresh->get.call.error;
    }
    if (--b->asked > 0)
        return;
    b->jobs->paging--;
    free(b->fresh);
    b->fresh = NULL;
    if (b->list.call.result < 0)
        fail(b, &b->list.call);
    else
        step(b);
}

static void ask_again(struct bulk *b)
{
    struct store *store = b->jobs->config.store;
    b->fresh = calloc(b->page_count, sizeof *b->fresh);
    if (!b->fresh) {
        b->jobs->paging--;
        b->list.call.result =
            error_set(&b->list.call.error, -ENOMEM, "no memory for a page of jobs");
        fail(b, &b->list.call);
        return;
    }
    b->asked = b->page_count;
    for (size_t i = 0; i < b->page_count; i++) {
        struct fresh *fresh = &b->fresh[i];
        fresh->bulk = b;
        fresh->get.id = b->page[i]->id;
        mail_init(&fresh->get.call.mail, on_fresh);
        store->engine->get(store, &fresh->get);
    }
    drop_page(b);
}

static void on_page(struct mail *mail)
{
    struct bulk *b = container_of(mail, struct bulk, list.call.mail);
    if (b->list.call.result < 0) {
        b->jobs->paging--;
        fail(b, &b->list.call);
        return;
    }
    free(b->page);
    b->page = b->list.jobs;
    b->page_count = b->list.count;
    b->page_next = 0;
    b->before = b->list.next;
    b->last_page = b->list.next == 0;
    if (b->page_count > 0 && !b->retry) {
        ask_again(b);
        return;
    }
    b->jobs->paging--;
    step(b);
}

static void next_page(struct bulk *b)
{
    struct store *store = b->jobs->config.store;
    struct store_select select = b->list.select;
    b->list = (struct store_list){
        .select = select, .before = b->before, .limit = PAGE, .max_bytes = PAGE_BYTES};
    b->jobs->paging++;
    mail_init(&b->list.call.mail, on_page);
    store->engine->list(store, &b->list);
}

static void next_id(struct bulk *b)
{
    struct store *store = b->jobs->config.store;
    b->get = (struct store_get){.id = b->ids[b->next++]};
    mail_init(&b->get.call.mail, on_got);
    store->engine->get(store, &b->get);
}

static void step(struct bulk *b)
{
    while (b->page_next < b->page_count) {
        struct store_job *row = b->page[b->page_next++];
        if (!job_state_final(
                row->state)) /* chosen by SELECT, and none to retry: passed over in silence */
            store_job_free(row);
        else if (!take_row(b, row))
            return;
    }
    if (b->call && json_array_size(b->done) >= ANSWER_MAX && !b->ids)
        b->more = !b->last_page;
    if (b->more || (b->ids ? b->next == b->id_count : b->last_page))
        finish(b);
    else if (b->ids)
        next_id(b);
    else if (b->jobs->ending_count > ENDING_LOW || b->jobs->paging >= PAGING_MAX)
        list_add_tail(&b->jobs->parked, &b->link);
    else
        next_page(b);
}

void calls_unpark(struct jobs *jobs)
{
    if (jobs->ending_count > ENDING_LOW / 2)
        return;
    struct list *e = list_pop(&jobs->parked);
    if (e)
        next_page(container_of(e, struct bulk, link));
}

static struct bulk *bulk_new(struct jobs *jobs, struct jobs_call *call)
{
    struct bulk *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    list_init(&b->link);
    b->jobs = jobs;
    b->call = call;
    b->list.select.state = b->list.select.error = -1;
    b->done = json_array();
    b->ended = json_array();
    b->missing = json_array();
    b->forbidden = json_array();
    if (!b->done || !b->ended || !b->missing || !b->forbidden) {
        bulk_free(b);
        return NULL;
    }
    return b;
}

void call_bulk(struct jobs_call *call)
{
    struct jobs *jobs = call->jobs;
    struct bulk *b = bulk_new(jobs, call);
    if (!b) {
        call_reply(call, NULL);
        return;
    }
    b->retry = call->method == JOBS_RETRY;
    if (b->retry && jobs->draining) {
        call_fail(call, JOBS_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
        bulk_free(b);
        return;
    }
    int r = call_ids(call, &b->ids, &b->id_count);
    if (r == 0 && json_object_size(call->params) == 0) {
        /* An empty SELECT would mean all of them, most likely by mistake. */
        call_fail(call, JOBS_INVALID_PARAMS, NULL,
                  "id, ids or at least one selecting member is wanted (state: \"queued\" for all "
                  "that wait)");
        r = -EINVAL;
    }
    if (r == 0)
        r = call_select(call, NULL, &b->list.select);
    if (r < 0) {
        bulk_free(b);
        return;
    }
    call_limit(call, &b->list.select);
    step(b);
}

void drain_cancel_queued(struct jobs *jobs)
{
    struct bulk *b = bulk_new(jobs, NULL);
    if (!b)
        return; /* they end with the process, as the memory store's contract is anyway */
    jobs->cancelling++;
    next_page(b);
}
