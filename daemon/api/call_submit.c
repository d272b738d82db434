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

#define SUBMIT_MAX 1000

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
    if (s->call->follower && !follower_add_id(s->call->follower, s->call->api, id, true))
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

static void on_submitted(struct mail *mail)
{
    struct submit *s = container_of(mail, struct submit, store.call.mail);
    struct api_call *call = s->call;
    if (s->store.call.result < 0) {
        for (size_t i = 0; i < s->store.count; i++)
            if (s->store.items[i].claim)
                claim_unfold(call->api->jobs, s->store.items[i].job);
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

/* Checks every job; those that are well formed become items of one store call. */
static void prepare(struct submit *s)
{
    struct jobs *jobs = s->call->api->jobs;
    for (size_t i = 0; i < s->count; i++) {
        struct entry *e = &s->entries[i];
        const char *field;
        struct submission submission = {.json = s->many ? json_array_get(s->call->params, i)
                                                        : s->call->params,
                                        .peer = s->call->peer};
        int r = submission_row(jobs, &submission, &e->row, &e->spec, &e->error, &field);
        if (r < 0) {
            e->code = r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS;
            utf8_copy(e->field, sizeof e->field, field ? field : "");
            continue;
        }
        e->item = s->store.count;
        s->store.items[s->store.count++] =
            (struct store_submit_item){.job = e->row, .claim = claim_fold(jobs, e->row)};
    }
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
    struct jobs *jobs = call->api->jobs;
    size_t count = json_array_size(call->params);
    if (jobs->draining) {
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
        return;
    }
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
    prepare(s);
    if (!s->many && s->entries[0].code) {
        const struct entry *e = &s->entries[0];
        call_fail(call, e->code, e->field, "%s", e->error.text);
        submit_free(s);
        return;
    }
    mail_init(&s->store.call.mail, on_submitted);
    struct store *store = jobs->config.store;
    if (s->store.count > 0)
        store->engine->submit(store, &s->store);
    else
        mailbox_post(jobs->config.mailbox, &s->store.call.mail);
}
