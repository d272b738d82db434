#include "api/call_fleet.h"

#include "api/call.h"
#include "api/fleet_view.h"
#include "job/fleet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* True if there is a fleet; else the call is answered. */
static bool is_shared(struct api_call *call)
{
    if (call->api->jobs->fleet)
        return true;
    call_fail(call, API_CONFLICT, NULL,
              "this daemon has its store to itself: a fleet has `engine = postgresql` in [store]");
    return false;
}

void call_fleet(struct api_call *call)
{
    if (is_shared(call))
        call_reply(call, fleet_view(call->api->jobs));
}

/* --- who shall not be there ------------------------------------------------------------------- */

struct eviction {
    struct store_evict evict;
    struct api_call *call;
    char *name;
};

static void on_evicted(struct mail *mail)
{
    struct eviction *e = container_of(mail, struct eviction, evict.call.mail);
    int r = e->evict.call.result;
    if (r == -ENOENT)
        call_fail(e->call, API_NOT_FOUND, "name", "name: the fleet has no member %.200s", e->name);
    else if (r == -EINVAL)
        call_fail(e->call, API_CONFLICT, "name",
                  "name: %.200s is this daemon itself; stop it, or ask another one", e->name);
    else if (r < 0)
        call_fail_store(e->call, &e->evict.call);
    else
        call_reply(e->call, json_pack("{s:b}", "evicted", 1));
    free(e->name);
    free(e);
}

void call_evict(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    const char *name = json_string_value(json_object_get(call->params, "name"));
    if (!is_shared(call))
        return;
    if (!name || !*name || json_object_size(call->params) != 1) {
        call_fail(call, API_INVALID_PARAMS, "name",
                  "name: the name of a member is wanted, and nothing else");
        return;
    }
    struct eviction *e = calloc(1, sizeof *e);
    if (e)
        e->name = strdup(name);
    if (!e || !e->name) {
        free(e);
        call_reply(call, NULL);
        return;
    }
    e->call = call;
    e->evict.name = e->name;
    mail_init(&e->evict.call.mail, on_evicted);
    store->engine->shared->evict(store, &e->evict);
}
