/* The operations of the control protocol: dispatch, answers, and those that only look. */
#include "job/calls.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "job/bulk.h"
#include "job/job.h"
#include "job/pause.h"
#include "job/schedule.h"
#include "job/select.h"
#include "job/submit.h"
#include "job/top.h"
#include "job/view.h"
#include "job/wait.h"
#include "terms/access.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 50
#define LIST_MAX     1000
#define LIST_BYTES   ((size_t)1 << 20) /* of the jobs' texts in one answer, and a job more */

/* --- answers ------------------------------------------------------------------------------------- */

static void on_answer(struct mail *mail)
{
    struct jobs_call *call = container_of(mail, struct jobs_call, mail);
    struct jobs *jobs = call->jobs;
    jobs->calls_out--;
    call->answer(call, call->result, call->code, call->code ? &call->error : NULL,
                 call->field[0] ? call->field : NULL);
    jobs_drain_step(jobs);
}

void call_fail(struct jobs_call *call, int code, const char *field, const char *fmt, ...)
{
    char text[sizeof call->error.text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    call->code = code;
    error_set(&call->error, 0, "%s", text);
    utf8_copy(call->field, sizeof call->field, field ? field : "");
    mailbox_post(call->jobs->config.mailbox, &call->mail);
}

void call_reply(struct jobs_call *call, json_t *result)
{
    if (!result) {
        call_fail(call, JOBS_INTERNAL, NULL, "no memory for the answer");
        return;
    }
    call->result = result;
    mailbox_post(call->jobs->config.mailbox, &call->mail);
}

void call_fail_store(struct jobs_call *call, const struct store_call *failed)
{
    const char *text = failed->error.text[0] ? failed->error.text : strerror(-failed->result);
    if (failed->result == -EDQUOT)
        call_fail(call, JOBS_QUEUE_FULL, NULL, "%s", text);
    else if (failed->result == -ENOENT)
        call_fail(call, JOBS_NOT_FOUND, NULL, "%s", text);
    else
        call_fail(call, JOBS_UNAVAILABLE, NULL, "the store says: %s", text);
}

/* --- permissions ------------------------------------------------------------------------------ */

bool call_may_see(const struct jobs_call *call, const struct store_job *row)
{
    return access_may_see(call->jobs->settings->access, &call->peer, row->uid);
}

void call_limit(const struct jobs_call *call, struct store_select *select)
{
    select->by_uid = !access_may_administer(call->jobs->settings->access, &call->peer);
    select->uid = call->peer.uid;
}

/* What needs no look at a row: NULL, or the keys that would permit it. */
static const char *missing_permission(const struct jobs_call *call)
{
    const struct access *access = call->jobs->settings->access;
    switch (call->method) {
    case JOBS_SUBMIT:
    case JOBS_RUN:
    case JOBS_RETRY:
        return access_may_submit(access, &call->peer) ? NULL : "submit_users, submit_groups";
    case JOBS_PAUSE:
    case JOBS_RESUME:
    case JOBS_RELOAD:
    case JOBS_SCHEDULE_APPLY:
    case JOBS_SCHEDULE_ADD:
    case JOBS_SCHEDULE_LIST:
    case JOBS_SCHEDULE_RUN:
    case JOBS_SCHEDULE_REMOVE:
        return access_may_administer(access, &call->peer) ? NULL : "admin_users, admin_groups";
    default:
        return NULL;
    }
}

static void forbid(struct jobs_call *call, const char *keys)
{
    if (call->method == JOBS_RUN)
        fd_close(&call->fd);
    call_fail(call, JOBS_FORBIDDEN, NULL, "uid %u may not do that here ([control] %s)",
              (unsigned)call->peer.uid, keys);
}

/* --- parameters ---------------------------------------------------------------------------------- */

static bool is_id(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) > 0;
}

int call_ids(struct jobs_call *call, uint64_t **ret_ids, size_t *ret_count)
{
    const json_t *one = json_object_get(call->params, "id");
    const json_t *many = json_object_get(call->params, "ids");
    size_t count = many ? json_array_size(many) : 1;

    if (!one && !many)
        return 0;
    if ((one && many) || json_object_size(call->params) > 1) {
        call_fail(call, JOBS_INVALID_PARAMS, one ? "id" : "ids",
                  "id or ids stands alone: nothing else selects beside it");
        return -EINVAL;
    }
    if ((one && !is_id(one)) || (many && (!json_is_array(many) || count == 0 || count > 10000))) {
        call_fail(call, JOBS_INVALID_PARAMS, one ? "id" : "ids",
                  one ? "id: a positive integer is wanted"
                      : "ids: an array of 1 to 10000 positive integers is wanted");
        return -EINVAL;
    }
    uint64_t *ids = calloc(count, sizeof *ids);
    if (!ids) {
        call_fail(call, JOBS_INTERNAL, NULL, "no memory for %zu ids", count);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *id = one ? one : json_array_get(many, i);
        if (!is_id(id)) {
            call_fail(call, JOBS_INVALID_PARAMS, "ids", "ids[%zu]: a positive integer is wanted",
                      i);
            free(ids);
            return -EINVAL;
        }
        ids[i] = (uint64_t)json_integer_value(id);
    }
    *ret_ids = ids;
    *ret_count = count;
    return 1;
}

int call_select(struct jobs_call *call, const char *const *allowed, struct store_select *ret)
{
    struct error err;
    const char *field = NULL;
    int r = select_parse(call->params, allowed, ret, &err, &field);
    if (r < 0)
        call_fail(call, JOBS_INVALID_PARAMS, field, "%s", err.text);
    return r;
}

/* --- show, list ------------------------------------------------------------------------------- */

struct show {
    struct store_get get;
    struct jobs_call *call;
};

static void on_shown(struct mail *mail)
{
    struct show *show = container_of(mail, struct show, get.call.mail);
    struct jobs_call *call = show->call;
    if (show->get.call.result == -ENOENT)
        call_fail(call, JOBS_NOT_FOUND, "id", "there is no job %llu",
                  (unsigned long long)show->get.id);
    else if (show->get.call.result < 0)
        call_fail_store(call, &show->get.call);
    else if (!call_may_see(call, show->get.job))
        call_fail(call, JOBS_FORBIDDEN, "id", "job %llu is another user's",
                  (unsigned long long)show->get.id);
    else
        call_reply(call, view_life(call->jobs, show->get.job));
    store_job_free(show->get.job);
    free(show);
}

static void call_show(struct jobs_call *call)
{
    struct store *store = call->jobs->config.store;
    const json_t *id = json_object_get(call->params, "id");
    if (!is_id(id) || json_object_size(call->params) != 1) {
        call_fail(call, JOBS_INVALID_PARAMS, "id",
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
    struct store_list list;
    struct jobs_call *call;
};

static json_t *listing_view(struct listing *l)
{
    json_t *jobs = json_array();
    for (size_t i = 0; i < l->list.count; i++)
        json_array_append_new(jobs, view_job(l->call->jobs, l->list.jobs[i]));
    json_t *next = l->list.next ? json_integer((json_int_t)l->list.next) : json_null();
    return json_pack("{s:o, s:o}", "jobs", jobs, "next", next);
}

static void on_listed(struct mail *mail)
{
    struct listing *l = container_of(mail, struct listing, list.call.mail);
    if (l->list.call.result < 0)
        call_fail_store(l->call, &l->list.call);
    else
        call_reply(l->call, listing_view(l));
    for (size_t i = 0; i < l->list.count; i++)
        store_job_free(l->list.jobs[i]);
    free(l->list.jobs);
    free(l);
}

static int list_number(struct jobs_call *call, const char *name, uint64_t max, uint64_t *ret)
{
    const json_t *value = json_object_get(call->params, name);
    if (!value || json_is_null(value))
        return 0;
    if (!is_id(value) || (uint64_t)json_integer_value(value) > max) {
        call_fail(call, JOBS_INVALID_PARAMS, name, "%s: an integer from 1 to %llu is wanted", name,
                  (unsigned long long)max);
        return -EINVAL;
    }
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static void call_list(struct jobs_call *call)
{
    static const char *const also[] = {"limit", "before", NULL};
    struct store *store = call->jobs->config.store;
    uint64_t limit = LIST_DEFAULT, before = 0;
    struct listing *l = calloc(1, sizeof *l);
    if (!l) {
        call_reply(call, NULL);
        return;
    }
    if (call_select(call, also, &l->list.select) < 0 ||
        list_number(call, "limit", LIST_MAX, &limit) < 0 ||
        list_number(call, "before", INT64_MAX, &before) < 0) {
        free(l);
        return;
    }
    call_limit(call, &l->list.select);
    l->call = call;
    l->list.limit = (size_t)limit;
    l->list.max_bytes = LIST_BYTES;
    l->list.before = before;
    mail_init(&l->list.call.mail, on_listed);
    store->engine->list(store, &l->list);
}

/* --- pause, resume ---------------------------------------------------------------------------- */

static void call_pause(struct jobs_call *call, bool paused)
{
    const char *name;
    json_t *value;
    const char *host = NULL, *parser = NULL;
    if (json_object_size(call->params) > 1) {
        call_fail(call, JOBS_INVALID_PARAMS, NULL,
                  "one of all, host, parser and schedule is wanted");
        return;
    }
    if (json_object_get(call->params, "schedule")) {
        call_schedule(call);
        return;
    }
    json_object_foreach((json_t *)call->params, name, value)
    {
        bool all = strcmp(name, "all") == 0;
        if (strcmp(name, "host") == 0)
            host = json_string_value(value);
        else if (strcmp(name, "parser") == 0)
            parser = json_string_value(value);
        if (all ? !json_is_true(value) : !host && !parser) {
            call_fail(call, JOBS_INVALID_PARAMS, name,
                      "%s: all (true), host, parser or schedule (a name) is wanted", name);
            return;
        }
    }
    if (parser && !registry_find(call->jobs->registry, parser)) {
        call_fail(call, JOBS_NOT_FOUND, "parser", "parser: there is no parser %.64s", parser);
        return;
    }
    if (host && (!*host || strlen(host) > 253)) {
        call_fail(call, JOBS_INVALID_PARAMS, "host", "host: the name of a host is wanted");
        return;
    }
    int r = admission_pause(call->jobs, host, parser, paused);
    if (r == -EDQUOT)
        call_fail(call, JOBS_QUEUE_FULL, "host",
                  "host: %d hosts are paused already; resume some, or pause all", HOSTS_PAUSED_MAX);
    else if (r < 0)
        call_reply(call, NULL);
    else
        call_reply(call, json_pack("{s:b}", "paused", paused));
}

/* --- reload ----------------------------------------------------------------------------------- */

struct reload_call {
    struct jobs_reload request;
    struct jobs_call *call;
};

static void on_reloaded(struct jobs_reload *request, int result, const json_t *restart,
                        const struct error *err)
{
    struct reload_call *r = container_of(request, struct reload_call, request);
    if (result == -ESHUTDOWN)
        call_fail(r->call, JOBS_DRAINING, NULL, "%s", err->text);
    else if (result < 0)
        call_fail(r->call, JOBS_BAD_CONFIG, NULL, "%s; nothing has changed", err->text);
    else
        call_reply(r->call, json_pack("{s:b, s:O}", "reloaded", 1, "restart", restart));
    free(r);
}

static void call_reload(struct jobs_call *call)
{
    const struct jobs_config *config = &call->jobs->config;
    struct reload_call *r = config->reload ? calloc(1, sizeof *r) : NULL;
    if (!r) {
        call_fail(call, JOBS_INTERNAL, NULL, "the config cannot be read again");
        return;
    }
    list_init(&r->request.link);
    r->request.done = on_reloaded;
    r->call = call;
    config->reload(config->arg, &r->request);
}

/* --- dispatch --------------------------------------------------------------------------------- */

void jobs_call(struct jobs *jobs, struct jobs_call *call)
{
    call->jobs = jobs;
    call->result = NULL;
    call->code = 0;
    call->field[0] = '\0';
    call->wait = NULL;
    call->abandoned = false;
    mail_init(&call->mail, on_answer);
    jobs->calls_out++;
    const char *missing = missing_permission(call);
    if (missing) {
        forbid(call, missing);
        return;
    }
    switch (call->method) {
    case JOBS_SUBMIT:
        call_submit(call);
        return;
    case JOBS_SHOW:
        call_show(call);
        return;
    case JOBS_LIST:
        call_list(call);
        return;
    case JOBS_CANCEL:
    case JOBS_RETRY:
        call_bulk(call);
        return;
    case JOBS_WAIT:
        call_wait(call);
        return;
    case JOBS_RUN:
        call_run(call);
        return;
    case JOBS_EXITED:
        call_exited(call);
        return;
    case JOBS_PAUSE:
    case JOBS_RESUME:
        call_pause(call, call->method == JOBS_PAUSE);
        return;
    case JOBS_SCHEDULE_APPLY:
    case JOBS_SCHEDULE_ADD:
    case JOBS_SCHEDULE_LIST:
    case JOBS_SCHEDULE_RUN:
    case JOBS_SCHEDULE_REMOVE:
        call_schedule(call);
        return;
    case JOBS_RELOAD:
        call_reload(call);
        return;
    case JOBS_STATS:
        call_reply(call, view_stats(jobs));
        return;
    case JOBS_TOP:
        call_top(call);
        return;
    case JOBS_METRICS:
        call_metrics(call);
        return;
    case JOBS_PARSERS:
        call_reply(call, view_parsers(jobs->registry));
        return;
    }
    call_fail(call, JOBS_INTERNAL, NULL, "no such operation");
}

void jobs_call_abandon(struct jobs *jobs, struct jobs_call *call)
{
    call->abandoned = true;
    if (call->method == JOBS_WAIT)
        wait_abandon(call);
}
