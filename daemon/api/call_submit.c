/* submit: one job or many, by one call of the store. */
#include "api/call_submit.h"

#include "api/call.h"
#include "api/follower.h"
#include "base/utf8.h"
#include "job/claim.h"
#include "job/intake.h"
#include "job/job.h"
#include "job/submission.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBMIT_MAX   1000
#define SUBMIT_SLICE 8 /* jobs that are checked in one go: others want the loop as well */

struct entry {
    struct spec *spec;
    struct store_job *row;
    size_t item; /* of the store's call */
    int code;    /* of its own error, 0 if it went to the store */
    struct error error;
    char field[64];
};

struct submit {
    struct store_submit store;
    struct api_call *call;
    bool many;
    struct entry *entries;
    size_t count;
    size_t prepared; /* of them */
    struct slice slice;
};

static void submit_free(struct submit *s)
{
    for (size_t i = 0; s->entries && i < s->count; i++) {
        store_job_free(s->entries[i].row);
        spec_free(s->entries[i].spec);
    }
    free(s->entries);
    free(s->store.items);
    free(s);
}

static void entry_fail(struct entry *e, int code, const char *field, const char *text)
{
    e->code = code;
    error_set(&e->error, 0, "%s", text);
    utf8_copy(e->field, sizeof e->field, field ? field : "");
}

static json_t *entry_view(const struct entry *e, uint64_t id, bool existing)
{
    if (e->code == 0)
        return existing ? json_pack("{s:I, s:b}", "id", (json_int_t)id, "existing", 1)
                        : json_pack("{s:I}", "id", (json_int_t)id);
    json_t *error = json_pack("{s:i, s:s}", "code", e->code, "message", e->error.text);
    if (e->field[0])
        json_object_set_new(error, "data", json_pack("{s:s}", "field", e->field));
    return json_pack("{s:o}", "error", error);
}

/* One job of the call: the store has said what became of it. */
static json_t *settle(struct submit *s, struct entry *e)
{
    struct jobs *jobs = s->call->api->jobs;
    if (e->code)
        return entry_view(e, 0, false);
    const struct store_submit_item *item = &s->store.items[e->item];
    if (item->claim)
        claim_unfold(jobs, e->row);
    uint64_t id = e->row->id;
    bool existing = item->existing;
    if (item->result == -EEXIST) {
        entry_fail(
            e, API_CONFLICT, "key",
            "key: it belongs to a job with other parameters; the same key asks for the same job");
        return entry_view(e, 0, false);
    }
    if (s->call->follower &&
        !follower_add_id(s->call->follower, s->call->api, id, existing ? FOLLOW_OWN : FOLLOW_NEW))
        entry_fail(e, API_INTERNAL, NULL,
                   "the job is queued, but there was no memory to follow it");
    json_t *view = entry_view(e, id, existing);
    if (!existing) {
        jobs->submitted++;
        intake_row(jobs, e->row, e->spec);
        e->row = NULL;
        e->spec = NULL;
    }
    return view;
}

/* None of them will be stored. */
static void unclaim(struct submit *s)
{
    for (size_t i = 0; i < s->store.count; i++)
        if (s->store.items[i].claim)
            claim_unfold(s->call->api->jobs, s->store.items[i].job);
}

static void on_submitted(struct mail *mail)
{
    struct submit *s = container_of(mail, struct submit, store.call.mail);
    struct api_call *call = s->call;
    if (s->store.call.result < 0) {
        unclaim(s);
        call_fail_store(call, &s->store.call);
    } else if (s->many) {
        json_t *list = json_array();
        for (size_t i = 0; i < s->count; i++)
            json_array_append_new(list, settle(s, &s->entries[i]));
        call_reply(call, list);
    } else {
        json_t *view = settle(s, &s->entries[0]);
        const struct entry *e = &s->entries[0];
        if (e->code) {
            json_decref(view);
            call_fail(call, e->code, e->field, "%s", e->error.text);
        } else {
            call_reply(call, view);
        }
    }
    submit_free(s);
}

/* Checks a job; if it is well formed it becomes an item of the one store call. */
static void prepare(struct submit *s, size_t i)
{
    struct jobs *jobs = s->call->api->jobs;
    struct entry *e = &s->entries[i];
    const char *field;
    struct submission submission = {.json = s->many ? json_array_get(s->call->params, i)
                                                    : s->call->params,
                                    .peer = s->call->peer};
    int r = submission_row(jobs, &submission, &e->row, &e->spec, &e->error, &field);
    if (r < 0) {
        e->code = r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS;
        utf8_copy(e->field, sizeof e->field, field ? field : "");
        return;
    }
    e->item = s->store.count;
    s->store.items[s->store.count++] =
        (struct store_submit_item){.job = e->row, .claim = claim_fold(jobs, e->row)};
}

static void submit_fail(struct submit *s, int code, const char *field, const char *message)
{
    unclaim(s);
    call_fail(s->call, code, field, "%s", message);
    submit_free(s);
}

static void submit_ask(struct submit *s)
{
    const struct jobs *jobs = s->call->api->jobs;
    struct store *store = jobs->config.store;
    submission_limit(jobs, s->call->peer.uid, s->call->peer.gid, &s->store);
    store->engine->submit(store, &s->store);
}

/* All are checked. */
static void submit_store(struct submit *s)
{
    struct jobs *jobs = s->call->api->jobs;
    const struct entry *first = &s->entries[0];
    mail_init(&s->store.call.mail, on_submitted);
    if (!s->many && first->code)
        submit_fail(s, first->code, first->field, first->error.text);
    else if (s->store.count > 0)
        submit_ask(s);
    else
        mailbox_post(jobs->config.mailbox, &s->store.call.mail);
}

static void submit_step(struct slice *slice)
{
    struct submit *s = container_of(slice, struct submit, slice);
    if (s->call->api->jobs->draining) {
        submit_fail(s, API_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
        return;
    }
    for (int i = 0; i < SUBMIT_SLICE && s->prepared < s->count; i++)
        prepare(s, s->prepared++);
    if (s->prepared < s->count)
        slices_add(&s->call->api->slices, slice);
    else
        submit_store(s);
}

static struct submit *submit_new(struct api_call *call)
{
    struct submit *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->call = call;
    s->many = json_is_array(call->params);
    s->count = s->many ? json_array_size(call->params) : 1;
    s->entries = calloc(s->count, sizeof *s->entries);
    s->store.items = calloc(s->count, sizeof *s->store.items);
    if (!s->entries || !s->store.items) {
        submit_free(s);
        return NULL;
    }
    return s;
}

void call_submit(struct api_call *call)
{
    size_t count = json_array_size(call->params);
    if (json_is_array(call->params) && (count == 0 || count > SUBMIT_MAX)) {
        call_fail(call, API_INVALID_PARAMS, NULL, "an array of 1 to %d jobs is wanted, %zu came",
                  SUBMIT_MAX, count);
        return;
    }
    struct submit *s = submit_new(call);
    if (!s) {
        call_reply(call, NULL);
        return;
    }
    s->slice.step = submit_step;
    submit_step(&s->slice);
}
