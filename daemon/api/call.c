#include "api/call.h"

#include "api/audit.h"
#include "api/select.h"
#include "base/utf8.h"
#include "job/drain.h"
#include "job/job.h"
#include "terms/access.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is owed ----------------------------------------------------------------------------- */

void api_owe(struct api *api)
{
    api->owed++;
}

void api_paid(struct api *api)
{
    assert(api->owed > 0);
    api->owed--;
    if (api->owed > 0 || !api->draining || api->drained_told)
        return;
    api->drained_told = true;
    api->drained(api->drained_arg);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void on_answer(struct mail *mail)
{
    struct api_call *call = container_of(mail, struct api_call, mail);
    struct api *api = call->api;
    bool defers = call->defers;
    audit_call(call);
    /* The caller may free the call, and takes over its text. */
    call->answer(call, call->result, call->code, call->code ? &call->error : NULL,
                 call->field[0] ? call->field : NULL);
    if (defers)
        drain_allow(api->jobs);
    api_paid(api);
}

/* The drain of the jobs does not wait for a `wait`, which would wait for jobs that nobody runs any
 * more. */
void call_begin(struct api *api, struct api_call *call)
{
    assert(jobs_are_current(api->jobs));
    call->api = api;
    call->result = NULL;
    call->text = (struct buf)BUF_INIT;
    call->code = 0;
    call->field[0] = '\0';
    call->wait = NULL;
    call->abandoned = false;
    call->defers = call->method != API_WAIT;
    mail_init(&call->mail, on_answer);
    api_owe(api);
    if (call->defers)
        drain_defer(api->jobs);
}

void call_fail(struct api_call *call, int code, const char *field, const char *fmt, ...)
{
    char text[sizeof call->error.text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    call->code = code;
    error_set(&call->error, 0, "%s", text);
    utf8_copy(call->field, sizeof call->field, field ? field : "");
    mailbox_post(call->api->config.mailbox, &call->mail);
}

void call_reply(struct api_call *call, json_t *result)
{
    if (!result) {
        call_fail(call, API_INTERNAL, NULL, "no memory for the answer");
        return;
    }
    call->result = result;
    mailbox_post(call->api->config.mailbox, &call->mail);
}

void call_reply_text(struct api_call *call, struct buf *text)
{
    bool whole = !text->failed && text->len > 0;
    if (whole) {
        call->text = *text;
        *text = (struct buf)BUF_INIT;
        mailbox_post(call->api->config.mailbox, &call->mail);
    } else {
        buf_deinit(text);
        call_reply(call, NULL);
    }
}

void call_fail_store(struct api_call *call, const struct store_call *failed)
{
    const char *text = failed->error.text[0] ? failed->error.text : strerror(-failed->result);
    if (failed->result == -EDQUOT || failed->result == -EUSERS)
        call_fail(call, API_QUEUE_FULL, NULL, "%s", text);
    else if (failed->result == -ENOENT)
        call_fail(call, API_NOT_FOUND, NULL, "%s", text);
    else
        call_fail(call, API_UNAVAILABLE, NULL, "the store says: %s", text);
}

/* --- permissions ------------------------------------------------------------------------------ */

bool call_may_see(const struct api_call *call, const struct store_job *row)
{
    return access_may_see(call->api->jobs->settings->access, &call->peer, row->uid);
}

void call_limit(const struct api_call *call, struct store_select *select)
{
    select->by_uid = !access_may_administer(call->api->jobs->settings->access, &call->peer);
    select->uid = call->peer.uid;
}

/* --- parameters ------------------------------------------------------------------------------- */

bool call_is_id(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) > 0;
}

int call_number(struct api_call *call, const char *name, uint64_t max, uint64_t *ret)
{
    const json_t *value = json_object_get(call->params, name);
    if (!value || json_is_null(value))
        return 0;
    if (!call_is_id(value) || (uint64_t)json_integer_value(value) > max) {
        call_fail(call, API_INVALID_PARAMS, name, "%s: an integer from 1 to %llu is wanted", name,
                  (unsigned long long)max);
        return -EINVAL;
    }
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

int call_ids(struct api_call *call, uint64_t **ret_ids, size_t *ret_count)
{
    const json_t *one = json_object_get(call->params, "id");
    const json_t *many = json_object_get(call->params, "ids");
    size_t count = many ? json_array_size(many) : 1;

    if (!one && !many)
        return 0;
    if ((one && many) || json_object_size(call->params) > 1) {
        call_fail(call, API_INVALID_PARAMS, one ? "id" : "ids",
                  "id or ids stands alone: nothing else selects beside it");
        return -EINVAL;
    }
    if ((one && !call_is_id(one)) ||
        (many && (!json_is_array(many) || count == 0 || count > 10000))) {
        call_fail(call, API_INVALID_PARAMS, one ? "id" : "ids",
                  one ? "id: a positive integer is wanted"
                      : "ids: an array of 1 to 10000 positive integers is wanted");
        return -EINVAL;
    }
    uint64_t *ids = calloc(count, sizeof *ids);
    if (!ids) {
        call_fail(call, API_INTERNAL, NULL, "no memory for %zu ids", count);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *id = one ? one : json_array_get(many, i);
        if (!call_is_id(id)) {
            call_fail(call, API_INVALID_PARAMS, "ids", "ids[%zu]: a positive integer is wanted", i);
            free(ids);
            return -EINVAL;
        }
        ids[i] = (uint64_t)json_integer_value(id);
    }
    *ret_ids = ids;
    *ret_count = count;
    return 1;
}

int call_select(struct api_call *call, const char *const *allowed, struct store_select *ret)
{
    struct error err;
    const char *field = NULL;
    int r = select_parse(call->params, allowed, jobs_now(call->api->jobs), ret, &err, &field);
    if (r < 0)
        call_fail(call, API_INVALID_PARAMS, field, "%s", err.text);
    return r;
}
