/* pause, resume and reload: what an operator does. */
#include "api/call_operate.h"

#include "api/call.h"
#include "api/call_schedule.h"
#include "job/hold.h"
#include "job/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- pause, resume ---------------------------------------------------------------------------- */

void call_pause(struct api_call *call, bool paused)
{
    const char *name;
    json_t *value;
    const char *host = NULL, *parser = NULL;
    if (json_object_size(call->params) > 1) {
        call_fail(call, API_INVALID_PARAMS, NULL,
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
            call_fail(call, API_INVALID_PARAMS, name,
                      "%s: all (true), host, parser or schedule (a name) is wanted", name);
            return;
        }
    }
    if (parser && !registry_find(call->api->jobs->registry, parser)) {
        call_fail(call, API_NOT_FOUND, "parser", "parser: there is no parser %.64s", parser);
        return;
    }
    if (host && (!*host || strlen(host) > 253)) {
        call_fail(call, API_INVALID_PARAMS, "host", "host: the name of a host is wanted");
        return;
    }
    int r = hold_set(call->api->jobs, host, parser, paused);
    if (r == -EDQUOT)
        call_fail(call, API_QUEUE_FULL, "host",
                  "host: %d hosts are paused already; resume some, or pause all", HOLD_HOSTS_MAX);
    else if (r < 0)
        call_reply(call, NULL);
    else
        call_reply(call, json_pack("{s:b}", "paused", paused));
}

/* --- reload ----------------------------------------------------------------------------------- */

struct reload_call {
    struct api_reload request;
    struct api_call *call;
};

/* NULL: no memory. Another's reading may have found more than was asked for here. */
static json_t *view_reload(bool dry_run, const json_t *found)
{
    json_t *restart = json_object_get(found, "restart");
    if (!dry_run)
        return json_pack("{s:b, s:O}", "reloaded", 1, "restart", restart);
    return json_pack("{s:b, s:O, s:O, s:O}", "reloaded", 0, "restart", restart, "changes",
                     json_object_get(found, "changes"), "more", json_object_get(found, "more"));
}

static void on_reloaded(struct api_reload *request, int result, const json_t *found,
                        const struct error *err)
{
    struct reload_call *r = container_of(request, struct reload_call, request);
    if (result == -ESHUTDOWN) {
        call_fail(r->call, API_DRAINING, NULL, "%s", err->text);
    } else if (result < 0) {
        call_fail(r->call, API_BAD_CONFIG, NULL, "%s; nothing has changed", err->text);
    } else {
        call_reply(r->call, view_reload(request->dry_run, found));
    }
    free(r);
}

void call_reload(struct api_call *call)
{
    const struct api_config *config = &call->api->config;
    const json_t *dry_run = json_object_get(call->params, "dry_run");
    if (json_object_size(call->params) > (dry_run ? 1 : 0) ||
        (dry_run && !json_is_boolean(dry_run))) {
        call_fail(call, API_INVALID_PARAMS, "dry_run",
                  "dry_run: true or false is wanted, and nothing else");
        return;
    }
    struct reload_call *r = config->reload ? calloc(1, sizeof *r) : NULL;
    if (!r) {
        call_fail(call, API_INTERNAL, NULL, "the config cannot be read again");
        return;
    }
    list_init(&r->request.link);
    r->request.dry_run = json_is_true(dry_run);
    r->request.done = on_reloaded;
    r->call = call;
    config->reload(config->arg, &r->request);
}
