/* One run by a host, driven by the worker's thread. It polls the host's report, the records,
 * standard error and the body's wake_fd; it reads no records while emit blocks, which is the
 * backpressure. */
#include "parse/process.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "flow/pipeline_split.h"
#include "parse/order.h"
#include "parse/process_decode.h"
#include "parse/process_host.h"
#include "parse/refusal.h"
#include "parse/process_records.h"
#include "parse/task.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often the body pipe is looked at, for the clocks alone. */
#define TICK_MS  250
#define TAIL     4096 /* bytes kept of standard error */
#define READ_MAX 65536

struct run {
    struct parse_task *task;
    const struct process_def *def;
    pid_t host;               /* 0: none */
    int control, out, errors; /* our ends; -1 once closed */
    /* What the host is given to read: the task's body, or the same decoded. */
    struct body *body;
    int read_fd, write_fd;
    struct process_decode decode;
    struct records records;
    char tail[TAIL];
    size_t tail_len;
    struct report report;
    bool reported;  /* `report` is whole */
    bool completed; /* the host was told */
    bool stop;      /* no more records, and all of it is to be killed */
    bool host_lost; /* it ended without a report */
};

static int fail(struct run *run, enum error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct run *run, enum error_kind kind, const char *fmt, ...)
{
    char text[sizeof run->task->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return parse_task_fail(&run->task->run, kind, 0, PENSTOCK_NO_OFFSET, text);
}

/* --- beginning -------------------------------------------------------------------------------- */

static int make_pipe(int *ours, int *theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ours = ends[0];
    *theirs = ends[1];
    return fd_set_nonblock(ends[0], true);
}

static int make_control(int *ours, int *theirs)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    *ours = ends[0];
    *theirs = ends[1];
    return 0;
}

static int send_order(struct run *run)
{
    const struct process_def *def = run->def;
    const struct parse_task *task = run->task;
    struct order order = {
        .kind = def->stage_count > 0 ? ORDER_PIPELINE : ORDER_PLUGIN,
        .limits = def->limits,
        .stages = (char *const *const *)def->stages,
        .stage_count = def->stage_count,
        .plugin = def->plugin,
        .name = task->parser->name,
        .sandbox = def->sandbox,
        .grace = def->grace,
        .record_bytes = task->record_bytes,
        .drain_after_enough = task->drain_after_enough,
        .decode = run->decode.body ? (struct decode_plan){.coding_count = 0} : task->decode,
        .text = task->text,
        .facts = task->facts,
    };
    struct buf b = BUF_INIT;
    order.limits.soft_files = fd_first_limit();
    int r = order_put(&b, &order);
    const char *at = b.data;
    for (size_t left = b.len; r == 0 && left > 0;) {
        ssize_t n = send(run->control, at, left, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            r = -errno;
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    buf_deinit(&b);
    return r;
}

static int start_host(struct run *run, const int fds[HOST_FDS])
{
    const struct parse_task *task = run->task;
    char job[48], attempt[48];
    char *url;
    if (asprintf(&url, "PENSTOCK_URL=%s", task->facts.url) < 0)
        return -ENOMEM;
    snprintf(job, sizeof job, "PENSTOCK_JOB=%" PRIu64, task->source.job);
    snprintf(attempt, sizeof attempt, "PENSTOCK_ATTEMPT=%" PRIu32, task->source.attempt);
    const char *const argv[] = {"penstock-host", "--run", NULL};
    const char *const extra[] = {job, attempt, url, NULL};
    int r = host_start(argv, extra, fds, &run->host);
    free(url);
    return r;
}

/* For a pipeline whose body is encoded, and for a body that is to be kept: what the host is given
 * to read is ours then. Otherwise an isolated parser decodes in its own process. */
static int decode_body(struct run *run)
{
    struct parse_task *task = run->task;
    struct decode_plan plan = task->decode;
    int r = 0;
    run->body = task->body;
    run->read_fd = task->read_fd;
    run->write_fd = task->write_fd;
    task->read_fd = task->write_fd = -1;
    bool wanted = run->def->stage_count > 0 && process_decode_wanted(&plan);
    if (!wanted && !task->tee)
        return 0;
    run->decode.tee = task->tee;
    run->decode.tee_arg = task->tee_arg;
    /* The thread that decodes tells an end from a cut by the body's state. */
    fd_close(&run->write_fd);
    int source = run->read_fd;
    run->read_fd = -1;
    r = process_decode_start(&run->decode, &plan, task->body, source, task->drain_after_enough,
                             &run->read_fd, &run->write_fd);
    if (run->decode.body)
        run->body = run->decode.body;
    return r;
}

/* The body's read end goes to the host alone, so that its readers' departure is the writer's EPIPE;
 * but where the rest of the body is wanted whatever they do, we keep it. */
static int begin(struct run *run)
{
    struct parse_task *task = run->task;
    int r = decode_body(run);
    int fds[HOST_FDS] = {run->read_fd, -1, -1, -1, run->write_fd};
    if (r == 0)
        r = make_pipe(&run->out, &fds[1]);
    if (r == 0)
        r = make_pipe(&run->errors, &fds[2]);
    if (r == 0)
        r = make_control(&run->control, &fds[3]);
    if (r == 0)
        r = start_host(run, fds);
    for (int i = 1; i <= 3; i++)
        fd_close(&fds[i]);
    if (r < 0) {
        fail(run, KIND_RESOURCES, "%s could not be started: %s", process_host(),
             strerrordesc_np(-r));
        return r;
    }
    if (!task->drain_after_enough || run->def->stage_count == 0 || run->decode.running)
        fd_close(&run->read_fd);
    r = send_order(run);
    if (r == 0 || r == -EPIPE)
        return 0;                    /* a host that is gone is found by the loop */
    shutdown(run->control, SHUT_WR); /* else it waits for the rest, and we for its end */
    fail(run, KIND_RESOURCES, "a process's order was not sent: %s", strerrordesc_np(-r));
    return r;
}

/* --- the clock -------------------------------------------------------------------------------- */

/* The parser waits for data while the pipe is empty and the body is not over: as exactly as it can
 * be seen from outside, once a tick. Only this thread writes these. */
static void run_clock(struct run *run, uint64_t now)
{
    struct body *body = run->task->body;
    if (run->decode.running)
        return; /* the thread that decodes has the clock */
    uint64_t since = atomic_load_explicit(&body->read_wait_since, memory_order_relaxed);
    int held = 0;
    bool waits = !run->completed && run->write_fd >= 0 && body_state(body) == BODY_OPEN &&
                 ioctl(run->write_fd, FIONREAD, &held) == 0 && held == 0;
    if (waits && since == 0) {
        atomic_store_explicit(&body->read_wait_since, now, memory_order_release);
    } else if (!waits && since > 0) {
        uint64_t waited = atomic_load_explicit(&body->read_wait, memory_order_relaxed);
        /* The sum first: body_read_wait relies on it. */
        atomic_store_explicit(&body->read_wait, waited + (now - since), memory_order_release);
        atomic_store_explicit(&body->read_wait_since, 0, memory_order_release);
    }
}

/* --- what comes ------------------------------------------------------------------------------- */

static bool shut(const struct run *run)
{
    return atomic_load_explicit(&run->task->source.shut, memory_order_acquire);
}

static void tell(struct run *run, enum order_word word)
{
    char c = (char)word;
    (void)!send(run->control, &c, 1, MSG_NOSIGNAL); /* a host that is gone is found by its end */
}

/* It was aborted, and not because its readers had gone. */
static bool aborted(const struct body *body)
{
    return body_state(body) == BODY_ABORTED &&
           !atomic_load_explicit(&((struct body *)body)->reader_left, memory_order_acquire);
}

static bool cut(const struct run *run)
{
    return aborted(run->task->body) || aborted(run->body);
}

/* Its state, since it was waited for or since it has changed. */
static void look_at_body(struct run *run)
{
    struct body *body = run->body;
    uint64_t drop;
    (void)!read(body->wake_fd, &drop, sizeof drop);
    if (body != run->task->body)
        (void)!read(run->task->body->wake_fd, &drop, sizeof drop);
    else if (run->def->stage_count > 0)
        body_judge_end(body, false); /* nobody here can vouch for it */
    enum body_state state = body_state(body);
    if (shut(run) || cut(run)) {
        run->stop = true;
    } else if (state != BODY_OPEN && state != BODY_ABORTED && !run->completed) {
        run->completed = true;
        fd_close(&run->write_fd);
        tell(run, state == BODY_ENDED ? ORDER_ENDED : ORDER_COMPLETE);
    }
}

static void keep_tail(struct run *run, const char *data, size_t len)
{
    if (len > TAIL) {
        data += len - TAIL;
        len = TAIL;
    }
    size_t keep = run->tail_len < TAIL - len ? run->tail_len : TAIL - len;
    memmove(run->tail, run->tail + run->tail_len - keep, keep);
    memcpy(run->tail + keep, data, len);
    run->tail_len = keep + len;
}

/* At most `most` bytes of what is there. False: there is nothing (now, or any more). */
static bool take_errors(struct run *run, size_t most)
{
    char data[TAIL];
    ssize_t n = read(run->errors, data, most < sizeof data ? most : sizeof data);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        fd_close(&run->errors);
    if (n > 0)
        keep_tail(run, data, (size_t)n);
    return n > 0;
}

static bool take_records(struct run *run, size_t most)
{
    char *room = records_room(&run->records, most < READ_MAX ? most : READ_MAX);
    if (!room) {
        fail(run, KIND_RESOURCES, "no memory for a record");
        run->stop = true;
        return false;
    }
    ssize_t n = read(run->out, room, most < READ_MAX ? most : READ_MAX);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        fd_close(&run->out);
    if (n > 0 && records_take(&run->records, (size_t)n) < 0)
        run->stop = true;
    return n > 0;
}

static void take_report(struct run *run)
{
    ssize_t n;
    do
        n = recv(run->control, &run->report, sizeof run->report, MSG_WAITALL);
    while (n < 0 && errno == EINTR);
    run->reported = n == (ssize_t)sizeof run->report;
    report_check(&run->report);
    run->host_lost = !run->reported;
}

/* What is in the pipes was written before the report; what comes later is none of ours. */
static void drain(struct run *run)
{
    int left = 0;
    while (!run->stop && run->out >= 0 && ioctl(run->out, FIONREAD, &left) == 0 && left > 0) {
        size_t rest = (size_t)left;
        /* At most what was found there: bounded by the pipe's size. */
        while (rest > 0 && !run->stop && run->out >= 0) {
            size_t before = run->records.taken;
            if (!take_records(run, rest))
                break;
            rest -= run->records.taken - before;
        }
        break;
    }
    if (!run->stop && records_end(&run->records) < 0)
        run->stop = true;
    if (run->errors >= 0 && ioctl(run->errors, FIONREAD, &left) == 0)
        for (int i = 0; i <= left / TAIL && run->errors >= 0; i++)
            take_errors(run, TAIL);
}

static void loop(struct run *run)
{
    while (!run->stop && !run->reported && !run->host_lost) {
        struct pollfd fds[] = {{.fd = run->control, .events = POLLIN},
                               {.fd = run->out, .events = POLLIN},
                               {.fd = run->errors, .events = POLLIN},
                               {.fd = run->task->body->wake_fd, .events = POLLIN},
                               {.fd = run->body->wake_fd, .events = POLLIN}};
        if (poll(fds, 5, TICK_MS) < 0 && errno != EINTR) {
            fail(run, KIND_RESOURCES, "poll: %s", strerrordesc_np(errno));
            run->stop = true;
        }
        look_at_body(run);
        run_clock(run, clock_now());
        if (fds[2].revents)
            take_errors(run, TAIL);
        if (fds[1].revents && !run->stop)
            take_records(run, READ_MAX);
        if (fds[0].revents)
            take_report(run);
    }
    if (run->reported)
        drain(run);
}

/* --- the verdict ------------------------------------------------------------------------------ */

/* The end of what was said on standard error, from the start of a line on if it fits. */
static const char *said(struct run *run, size_t room)
{
    while (run->tail_len > 0 && strchr("\n\r\t ", run->tail[run->tail_len - 1]))
        run->tail_len--;
    if (run->tail_len == TAIL)
        run->tail_len--;
    run->tail[run->tail_len] = '\0';
    const char *text = run->tail;
    if (run->tail_len > room) {
        text += run->tail_len - room;
        while ((*text & 0xc0) == 0x80) /* not in the middle of a character */
            text++;
        const char *line = strchr(text, '\n');
        if (line && (size_t)(line - text) < room / 2)
            text = line + 1;
    }
    return text;
}

static void who(const struct run *run, char *text, size_t size)
{
    size_t i = run->report.stage;
    snprintf(text, size, "the parser's process");
    if (i >= run->def->stage_count)
        return;
    const char *name = run->def->stages[i][0], *slash = strrchr(name, '/');
    snprintf(text, size, "stage %zu (%.60s)", i + 1, slash && slash[1] ? slash + 1 : name);
}

static void fail_status(struct run *run)
{
    int status = run->report.status, number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    /* A shell tells of what it ran by 128 + the signal. */
    int limit_hit = number ? number : WEXITSTATUS(status) - 128;
    char what[96], how[96];
    who(run, what, sizeof what);
    if (number)
        snprintf(how, sizeof how, "was killed by signal %d (%s)", number, strsignal(number));
    else
        snprintf(how, sizeof how, "exited with %d", WEXITSTATUS(status));
    const char *text = said(run, sizeof run->task->message - 220), *colon = *text ? ": " : "";
    bool limited = run->report.memory_full || limit_hit == SIGXCPU || limit_hit == SIGXFSZ;
    const char *limit = limit_hit == SIGXCPU   ? " (cpu_time)"
                        : limit_hit == SIGXFSZ ? " (file_size)"
                        : limited              ? " (memory)"
                                               : "";
    enum error_kind kind = limited  ? KIND_LIMIT_EXCEEDED
                           : number ? KIND_PARSER_CRASHED
                                    : KIND_PARSER_FAILED;
    fail(run, kind, "%s %s%s%s%s", what, how, limit, colon, text);
}

/* What the run in the process found out about the body. */
static void take_body(struct run *run)
{
    const struct report *report = &run->report;
    struct body *body = run->task->body;
    if (run->decode.body) { /* decoded here */
        run->task->body_ended = run->decode.ended;
        run->task->vouched = run->decode.vouched;
        return;
    }
    atomic_store_explicit(&body->decoding, report->decoding, memory_order_relaxed);
    atomic_store_explicit(&body->bytes_decoded, report->bytes_decoded, memory_order_relaxed);
    run->task->body_ended = report->body_ended;
    run->task->vouched = report->vouched;
    body_judge_end(body, report->body_ended);
}

/* Its own words, and behind them what it said on standard error. */
static void fail_plugin(struct run *run)
{
    const struct report *report = &run->report;
    char text[sizeof run->task->message];
    enum error_kind kind = (enum error_kind)report->error_kind;
    if (kind <= KIND_NONE || kind >= KIND_COUNT_)
        kind = KIND_PARSER_FAILED;
    const char *tail = said(run, sizeof text / 2);
    snprintf(text, sizeof text, "%.*s%s%s", *tail ? (int)sizeof text / 2 - 3 : (int)sizeof text,
             report->text, *tail ? ": " : "", tail);
    parse_task_fail(&run->task->run, report->memory_full ? KIND_LIMIT_EXCEEDED : kind, report->line,
                    report->offset, text);
}

/* A plug-in that has returned: its own words. One that has not ended its process itself. */
static enum penstock_result judge_plugin(struct run *run)
{
    const struct report *report = &run->report;
    take_body(run);
    report_take_text(report, run->task);
    if (!report->returned) {
        if (WIFSIGNALED(report->status) || report->memory_full)
            fail_status(run);
        else
            fail(run, KIND_PARSER_CRASHED,
                 "the parser ended its process, with exit status %d, instead of returning%s%s",
                 WEXITSTATUS(report->status), run->tail_len > 0 ? ": " : "",
                 said(run, sizeof run->task->message / 2));
        return PENSTOCK_FAILED;
    }
    if (report->result == PENSTOCK_FAILED) {
        fail_plugin(run);
        return PENSTOCK_FAILED;
    }
    return report->result == PENSTOCK_ENOUGH ? PENSTOCK_ENOUGH : PENSTOCK_OK;
}

static enum penstock_result judge_pipeline(struct run *run)
{
    if (run->report.stage < run->def->stage_count) {
        struct error why;
        if (WIFEXITED(run->report.status) &&
            refusal_find(said(run, sizeof run->task->message), &why))
            fail(run, KIND_EXEC_FAILED, "stage %u was refused %s", run->report.stage + 1, why.text);
        else
            fail_status(run);
        return PENSTOCK_FAILED;
    }
    run->task->body_ended =
        run->decode.body ? run->decode.ended : body_state(run->body) == BODY_COMPLETE;
    run->task->vouched = run->decode.vouched;
    return run->task->body_ended ? PENSTOCK_OK : PENSTOCK_ENOUGH;
}

static enum penstock_result judge(struct run *run, int host_status)
{
    if (run->decode.kind != KIND_NONE) {
        fail(run, run->decode.kind, "%s", run->decode.message);
    } else if (cut(run)) {
        fail(run, KIND_TRUNCATED, "the body did not arrive whole");
    } else if (run->stop) {
        fail(run, KIND_INTERNAL, "the job has ended before its parser");
    } else if (run->host_lost) {
        fail(run, KIND_PARSER_CRASHED, "penstock-host %s %d before its processes had ended",
             WIFSIGNALED(host_status) ? "was killed by signal" : "exited with",
             WIFSIGNALED(host_status) ? WTERMSIG(host_status) : WEXITSTATUS(host_status));
    } else if (run->report.kind == REPORT_EXEC_FAILED) {
        const char *remedy = refusal_remedy();
        fail(run, KIND_EXEC_FAILED, "%s%s%s", run->report.text,
             remedy ? "; what the service may run and read is shown in " : "",
             remedy ? remedy : "");
    } else if (run->report.kind != REPORT_ENDED) {
        fail(run, KIND_RESOURCES, "%s", run->report.text);
    } else {
        return run->def->stage_count > 0 ? judge_pipeline(run) : judge_plugin(run);
    }
    return PENSTOCK_FAILED;
}

/* What was demanded of the body's end holds also where its parser did not want it. */
static enum penstock_result drain_body(struct run *run, enum penstock_result result)
{
    struct parse_task *task = run->task;
    if (result == PENSTOCK_FAILED || task->body_ended || run->read_fd < 0)
        return result;
    int r = body_reader_open(&task->reader, task->body, run->read_fd);
    run->read_fd = -1;
    if (r == 0)
        r = body_reader_drain(&task->reader);
    task->body_ended = r == 0;
    if (r < 0) {
        parse_task_fail(&task->run, r == -ENOMEM ? KIND_RESOURCES : KIND_TRUNCATED, 0,
                        PENSTOCK_NO_OFFSET, "the rest of the body did not arrive whole");
        result = PENSTOCK_FAILED;
    }
    body_reader_close(&task->reader);
    return result;
}

/* Sets `result` and what belongs to it. The task's write_fd and read_fd are closed. */
static void process_run(struct parse_task *task)
{
    struct run run = {.task = task, .def = task->process, .control = -1, .out = -1, .errors = -1};
    int status = 0;
    records_init(&run.records, task, run.def->output);
    run.stop = begin(&run) < 0;
    loop(&run);
    if (run.control >= 0)
        tell(&run, run.stop ? ORDER_ABORT : ORDER_FINISH);
    if (run.stop && run.def->grace > 0) { /* its next read and its next emit are to fail */
        fd_close(&run.write_fd);
        fd_close(&run.out);
    }
    if (run.host > 0)
        status = host_wait(run.host);
    /* From here on no process of it runs. */
    fd_close(&run.write_fd);
    fd_close(&run.control);
    fd_close(&run.out);
    fd_close(&run.errors);
    if (run.decode.running)
        fd_close(&run.read_fd);
    process_decode_wait(&run.decode);
    run.completed = true; /* stops the clock */
    run_clock(&run, clock_now());
    task->result = drain_body(&run, judge(&run, status));
    fd_close(&run.read_fd);
    process_decode_deinit(&run.decode);
    records_deinit(&run.records);
}

int process_def_add_stage(struct process_def *def, const char *line, struct error *err)
{
    char **argv;
    if (def->stage_count == PIPELINE_STAGES)
        return error_set(err, -EINVAL, "a pipeline has up to %d stages", PIPELINE_STAGES);
    char ***stages = reallocarray(def->stages, def->stage_count + 1, sizeof *stages);
    if (!stages)
        return error_set(err, -ENOMEM, "out of memory");
    def->stages = stages;
    int r = pipeline_split(line, &argv, err);
    if (r == 0)
        stages[def->stage_count++] = argv;
    return r;
}

void process_def_deinit(struct process_def *def)
{
    for (size_t i = 0; i < def->stage_count; i++)
        pipeline_argv_free(def->stages[i]);
    free(def->stages);
    free(def->plugin);
    *def = (struct process_def){0};
}

void process_attach(struct parse_task *task, const struct process_def *def)
{
    task->process = def;
    task->run_elsewhere = def ? process_run : NULL;
}
