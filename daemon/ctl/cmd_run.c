/* `run URL -- COMMAND`: a body into the caller's own command, which is run as the caller.
 *
 * The pipe is ours: the daemon gets its write end by SCM_RIGHTS, COMMAND its read end as standard
 * input, and we keep a duplicate of the write end. As long as we have it, nothing that happens to
 * the download or to the daemon can look like an end of the body to COMMAND: we close it when the
 * daemon says `complete`, or once COMMAND and all that it started are dead (invariant 1).
 *
 *   begin     the body's first byte is there (or its end): COMMAND is started
 *   complete  every byte is in the pipe, and the end was verified
 *   abort     the body will not arrive whole
 *   exited    ours, to the daemon: COMMAND has ended, and how
 *
 * Until `begin` the daemon may try again, and nothing is lost. After `complete` we write --trailer,
 * if there is one, and then the end is COMMAND's to see: from there on nothing is a reason to kill
 * it but a SIGTERM that it outlives by --grace. What it leaves behind then lives on.
 *
 * Should we be killed ourselves, another process of ours does the same; that one has the terminal
 * as well (guard.h). */
#include "ctl/cmd_run.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/fd.h"
#include "base/json_read.h"
#include "base/units.h"
#include "client/ends.h"
#include "ctl/ask.h"
#include "ctl/child.h"
#include "ctl/guard.h"
#include "ctl/job_text.h"
#include "ctl/out.h"
#include "ctl/progress_line.h"
#include "ctl/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define GRACE (10 * NS_PER_SEC)

struct run {
    struct ctl *ctl;
    char *const *argv; /* COMMAND and its arguments */
    int read_fd, write_fd, signal_fd;
    struct guard guard;
    struct progress progress; /* until COMMAND begins */
    uint64_t id;              /* the job; 0: not acknowledged yet */
    struct child command;
    struct buf trailer; /* what is left to be written of it */
    bool whole;         /* the daemon has said `complete` */
    bool complete;      /* and COMMAND may see the end: ours is closed */
    bool reported, ended;
    bool cut;                 /* the body did not arrive whole: COMMAND was killed */
    bool front_stops;         /* it was told that COMMAND has stopped, and has not said `go on` */
    bool socket;              /* COMMAND reads from a socket, not from a pipe */
    bool forlorn;             /* it wants a terminal that it cannot have */
    int refused;              /* the exit status, if the daemon did not take the job */
    int signal;               /* that ends us; 0 */
    uint64_t grace;           /* ns */
    uint64_t ask_at, kill_at; /* clock_now: COMMAND gets SIGTERM, and is killed; 0: not */
};

/* --- COMMAND ---------------------------------------------------------------------------------- */

static void kill_command(struct run *run)
{
    bool ran = child_runs(&run->command);
    child_kill(&run->command);
    if (ran)
        guard_tell(&run->guard, GUARD_ENDED, SIGKILL); /* as of waitpid(2) */
    fd_close(&run->write_fd); /* nobody is left who could take it for an end */
}

/* It is sent at once: the next signal may already be there and end us, and without this the daemon
 * would take the job for one whose client has gone. */
static int report(struct run *run)
{
    struct error err;
    struct wire *wire = &run->ctl->conn.wire;
    uint64_t request;
    if (run->reported || wire->closed)
        return 0;
    json_t *params =
        json_pack("{s:I, s:i}", "id", (json_int_t)run->id, "status", run->command.status);
    if (!params)
        return -ENOMEM;
    run->reported = true;
    int r = wire_send(wire, "exited", params, &request, &err);
    if (r == 0)
        (void)wire_flush(wire); /* conn_poll tries again, and tells why not */
    return r;
}

static int begin(struct run *run)
{
    progress_deinit(&run->progress);
    child_start(&run->command, run->argv, run->read_fd);
    fd_close(&run->read_fd); /* COMMAND's alone from now on: its end must reach the daemon */
    if (!child_runs(&run->command))
        return report(run);
    guard_tell(&run->guard, GUARD_BEGUN, (int)run->command.pipeline.group);
    return 0;
}

static int on_child(struct run *run)
{
    int signo = 0;
    for (;;) {
        switch (child_look(&run->command, &signo)) {
        case CHILD_NOTHING:
            return 0;
        case CHILD_STOPPED:
            if (signo == SIGSTOP) /* that one is somebody's own affair */
                break;
            guard_tell(&run->guard, GUARD_STOPPED, signo);
            run->front_stops = true;
            break;
        case CHILD_CONTINUED:
            /* By somebody else, so the one in front has to go on as well. What it has asked for
             * itself it must not be told: its next word to go on would undo a stop that has come
             * meanwhile. */
            if (run->front_stops && getppid() == run->guard.front) /* else it has gone */
                kill(run->guard.front, SIGCONT);
            break;
        case CHILD_ENDED:
            guard_tell(&run->guard, GUARD_ENDED, run->command.wait_status);
            return report(run);
        }
    }
}

/* The body will not be whole: COMMAND dies before it could see an end. */
static int give_up(struct run *run)
{
    if (run->reported)
        return 0; /* it has ended by itself */
    run->cut = true;
    kill_command(run);
    return run->command.begun ? report(run) : 0;
}

/* What it has started on purpose and left behind lives on, unless that could take a cut for an end:
 * the body is not whole, and somebody still has the pipe. */
static void leave_children(struct run *run)
{
    struct pollfd pfd = {.fd = run->write_fd};
    bool unread = run->write_fd >= 0 && poll(&pfd, 1, 0) == 1 &&
                  (pfd.revents & (POLLERR | (run->socket ? POLLHUP : 0)));
    if (!run->command.ended || run->cut || !(run->complete || (unread && run->command.status == 0)))
        kill_command(run);
    fd_close(&run->write_fd);
}

/* --- the end of the body ---------------------------------------------------------------------- */

static void complete(struct run *run)
{
    guard_tell(&run->guard, GUARD_COMPLETE, 0);
    fd_close(&run->write_fd);
    run->complete = true;
}

/* As much of the trailer as the pipe takes. */
static void write_trailer(struct run *run)
{
    struct buf *left = &run->trailer;
    ssize_t n = left->len > 0 ? write(run->write_fd, left->data, left->len) : 0;
    if (n > 0)
        buf_drop(left, (size_t)n);
    /* Who does not read any more does not want it either. */
    if (left->len == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        complete(run);
}

static void on_complete(struct run *run)
{
    run->whole = true;
    (void)fd_set_nonblock(run->write_fd, true); /* the daemon's copy is closed by now */
    write_trailer(run);
}

/* --- what the daemon says --------------------------------------------------------------------- */

static void on_verdict(struct run *run, const json_t *line)
{
    struct job_view view;
    job_view_read(line, &view);
    run->ended = true;
    progress_deinit(&run->progress);
    if (view.done)
        return;
    /* After `complete`, or by its own choice before, COMMAND has said by its status what there is
     * to say. */
    if (strcmp(view.error_kind, "parser_failed") != 0 &&
        strcmp(view.error_kind, "parser_crashed") != 0)
        run->cut = true;
    struct buf text = BUF_INIT;
    job_put_verdict(&text, &view);
    if (isatty(STDERR_FILENO))
        job_put_way_on(&text, view.id);
    out_error("job %.*s", (int)text.len, text.data ? text.data : "");
    buf_deinit(&text);
}

/* Why it takes so long, where somebody may look. */
static void on_attempt(struct run *run, const json_t *line)
{
    struct job_view view;
    const json_t *in = json_object_get(line, "retry_in");
    job_view_read(line, &view);
    if (isatty(STDERR_FILENO) && json_is_number(in))
        out_error("attempt %lld: %s: %s; the next one in %.1f s", (long long)view.attempt,
                  view.error_kind, view.error_message, json_number_value(in));
}

static void on_event(struct run *run, const json_t *params)
{
    const char *event = json_string_value(json_object_get(params, "event"));
    if (event && strcmp(event, "verdict") == 0)
        on_verdict(run, params);
    else if (event && strcmp(event, "attempt") == 0)
        on_attempt(run, params);
}

static int on_notification(struct run *run, const char *line, size_t len)
{
    int r = 0;
    json_t *root = json_read(line, len, JSON_ALLOW_NUL, NULL);
    const char *method = json_string_value(json_object_get(root, "method"));
    const json_t *params = json_object_get(root, "params");

    if (!method)
        r = -EBADMSG;
    else if (strcmp(method, "begin") == 0 && !run->command.begun)
        r = begin(run);
    else if (strcmp(method, "complete") == 0 && !run->whole && run->write_fd >= 0)
        on_complete(run);
    else if (strcmp(method, "abort") == 0)
        r = give_up(run);
    else if (strcmp(method, "event") == 0)
        on_event(run, params);
    json_decref(root);
    return r;
}

static int on_line(struct run *run, const char *line, size_t len)
{
    struct answer answer;
    int r = answer_read(line, len, &answer);
    if (r == 1)
        return on_notification(run, line, len);
    if (r < 0)
        return r;
    if (answer.code != 0 && run->id == 0) {
        progress_deinit(&run->progress);
        run->refused = ctl_refused(run->ctl, answer.code, answer.field, answer.message);
        r = -ECANCELED;
    } else if (run->id == 0) {
        run->id = (uint64_t)json_integer_value(json_object_get(answer.result, "id"));
    }
    answer_deinit(&answer);
    return r;
}

/* --- signals ---------------------------------------------------------------------------------- */

/* The body is whole, and COMMAND may be about to commit it. It has half of the grace to end by
 * itself, then it is asked to (SIGTERM), and at the end it is killed. */
static void begin_grace(struct run *run)
{
    if (run->kill_at)
        return;
    run->ask_at = clock_now() + run->grace / 2;
    run->kill_at = clock_now() + run->grace;
}

static int on_signal(struct run *run, int signo)
{
    if (signo == SIGCHLD)
        return on_child(run);
    if (run->complete && run->command.ended) {
        run->ended = true; /* its status says all there is to say: the verdict may come later */
        return 0;
    }
    if (!run->complete || !child_runs(&run->command)) {
        run->signal = signo;
        return -EINTR;
    }
    if (signo != SIGTERM)
        child_signal(&run->command, signo);
    if (signo == SIGTERM || signo == SIGHUP)
        begin_grace(run);
    return 0;
}

static int take_signals(struct run *run)
{
    struct signalfd_siginfo info;
    int r = 0;
    while (r == 0 && read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        r = on_signal(run, (int)info.ssi_signo);
    return r;
}

static int take_word(struct run *run)
{
    switch (guard_hear(&run->guard)) {
    case GUARD_STOP:
        if (child_runs(&run->command))
            child_signal(&run->command, SIGTSTP);
        else
            guard_tell(&run->guard, GUARD_STOPPED, SIGTSTP);
        return 0;
    case GUARD_GO:
        run->front_stops = false;
        child_signal(&run->command, SIGCONT);
        return 0;
    case GUARD_FORLORN:
        run->forlorn = true;
        return -ENOTTY;
    case GUARD_GONE:
        run->signal = SIGKILL;
        return -EINTR;
    default:
        return 0;
    }
}

static int watch_signals(struct run *run)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!signals_ignored(ours[i]))
            sigaddset(&set, ours[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd < 0 ? -errno : 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static int check_clocks(struct run *run)
{
    uint64_t now = clock_now();
    if (run->ask_at && now >= run->ask_at) {
        run->ask_at = 0;
        child_signal(&run->command, SIGTERM);
        child_signal(&run->command, SIGCONT); /* it may be stopped */
    }
    if (run->kill_at && now >= run->kill_at && child_runs(&run->command)) {
        out_error("the command has not ended within --grace, and is killed");
        run->kill_at = 0;
        kill_command(run);
        return report(run);
    }
    return 0;
}

static int next_timeout(const struct run *run)
{
    uint64_t at = run->ask_at ? run->ask_at : run->kill_at, now = clock_now();
    if (!at)
        return run->command.begun ? -1 : progress_timeout(&run->progress);
    return at <= now ? 0 : (int)((at - now) / NS_PER_MS) + 1;
}

static int wait_for_news(struct run *run)
{
    struct pollfd fds[] = {
        {.fd = run->signal_fd, .events = POLLIN},
        {.fd = run->guard.link, .events = POLLIN},
        {.fd = run->whole && !run->complete ? run->write_fd : -1, .events = POLLOUT}};
    int r = run->command.begun ? 0 : progress_tick(&run->progress, run->id, 0, 1);
    if (r == 0)
        r = conn_poll(&run->ctl->conn, fds, 3, next_timeout(run));
    if (r == 0 && fds[1].revents)
        r = take_word(run);
    if (r == 0 && fds[2].revents)
        write_trailer(run);
    if (r == 0)
        r = check_clocks(run);
    return r == 0 ? take_signals(run) : r;
}

static int turn(struct run *run)
{
    char *line;
    size_t len;
    int r;
    while ((r = wire_line(&run->ctl->conn.wire, &line, &len)) > 0)
        if ((r = on_line(run, line, len)) < 0)
            return r;
    return r < 0 || run->ended ? r : wait_for_news(run);
}

/* The daemon has gone, but COMMAND has the whole body: that is its own to judge. */
static int wait_for_command(struct run *run)
{
    int r = 0;
    while (r == 0 && child_runs(&run->command)) {
        struct pollfd fds[] = {{.fd = run->signal_fd, .events = POLLIN},
                               {.fd = run->guard.link, .events = POLLIN}};
        if (poll(fds, 2, next_timeout(run)) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents)
            r = take_word(run);
        if (r == 0)
            r = check_clocks(run);
        if (r == 0)
            r = take_signals(run);
    }
    return r;
}

static int explain_end(struct run *run, int r)
{
    struct error err;
    if (r == -EINTR) {
        int number = run->signal ? run->signal : SIGINT;
        out_error("interrupted: the command %s",
                  !run->command.begun ? "was not started"
                  : run->reported     ? "had ended by itself"
                                      : "was ended before it could see an end of the body");
        return 128 + number;
    }
    if (r == -ECANCELED)
        return run->refused;
    if (run->forlorn) {
        out_error("the command wants the terminal, but runs in the background of a job that can "
                  "never have it");
        return EXIT_JOB_FAILED;
    }
    wire_explain(&run->ctl->conn.wire, r, &err);
    out_error("%s", err.text);
    return run->id ? EXIT_JOB_FAILED : EXIT_REFUSED;
}

static int wait_for_verdict(struct run *run)
{
    int r = 0;
    while (r == 0 && !run->ended)
        r = turn(run);
    progress_deinit(&run->progress);
    bool lost = r < 0 && run->ctl->conn.wire.closed && run->complete;
    if (lost) {
        r = wait_for_command(run);
        if (r == 0)
            out_error("the daemon has gone; the command had the whole body");
    }
    leave_children(run);
    if (r < 0)
        return explain_end(run, r);
    return (run->reported || lost) && !run->cut ? run->command.status : EXIT_JOB_FAILED;
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* 1: this is the process that goes on; 0: it has done so, and has ended. */
static int split(struct run *run, struct error *err)
{
    int ends[2];
    int r = ends_make(ends, run->socket);
    if (r < 0)
        return error_set(err, r, "no pipe could be made: %s", strerror(-r));
    r = guard_split(&run->guard, ends, args_has(&run->ctl->args, OPT_FOREGROUND), err);
    if (r == 1) {
        run->read_fd = ends[0];
        run->write_fd = ends[1];
    }
    return r;
}

static int request(struct run *run, json_t *params, struct error *err)
{
    uint64_t id;
    int r = wire_send(&run->ctl->conn.wire, "run", params, &id, err);
    return r < 0 ? r : wire_pass(&run->ctl->conn.wire, run->write_fd, err);
}

static int check(const struct args *args, struct error *err)
{
    if (args->rest == SIZE_MAX)
        return error_set(err, -EINVAL, "run: `--` stands before the command: run URL -- COMMAND");
    if (args->rest != 1)
        return error_set(err, -EINVAL, "run: one URL is wanted before `--`");
    if (args->operand_count < 2)
        return error_set(err, -EINVAL, "run: a command is wanted after `--`");
    return 0;
}

/* What is ours alone, and not the job's. */
static int read_options(struct run *run, struct error *err)
{
    const struct args *args = &run->ctl->args;
    const char *grace = args_value(args, OPT_GRACE), *trailer = args_value(args, OPT_TRAILER),
               *standard_input = args_value(args, OPT_STDIN);
    struct error why;
    run->socket = standard_input && strcmp(standard_input, "socket") == 0;
    if (standard_input && !run->socket && strcmp(standard_input, "pipe") != 0)
        return error_set(err, -EINVAL, "--stdin: '%.64s' is neither pipe nor socket",
                         standard_input);
    run->grace = GRACE;
    if (grace && parse_duration(grace, false, &run->grace, &why) < 0)
        return error_set(err, -EINVAL, "--grace: %s", why.text);
    if (trailer && strchr(trailer, '\n'))
        return error_set(err, -EINVAL, "--trailer: one line is wanted");
    if (trailer)
        buf_printf(&run->trailer, "%s\n", trailer);
    return run->trailer.failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}

static int run_it(struct run *run, json_t *params)
{
    struct error err;
    int status = ctl_connect(run->ctl);
    if (status != 0) {
        json_decref(params);
        return status;
    }
    run->ctl->conn.ignores_stdout = true; /* COMMAND's business */
    int r = watch_signals(run);
    if (r < 0)
        error_set(&err, r, "signals cannot be watched: %s", strerror(-r));
    r = r == 0 ? request(run, params, &err) : (json_decref(params), r);
    if (r < 0)
        return ctl_fail(r, &err);
    progress_init(&run->progress, run->ctl->conn.wire.path);
    return wait_for_verdict(run);
}

/* The same in a process of its own. */
static int run_guarded(struct run *run, json_t *params)
{
    struct error err;
    int r = split(run, &err);
    if (r == 1)
        return run_it(run, params);
    json_decref(params);
    return r < 0 ? ctl_fail(r, &err) : run->guard.status;
}

static int make_params(const struct args *args, json_t **ret_params, struct error *err)
{
    int r = ask_options(args, GROUP_JOB, ret_params, err);
    if (r == 0 && json_object_set_new(*ret_params, "url", json_string(args->operands[0])) < 0)
        r = error_set(err, -EINVAL, "run: the URL is not UTF-8");
    return r;
}

int cmd_run(struct ctl *ctl)
{
    struct run run = {.ctl = ctl,
                      .read_fd = -1,
                      .write_fd = -1,
                      .signal_fd = -1,
                      .guard.link = -1,
                      .progress.conn.wire.fd = -1,
                      .trailer = BUF_INIT};
    const struct args *args = &ctl->args;
    struct error err;
    json_t *params = NULL;
    char **argv = NULL;

    int r = check(args, &err);
    if (r == 0)
        r = read_options(&run, &err);
    if (r == 0)
        r = make_params(args, &params, &err);
    if (r == 0 && !(argv = calloc(args->operand_count, sizeof *argv)))
        r = error_set(&err, -ENOMEM, "out of memory");
    for (size_t i = 1; r == 0 && i < args->operand_count; i++)
        argv[i - 1] = (char *)args->operands[i];
    run.argv = argv;
    if (r < 0)
        json_decref(params);
    int status = r < 0 ? ctl_fail(r, &err) : run_guarded(&run, params);
    fd_close(&run.read_fd);
    fd_close(&run.write_fd);
    fd_close(&run.signal_fd);
    fd_close(&run.guard.link);
    buf_deinit(&run.trailer);
    free(argv);
    return status;
}
