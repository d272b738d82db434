#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct rlimit original;
static bool raised;

void fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd); /* EINTR: Linux has closed it all the same; once more would hit another's */
    errno = saved;
    *fd = -1;
}

bool fd_is_local(int fd)
{
    struct statx st;
    int domain = -1;
    socklen_t len = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0)
        return domain == AF_UNIX;
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
           S_ISFIFO(st.stx_mode);
}

static atomic_uint closing;

static void *close_it(void *arg)
{
    int fd = (int)(intptr_t)arg;
    fd_close(&fd);
    atomic_fetch_sub(&closing, 1);
    return NULL;
}

void fd_close_foreign(int *fd)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (*fd < 0 || fd_is_local(*fd) || pthread_attr_init(&attr) != 0) {
        fd_close(fd);
        return;
    }
    int saved = errno;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* the process's signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&closing, 1);
    if (pthread_create(&thread, &attr, close_it, (void *)(intptr_t)*fd) == 0) {
        *fd = -1;
    } else { /* it may wait; but it must not stay open */
        atomic_fetch_sub(&closing, 1);
        fd_close(fd);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    errno = saved;
}

unsigned fd_closing(void)
{
    return atomic_load(&closing);
}

int fd_dup(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : copy;
}

int fd_set_nonblock(int fd, bool nonblock)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    int wanted = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)
        return -errno;
    return 0;
}

int fd_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n >= 0) {
            p += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd pfd = {.fd = fd, .events = POLLOUT};
            if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
                return -errno;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int fd_raise_limit(void)
{
    struct rlimit limit;
    if (raised)
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &original) < 0)
        return -errno;
    limit = original;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    raised = true;
    return 0;
}

void fd_restore_limit(void)
{
    if (raised)
        setrlimit(RLIMIT_NOFILE, &original);
}

unsigned long fd_first_limit(void)
{
    return raised ? (unsigned long)original.rlim_cur : fd_limit();
}

unsigned long fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    return (unsigned long)limit.rlim_cur;
}
