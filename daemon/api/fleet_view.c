#include "api/fleet_view.h"

#include "api/job_view.h"
#include "job/needs.h"

#include <string.h>

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

static json_t *list_view(const struct store_members *members)
{
    json_t *list = json_array();
    for (size_t i = 0; i < members->count; i++)
        json_array_append_new(list, member_view(&members->members[i]));
    return list;
}

static bool configs_differ(const struct store_members *members)
{
    for (size_t i = 1; i < members->count; i++)
        if (strcmp(members->members[i].config ? members->members[i].config : "",
                   members->members[0].config ? members->members[0].config : "") != 0)
            return true;
    return false;
}

/* What jobs wait for a member with. */
static json_t *parked_view(const struct fleet *fleet)
{
    json_t *list = json_array();
    for (size_t i = 0; i < fleet->parked_count; i++) {
        struct buf text = BUF_INIT;
        needs_put(&text, fleet->parked[i].needs);
        if (!text.failed)
            json_array_append_new(list, json_pack("{s:s, s:I}", "needs", text.data, "jobs",
                                                  (json_int_t)fleet->parked[i].jobs));
        buf_deinit(&text);
    }
    return list;
}

json_t *fleet_view_members(const struct jobs *jobs)
{
    const struct fleet *fleet = jobs->fleet;
    struct store_members members = {.members = NULL};
    if (fleet->shared->members(fleet->store, &members) < 0)
        return NULL;
    json_t *list = list_view(&members);
    store_members_free(&members);
    return list;
}

json_t *fleet_view(const struct jobs *jobs)
{
    const struct fleet *fleet = jobs->fleet;
    struct store_members members = {.members = NULL};
    struct store_health health;
    unsigned owned = 0;
    if (fleet->shared->members(fleet->store, &members) < 0)
        return NULL;
    fleet->shared->health(fleet->store, &health);
    for (size_t i = 0; i < members.count; i++)
        owned += members.members[i].shards;
    json_t *view =
        json_pack("{s:s, s:b, s:i, s:i, s:b, s:b, s:o, s:o}", "self", fleet->name, "member",
                  !fleet->fenced, "shards", STORE_SHARDS, "owned", (int)owned, "configs_differ",
                  configs_differ(&members), "standby_lags", health.standby_lags, "members",
                  list_view(&members), "parked", parked_view(fleet));
    store_members_free(&members);
    return view;
}

json_t *fleet_view_self(const struct jobs *jobs)
{
    const struct fleet *fleet = jobs->fleet;
    int64_t left = fleet->shared->lease_left(fleet->store);
    return json_pack("{s:s, s:b, s:i, s:f, s:I, s:I, s:i}", "name", fleet->name, "member",
                     !fleet->fenced, "shards", (int)fleet_shards(jobs), "lease",
                     (double)(left > 0 ? left : 0) / 1e6, "revoked", (json_int_t)fleet->revoked,
                     "fenced", (json_int_t)fleet->fences, "closing", (int)fleet->torn_open);
}
