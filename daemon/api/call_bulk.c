/* cancel and retry, of jobs named by id or chosen by SELECT. */
#include "api/call_bulk.h"

#include "api/call.h"
#include "base/json_read.h"
#include "job/drain.h"
#include "job/intake.h"
#include "job/job.h"
#include "job/run.h"
#include "job/submission.h"
#include "job/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CANCEL_REASON "cancelled on request"
#define ANSWER_MAX    10000 /* ids in one answer; `more` says that others are left as they were */

struct bulk {
    struct api *api;
    struct api_call *call;
    bool retry;
    uint64_t *ids; /* by id; NULL: by select */
    size_t id_count, next;
    struct store_get get;
    struct walk walk; /* by select */
    struct store_submit submit;
    struct store_submit_item item;
    struct spec *spec;
    uint64_t retried; /* whose copy `item` is */
    json_t *done, *ended, *missing, *forbidden;
    uint64_t limit; /* by select: so many ids, and what is left of a page */
    uint64_t place; /* by select: `before` for who goes on; 0: none, or the beginning */
    bool more;
    unsigned asked; /* struct asked that are under way */
    bool over;      /* all the rest is done */
    /* Why the rest is not done: its result is 0 if nothing has failed. */
    struct store_call failed;
};

/* In a fleet: a job that runs at another member, who is asked to end it. */
struct asked {
    struct store_cancel cancel;
    struct store_get get;
    struct bulk *bulk;
};

static void go_on(struct bulk *b);

static void bulk_free(struct bulk *b)
{
    free(b->ids);
    json_decref(b->done);
    json_decref(b->ended);
    json_decref(b->missing);
    json_decref(b->forbidden);
    free(b);
}

/* What was done is told in any case, as only the answer has the ids of the copies. */
static void note_failed(struct bulk *b, json_t *result)
{
    const char *text = b->failed.error.text;
    if (result && b->failed.result < 0)
        json_object_set_new(result, "message",
                            json_string(text[0] ? text : strerror(-b->failed.result)));
}

static void finish(struct bulk *b)
{
    b->over = true;
    if (b->asked > 0)
        return;
    bool none = json_array_size(b->forbidden) > 0 && b->id_count == 1;
    if (b->failed.result < 0 && json_array_size(b->done) == 0) {
        call_fail_store(b->call, &b->failed);
    } else if (none) {
        call_fail(b->call, API_FORBIDDEN, "id", "job %llu is another user's",
                  (unsigned long long)b->ids[0]);
    } else {
        json_t *result = b->retry ? json_pack("{s:O, s:O, s:O}", "retried", b->done, "not_ended",
                                              b->ended, "missing", b->missing)
                                  : json_pack("{s:O, s:O, s:O}", "cancelled", b->done, "ended",
                                              b->ended, "missing", b->missing);
        if (result && b->more)
            json_object_set_new(result, "more", json_true());
        if (result && b->more && b->place)
            json_object_set_new(result, "next", json_integer((json_int_t)b->place));
        if (result && json_array_size(b->forbidden) > 0)
            json_object_set(result, "forbidden", b->forbidden);
        note_failed(b, result);
        call_reply(b->call, result);
    }
    bulk_free(b);
}

static void fail(struct bulk *b, const struct store_call *failed)
{
    b->failed.result = failed->result;
    b->failed.error = failed->error;
    b->more = true;
    finish(b);
}

static void note(json_t *list, uint64_t id)
{
    json_array_append_new(list, json_integer((json_int_t)id));
}

/* --- cancel ----------------------------------------------------------------------------------- */

static void asked_end(struct asked *a)
{
    struct bulk *b = a->bulk;
    free(a);
    b->asked--;
    if (b->over && b->asked == 0)
        finish(b);
}

static void cancel_here(struct bulk *b, struct store_job *row)
{
    uint64_t id = row->id;
    int r = job_cancel_row(b->api->jobs, row, CANCEL_REASON);
    note(r == 0 ? b->done : r == -EALREADY ? b->ended : b->missing, id);
}

static void ask_runner(struct asked *a);

static void on_looked(struct mail *mail)
{
    struct asked *a = container_of(mail, struct asked, get.call.mail);
    struct store_job *row = a->get.job;
    if (row && row->state == JOB_RUNNING && !job_find(a->bulk->api->jobs, row->id)) {
        store_job_free(row);
        ask_runner(a);
        return;
    }
    if (row)
        cancel_here(a->bulk, row);
    else
        note(a->bulk->missing, a->get.id);
    asked_end(a);
}

static void on_asked(struct mail *mail)
{
    struct asked *a = container_of(mail, struct asked, cancel.call.mail);
    struct store *store = a->bulk->api->jobs->config.store;
    int r = a->cancel.call.result;
    if (r == -EAGAIN) { /* nobody runs it any more */
        a->get = (struct store_get){.id = a->cancel.id};
        mail_init(&a->get.call.mail, on_looked);
        store->engine->get(store, &a->get);
        return;
    }
    note(r == 0 ? a->bulk->done : r == -ESTALE ? a->bulk->ended : a->bulk->missing, a->cancel.id);
    asked_end(a);
}

static void ask_runner(struct asked *a)
{
    struct store *store = a->bulk->api->jobs->config.store;
    mail_init(&a->cancel.call.mail, on_asked);
    store->engine->shared->cancel(store, &a->cancel);
}

static void cancel_row(struct bulk *b, struct store_job *row)
{
    struct jobs *jobs = b->api->jobs;
    bool elsewhere = jobs->fleet && row->state == JOB_RUNNING && !job_find(jobs, row->id);
    if (!elsewhere) {
        cancel_here(b, row);
        return;
    }
    struct asked *a = calloc(1, sizeof *a);
    if (a) {
        a->bulk = b;
        a->cancel = (struct store_cancel){.id = row->id, .why = CANCEL_REASON};
        b->asked++;
        ask_runner(a);
    } else {
        note(b->missing, row->id);
    }
    store_job_free(row);
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
        b->place = b->ids ? 0 : b->retried + 1;
        walk_abandon(&b->walk);
        fail(b, &b->submit.call);
        return;
    }
    json_array_append_new(b->done, json_pack("{s:I, s:I}", "id", (json_int_t)row->id, "retry_of",
                                             (json_int_t)row->retry_of));
    b->api->jobs->submitted++;
    intake_row(b->api->jobs, row, spec);
    go_on(b);
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
    json_error_t why;
    json_t *json = json_read_text(row->spec, 0, &why);
    if (json) {
        json_object_del(json, "key"); /* it would only find the old job again */
        json_object_del(json, "not_before");
        s.json = json;
        r = submission_row(b->api->jobs, &s, &copy, &b->spec, &err, &field);
        json_decref(json);
    } else if (json_error_code(&why) == json_error_out_of_memory) {
        r = -ENOMEM;
    }
    if (r == -ENOMEM)
        json_note_lost(); /* nothing is said of it then, rather than that it is not there */
    if (r < 0) {
        note(b->missing, row->id);
        store_job_free(row);
        return false;
    }
    store_job_free(row);
    b->retried = copy->retry_of;
    b->item = (struct store_submit_item){.job = copy};
    b->submit = (struct store_submit){.items = &b->item, .count = 1};
    submission_limit(b->api->jobs, b->call->peer.uid, b->call->peer.gid, &b->submit);
    mail_init(&b->submit.call.mail, on_copied);
    b->api->jobs->config.store->engine->submit(b->api->jobs->config.store, &b->submit);
    return true;
}

/* --- by id, or by SELECT ---------------------------------------------------------------------- */

/* True if the row is dealt with, false if it goes on later. */
static bool take_row(struct bulk *b, struct store_job *row)
{
    if (b->retry)
        return !retry_row(b, row);
    cancel_row(b, row);
    return true;
}

static bool on_row(struct walk *walk, struct store_job *row)
{
    struct bulk *b = container_of(walk, struct bulk, walk);
    if (!b->retry || job_state_final(row->state))
        return take_row(b, row);
    store_job_free(row); /* there is nothing to retry, and nobody has named it */
    return true;
}

static bool has_enough(struct walk *walk)
{
    struct bulk *b = container_of(walk, struct bulk, walk);
    size_t told =
        json_array_size(b->done) + json_array_size(b->ended) + json_array_size(b->missing);
    b->more = told + b->asked >= b->limit; /* those that are asked will be told */
    return b->more;
}

static void on_walked(struct walk *walk, const struct store_call *failed)
{
    struct bulk *b = container_of(walk, struct bulk, walk);
    b->place = walk_place(walk, failed);
    if (failed)
        fail(b, failed);
    else
        finish(b);
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
    go_on(b);
}

static void next_id(struct bulk *b)
{
    struct store *store = b->api->jobs->config.store;
    if (b->next == b->id_count) {
        finish(b);
        return;
    }
    b->get = (struct store_get){.id = b->ids[b->next++]};
    mail_init(&b->get.call.mail, on_got);
    store->engine->get(store, &b->get);
}

static void go_on(struct bulk *b)
{
    if (b->ids)
        next_id(b);
    else
        walk_go_on(&b->walk);
}

static struct bulk *bulk_new(struct api_call *call)
{
    struct bulk *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->api = call->api;
    b->call = call;
    b->retry = call->method == API_RETRY;
    b->limit = ANSWER_MAX;
    b->walk = (struct walk){.jobs = call->api->jobs,
                            .fresh = !b->retry,
                            .row = on_row,
                            .enough = has_enough,
                            .end = on_walked};
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

/* What chooses jobs, and from where on. 0; negative: the call has been answered. */
static int read_select(struct bulk *b)
{
    static const char *const also[] = {"limit", "before", NULL};
    struct api_call *call = b->call;
    size_t members = json_object_size(call->params);
    for (size_t i = 0; also[i]; i++)
        members -= json_object_get(call->params, also[i]) ? 1 : 0;
    if (members == 0) {
        /* An empty SELECT would mean all of them, most likely by mistake. */
        call_fail(call, API_INVALID_PARAMS, NULL,
                  "id, ids or at least one selecting member is wanted (state: \"queued\" for all "
                  "that wait)");
        return -EINVAL;
    }
    int r = call_select(call, also, &b->walk.select);
    if (r == 0)
        r = call_number(call, "limit", ANSWER_MAX, &b->limit);
    if (r == 0)
        r = call_number(call, "before", INT64_MAX, &b->walk.before);
    return r;
}

void call_bulk(struct api_call *call)
{
    struct bulk *b = bulk_new(call);
    if (!b) {
        call_reply(call, NULL);
        return;
    }
    if (b->retry && call->api->jobs->draining) {
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
        bulk_free(b);
        return;
    }
    int r = call_ids(call, &b->ids, &b->id_count);
    if (r == 0)
        r = read_select(b);
    if (r < 0) {
        bulk_free(b);
        return;
    }
    call_limit(call, &b->walk.select);
    if (b->ids)
        next_id(b);
    else
        walk_start(&b->walk);
}
