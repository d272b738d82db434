/* penstock-host --settle, for a unit's ExecStopPost=: ends what a daemon has left behind, in the order that keeps every
 * body's end true. Its hosts notice that it is gone, kill what they run and end: they are waited for. Only then whatever
 * is still there is killed, a host last. A service manager that kills all of a service at once does not do it in this
 * order: a host that dies first lets go of a body's pipe, and a stage takes that for the end. */
#include "base/clock.h"
#include "base/fd.h"
#include "host/host.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_NS (20 * NS_PER_SEC) /* for hosts to end by themselves */
#define KILL_NS     (10 * NS_PER_SEC) /* for killed processes to be gone */

/* /proc/PID/NAME, at most size - 1 bytes, ended by NUL. Empty if the process is gone, or not ours to see. */
static void read_of(const char *pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    fd_close(&fd);
}

/* Of our control group, so of our service: those of other daemons of the same user are let be. */
static bool is_ours(const char *pid, const char *own_group)
{
    char text[4096];
    read_of(pid, "cgroup", text, sizeof text);
    return atoi(pid) != (int)getpid() && strcmp(text, own_group) == 0;
}

static bool is_host(const char *pid)
{
    char text[64];
    read_of(pid, "comm", text, sizeof text);
    return strcmp(text, "penstock-host\n") == 0;
}

/* A process of ours that is a host, or that is none; 0: there is no such. */
static int find(const char *own_group, bool host)
{
    int found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && !found && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]) && is_host(e->d_name) == host &&
            is_ours(e->d_name, own_group))
            found = atoi(e->d_name);
    if (proc)
        closedir(proc);
    return found;
}

/* Until that process has ended, at the latest then. */
static void wait_for(int pid, uint64_t until)
{
    uint64_t now = clock_now();
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int ms = now < until ? (int)((until - now) / NS_PER_MS) + 1 : 0;
    /* A kernel that knows no such descriptors: look again soon. */
    if (fd < 0)
        ms = ms < 10 ? ms : 10;
    (void)!poll(&pfd, fd < 0 ? 0 : 1, ms);
    fd_close(&fd);
}

/* 0, or how many would not die. */
static int kill_all(const char *own_group, bool host)
{
    uint64_t until = clock_now() + KILL_NS;
    for (int pid; (pid = find(own_group, host)) != 0;) {
        if (clock_now() >= until)
            return 1;
        kill(pid, SIGKILL);
        wait_for(pid, until);
    }
    return 0;
}

int host_settle(void)
{
    char own_group[4096];
    uint64_t until = clock_now() + PATIENCE_NS;
    read_of("self", "cgroup", own_group, sizeof own_group);
    for (int pid; (pid = find(own_group, true)) != 0 && clock_now() < until;)
        wait_for(pid, until);
    return kill_all(own_group, false) || kill_all(own_group, true);
}
