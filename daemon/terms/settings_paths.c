/* Where things live unless the config says so: what systemd made for the service, else the system's
 * places for root, else the user's own (XDG base directories). Without XDG_RUNTIME_DIR, as in a
 * container or under cron, the socket is in a directory of /tmp whose owner and mode are checked
 * (base/own_place.h); what is to last has no such place. */
#include "terms/settings_paths.h"

#include "base/buf.h"
#include "base/own_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* DIR/REST, where `dirs` begins with an absolute directory (systemd separates several by colons).
 * NULL and ENOENT if it does not. */
static char *under(const char *dirs, const char *rest)
{
    char *path = NULL;
    if (!dirs || dirs[0] != '/') {
        errno = ENOENT;
        return NULL;
    }
    if (asprintf(&path, "%.*s/%s", (int)strcspn(dirs, ":"), dirs, rest) < 0)
        return NULL;
    return path;
}

char *settings_default_socket(void)
{
    const char *service = getenv("RUNTIME_DIRECTORY");
    if (service)
        return under(service, "control.sock");
    if (geteuid() == 0)
        return strdup("/run/penstock/control.sock");
    char *path = under(getenv("XDG_RUNTIME_DIR"), "penstock/control.sock"), own[32];
    if (!path && errno == ENOENT &&
        asprintf(&path, "%s/control.sock", own_place(own, sizeof own)) < 0)
        return NULL;
    return path;
}

char *settings_default_spool(const char *store_path)
{
    const char *slash = store_path ? strrchr(store_path, '/') : NULL;
    const char *tmp = getenv("TMPDIR");
    struct buf path = BUF_INIT;
    if (slash)
        buf_printf(&path, "%.*s/spool", (int)(slash - store_path), store_path);
    else
        buf_printf(&path, "%s/penstock-spool-%u", tmp && tmp[0] == '/' ? tmp : "/var/tmp",
                   (unsigned)geteuid());
    return buf_steal(&path);
}

char *settings_default_results(const char *store_path)
{
    const char *slash = strrchr(store_path, '/');
    struct buf path = BUF_INIT;
    buf_printf(&path, "%.*sresults.db", slash ? (int)(slash - store_path) + 1 : 0, store_path);
    return buf_steal(&path);
}

char *settings_default_store(void)
{
    const char *service = getenv("STATE_DIRECTORY");
    const char *state = getenv("XDG_STATE_HOME");
    if (service)
        return under(service, "penstock.db");
    if (geteuid() == 0)
        return strdup("/var/lib/penstock/penstock.db");
    if (state && state[0] == '/')
        return under(state, "penstock/penstock.db");
    return under(getenv("HOME"), ".local/state/penstock/penstock.db");
}

int settings_check_places(const struct settings *settings, struct error *err)
{
    if (!settings->socket)
        return error_set(
            err, -EINVAL,
            "control.socket: no place is known, as RUNTIME_DIRECTORY is no absolute path; write "
            "socket = /some/where.sock in [control]");
    if (!settings->store_path && strcmp(settings->store_engine, "memory") != 0)
        return error_set(err, -EINVAL,
                         "store.path: no place is known, as HOME is not set; write "
                         "path = /some/where.db in [store]");
    return 0;
}
