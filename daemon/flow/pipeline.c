/* Between fork and exec a child reports what went wrong by a close-on-exec pipe, so that "not
 * found" is told from a command that exits with 127. Stages are not reaped while others are
 * started: the first one's pid keeps the process group in being. */
#include "flow/pipeline.h"

#include "base/fd.h"
#include "flow/pipeline_kill.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int pipeline_adopt(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return pipeline_prepare();
}

/* --- in the child ----------------------------------------------------------------------------- */

enum step { STEP_SETUP, STEP_LIMITS, STEP_EXEC };

struct failure {
    enum step step;
    int error;
};

/* What one stage is to become. */
struct child {
    const struct pipeline_config *config;
    char *const *argv;
    int fds[3];
    pid_t group, parent;
};

static int limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0)
        return -errno;
    if (hard < now.rlim_max)
        now.rlim_max = hard;
    now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
    return setrlimit(resource, &now) < 0 ? -errno : 0;
}

int pipeline_limit(const struct pipeline_limits *l)
{
    int r = 0;
    if (l->soft_files > 0)
        r = limit(RLIMIT_NOFILE, l->soft_files, RLIM_INFINITY);
    if (r == 0 && l->open_files > 0)
        r = limit(RLIMIT_NOFILE, l->open_files, l->open_files);
    /* SIGXCPU first; who ignores it gets SIGKILL two seconds later. */
    if (r == 0 && l->cpu_time > 0)
        r = limit(RLIMIT_CPU, l->cpu_time, l->cpu_time + 2);
    if (r == 0 && l->file_size > 0)
        r = limit(RLIMIT_FSIZE, l->file_size, l->file_size);
    if (r == 0 && l->memory > 0)
        r = limit(RLIMIT_AS, l->memory, l->memory);
    return r;
}

/* 0, 1 and 2 as they are to be, nothing else behind exec. */
static int set_descriptors(const int fds[3])
{
    int copies[3];
    for (int i = 0; i < 3; i++) {
        copies[i] = fd_dup(fds[i]); /* out of the way of 0, 1, 2 */
        if (copies[i] < 0)
            return copies[i];
    }
    for (int i = 0; i < 3; i++)
        if (dup2(copies[i], i) < 0)
            return -errno;
    /* Whatever a library left open without close-on-exec. */
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return 0;
}

static void set_signals(const sigset_t *ignored)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, ignored && sigismember(ignored, i) == 1 ? SIG_IGN : SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Among all processes of the machine this one is to go first when memory runs out. */
static void set_oom_score(int score)
{
    char text[16];
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    int len = snprintf(text, sizeof text, "%d", score);
    (void)!write(fd, text, (size_t)len);
    close(fd);
}

static struct failure become(const struct child *c)
{
    if (setpgid(0, c->group) < 0)
        return (struct failure){STEP_SETUP, errno};
    if (!c->config->outlive) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
            return (struct failure){STEP_SETUP, errno};
        if (getppid() != c->parent)
            _exit(127);
    }
    int r = set_descriptors(c->fds);
    if (r < 0)
        return (struct failure){STEP_SETUP, -r};
    if (c->config->oom_score_adj > 0)
        set_oom_score(c->config->oom_score_adj);
    set_signals(c->config->ignored);
    r = c->config->limits ? pipeline_limit(c->config->limits) : 0;
    if (r < 0)
        return (struct failure){STEP_LIMITS, -r};
    execvp(c->argv[0], c->argv);
    return (struct failure){STEP_EXEC, errno};
}

/* --- starting --------------------------------------------------------------------------------- */

static int tell_failure(const struct failure *f, char *const *argv, struct error *err)
{
    if (f->step == STEP_EXEC && f->error == ENOENT && !strchr(argv[0], '/'))
        return error_set(err, -f->error, "%s: the command was not found in %s", argv[0],
                         getenv("PATH"));
    if (f->step == STEP_EXEC)
        return error_set(err, -f->error, "%s cannot be executed: %s", argv[0],
                         strerrordesc_np(f->error));
    return error_set(err, -f->error, "%s: its process could not be %s: %s", argv[0],
                     f->step == STEP_LIMITS ? "limited" : "set up", strerrordesc_np(f->error));
}

/* 0: it has become its command; else what failed. */
static int await_exec(int report, char *const *argv, struct error *err)
{
    struct failure f;
    ssize_t n;
    do
        n = read(report, &f, sizeof f);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    return n == (ssize_t)sizeof f ? tell_failure(&f, argv, err)
                                  : error_set(err, -EIO, "%s: no word came of it", argv[0]);
}

static int start_one(struct pipeline *p, struct child *c, struct error *err)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return error_set(err, -errno, "no pipe: %s", strerrordesc_np(errno));
    pid_t pid = fork();
    if (pid == 0) {
        struct failure f = become(c);
        (void)!write(report[1], &f, sizeof f);
        _exit(127);
    }
    int r = pid < 0 ? -errno : 0;
    fd_close(&report[1]);
    if (r < 0) {
        error_set(err, r, "no process could be had for %s: %s", c->argv[0], strerrordesc_np(-r));
    } else {
        if (p->group == 0)
            p->group = pid;
        setpgid(pid, p->group); /* whoever comes first, it or we */
        p->stages[p->count++] = (struct pipeline_stage){.pid = pid, .running = true, .hold = -1};
        p->running++;
        r = await_exec(report[0], c->argv, err);
    }
    fd_close(&report[0]);
    return r;
}

int pipeline_start(struct pipeline *p, const struct pipeline_config *config, size_t *ret_stage,
                   struct error *err)
{
    int in = config->in, r = 0;
    *p = (struct pipeline){.memory = config->limits ? config->limits->memory : 0};
    for (size_t i = 0; i < config->count && r == 0; i++) {
        int ends[2] = {-1, -1};
        bool last = i + 1 == config->count;
        *ret_stage = i;
        if (!last && pipe2(ends, O_CLOEXEC) < 0) {
            *ret_stage = config->count;
            r = error_set(err, -errno, "no pipe: %s", strerrordesc_np(errno));
            break;
        }
        struct child child = {.config = config,
                              .argv = config->stages[i],
                              .fds = {in, last ? config->out : ends[1], config->err},
                              .group = p->group,
                              .parent = getpid()};
        size_t before = p->count;
        r = start_one(p, &child, err);
        if (p->count > before)
            p->stages[before].hold = ends[1];
        else
            fd_close(&ends[1]);
        if (in != config->in)
            fd_close(&in);
        in = ends[0];
    }
    if (in != config->in)
        fd_close(&in);
    return r;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Ended by a pipe that nobody read any more; a shell says the same of what it ran by 128 + the
 * signal. */
static bool broken_pipe(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGPIPE);
}

static bool failed(const struct pipeline *p, size_t stage)
{
    int status = p->stages[stage].status;
    if (p->stages[stage].running || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return false;
    return stage + 1 == p->count || !broken_pipe(status);
}

size_t pipeline_failed(const struct pipeline *p)
{
    for (size_t i = p->count; i-- > 0;)
        if (failed(p, i))
            return i;
    return p->count;
}

static void note_end(struct pipeline *p, pid_t pid, int status, const struct rusage *usage)
{
    for (size_t i = 0; i < p->count; i++) {
        struct pipeline_stage *stage = &p->stages[i];
        if (stage->pid != pid || !stage->running)
            continue;
        stage->running = false;
        stage->status = status;
        /* ru_maxrss is in KiB. Pages that were never touched don't count there, so: most of it. */
        stage->memory_full =
            p->memory > 0 && (uint64_t)usage->ru_maxrss * 1024 >= p->memory / 4 * 3;
        p->running--;
        if (!failed(p, i))
            fd_close(&stage->hold);
    }
}

/* False: there are no children at all. */
static bool reap(struct pipeline *p, int options)
{
    struct rusage usage;
    int status;
    pid_t pid;
    do {
        pid = wait4(-1, &status, options, &usage);
        if (pid > 0)
            note_end(p, pid, status, &usage);
    } while ((pid > 0 && options == WNOHANG) || (pid < 0 && errno == EINTR));
    return pid >= 0;
}

void pipeline_reap(struct pipeline *p)
{
    reap(p, WNOHANG);
}

static bool is_child(const struct pipeline_process *process, void *arg)
{
    return process->parent == *(const pid_t *)arg;
}

void pipeline_kill_all(struct pipeline *p)
{
    pid_t self = getpid();
    while (reap(p, WNOHANG)) {
        pipeline_slay(is_child, &self);
        for (size_t i = 0; i < p->count; i++) /* where there is no /proc */
            if (p->stages[i].running)
                kill(p->stages[i].pid, SIGKILL);
        reap(p, 0);
    }
    for (size_t i = 0; i < p->count; i++)
        fd_close(&p->stages[i].hold);
}
