#include "ctl/guard.h"

#include "base/fd.h"
#include "ctl/out.h"
#include "flow/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const int handed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* What of the front process waits. */
struct front {
    pid_t worker;
    int link, signals, write_fd;
    int status;
    bool ended; /* the worker: `status` is its */
};

static void take_signals(struct front *front)
{
    struct signalfd_siginfo info;
    while (read(front->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            kill(front->worker, (int)info.ssi_signo);
    front->ended = waitpid(front->worker, &front->status, WNOHANG) == front->worker;
}

static void take_word(struct front *front)
{
    char word;
    ssize_t n = read(front->link, &word, 1);
    if (n > 0)
        fd_close(&front->write_fd);
    if (n == 0) /* it has ended, or is about to; as long as we have ours it knows that we live */
        fd_close(&front->link);
}

static void wait_for_worker(struct front *front)
{
    while (!front->ended) {
        struct pollfd fds[] = {{.fd = front->signals, .events = POLLIN},
                               {.fd = front->link, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents)
            take_word(front);
        if (fds[0].revents)
            take_signals(front);
    }
}

/* One that was killed has left COMMAND behind, which is ours now. */
static int end_of_worker(struct front *front)
{
    struct pipeline none = {0};
    pipeline_kill_all(&none);
    if (WIFEXITED(front->status))
        return WEXITSTATUS(front->status);
    out_error("the process that runs the command was killed by signal %d: the command was ended "
              "before it could see an "
              "end of the body",
              WTERMSIG(front->status));
    return EXIT_JOB_FAILED;
}

static int watch(struct front *front, const sigset_t *set)
{
    front->signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    return front->signals < 0 ? -errno : 0;
}

/* In a group in the background, which a terminal set so would stop for what it writes. */
static void become_worker(const sigset_t *mask)
{
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);
    prctl(PR_SET_NAME, "penstock-run");
    sigprocmask(SIG_SETMASK, mask, NULL);
}

int guard_split(struct guard *guard, int ends[2], struct error *err)
{
    struct front front = {.link = -1, .signals = -1};
    sigset_t set, mask;
    int link[2];
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
        sigaddset(&set, handed_on[i]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) < 0)
        return error_set(err, -errno, "no socket pair: %s", strerrordesc_np(errno));
    sigprocmask(SIG_BLOCK, &set, &mask);
    int r = watch(&front, &set);
    if (r == 0)
        r = pipeline_adopt();
    out_flush();
    front.worker = r == 0 ? fork() : -1;
    if (front.worker < 0)
        r = r < 0 ? r : -errno;
    fd_close(&link[front.worker == 0 ? 0 : 1]);
    if (front.worker == 0) {
        fd_close(&front.signals);
        become_worker(&mask);
        guard->link = link[1];
        return 1;
    }
    front.link = link[0];
    if (r == 0) {
        fd_close(&ends[0]);
        front.write_fd = ends[1];
        wait_for_worker(&front);
        guard->status = end_of_worker(&front);
        ends[1] = front.write_fd;
    }
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    fd_close(&front.signals);
    fd_close(&front.link);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return r < 0 ? error_set(err, r, "the command cannot be watched: %s", strerror(-r)) : 0;
}

void guard_complete(struct guard *guard)
{
    (void)!send(guard->link, "C", 1, MSG_NOSIGNAL);
}
