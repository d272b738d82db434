#include "api/call_fleet.h"

#include "api/call.h"
#include "api/job_view.h"
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

/* --- who is there ----------------------------------------------------------------------------- */

struct listing {
    struct store_members members;
    struct api_call *call;
};

static json_t *member_view(const struct store_member *m)
{
    json_t *view =
        json_pack("{s:s, s:I, s:s, s:s, s:s, s:b, s:b, s:f, s:i, s:i, s:i}", "name", m->name, "id",
                  (json_int_t)m->id, "machine", m->machine ? m->machine : "", "version",
                  m->version ? m->version : "", "config", m->config ? m->config : "", "self",
                  m->self, "draining", m->draining, "beat_age", (double)m->beat_age_ns / 1e9,
                  "shards", (int)m->shards, "workers", (int)m->workers, "running", (int)m->running);
    if (view)
        view_set_time(view, "started", m->started);
    return view;
}

static bool configs_differ(const struct store_members *members)
{
    for (size_t i = 1; i < members->count; i++)
        if (strcmp(members->members[i].config ? members->members[i].config : "",
                   members->members[0].config ? members->members[0].config : "") != 0)
            return true;
    return false;
}

static void on_members(struct mail *mail)
{
    struct listing *l = container_of(mail, struct listing, members.call.mail);
    const struct jobs *jobs = l->call->api->jobs;
    json_t *list = json_array();
    unsigned owned = 0;
    if (l->members.call.result < 0) {
        call_fail_store(l->call, &l->members.call);
        json_decref(list);
    } else {
        for (size_t i = 0; i < l->members.count; i++) {
            json_array_append_new(list, member_view(&l->members.members[i]));
            owned += l->members.members[i].shards;
        }
        call_reply(l->call,
                   json_pack("{s:s, s:b, s:i, s:i, s:b, s:o}", "self", fleet_name(jobs), "member",
                             !jobs->fleet->fenced, "shards", STORE_SHARDS, "owned", (int)owned,
                             "configs_differ", configs_differ(&l->members), "members", list));
        store_members_free(&l->members);
    }
    free(l);
}

void call_fleet(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    if (!is_shared(call))
        return;
    struct listing *l = calloc(1, sizeof *l);
    if (!l) {
        call_reply(call, NULL);
        return;
    }
    l->call = call;
    mail_init(&l->members.call.mail, on_members);
    store->engine->shared->members(store, &l->members);
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
