/* penstock-host --settle, for a unit's ExecStopPost=: waits until the hosts that a dead daemon has left behind have
 * killed what they run and ended. Without it the service manager's SIGKILL to all that is left of the service would race
 * with them: a host that dies first lets go of a body's pipe, and a stage may take that for the end. */
#include "base/clock.h"
#include "base/fd.h"
#include "host/host.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_NS (20 * NS_PER_SEC) /* a host that is stuck longer is the manager's matter */

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

/* Another host in our control group, so of our service: those of other daemons of the same user are not waited for. */
static bool is_ours(const char *pid, const char *own_group)
{
    char text[4096];
    read_of(pid, "comm", text, sizeof text);
    if (strcmp(text, "penstock-host\n") != 0 || atoi(pid) == (int)getpid())
        return false;
    read_of(pid, "cgroup", text, sizeof text);
    return strcmp(text, own_group) == 0;
}

static int find_host(const char *own_group)
{
    int found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && !found && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]) && is_ours(e->d_name, own_group))
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

int host_settle(void)
{
    char own_group[4096];
    uint64_t until = clock_now() + PATIENCE_NS;
    read_of("self", "cgroup", own_group, sizeof own_group);
    for (int pid; (pid = find_host(own_group)) != 0;) {
        if (clock_now() >= until) {
            fprintf(stderr, "penstock-host: process %d has not ended within %d s\n", pid,
                    (int)(PATIENCE_NS / NS_PER_SEC));
            return 1;
        }
        wait_for(pid, until);
    }
    return 0;
}
