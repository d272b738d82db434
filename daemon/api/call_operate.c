/* pause, resume and reload: what an operator does. */
#include "api/call_operate.h"

#include "api/call.h"
#include "api/call_schedule.h"
#include "job/fleet.h"
#include "job/hold.h"
#include "job/job.h"
#include "job/pauses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- pause, resume ---------------------------------------------------------------------------- */

struct pausing {
    struct store_pause pause;
    struct api_call *call;
};

static void fail_full(struct api_call *call)
{
    call_fail(call, API_QUEUE_FULL, "host",
              "host: %d hosts are paused already; resume some, or pause all", HOLD_HOSTS_MAX);
}

static void on_paused(struct mail *mail)
{
    struct pausing *p = container_of(mail, struct pausing, pause.call.mail);
    if (p->pause.call.result == 0)
        pauses_stored(p->call->api->jobs, &p->pause);
    if (p->pause.call.result < 0)
        call_fail_store(p->call, &p->pause.call);
    else
        call_reply(p->call, json_pack("{s:b}", "paused", p->pause.held));
    free(p);
}

/* For all members: the answer comes once it is stored. */
static void pause_fleet(struct api_call *call, const char *host, const char *parser, bool paused)
{
    struct jobs *jobs = call->api->jobs;
    if (paused && host && hold_is_full(jobs, host)) {
        fail_full(call);
        return;
    }
    struct pausing *p = calloc(1, sizeof *p);
    if (!p) {
        call_reply(call, NULL);
        return;
    }
    p->call = call;
    p->pause = (struct store_pause){
        .host = host, .parser = parser, .held = paused, .uid = (uint32_t)call->peer.uid};
    mail_init(&p->pause.call.mail, on_paused);
    jobs->fleet->shared->pause(jobs->config.store, &p->pause);
}

static void pause_here(struct api_call *call, const char *host, const char *parser, bool paused)
{
    struct jobs *jobs = call->api->jobs;
    bool known = hold_find(jobs, host, parser);
    int r = hold_set(jobs, host, parser, paused);
    if (r == 0 && paused && !known)
        hold_sign(jobs, host, parser, (uint32_t)call->peer.uid, jobs_now(jobs), NULL);
    if (r == -EDQUOT)
        fail_full(call);
    else if (r < 0)
        call_reply(call, NULL);
    else
        call_reply(call, json_pack("{s:b}", "paused", paused));
}

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
    /* What is held can be resumed where the config has it no more, or never had. */
    if (parser && !registry_find(call->api->jobs->registry, parser) &&
        !(!paused && hold_on_parser(call->api->jobs, parser))) {
        call_fail(call, API_NOT_FOUND, "parser", "parser: there is no parser %.64s", parser);
        return;
    }
    if (host && (!*host || strlen(host) > 253)) {
        call_fail(call, API_INVALID_PARAMS, "host", "host: the name of a host is wanted");
        return;
    }
    if (call->api->jobs->fleet)
        pause_fleet(call, host, parser, paused);
    else
        pause_here(call, host, parser, paused);
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
