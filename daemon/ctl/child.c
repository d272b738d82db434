#include "ctl/child.h"

#include "ctl/out.h"
#include "ctl/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_NOT_FOUND 127 /* as shells have it */
#define STATUS_NOT_RUN   126

static int exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_start(struct child *child, char *const *argv, int in)
{
    struct error err;
    size_t stage;
    char *const *stages[] = {argv};
    struct pipeline_config config = {.stages = stages,
                                     .count = 1,
                                     .in = in,
                                     .out = STDOUT_FILENO,
                                     .err = STDERR_FILENO,
                                     .outlive = true,
                                     .ignored = signals_all_ignored()};
    int r = pipeline_adopt();
    if (r == 0)
        r = pipeline_start(&child->pipeline, &config, &stage, &err);
    else
        error_set(&err, r, "the command cannot be watched: %s", strerror(-r));
    child->begun = true;
    if (r == 0)
        return;
    out_error("%s", err.text);
    child->ended = true;
    child->status = r == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
}

void child_signal(struct child *child, int signo)
{
    if (child_runs(child))
        kill(-child->pipeline.group, signo);
}

/* Stops are no ends, and are asked for apart from those. */
static enum child_news look_at_stops(const struct child *child, int *ret_signo)
{
    siginfo_t info = {.si_pid = 0};
    pid_t pid = child->pipeline.stages[0].pid;
    if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WCONTINUED | WNOHANG) < 0 || info.si_pid != pid)
        return CHILD_NOTHING;
    *ret_signo = info.si_status;
    return info.si_code == CLD_STOPPED ? CHILD_STOPPED : CHILD_CONTINUED;
}

enum child_news child_look(struct child *child, int *ret_signo)
{
    if (!child_runs(child))
        return CHILD_NOTHING;
    enum child_news news = look_at_stops(child, ret_signo);
    if (news != CHILD_NOTHING)
        return news;
    pipeline_reap(&child->pipeline);
    if (child->pipeline.running > 0)
        return CHILD_NOTHING;
    child->ended = true;
    child->wait_status = child->pipeline.stages[0].status;
    child->status = exit_status(child->wait_status);
    return CHILD_ENDED;
}

void child_kill(struct child *child)
{
    if (!child->begun)
        return;
    pipeline_kill_all(&child->pipeline);
    if (!child->ended)
        child->status = 128 + SIGKILL;
    child->ended = true;
}
