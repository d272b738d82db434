#include "client/ends.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_SIZE (512 << 10) /* of the 64 MiB that an unprivileged user may have in all pipes */

int ends_make(int ends[2], bool socket)
{
    if (socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) : pipe2(ends, O_CLOEXEC))
        return -errno;
    if (!socket) {
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* or as it is */
        return 0;
    }
    /* As long as this byte is unread, the close of ends[1] is an error to whoever reads ends[0]. */
    if (send(ends[0], "", 1, MSG_NOSIGNAL) == 1)
        return 0;
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    return -EIO;
}
