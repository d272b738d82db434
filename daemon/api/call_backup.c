/* backup: a copy of the store goes to a socket that the client has passed. The file that it becomes
 * is the client's: so its place, its owner and a full disk are nobody's matter here. */
#include "api/call_backup.h"

#include "api/call.h"
#include "base/fd.h"
#include "job/job.h"
#include "parse/given.h"
#include "terms/access.h"

#include <errno.h>
#include <stdlib.h>

struct backup_call {
    struct store_backup store;
    struct api_call *call;
};

static void on_copied(struct mail *mail)
{
    struct backup_call *b = container_of(mail, struct backup_call, store.call.mail);
    struct api_call *call = b->call;
    call->api->backup = NULL;
    if (b->store.call.result == 0) {
        given_end(b->store.fd);
        call_reply(call, json_pack("{s:I}", "bytes", (json_int_t)b->store.bytes));
    } else if (b->store.call.result == -ECANCELED) {
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping");
    } else {
        call_fail(call, API_UNAVAILABLE, NULL, "there is no backup: %s", b->store.call.error.text);
    }
    fd_close_foreign(&b->store.fd);
    free(b);
}

/* Everybody's jobs are in the store, with their headers and bodies. */
static bool may_backup(struct api_call *call)
{
    if (access_is_administrator(call->api->jobs->settings->access, &call->peer))
        return true;
    call_fail(call, API_FORBIDDEN, NULL,
              "uid %u may not do that here: a backup has everybody's jobs, so it is for root, the "
              "daemon's own user and whoever is named in [control] admin_users, admin_groups",
              (unsigned)call->peer.uid);
    return false;
}

static bool has_copies(struct api_call *call)
{
    const struct store_engine *engine = call->api->jobs->config.store->engine;
    if (engine->backup)
        return true;
    if (engine->keeps)
        call_fail(call, API_CONFLICT, NULL,
                  "store.engine is %s, and its server's own tools make the backup: pg_dump, or a "
                  "base backup of the server",
                  engine->name);
    else
        call_fail(call, API_CONFLICT, NULL,
                  "store.engine is %s: the jobs end with the daemon, and there is no file to be "
                  "copied; `penstockctl schedule export` saves the schedules",
                  engine->name);
    return false;
}

/* While the jobs drain, backup_stop has been called already: nothing would end a copy that begins
 * then, and the stop would wait for whoever reads it. */
static bool has_its_turn(struct api_call *call)
{
    if (call->api->jobs->draining)
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping");
    else if (call->api->backup)
        call_fail(call, API_UNAVAILABLE, NULL,
                  "there is no backup: a backup is under way; try again when it has ended");
    else
        return true;
    return false;
}

/* False: the call has been answered. */
static bool check(struct api_call *call)
{
    struct error err;
    if (!may_backup(call) || !has_copies(call))
        return false;
    if (json_object_size(call->params) > 0) {
        call_fail(call, API_INVALID_PARAMS, "params", "params: backup takes none");
        return false;
    }
    if (given_check_socket(call->fd, call->peer.uid, "backup", &err) < 0) {
        call_fail(call, API_INVALID_PARAMS, NULL, "%s", err.text);
        return false;
    }
    return has_its_turn(call);
}

void call_backup(struct api_call *call)
{
    struct store *store = call->api->jobs->config.store;
    struct backup_call *b = check(call) ? calloc(1, sizeof *b) : NULL;
    if (!b) {
        fd_close_foreign(&call->fd);
        if (call->code == 0)
            call_reply(call, NULL);
        return;
    }
    b->call = call;
    b->store.fd = call->fd;
    call->fd = -1;
    call->api->backup = &b->store;
    mail_init(&b->store.call.mail, on_copied);
    store->engine->backup(store, &b->store);
}

void backup_stop(struct api *api)
{
    if (api->backup)
        atomic_store(&api->backup->stop, true);
}
