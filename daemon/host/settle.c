/* penstock-host --settle, for a unit's ExecStopPost=: ends what a daemon has left behind, in the
 * order that keeps every body's end true. Its hosts notice that it is gone, kill what they run and
 * end: they are waited for. Only then whatever is still there is killed, a host last. A service
 * manager that kills all of a service at once does not do it in this order: a host that dies first
 * lets go of a body's pipe, and a stage takes that for the end. */
#include "host/settle.h"

#include "base/clock.h"
#include "base/fd.h"
#include "flow/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_NS (20 * NS_PER_SEC) /* for hosts to end by themselves */
#define KILL_NS     (10 * NS_PER_SEC) /* for killed processes to be gone */

#define NAP_MS 10 /* until what cannot be known now is looked at again */

struct search {
    char own_group[4096];
    bool host; /* one is sought; or a process that is none */
    int found;
};

/* One that is ours, which is one of our control group, so of our service: those of other daemons of
 * the same user are let be. */
static int match(struct proc *proc, const char *pid, void *arg)
{
    struct search *search = arg;
    char text[sizeof search->own_group];
    int r = proc_read(proc, pid, "comm", text, sizeof text);
    if (r <= 0 || (strcmp(text, "penstock-host\n") == 0) != search->host || atoi(pid) == getpid())
        return r < 0 ? r : 0;
    r = proc_read(proc, pid, "cgroup", text, sizeof text);
    if (r <= 0 || strcmp(text, search->own_group) != 0)
        return r < 0 ? r : 0;
    search->found = atoi(pid);
    return 1;
}

/* A process of ours that is a host, or that is none; 0: there is no such; or -errno. */
static int find(struct proc *proc, struct search *search, bool host)
{
    search->host = host;
    search->found = 0;
    int r = proc_each(proc, match, search);
    return r < 0 ? r : search->found;
}

/* Until that process has ended, at the latest then; with a negative number, for a moment. */
static void wait_for(int pid, uint64_t until)
{
    uint64_t now = clock_now();
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int ms = now < until ? (int)((until - now) / NS_PER_MS) + 1 : 0;
    /* A kernel that knows no such descriptors: look again soon. */
    if (fd < 0)
        ms = ms < NAP_MS ? ms : NAP_MS;
    (void)!poll(&pfd, fd < 0 ? 0 : 1, ms);
    fd_close(&fd);
}

/* 0, or how many would not die. */
static int kill_all(struct proc *proc, struct search *search, bool host)
{
    uint64_t until = clock_now() + KILL_NS;
    for (int pid; (pid = find(proc, search, host)) != 0;) {
        if (clock_now() >= until)
            return 1;
        if (pid > 0)
            kill(pid, SIGKILL);
        wait_for(pid, until);
    }
    return 0;
}

int host_settle(void)
{
    static struct search search;
    uint64_t until = clock_now() + PATIENCE_NS;
    struct proc proc;
    int r;
    while ((r = proc_open(&proc)) < 0 || (r = proc_read(&proc, "self", "cgroup", search.own_group,
                                                        sizeof search.own_group)) < 0) {
        proc_close(&proc);
        if (r == -ENOENT || clock_now() >= until)
            return 1;
        wait_for(-1, until);
    }
    for (int pid; (pid = find(&proc, &search, true)) != 0 && clock_now() < until;)
        wait_for(pid, until);
    r = kill_all(&proc, &search, false) || kill_all(&proc, &search, true);
    proc_close(&proc);
    return r;
}
