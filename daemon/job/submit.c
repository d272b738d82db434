/* submit: from a job's JSON to a row that the store has acknowledged, to a place in the queue. */
#include "job/submit.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "job/admission.h"
#include "job/calls.h"
#include "job/claim.h"
#include "job/finish.h"
#include "job/follow.h"
#include "job/job.h"
#include "job/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBMIT_MAX 1000

/* --- one row ---------------------------------------------------------------------------------- */

static char *labels_text(const struct spec *spec)
{
    json_t *labels = json_object();
    for (size_t i = 0; labels && i < spec->label_count; i++)
        json_object_set_new(labels, spec->labels[i].name, json_string(spec->labels[i].value));
    char *text = json_dumps(labels, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(labels);
    return text;
}

static char *copy(const char *s, bool *failed)
{
    char *c = s ? strdup(s) : NULL;
    if (s && !c)
        *failed = true;
    return c;
}

static int fill_row(struct store_job *row, const struct submission *s, const struct spec *spec)
{
    bool failed = false;
    row->state = JOB_QUEUED;
    row->priority = (int)spec->effective.priority;
    row->uid = s->peer.uid;
    row->gid = s->peer.gid;
    row->created = clock_real_us();
    row->due = spec->not_before;
    row->retry_of = s->retry_of;
    row->host = copy(spec->host, &failed);
    row->parser = copy(spec->run ? "run" : spec->parser->name, &failed);
    row->key = copy(spec->key, &failed);
    row->schedule = copy(s->schedule, &failed);
    row->labels = labels_text(spec);
    row->spec = spec_store_text(s->json);
    return failed || !row->labels || !row->spec ? -ENOMEM : 0;
}

static int check_credential(const struct jobs *jobs, const struct spec *spec, struct error *err,
                            const char **ret_field)
{
    const struct settings_credential *chosen;
    if (credential_choose(jobs->settings, spec, &chosen, err) == 0)
        return 0;
    *ret_field = "credential";
    return -EINVAL;
}

/* Of a job whose body a command of the client's reads. */
static int check_run(const struct spec *spec, const struct submission *s, struct error *err,
                     const char **ret_field)
{
    static const struct {
        enum param param;
        const char *name;
    } others[] = {{PARAM_PARSER, "parser"},      {PARAM_MIN_RECORDS, "min_records"},
                  {PARAM_DELIVER, "deliver"},    {PARAM_COMMIT_MAX, "commit_max"},
                  {PARAM_CHARSET, "charset"},    {PARAM_CHARSET_ERRORS, "charset_errors"},
                  {PARAM_KEEP_BODY, "keep_body"}};
    if (spec->run != s->run) {
        *ret_field = "run";
        return error_set(err, -EINVAL, "run: `run` is a method, and brings a pipe along");
    }
    if (s->run && spec->option_count > 0) {
        *ret_field = "options";
        return error_set(err, -EINVAL,
                         "options: they are for a parser, and a command reads the body");
    }
    for (size_t i = 0; s->run && i < sizeof others / sizeof others[0]; i++)
        if (spec->own.set & (UINT64_C(1) << others[i].param)) {
            *ret_field = others[i].name;
            return error_set(err, -EINVAL,
                             "%s: it does not go with `run`: a command reads the body",
                             others[i].name);
        }
    return 0;
}

/* Nobody would decode what was asked for. */
static int check_compress(const struct spec *spec, struct error *err, const char **ret_field)
{
    uint64_t both = (UINT64_C(1) << PARAM_COMPRESS) | (UINT64_C(1) << PARAM_DECODE);
    if ((spec->own.set & both) != both || !spec->own.compress ||
        spec->own.decode != DECODE_FILE_NONE)
        return 0;
    *ret_field = "compress";
    return error_set(
        err, -EINVAL,
        "compress: it does not go with `decode = none`, which leaves the body encoded");
}

int submission_row(struct jobs *jobs, const struct submission *s, struct store_job **ret_row,
                   struct spec **ret_spec, struct error *err, const char **ret_field)
{
    struct spec *spec = NULL;
    *ret_field = NULL;
    if (!json_is_object(s->json))
        return error_set(err, -EINVAL, "a job is an object with at least the member url");
    int r = spec_parse(s->json, jobs->settings, jobs->registry, &spec, err, ret_field);
    if (r == 0)
        r = check_credential(jobs, spec, err, ret_field);
    if (r == 0)
        r = check_run(spec, s, err, ret_field);
    if (r == 0)
        r = check_compress(spec, err, ret_field);
    struct store_job *row = r == 0 ? calloc(1, sizeof *row) : NULL;
    if (r == 0 && (!row || fill_row(row, s, spec) < 0))
        r = error_set(err, -ENOMEM, "no memory for the job");
    if (r < 0) {
        store_job_free(row);
        spec_free(spec);
        return r;
    }
    *ret_row = row;
    *ret_spec = spec;
    return 0;
}

void submission_queue(struct jobs *jobs, struct store_job *row, struct spec *spec)
{
    if (jobs->draining && !jobs->config.store->engine->keeps) {
        struct cause cause = {.cancelled = true, .message = JOBS_NOT_KEPT};
        struct job *job = job_new(jobs, row, spec, NULL);
        if (job)
            job_finish(job, JOB_CANCELLED, &cause);
        return;
    }
    if (row->due > clock_real_us()) {
        admission_due(jobs, row->host, row->due);
        store_job_free(row);
        spec_free(spec);
        return;
    }
    bool claimed = row->state == JOB_RUNNING;
    char *host = strdup(row->host); /* job_new takes the row over, whatever comes of it */
    struct job *job = job_new(jobs, row, spec, NULL);
    if (job) {
        job->claimed = claimed;
        job->claimed_at = job->queued_at;
        admission_queue(job);
    } else if (claimed) {
        recover_again(jobs);
    } else if (host) {
        admission_due(jobs, host, clock_real_us() + 1000000);
    }
    free(host);
}

/* --- the call --------------------------------------------------------------------------------- */

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
    struct jobs_call *call;
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
    struct jobs *jobs = s->call->jobs;
    if (e->code)
        return entry_view(e, 0, false);
    const struct store_submit_item *item = &s->store.items[e->item];
    if (item->claim)
        claim_unfold(jobs, e->row);
    uint64_t id = e->row->id;
    bool existing = item->existing;
    if (item->result == -EEXIST) {
        entry_fail(
            e, JOBS_CONFLICT, "key",
            "key: it belongs to a job with other parameters; the same key asks for the same job");
        return entry_view(e, 0, false);
    }
    if (s->call->follower && !follow_add_id(s->call->follower, jobs, id, true))
        entry_fail(e, JOBS_INTERNAL, NULL,
                   "the job is queued, but there was no memory to follow it");
    json_t *view = entry_view(e, id, existing);
    if (!existing) {
        jobs->submitted++;
        submission_queue(jobs, e->row, e->spec);
        e->row = NULL;
        e->spec = NULL;
    }
    return view;
}

static void on_submitted(struct mail *mail)
{
    struct submit *s = container_of(mail, struct submit, store.call.mail);
    struct jobs_call *call = s->call;
    if (s->store.call.result < 0) {
        for (size_t i = 0; i < s->store.count; i++)
            if (s->store.items[i].claim)
                claim_unfold(call->jobs, s->store.items[i].job);
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
    struct jobs *jobs = s->call->jobs;
    for (size_t i = 0; i < s->count; i++) {
        struct entry *e = &s->entries[i];
        const char *field;
        struct submission submission = {.json = s->many ? json_array_get(s->call->params, i)
                                                        : s->call->params,
                                        .peer = s->call->peer};
        int r = submission_row(jobs, &submission, &e->row, &e->spec, &e->error, &field);
        if (r < 0) {
            e->code = r == -ENOMEM ? JOBS_INTERNAL : JOBS_INVALID_PARAMS;
            utf8_copy(e->field, sizeof e->field, field ? field : "");
            continue;
        }
        e->item = s->store.count;
        s->store.items[s->store.count++] =
            (struct store_submit_item){.job = e->row, .claim = claim_fold(jobs, e->row)};
    }
}

static struct submit *submit_new(struct jobs_call *call)
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

void call_submit(struct jobs_call *call)
{
    struct jobs *jobs = call->jobs;
    size_t count = json_array_size(call->params);
    if (jobs->draining) {
        call_fail(call, JOBS_DRAINING, NULL, "the daemon is stopping and accepts no new jobs");
        return;
    }
    if (json_is_array(call->params) && (count == 0 || count > SUBMIT_MAX)) {
        call_fail(call, JOBS_INVALID_PARAMS, NULL, "an array of 1 to %d jobs is wanted, %zu came",
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
