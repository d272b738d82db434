/* Orphans: this process is a child subreaper, so what a host leaves behind falls to us. Our
 * children are hosts that somebody waits for, those orphans, and perhaps children of others in this
 * process: those are in our session, while a host and all that comes from it are in sessions of
 * their own. */
#include "parse/process_host.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "flow/pipeline_kill.h"
#include "parse/process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STANDARD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define INSTALLED     PENSTOCK_LIBEXECDIR "/penstock-host"
#define EXTRA_MAX     8

/* --- where it is ------------------------------------------------------------------------------ */

static const char *chosen;
static char beside[PATH_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void)
{
    char path[PATH_MAX - 32];
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    snprintf(beside, sizeof beside, "%s/penstock-host", dirname(path));
}

const char *process_host(void)
{
    pthread_once(&once, set_up);
    if (chosen)
        return chosen;
    return access(beside, X_OK) == 0 ? beside : INSTALLED;
}

void process_set_host(const char *path)
{
    chosen = path;
}

/* --- the hosts that live ---------------------------------------------------------------------- */

struct hosts {
    pthread_mutex_t lock; /* also held while one is started, so that none is unknown */
    pid_t *pids;
    size_t count, size;
};
static struct hosts hosts = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Under the lock. */
static int reserve(void)
{
    if (hosts.count < hosts.size)
        return 0;
    pid_t *pids = reallocarray(hosts.pids, hosts.size + 64, sizeof *pids);
    if (!pids)
        return -ENOMEM;
    hosts.pids = pids;
    hosts.size += 64;
    return 0;
}

/* Under the lock. */
static bool is_host(pid_t pid)
{
    for (size_t i = 0; i < hosts.count; i++)
        if (hosts.pids[i] == pid)
            return true;
    return false;
}

static void forget(pid_t pid)
{
    pthread_mutex_lock(&hosts.lock);
    for (size_t i = 0; i < hosts.count; i++)
        if (hosts.pids[i] == pid) {
            hosts.pids[i] = hosts.pids[--hosts.count];
            break;
        }
    pthread_mutex_unlock(&hosts.lock);
}

/* --- starting --------------------------------------------------------------------------------- */

/* Copies above the numbers that they are to get, so that no dup2 hits one that is still wanted. */
static int copy_fds(const int fds[HOST_FDS], int copies[HOST_FDS])
{
    for (int i = 0; i < HOST_FDS; i++) {
        copies[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, HOST_FDS);
        if (fds[i] >= 0 && copies[i] < 0) {
            int r = -errno;
            while (i-- > 0)
                fd_close(&copies[i]);
            return r;
        }
    }
    return 0;
}

static int add_actions(posix_spawn_file_actions_t *actions, const int copies[HOST_FDS])
{
    int r = 0;
    for (int i = 0; i < HOST_FDS && r == 0; i++) {
        if (copies[i] >= 0)
            r = posix_spawn_file_actions_adddup2(actions, copies[i], i);
        else if (i <= STDERR_FILENO)
            r = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
        else
            r = posix_spawn_file_actions_addclose(actions, i);
    }
    return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, HOST_FDS);
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t set;
    sigfillset(&set);
    int r = posix_spawnattr_setsigdefault(attr, &set);
    sigemptyset(&set);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attr, &set);
    if (r == 0)
        r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                               POSIX_SPAWN_SETSID);
    return r;
}

static void make_environment(const char *const *extra, const char *home, char *home_text,
                             size_t size, const char **environment)
{
    size_t n = 0;
    environment[n++] = "PATH=" STANDARD_PATH;
    environment[n++] = "LANG=C.UTF-8";
    if (home && (size_t)snprintf(home_text, size, "HOME=%s", home) < size)
        environment[n++] = home_text;
    for (size_t i = 0; extra && extra[i] && i < EXTRA_MAX; i++)
        environment[n++] = extra[i];
    environment[n] = NULL;
}

static int spawn(const char *const *argv, const char *const *environment,
                 const int copies[HOST_FDS], pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attr);
    if (r == 0) {
        r = add_actions(&actions, copies);
        if (r == 0)
            r = set_attributes(&attr);
        if (r == 0)
            r = posix_spawn(ret_pid, process_host(), &actions, &attr, (char *const *)argv,
                            (char *const *)environment);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int host_start(const char *const *argv, const char *const *extra, const int fds[HOST_FDS],
               pid_t *ret_pid)
{
    const char *environment[EXTRA_MAX + 4];
    char home[PATH_MAX + 8];
    int copies[HOST_FDS];
    process_host(); /* also makes us the subreaper */
    int r = pipeline_prepare();
    if (r < 0)
        return r;
    make_environment(extra, getenv("HOME"), home, sizeof home, environment);
    r = copy_fds(fds, copies);
    if (r < 0)
        return r;
    pthread_mutex_lock(&hosts.lock);
    r = reserve();
    if (r == 0)
        r = spawn(argv, environment, copies, ret_pid);
    if (r == 0)
        hosts.pids[hosts.count++] = *ret_pid;
    pthread_mutex_unlock(&hosts.lock);
    for (int i = 0; i < HOST_FDS; i++)
        fd_close(&copies[i]);
    return r;
}

#define HOST_STOPS 8 /* how often one is woken */

/* --- the end ---------------------------------------------------------------------------------- */

/* Under the lock. */
static bool is_orphan(const struct pipeline_process *process, void *arg)
{
    const struct pipeline_process *self = arg;
    return process->parent == self->pid && process->session != self->session &&
           !is_host(process->pid);
}

static void kill_orphans(void)
{
    struct pipeline_process self = {.pid = getpid(), .session = getsid(0)};
    pid_t pid;
    pthread_mutex_lock(&hosts.lock);
    pipeline_slay(is_orphan, &self);
    /* And what falls to us as their parents die. */
    while ((pid = pipeline_find(is_orphan, &self)) > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&hosts.lock);
}

static bool is_it(const struct pipeline_process *process, void *arg)
{
    return process->pid == *(const pid_t *)arg;
}

/* A stage can stop its host: that is woken, and if it is stopped again and again, killed with all
 * below it. */
static void wake(pid_t pid, unsigned stops)
{
    if (stops < HOST_STOPS)
        kill(pid, SIGCONT);
    else
        pipeline_slay(is_it, &pid);
}

int host_wait(pid_t pid)
{
    int status = 0;
    unsigned stops = 0;
    for (;;) {
        pid_t r = waitpid(pid, &status, WUNTRACED);
        if (r == pid && WIFSTOPPED(status))
            wake(pid, stops++);
        else if (r >= 0 || errno != EINTR)
            break;
    }
    forget(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        kill_orphans();
    return status;
}

/* --- asking ----------------------------------------------------------------------------------- */

#define ASK_LOOK_MS 100 /* how soon process_stop_asking is noticed */

static atomic_bool asking_stopped;

void process_stop_asking(void)
{
    atomic_store(&asking_stopped, true);
}

static int time_left(uint64_t deadline)
{
    uint64_t now = clock_now();
    uint64_t ms = now >= deadline ? 0 : (deadline - now) / NS_PER_MS + 1;
    return ms < ASK_LOOK_MS ? (int)ms : ASK_LOOK_MS;
}

/* Reads until the end or the deadline. 0, -ETIMEDOUT, -ECANCELED, -EMSGSIZE or another negative
 * errno. */
static int read_answer(int fd, struct buf *b, size_t max, uint64_t deadline)
{
    char data[4096];
    for (;;) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        int n = poll(&pfd, 1, time_left(deadline));
        if (atomic_load(&asking_stopped))
            return -ECANCELED;
        if (n == 0 && clock_now() >= deadline)
            return -ETIMEDOUT;
        if (n == 0)
            continue;
        if (n < 0 && errno != EINTR)
            return -errno;
        ssize_t len = n > 0 ? read(fd, data, sizeof data) : -1;
        if (len == 0)
            return 0;
        if (len < 0 && errno != EINTR)
            return -errno;
        if (len > 0 && (b->len + (size_t)len > max || buf_put(b, data, (size_t)len) < 0))
            return -EMSGSIZE;
    }
}

static int judge_answer(int r, int status, struct buf *b, struct error *err)
{
    if (r == -ECANCELED)
        return error_set(err, r, "it was not waited for: the daemon stops");
    if (r == -ETIMEDOUT)
        return error_set(err, r, "it did not answer in time");
    if (r < 0)
        return error_set(err, r, "its answer cannot be read: %s", strerrordesc_np(-r));
    if (WIFSIGNALED(status))
        return error_set(err, -EIO, "loading it ends in signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return error_set(err, -EINVAL, "%s", b->len > 0 ? b->data : "penstock-host failed");
    return 0;
}

int process_ask(const char *const *argv, size_t max, uint64_t timeout, char **ret_text,
                struct error *err)
{
    struct buf b = BUF_INIT;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(err, -errno, "no pipe: %s", strerrordesc_np(errno));
    int fds[HOST_FDS] = {-1, ends[1], -1, -1, -1};
    int r = host_start(argv, NULL, fds, &pid);
    fd_close(&ends[1]);
    if (r < 0) {
        error_set(err, r, "%s cannot be started: %s", process_host(), strerrordesc_np(-r));
    } else {
        r = buf_reserve(&b, 1);
        if (r == 0)
            r = read_answer(ends[0], &b, max, clock_now() + timeout);
        if (r < 0)
            kill(pid, SIGKILL);
        r = judge_answer(r, host_wait(pid), &b, err);
    }
    fd_close(&ends[0]);
    if (r == 0 && !(*ret_text = buf_steal(&b)))
        r = error_set(err, -ENOMEM, "out of memory");
    buf_deinit(&b);
    return r;
}
