#include "parse/given.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define DROP_MAX \
    4096 /* bytes that a client may have written; with more of them the end stays an error */

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static int check_socket(int fd, uid_t uid, const char *method, struct error *err)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    int unread = 0;
    if (socket_option(fd, SO_DOMAIN) != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_STREAM ||
        socket_option(fd, SO_ACCEPTCONN) != 0)
        return error_set(err, -EINVAL, "%s: the socket is not one of a pair of unix stream sockets",
                         method);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != uid)
        return error_set(err, -EINVAL, "%s: the socket's peer is another user's", method);
    if (ioctl(fd, FIONREAD, &unread) < 0 || unread < 1)
        return error_set(
            err, -EINVAL,
            "%s: write a byte into the other end of the socket before it is given away: "
            "without one its reader could take a cut for an end",
            method);
    return 0;
}

static int check_came(int fd, const char *method, struct error *err)
{
    return fd == -1 ? error_set(err, -EINVAL, "%s: no descriptor came with the request", method)
                    : 0;
}

int given_check_socket(int fd, uid_t uid, const char *method, struct error *err)
{
    if (check_came(fd, method, err) < 0)
        return -EINVAL;
    if (!given_is_socket(fd))
        return error_set(err, -EINVAL,
                         "%s: the descriptor is not one of a pair of unix stream sockets", method);
    return check_socket(fd, uid, method, err);
}

int given_check(int fd, uid_t uid, struct error *err)
{
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (check_came(fd, "run", err) < 0)
        return -EINVAL;
    if (given_is_socket(fd))
        return check_socket(fd, uid, "run", err);
    if (flags < 0 || !fd_is_local(fd) || (flags & O_ACCMODE) != O_WRONLY)
        return error_set(
            err, -EINVAL,
            "run: the descriptor is neither the write end of a pipe nor one of a pair of "
            "unix stream sockets");
    return 0;
}

bool given_is_socket(int fd)
{
    return socket_option(fd, SO_TYPE) >= 0;
}

void given_end(int fd)
{
    char drop[DROP_MAX];
    if (given_is_socket(fd))
        (void)recv(fd, drop, sizeof drop, MSG_DONTWAIT);
}
