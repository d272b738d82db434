#include "client/socket_path.h"
#include "base/own_place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A path that does not fit is reached through its directory's descriptor (*ret_dir, -1 if not
 * needed). */
static int fill(const char *path, struct sockaddr_un *ret_address, int *ret_dir)
{
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir = -1;
    size_t max = sizeof ret_address->sun_path, len = strlen(path);
    if (len < max) {
        memcpy(ret_address->sun_path, path, len);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!dir)
        return -ENOMEM;
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int code = -errno;
    free(dir);
    if (fd < 0)
        return code;
    int n =
        snprintf(ret_address->sun_path, max, "/proc/self/fd/%d/%s", fd, slash ? slash + 1 : path);
    if (n < 0 || (size_t)n >= max) {
        close(fd);
        return -ENAMETOOLONG;
    }
    *ret_dir = fd;
    return 0;
}

/* The socket or a negative errno. */
static int try(const char *path)
{
    struct sockaddr_un address;
    int dir, fd, r;
    if (path[0] == '\0')
        return -ENOENT;
    r = fill(path, &address, &dir);
    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        r = -errno;
    else
        do
            r = connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
        while (r == -EINTR);
    if (dir >= 0)
        close(dir);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

static int refuse_access(const char *path, struct error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return error_set(err, -EACCES,
                         "%s: permission denied on the way there: the group of its directory "
                         "(penstock, unless configured otherwise) may use it",
                         path);
    char group_text[8192], user_text[2048]; /* a larger group has no name here */
    struct group group_entry, *group = NULL;
    struct passwd user_entry, *user = NULL;
    (void)getgrgid_r(st.st_gid, &group_entry, group_text, sizeof group_text, &group);
    (void)getpwuid_r(geteuid(), &user_entry, user_text, sizeof user_text, &user);
    const char *group_name = group ? group->gr_name : "?",
               *user_name = user ? user->pw_name : "USER";
    if (!(st.st_mode & S_IWGRP))
        return error_set(err, -EACCES,
                         "%s: permission denied: only its owner may use it (see control.mode in "
                         "penstockd.conf)",
                         path);
    return error_set(
        err, -EACCES,
        "%s: permission denied: group %s may use it: `adduser %s %s` as root, then log "
        "in again",
        path, group_name, user_name, group_name);
}

static int refuse(const char *path, int code, struct error *err)
{
    switch (code) {
    case -EACCES:
        return refuse_access(path, err);
    case -ENOENT:
        return error_set(err, code, "%s: no such socket: is penstockd running?", path);
    case -ECONNREFUSED:
        return error_set(err, code, "%s: nobody listens there any more: is penstockd running?",
                         path);
    case -ENOTSOCK:
    case -EPROTOTYPE:
        return error_set(err, code, "%s: this is no control socket", path);
    default:
        return error_set(err, code, "%s: %s", path, strerror(-code));
    }
}

static int connect_to(const char *path, char *ret_path, size_t size, struct error *err)
{
    snprintf(ret_path, size, "%s", path);
    int fd = try(path);
    return fd < 0 ? refuse(path, fd, err) : fd;
}

/* The user's daemon of a place without XDG_RUNTIME_DIR. A directory that could be somebody else's
 * is passed over, with a message. */
static int try_own_place(char *ret_path, size_t size, struct error *err)
{
    char place[32], path[64];
    int r = own_place_check(own_place(place, sizeof place), err);
    if (r < 0)
        return r;
    snprintf(path, sizeof path, "%s/control.sock", place);
    snprintf(ret_path, size, "%s", path);
    r = try(path);
    return r < 0 ? refuse(path, r, err) : r;
}

/* Adds where it was looked for, in this order; NULL: nowhere, but for the system's socket. */
static int name_places(const char *own, const char *place, int code, struct error *err)
{
    if (!own && !place)
        return code;
    return error_set(err, code, "%s (looked at %s%s%s and %s)", err->text, own ? own : place,
                     own && place ? ", " : "", own && place ? place : "", ADDRESS_SYSTEM);
}

/* A daemon of the user's that has died leaves its socket behind: that hides nobody else's. `own`
 * and why it could not be had come from XDG_RUNTIME_DIR (NULL: there is none). */
static int connect_unnamed(const char *own, int why, char *ret_path, size_t size, struct error *err)
{
    struct error place_err, system_err;
    char system_path[512], dir[32], place_path[64];
    bool looked = geteuid() != 0;
    int place = looked ? try_own_place(ret_path, size, &place_err) : -ENOENT;
    if (place >= 0)
        return place;
    int system = connect_to(ADDRESS_SYSTEM, system_path, sizeof system_path, &system_err);
    if (system >= 0 || (why == -ENOENT && place == -ENOENT)) {
        snprintf(ret_path, size, "%s", system_path);
        if (system >= 0)
            return system;
    }
    int code = system;
    if (own && why != -ENOENT)
        code = refuse(own, why, err);
    else if (place != -ENOENT)
        code = error_set(err, place, "%s", place_err.text);
    else
        error_set(err, system, "%s", system_err.text);
    snprintf(place_path, sizeof place_path, "%s/control.sock", own_place(dir, sizeof dir));
    return name_places(own, looked ? place_path : NULL, code, err);
}

int address_connect(const char *path, char *ret_path, size_t size, struct error *err)
{
    const char *given = path ? path : getenv("PENSTOCK_SOCKET"), *runtime;
    char *own = NULL;
    int fd = -ENOENT;
    if (path && !path[0])
        return error_set(err, -EINVAL, "--socket: a path is wanted");
    if (path || (given && given[0]))
        return connect_to(given, ret_path, size, err);
    runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && runtime[0] == '/' && asprintf(&own, "%s/penstock/control.sock", runtime) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    if (own)
        fd = try(own);
    if (fd >= 0)
        snprintf(ret_path, size, "%s", own);
    else
        fd = connect_unnamed(own, fd, ret_path, size, err);
    free(own);
    return fd;
}
