/* `run URL -- COMMAND`: a body into the caller's own command, which is run as the caller.
 *
 * The pipe is ours: the daemon gets its write end by SCM_RIGHTS, COMMAND its read end as standard input, and
 * we keep a duplicate of the write end. As long as we have it, nothing that happens to the download or to
 * the daemon can look like an end of the body to COMMAND: we close it when the daemon says `complete`, or
 * once COMMAND and all that it started are dead (invariant 1).
 *
 *   begin     the body's first byte is there (or its end): COMMAND is started
 *   complete  every byte is in the pipe, and the end was verified
 *   abort     the body will not arrive whole
 *   exited    ours, to the daemon: COMMAND has ended, and how
 *
 * Should we be killed ourselves, another process of ours does the same (guard.h). */
#include "base/fd.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/guard.h"
#include "ctl/job.h"
#include "ctl/out.h"
#include "ctl/intr.h"
#include "flow/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_NOT_FOUND 127 /* as shells have it */
#define STATUS_NOT_RUN   126

struct run {
    struct ctl *ctl;
    char *const *argv; /* COMMAND and its arguments */
    int read_fd, write_fd, signal_fd;
    struct guard guard;
    uint64_t id; /* the job; 0: not acknowledged yet */
    struct pipeline pipeline;
    bool begun, reported, ended;
    bool cut;   /* the body did not arrive whole: COMMAND was killed */
    int status; /* COMMAND's, as an exit status */
    int signal; /* that ends us; 0 */
};

/* --- COMMAND ------------------------------------------------------------------------------------ */

static void kill_command(struct run *run)
{
    if (run->begun)
        pipeline_kill_all(&run->pipeline);
    fd_close(&run->write_fd); /* nobody is left who could take it for an end */
}

static void complete(struct run *run)
{
    guard_complete(&run->guard);
    fd_close(&run->write_fd);
}

static int exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int report(struct run *run)
{
    struct error err;
    uint64_t request;
    if (run->reported || run->ctl->conn.closed)
        return 0;
    run->reported = true;
    json_t *params = json_pack("{s:I, s:i}", "id", (json_int_t)run->id, "status", run->status);
    return conn_send(&run->ctl->conn, "exited", params, &request, &err);
}

static int begin(struct run *run)
{
    struct error err;
    size_t stage;
    char *const *stages[] = {run->argv};
    struct pipeline_config config = {.stages = stages,
                                     .count = 1,
                                     .in = run->read_fd,
                                     .out = STDOUT_FILENO,
                                     .err = STDERR_FILENO,
                                     .outlive = true};
    int r = pipeline_adopt();
    if (r == 0)
        r = pipeline_start(&run->pipeline, &config, &stage, &err);
    else
        error_set(&err, r, "the command cannot be watched: %s", strerror(-r));
    fd_close(&run->read_fd); /* COMMAND's alone from now on: its end must reach the daemon */
    run->begun = true;
    if (r == 0)
        return 0;
    out_error("%s", err.text);
    run->status = r == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
    return report(run);
}

static int on_child(struct run *run)
{
    if (!run->begun || run->pipeline.count == 0)
        return 0;
    pipeline_reap(&run->pipeline);
    if (run->pipeline.running > 0 || run->reported)
        return 0;
    run->status = exit_status(run->pipeline.stages[0].status);
    return report(run);
}

/* The daemon waits for COMMAND's end before it tells the verdict. */
static int give_up(struct run *run)
{
    run->cut = true;
    kill_command(run);
    if (!run->begun)
        return 0;
    run->status = 128 + SIGKILL;
    return report(run);
}

/* --- what the daemon says ------------------------------------------------------------------------- */

static void on_verdict(struct run *run, const json_t *line)
{
    struct job_view view;
    job_view_read(line, &view);
    run->ended = true;
    if (view.done)
        return;
    /* After `complete`, or by its own choice before, COMMAND has said by its status what there is to say. */
    if (strcmp(view.error_kind, "parser_failed") != 0 &&
        strcmp(view.error_kind, "parser_crashed") != 0)
        run->cut = true;
    struct buf text = BUF_INIT;
    job_put_verdict(&text, &view);
    out_error("job %.*s", (int)text.len, text.data ? text.data : "");
    buf_deinit(&text);
}

static int on_notification(struct run *run, const char *line, size_t len)
{
    int r = 0;
    json_t *root = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    const char *method = json_string_value(json_object_get(root, "method"));
    const json_t *params = json_object_get(root, "params");
    const char *event = json_string_value(json_object_get(params, "event"));

    if (!method)
        r = -EBADMSG;
    else if (strcmp(method, "begin") == 0 && !run->begun)
        r = begin(run);
    else if (strcmp(method, "complete") == 0)
        complete(run);
    else if (strcmp(method, "abort") == 0)
        r = give_up(run);
    else if (strcmp(method, "event") == 0 && event && strcmp(event, "verdict") == 0)
        on_verdict(run, params);
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
        out_error("%s", answer.message);
        r = -ECANCELED;
    } else if (run->id == 0) {
        run->id = (uint64_t)json_integer_value(json_object_get(answer.result, "id"));
    }
    answer_deinit(&answer);
    return r;
}

/* --- waiting ----------------------------------------------------------------------------------------- */

static int take_signals(struct run *run)
{
    struct signalfd_siginfo info;
    int r = 0;
    while (r == 0 && read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            r = on_child(run);
        else
            run->signal = (int)info.ssi_signo;
    }
    return r == 0 && run->signal ? -EINTR : r;
}

static int turn(struct run *run)
{
    char *line;
    size_t len;
    int r;
    struct pollfd fds[] = {{.fd = run->signal_fd, .events = POLLIN},
                           {.fd = run->guard.link, .events = POLLIN}};
    while ((r = conn_line(&run->ctl->conn, &line, &len)) > 0)
        if ((r = on_line(run, line, len)) < 0)
            return r;
    if (r < 0 || run->ended)
        return r;
    r = conn_poll(&run->ctl->conn, fds, 2, -1);
    if (r == 0 && fds[1].revents)
        run->signal = SIGKILL;
    return r == 0 ? take_signals(run) : r;
}

static int wait_for_verdict(struct run *run)
{
    struct error err;
    int r = 0;
    while (r == 0 && !run->ended)
        r = turn(run);
    kill_command(run); /* all is well already, or nothing is */
    if (r == -EINTR) {
        int number = run->signal ? run->signal : SIGINT;
        out_error("interrupted: the command was ended before it could see an end of the body");
        return 128 + number;
    }
    if (r == -ECANCELED)
        return EXIT_REFUSED;
    if (r < 0) {
        conn_explain(&run->ctl->conn, r, &err);
        out_error("%s", err.text);
        return run->id ? EXIT_JOB_FAILED : EXIT_REFUSED;
    }
    return run->reported && !run->cut ? run->status : EXIT_JOB_FAILED;
}

/* --- the beginning ------------------------------------------------------------------------------------- */

static int watch_signals(struct run *run)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd < 0 ? -errno : 0;
}

static int prepare(struct run *run, struct error *err)
{
    int r = watch_signals(run);
    if (r == 0)
        r = intr_catch();
    return r < 0 ? error_set(err, r, "signals cannot be watched: %s", strerror(-r)) : 0;
}

/* 1: this is the process that goes on; 0: it has done so, and has ended. */
static int split(struct run *run, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(err, -errno, "no pipe could be made: %s", strerror(errno));
    int r = guard_split(&run->guard, ends, err);
    if (r == 1) {
        run->read_fd = ends[0];
        run->write_fd = ends[1];
    }
    return r;
}

static int request(struct run *run, json_t *params, struct error *err)
{
    uint64_t id;
    int r = conn_send(&run->ctl->conn, "run", params, &id, err);
    return r < 0 ? r : conn_pass(&run->ctl->conn, run->write_fd, err);
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

static int run_it(struct run *run, json_t *params)
{
    struct error err;
    int status = ctl_connect(run->ctl);
    if (status != 0) {
        json_decref(params);
        return status;
    }
    run->ctl->conn.ignores_stdout = true; /* COMMAND's business */
    int r = prepare(run, &err);
    r = r == 0 ? request(run, params, &err) : (json_decref(params), r);
    return r < 0 ? ctl_fail(r, &err) : wait_for_verdict(run);
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

int cmd_run(struct ctl *ctl)
{
    struct run run = {.ctl = ctl, .read_fd = -1, .write_fd = -1, .signal_fd = -1, .guard.link = -1};
    const struct args *args = &ctl->args;
    struct error err;
    json_t *params = NULL;
    char **argv = NULL;

    int r = check(args, &err);
    if (r == 0)
        r = ask_options(args, GROUP_JOB, &params, &err);
    if (r == 0 && json_object_set_new(params, "url", json_string(args->operands[0])) < 0)
        r = error_set(&err, -EINVAL, "run: the URL is not UTF-8");
    if (r == 0 && !(argv = calloc(args->operand_count, sizeof *argv)))
        r = error_set(&err, -ENOMEM, "out of memory");
    if (r < 0) {
        json_decref(params);
        return ctl_fail(r, &err);
    }
    for (size_t i = 1; i < args->operand_count; i++)
        argv[i - 1] = (char *)args->operands[i];
    run.argv = argv;
    int status = run_guarded(&run, params);
    fd_close(&run.read_fd);
    fd_close(&run.write_fd);
    fd_close(&run.signal_fd);
    fd_close(&run.guard.link);
    free(argv);
    return status;
}
