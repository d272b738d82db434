#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
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

struct to_close {
    size_t count;
    int fds[];
};

static void *close_them(void *arg)
{
    struct to_close *all = arg;
    for (size_t i = 0; i < all->count; i++)
        fd_close(&all->fds[i]);
    free(all);
    atomic_fetch_sub(&closing, 1);
    return NULL;
}

/* False: there is no thread to be had. */
static bool close_aside(struct to_close *all)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t signals, before;
    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&signals); /* the process's signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &signals, &before);
    atomic_fetch_add(&closing, 1);
    bool started = pthread_create(&thread, &attr, close_them, all) == 0;
    if (!started)
        atomic_fetch_sub(&closing, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return started;
}

static bool is_pipe(int fd)
{
    int type;
    socklen_t len = sizeof type;
    return fd_is_local(fd) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0;
}

void fd_close_foreign_all(const int *fds, size_t count)
{
    int saved = errno;
    struct to_close *slow = malloc(sizeof *slow + count * sizeof *slow->fds);
    if (slow)
        slow->count = 0;
    for (size_t i = 0; i < count; i++) {
        int fd = fds[i];
        if (slow && fd >= 0 && !is_pipe(fd))
            slow->fds[slow->count++] = fd;
        else
            fd_close(&fd);
    }
    if (slow && (slow->count == 0 || !close_aside(slow))) {
        for (size_t i = 0; i < slow->count; i++)
            fd_close(&slow->fds[i]); /* they may wait; but they must not stay open */
        free(slow);
    }
    errno = saved;
}

void fd_close_foreign(int *fd)
{
    int one = *fd;
    *fd = -1;
    if (one >= 0)
        fd_close_foreign_all(&one, 1);
}

void fd_close_connection(int *fd)
{
    int unread = 0, saved = errno;
    if (*fd < 0)
        return;
    shutdown(*fd, SHUT_RDWR); /* so that nothing more comes */
    if (ioctl(*fd, FIONREAD, &unread) == 0 && unread == 0)
        fd_close(fd);
    else
        fd_close_foreign(fd);
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
