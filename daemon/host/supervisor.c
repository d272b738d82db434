/* The life of a host: read the order, start, watch, report, and in any case leave nothing behind.
 * The duplicate of the write end (ORDER_WRITE_FD) is the point of it: until everything that could
 * read the body is dead, or the body is complete, it stays open, so that no reader can meet an
 * end. */
#include "host/supervisor.h"

#include "base/clock.h"
#include "host/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- reporting -------------------------------------------------------------------------------- */

static void report(struct host *h, enum report_kind kind)
{
    h->report.kind = kind;
    h->reported = true;
    /* A socket's buffer always has room for one; if the daemon is gone, its end tells. */
    (void)!send(ORDER_CONTROL_FD, &h->report, sizeof h->report, MSG_NOSIGNAL);
}

static void report_failure(struct host *h, enum report_kind kind, const char *text)
{
    snprintf(h->report.text, sizeof h->report.text, "%s", text);
    report(h, kind);
}

/* All have ended; or one has failed, and then the others are killed, before what it did not write
 * is missed. */
static void report_end(struct host *h)
{
    struct pipeline *p = &h->pipeline;
    size_t failed = pipeline_failed(p);
    h->report.stage = (uint32_t)failed;
    if (failed < p->count) {
        h->report.status = p->stages[failed].status;
        h->report.memory_full = p->stages[failed].memory_full;
        pipeline_kill_all(p);
    }
    if (h->runner) {
        h->report.memory_full = p->stages[0].memory_full; /* also where it has returned, and told */
        runner_report(h->runner, &h->report);
    }
    report(h, REPORT_ENDED);
}

/* --- starting --------------------------------------------------------------------------------- */

static int watch_children(struct host *h)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return h->signals < 0 ? -errno : 0;
}

/* Only the socket ends a host: a signal to all processes of a service or a terminal must not make
 * it let go of the write end before its stages are dead. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                  SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_IGN);
}

static int set_up(struct host *h, struct error *err)
{
    ignore_signals();
    /* A stage's descriptors are 0, 1 and 2: these go no further than here. */
    if (fcntl(ORDER_CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(ORDER_WRITE_FD, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(err, -errno, "penstock-host is started by penstockd");
    int r = order_receive(ORDER_CONTROL_FD, &h->order);
    if (r == -EPROTO)
        return error_set(
            err, r, "penstock-host is of another version than penstockd, which needs a restart");
    if (r < 0)
        return error_set(err, r, "the order: %s", strerrordesc_np(-r));
    r = pipeline_adopt();
    if (r == 0)
        r = watch_children(h);
    return r < 0 ? error_set(err, r, "penstock-host: %s", strerrordesc_np(-r)) : 0;
}

static void start_plugin(struct host *h)
{
    struct error err;
    if (runner_start(h, &err) < 0)
        report_failure(h, REPORT_FAILED, err.text);
}

static void start_stages(struct host *h)
{
    struct pipeline_config config = {.stages = h->order.stages,
                                     .count = h->order.stage_count,
                                     .in = STDIN_FILENO,
                                     .out = STDOUT_FILENO,
                                     .err = STDERR_FILENO,
                                     .limits = &h->order.limits,
                                     .oom_score_adj = 500,
                                     .outlive = true};
    struct error err;
    size_t stage;
    int r = pipeline_start(&h->pipeline, &config, &stage, &err);
    if (r == 0)
        return;
    pipeline_kill_all(&h->pipeline);
    h->report.stage = (uint32_t)stage;
    bool short_of = r == -ENOMEM || r == -EAGAIN || r == -EMFILE || r == -ENFILE;
    report_failure(h, short_of || stage == config.count ? REPORT_FAILED : REPORT_EXEC_FAILED,
                   err.text);
}

/* Ours of what the stages have: their ends must tell the others. */
static void let_go(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    for (int fd = 0; fd < 3; fd++) /* keeps the numbers from being anybody else's */
        (void)!open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* --- watching --------------------------------------------------------------------------------- */

/* Published first, so that a parser that meets the end of the pipe knows which it was. */
static void end_body(struct host *h, enum body_state state)
{
    if (h->runner)
        runner_tell(h->runner, state);
    close(ORDER_WRITE_FD);
}

/* The parser gets a read error and so long to return. */
static void wait_for_return(struct host *h)
{
    uint64_t now = clock_now(), deadline = now + h->order.grace;
    struct signalfd_siginfo info;
    end_body(h, BODY_ABORTED);
    for (; h->pipeline.running > 0 && now < deadline; now = clock_now()) {
        struct pollfd pfd = {.fd = h->signals, .events = POLLIN};
        poll(&pfd, 1, (int)((deadline - now) / NS_PER_MS) + 1);
        while (read(h->signals, &info, sizeof info) > 0)
            ;
        pipeline_reap(&h->pipeline);
    }
}

/* False: it is over. */
static bool hear(struct host *h)
{
    char word = 0;
    ssize_t n = recv(ORDER_CONTROL_FD, &word, 1, 0);
    if (n < 0 && errno == EINTR)
        return true;
    if (n == 1 && (word == ORDER_COMPLETE || word == ORDER_ENDED)) {
        end_body(h, word == ORDER_ENDED ? BODY_ENDED : BODY_COMPLETE);
        return true;
    }
    if (n == 1 && word == ORDER_ABORT && h->runner && h->order.grace > 0)
        wait_for_return(h);
    return false; /* abort, finish, or the daemon is gone */
}

static void watch(struct host *h)
{
    struct pollfd fds[] = {{.fd = ORDER_CONTROL_FD, .events = POLLIN},
                           {.fd = h->signals, .events = POLLIN}};
    struct signalfd_siginfo info;
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents) {
            while (read(h->signals, &info, sizeof info) > 0)
                ;
            pipeline_reap(&h->pipeline);
        }
        if (!h->reported &&
            (h->pipeline.running == 0 || pipeline_failed(&h->pipeline) < h->pipeline.count))
            report_end(h);
        if (fds[0].revents && !hear(h))
            return;
    }
}

int host_run(void)
{
    static struct host h;
    struct error err = {""};
    if (set_up(&h, &err) < 0) {
        report_failure(&h, REPORT_FAILED, err.text);
        return 1;
    }
    if (h.order.kind == ORDER_PLUGIN)
        start_plugin(&h);
    else
        start_stages(&h);
    let_go();
    watch(&h);
    pipeline_kill_all(&h.pipeline);
    order_free(&h.order);
    return 0; /* and with it ORDER_WRITE_FD closes */
}
