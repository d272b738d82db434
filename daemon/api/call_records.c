/* records: what a job has found, a page at a time. The store says who may see the job and how it
 * ended, and only then the results are asked: so an attempt that came to nothing, or one whose
 * verdict is not told yet, is never read. */
#include "api/call_records.h"

#include "api/call.h"
#include "base/json_read.h"
#include "job/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct records {
    struct store_get get;
    struct results_get result;
    struct api_call *call;
    uint64_t attempt; /* that is asked for; 0: the good one */
};

static void records_free(struct records *r)
{
    store_job_free(r->get.job);
    free(r->result.text);
    free(r);
}

/* What the verdict says of its records: `records_kept` and `records_lost`. */
static void tell_lost(struct records *r)
{
    const struct store_job *row = r->get.job;
    unsigned long long id = row->id;
    json_t *verdict =
        row->verdict ? json_read(row->verdict, strlen(row->verdict), JSON_ALLOW_NUL, NULL) : NULL;
    const json_t *kept = json_object_get(verdict, "records_kept");
    const char *lost = json_string_value(json_object_get(verdict, "records_lost"));
    if (json_is_true(kept))
        call_fail(r->call, API_NOT_FOUND, "id",
                  "the records of job %llu were kept, and have been removed since ([results] keep, "
                  "max_size)",
                  id);
    else if (kept)
        call_fail(r->call, API_NOT_FOUND, "id", "the records of job %llu could not be kept: %s", id,
                  lost ? lost : "no reason is known");
    else
        call_fail(r->call, API_NOT_FOUND, "id",
                  "the records of job %llu were not kept: it was submitted without keep_records",
                  id);
    json_decref(verdict);
}

static void on_page(struct mail *mail)
{
    struct records *r = container_of(mail, struct records, result.mail);
    const struct results_get *got = &r->result;
    if (got->result == -ENOENT) {
        tell_lost(r);
    } else if (got->result < 0) {
        call_fail(r->call, API_UNAVAILABLE, NULL, "%s", got->error.text);
    } else {
        uint32_t after = got->page + 1;
        json_t *next = after < got->page_count ? json_integer(after) : json_null();
        call_reply(r->call,
                   json_pack("{s:I, s:I, s:I, s:o, s:o}", "id", (json_int_t)got->job, "attempt",
                             (json_int_t)got->attempt, "records", (json_int_t)got->lines, "lines",
                             json_stringn(got->text ? got->text : "", got->len), "next", next));
    }
    records_free(r);
}

/* Is there something to be read? If not the call has been answered. */
static bool judge(struct records *r)
{
    struct api_call *call = r->call;
    const struct store_job *row = r->get.job;
    unsigned long long id = row->id;
    if (!call_may_see(call, row)) {
        call_fail(call, API_FORBIDDEN, "id", "job %llu is another user's", id);
    } else if (!job_state_final(row->state)) {
        call_fail(call, API_CONFLICT, "id",
                  "job %llu has not ended: its records can be read once it is done", id);
    } else if (row->state != JOB_DONE) {
        call_fail(call, API_NOT_FOUND, "id",
                  "job %llu %s: there are no records of a whole body, and those of its attempts "
                  "are not kept",
                  id, row->state == JOB_FAILED ? "has failed" : "was cancelled");
    } else if (r->attempt && r->attempt != row->attempt) {
        call_fail(call, API_NOT_FOUND, "attempt",
                  "attempt %llu of job %llu %s: the records of attempt %u are the job's",
                  (unsigned long long)r->attempt, id,
                  r->attempt > row->attempt ? "was never made" : "came to nothing",
                  (unsigned)row->attempt);
    } else {
        return true;
    }
    return false;
}

static void on_row(struct mail *mail)
{
    struct records *r = container_of(mail, struct records, get.call.mail);
    if (r->get.call.result == -ENOENT) {
        call_fail(r->call, API_NOT_FOUND, "id", "there is no job %llu",
                  (unsigned long long)r->get.id);
    } else if (r->get.call.result < 0) {
        call_fail_store(r->call, &r->get.call);
    } else if (judge(r)) {
        r->result.job = r->get.id;
        r->result.attempt = r->get.job->attempt;
        mail_init(&r->result.mail, on_page);
        results_get(r->call->api->jobs->results, &r->result);
        return;
    }
    records_free(r);
}

void call_records(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    const json_t *id = json_object_get(call->params, "id");
    const json_t *attempt = json_object_get(call->params, "attempt");
    const json_t *page = json_object_get(call->params, "page");
    size_t known = 1 + (attempt != NULL) + (page != NULL);
    if (!call_is_id(id) || json_object_size(call->params) != known) {
        call_fail(call, API_INVALID_PARAMS, "id",
                  "id: one positive integer is wanted, and beside it attempt and page at most");
        return;
    }
    if ((attempt && !call_is_id(attempt)) ||
        (page && (!json_is_integer(page) || json_integer_value(page) < 0 ||
                  json_integer_value(page) > UINT32_MAX))) {
        call_fail(call, API_INVALID_PARAMS, page ? "page" : "attempt",
                  "attempt: a positive integer is wanted; page: the `next` of the page before");
        return;
    }
    struct records *r = calloc(1, sizeof *r);
    if (!r) {
        call_reply(call, NULL);
        return;
    }
    r->call = call;
    r->attempt = (uint64_t)json_integer_value(attempt);
    r->result.page = (uint32_t)json_integer_value(page);
    r->get.id = (uint64_t)json_integer_value(id);
    mail_init(&r->get.call.mail, on_row);
    store->engine->get(store, &r->get);
}
