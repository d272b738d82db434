#include "control/listener.h"

#include "base/fd.h"
#include "base/own_place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 511

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static int adopt(struct listener *l, int fd, struct error *err)
{
    if (socket_option(fd, SO_DOMAIN) != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_STREAM ||
        socket_option(fd, SO_ACCEPTCONN) != 1)
        return error_set(err, -EINVAL,
                         "descriptor %d is not a listening unix stream socket: check ListenStream= "
                         "of the .socket unit",
                         fd);
    int r = fd_set_nonblock(fd, true);
    if (r == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        r = -errno;
    if (r < 0)
        return error_set(err, r, "descriptor %d: %s", fd, strerror(-r));
    l->fd = fd;
    return 0;
}

static int make_parent(const char *path, mode_t mode, struct error *err)
{
    char place[32];
    const char *slash = strrchr(path, '/'), *own = own_place(place, sizeof place);
    if (mode == 0 || !slash || slash == path)
        return 0;
    char *dir = strndup(path, (size_t)(slash - path));
    if (!dir)
        return error_set(err, -ENOMEM, "out of memory");
    int r = mkdir(dir, mode) < 0 && errno != EEXIST ? -errno : 0;
    if (r < 0)
        error_set(err, r, "%s can't be made: %s; make it, or set control.socket to another place",
                  dir, strerror(-r));
    else if (strcmp(dir, own) == 0)
        r = own_place_check(dir, err);
    free(dir);
    return r;
}

static int say_locked(const char *path, int lock_fd, struct error *err)
{
    char pid[16] = "";
    ssize_t n = pread(lock_fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? (size_t)n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return error_set(err, -EADDRINUSE,
                     "%s is in use by a running penstockd%s%s: stop it, or set control.socket to "
                     "another path",
                     path, pid[0] ? ", pid " : "", pid);
}

/* Is the file that was locked still the one of that name? Its last holder may have unlinked it. */
static bool is_current(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

static int say_unopened(const char *lock_path, int r, struct error *err)
{
    return error_set(err, r, "%s can't be opened: %s; %s", lock_path, strerror(-r),
                     r == -ENOENT ? "make its directory, or set control.socket to another place"
                                  : "set control.socket to a place that this user may write to");
}

static int take_lock(struct listener *l, struct error *err)
{
    for (;;) {
        int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
        int fd = open(l->lock_path, flags, 0600);
        if (fd < 0)
            return say_unopened(l->lock_path, -errno, err);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            int r = -errno;
            if (r == -EWOULDBLOCK)
                r = say_locked(l->path, fd, err);
            else
                error_set(err, r, "%s can't be locked: %s", l->lock_path, strerror(-r));
            fd_close(&fd);
            return r;
        }
        if (is_current(fd, l->lock_path)) {
            l->lock_fd = fd;
            break;
        }
        fd_close(&fd);
    }
    /* The pid is for people and for the message above; the lock itself decides. */
    if (ftruncate(l->lock_fd, 0) < 0 || dprintf(l->lock_fd, "%d\n", (int)getpid()) < 0)
        return error_set(err, -errno, "%s can't be written: %s", l->lock_path, strerror(errno));
    return 0;
}

static int remove_stale(const char *path, struct error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, -EEXIST,
                         "%s is there and is not a socket: remove it, or set control.socket to "
                         "another path",
                         path);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_set(err, -errno, "%s was left by another daemon and can't be removed: %s",
                         path, strerror(errno));
    return 0;
}

static int find_group(const char *name, gid_t *ret_gid, struct error *err)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(name, &end, 10);
    if (name[0] >= '0' && name[0] <= '9' && *end == '\0' && errno == 0 && number < (gid_t)-1) {
        *ret_gid = (gid_t)number;
        return 0;
    }
    struct group group, *found = NULL;
    char text[16384];
    int r = getgrnam_r(name, &group, text, sizeof text, &found);
    if (!found)
        return error_set(err, r ? -r : -ENOENT, "control.group: there is no group %s", name);
    *ret_gid = found->gr_gid;
    return 0;
}

/* `path` is where the socket is as yet. */
static int set_access(const struct listener_config *config, const char *path, struct error *err)
{
    gid_t gid;
    if (config->group) {
        int r = find_group(config->group, &gid, err);
        if (r < 0)
            return r;
        if (lchown(path, (uid_t)-1, gid) < 0)
            return error_set(err, -errno,
                             "control.group: %s can't be given to group %s: %s (the daemon's user "
                             "must be a member)",
                             config->path, config->group, strerror(errno));
    }
    if (chmod(path, config->mode) < 0)
        return error_set(err, -errno, "control.mode: %s: %s", config->path, strerror(errno));
    return 0;
}

/* Behind the name of a socket that does not listen yet. Only the holder of PATH.lock makes one. */
#define ASIDE ".new"

/* Where there is no room for it the socket has its name at once, and for a moment refuses. */
static void name_aside(const char *path, struct sockaddr_un *ret_address)
{
    size_t len = strlen(path);
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, len);
    if (len + sizeof ASIDE <= sizeof ret_address->sun_path)
        memcpy(ret_address->sun_path + len, ASIDE, sizeof ASIDE);
}

/* The socket is bound. */
static int listen_and_show(struct listener *l, const struct listener_config *config,
                           const char *aside, struct error *err)
{
    struct stat st;
    if (lstat(aside, &st) < 0)
        return error_set(err, -errno, "%s: %s", aside, strerror(errno));
    int r = set_access(config, aside, err);
    if (r < 0)
        return r;
    if (listen(l->fd, BACKLOG) < 0)
        return error_set(err, -errno, "%s: %s", l->path, strerror(errno));
    if (strcmp(aside, l->path) != 0 && rename(aside, l->path) < 0)
        return error_set(err, -errno, "%s can't be given its name: %s", l->path, strerror(errno));
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return 0;
}

/* A client that finds the socket is not refused: it gets its name once it listens. */
static int bind_and_listen(struct listener *l, const struct listener_config *config,
                           struct error *err)
{
    struct sockaddr_un address;
    name_aside(l->path, &address);
    int r = remove_stale(address.sun_path, err); /* of a daemon that was killed in here */
    if (r < 0)
        return r;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return error_set(err, -errno, "socket: %s", strerror(errno));
    if (bind(l->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return error_set(err, -errno, "%s can't be bound: %s", l->path, strerror(errno));
    r = listen_and_show(l, config, address.sun_path, err);
    if (r < 0)
        unlink(address.sun_path);
    return r;
}

static int check_path(const char *path, struct error *err)
{
    size_t max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (!path || path[0] == '\0')
        return error_set(err, -EINVAL, "control.socket: give a path");
    if (strlen(path) > max)
        return error_set(err, -ENAMETOOLONG,
                         "control.socket: a unix socket's path has at most %zu bytes, and this one "
                         "has %zu: choose a shorter one, as /run/penstock/control.sock (%s)",
                         max, strlen(path), path);
    return 0;
}

/* To itself and to netstat, a socket that a daemon has made has the name it was bound by. */
static void name_shown(char *path)
{
    size_t len = strlen(path), suffix = strlen(ASIDE);
    if (len > suffix && strcmp(path + len - suffix, ASIDE) == 0 && access(path, F_OK) < 0)
        path[len - suffix] = '\0';
}

/* The manager's socket stays the manager's; but as long as somebody lives on it, a daemon that is
 * started by hand must not take it for a stale one, and another one that was given the same socket
 * would answer every second client. 0, or -EADDRINUSE with a message in *err: there is another one.
 * Where the lock cannot be had for another reason, all else works. */
static int lock_inherited(struct listener *l, struct error *err)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address;
    if (getsockname(l->fd, (struct sockaddr *)&address, &len) < 0 || address.sun_path[0] != '/')
        return 0;
    l->path = strndup(address.sun_path, sizeof address.sun_path);
    if (l->path)
        name_shown(l->path);
    if (l->path && asprintf(&l->lock_path, "%s.lock", l->path) >= 0)
        return take_lock(l, err) == -EADDRINUSE ? -EADDRINUSE : 0;
    l->lock_path = NULL;
    return 0;
}

int listener_open(struct listener *ret_listener, const struct listener_config *config,
                  struct error *err)
{
    struct listener l = {.fd = -1, .lock_fd = -1};
    int r;
    if (config->inherited_fd >= 0) {
        r = adopt(&l, config->inherited_fd, err);
        if (r == 0)
            r = lock_inherited(&l, err);
        if (r < 0)
            listener_close(&l);
        else
            *ret_listener = l;
        return r;
    }
    r = check_path(config->path, err);
    if (r < 0)
        return r;
    l.path = strdup(config->path);
    if (!l.path || asprintf(&l.lock_path, "%s.lock", config->path) < 0) {
        free(l.path);
        return error_set(err, -ENOMEM, "out of memory");
    }
    r = make_parent(l.path, config->dir_mode, err);
    if (r == 0)
        r = take_lock(&l, err);
    if (r == 0)
        r = remove_stale(l.path, err);
    if (r == 0)
        r = bind_and_listen(&l, config, err);
    if (r < 0)
        listener_close(&l);
    else
        *ret_listener = l;
    return r;
}

void listener_stop(struct listener *listener)
{
    struct stat st;
    if (listener->fd < 0)
        return;
    if (listener->path && listener->ino != 0 && lstat(listener->path, &st) == 0 &&
        st.st_dev == listener->dev && st.st_ino == listener->ino)
        unlink(listener->path);
    fd_close(&listener->fd);
}

void listener_close(struct listener *listener)
{
    listener_stop(listener);
    /* Unlinked while it is held: who waits at the old file sees that it is not the current one. */
    if (listener->lock_fd >= 0)
        unlink(listener->lock_path);
    fd_close(&listener->lock_fd);
    free(listener->path);
    free(listener->lock_path);
    listener->path = listener->lock_path = NULL;
}
