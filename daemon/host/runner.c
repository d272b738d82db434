/* The process of an isolated parser: a child of the host's without exec. It runs an ordinary
 * parse_task over descriptor 0, whose body is in memory that it shares with the host: the host
 * publishes there what a pipe cannot say, and reads the results from there. Records go to
 * descriptor 3, each with its length in front. */
#include "host/runner.h"

#include "base/fd.h"
#include "base/list.h"
#include "host/sandbox.h"
#include "parse/plugin_check.h"
#include "parse/registry.h"
#include "parse/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS_FD = 3 };

/* Shared between the host and the process. What stands in it is the process's word, whatever the
 * host has put there: the host reads each value once, follows no pointer of it, and uses no
 * descriptor that it names. */
struct runner {
    struct body body;
    struct parse_task task;
    atomic_bool returned; /* the task's results are valid */
};

/* --- in the process --------------------------------------------------------------------------- */

static _Noreturn void finish(struct runner *runner)
{
    atomic_store_explicit(&runner->returned, true, memory_order_release);
    /* No handler of the plug-in's runs at the exit. */
    _exit(0);
}

static _Noreturn void give_up(struct runner *runner, enum error_kind kind, const char *message)
{
    struct parse_task *task = &runner->task;
    task->result = PENSTOCK_FAILED;
    task->kind = kind;
    task->line = 0;
    task->offset = PENSTOCK_NO_OFFSET;
    snprintf(task->message, sizeof task->message, "%s", message);
    finish(runner);
}

static int emit(struct parse_task *task, const char *json, size_t len)
{
    uint32_t size = (uint32_t)len;
    struct iovec parts[2] = {{&size, sizeof size}, {(void *)json, len}};
    size_t part = 0;
    if (atomic_load_explicit(&task->source.shut, memory_order_acquire))
        return -ECANCELED;
    while (part < 2) {
        ssize_t n = writev(RECORDS_FD, parts + part, 2 - (int)part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE ? -ECANCELED : -errno;
        while (part < 2 && (size_t)n >= parts[part].iov_len)
            n -= (ssize_t)parts[part++].iov_len;
        if (part < 2) {
            parts[part].iov_base = (char *)parts[part].iov_base + n;
            parts[part].iov_len -= (size_t)n;
        }
    }
    task->source.seq++;
    return 0;
}

static const char *get_option(void *arg, const char *name)
{
    struct penstock_run *run = arg;
    return run->option(run, name);
}

/* What parse_task_run calls first of all: the checks that need the parser's own code, where a fault
 * is the run's. */
static const struct penstock_parser *loaded;
static bool closed_in; /* `sandbox` */

static int prepare_and_parse(FILE *body, struct penstock_run *run)
{
    char message[256] = "its value will not do";
    if (loaded->check && loaded->check(get_option, run, message, sizeof message) != 0) {
        message[sizeof message - 1] = '\0';
        return run->fail(run, 0, PENSTOCK_NO_OFFSET, message);
    }
    int result = loaded->parse(body, run);
    /* Only a parser that prints has a pipe of records there. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && parser_flags(loaded) & PENSTOCK_PARSER_STDIO)
        return run->fail(run, 0, PENSTOCK_NO_OFFSET, "its output could not be written");
    return result;
}

/* A shared object runs code of its own when it is loaded, and what that prints is no record: until
 * then 1 is standard error. The records' way, or a negative errno. */
static int hide_records(void)
{
    int out = fd_dup(STDOUT_FILENO);
    if (out < 0)
        return out;
    return dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? -errno : out;
}

/* 0 the body, 1 and 2 standard error, 3 the records; for one that prints its records 1 is their
 * way. */
static int set_descriptors(int out, bool prints)
{
    fflush(stdout); /* of what was loaded */
    if (prints && dup2(out, STDOUT_FILENO) < 0)
        return -errno;
    if (prints ? close(RECORDS_FD) < 0 : dup2(out, RECORDS_FD) < 0)
        return -errno;
    if (close_range(prints ? RECORDS_FD : RECORDS_FD + 1, ~0U, 0) < 0)
        return -errno;
    if (prints)
        setvbuf(stdout, NULL, _IOLBF, 0);
    return 0;
}

static int set_process(const struct order *order)
{
    const struct rlimit core = {0};
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        signal(i, i == SIGPIPE ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setrlimit(RLIMIT_CORE, &core);
    return pipeline_limit(&order->limits);
}

static const struct penstock_parser *load(const struct order *order, struct error *err)
{
    if (order->plugin[0])
        return plugin_open(order->plugin, err);
    struct registry *registry = registry_new(); /* lives as long as the process */
    const struct parser_def *def = registry ? registry_find(registry, order->name) : NULL;
    if (!def)
        error_set(err, -EINVAL, "no memory for the built-in parsers");
    return def ? def->impl : NULL;
}

/* What came before it went wrong. Where that was for want of memory, malloc's word for it is errno,
 * whatever a library says. */
static enum error_kind kind_of_beginning(void)
{
    return errno == ENOMEM ? KIND_RESOURCES : KIND_EXEC_FAILED;
}

static _Noreturn void run(struct runner *runner, const struct order *order)
{
    struct error err, why;
    struct parse_task *task = &runner->task;
    static struct penstock_parser wrapped;
    setpgid(0, 0);
    int out = hide_records();
    errno = 0;
    loaded = load(order, &why);
    enum error_kind kind = loaded ? KIND_EXEC_FAILED : kind_of_beginning();
    if (!loaded || strcmp(loaded->name, order->name) != 0) {
        error_set(&err, 0, "%s: %s", order->plugin,
                  loaded ? "it is another parser than when the daemon read it; reload the daemon"
                         : why.text);
        give_up(runner, kind, err.text);
    }
    int r = out < 0 ? out : set_descriptors(out, parser_flags(loaded) & PENSTOCK_PARSER_STDIO);
    if (r == 0)
        r = set_process(order);
    if (r < 0) {
        error_set(&err, r, "its process cannot be set up: %s", strerrordesc_np(-r));
        give_up(runner, KIND_RESOURCES, err.text);
    }
    tzset(); /* reads a file */
    errno = 0;
    if (loaded->setup && loaded->setup() != 0)
        give_up(runner, kind_of_beginning(), "the parser's setup failed");
    if (closed_in && parser_flags(loaded) & (PENSTOCK_PARSER_TEXT | PENSTOCK_PARSER_DECLARES)) {
        task->parser = loaded;
        const struct charset_plan plan = parse_task_text(task);
        charset_load(&plan); /* iconv reads files */
    }
    r = closed_in ? sandbox_close(&why) : 0;
    if (r < 0)
        give_up(runner, r == -ENOMEM ? KIND_RESOURCES : KIND_EXEC_FAILED, why.text);
    memcpy(&wrapped, loaded, loaded->size < sizeof wrapped ? loaded->size : sizeof wrapped);
    wrapped.parse = prepare_and_parse;
    task->parser = &wrapped;
    task->read_fd = STDIN_FILENO;
    parse_task_run(task);
    finish(runner);
}

/* --- in the host ------------------------------------------------------------------------------ */

static void done(struct parse_task *task)
{
    (void)task; /* the same thread goes on */
}

static void fill(struct runner *runner, const struct order *order)
{
    struct parse_task *task = &runner->task;
    atomic_init(&runner->body.refs, 2); /* ours is never given back: it is no heap memory */
    runner->body.wake_fd = -1;
    task->body = &runner->body;
    task->facts = order->facts;
    task->record_bytes = order->record_bytes;
    task->drain_after_enough = order->drain_after_enough;
    task->decode = order->decode;
    task->text = order->text;
    task->emit = emit;
    task->done = done;
    task->source.extra = "";
}

int runner_start(struct host *h, struct error *err)
{
    struct pipeline *p = &h->pipeline;
    struct runner *runner =
        mmap(NULL, sizeof *runner, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (runner == MAP_FAILED)
        return error_set(err, -errno, "no memory for the parser's process");
    fill(runner, &h->order);
    closed_in = h->order.sandbox;
    pid_t pid = fork();
    if (pid == 0)
        run(runner, &h->order);
    if (pid < 0)
        return error_set(err, -errno, "no process could be had for the parser: %s",
                         strerrordesc_np(errno));
    *p =
        (struct pipeline){.count = 1, .running = 1, .group = pid, .memory = h->order.limits.memory};
    p->stages[0] = (struct pipeline_stage){.pid = pid, .running = true, .hold = -1};
    h->runner = runner;
    return 0;
}

void runner_tell(struct runner *runner, enum body_state state)
{
    enum body_state open = BODY_OPEN;
    if (state == BODY_ABORTED)
        atomic_store_explicit(&runner->task.source.shut, true, memory_order_release);
    /* Not body_settle: its wake_fd could be any descriptor of the host's by now. */
    atomic_compare_exchange_strong_explicit(&runner->body.state, &open, state, memory_order_acq_rel,
                                            memory_order_acquire);
}

/* A bool of the process's, which may hold any byte. */
static uint8_t flag_of(const volatile void *flag)
{
    return *(const volatile uint8_t *)flag != 0;
}

void runner_report(const struct runner *runner, struct report *report)
{
    const struct parse_task *task = &runner->task;
    struct body *body = (struct body *)&runner->body;
    report->returned = flag_of(&runner->returned);
    atomic_thread_fence(memory_order_acquire);
    report->decoding = flag_of(&body->decoding);
    report->bytes_decoded = atomic_load_explicit(&body->bytes_decoded, memory_order_relaxed);
    if (!report->returned)
        return;
    report->replaced = task->replaced;
    report->repaired = task->repaired;
    memcpy(report->charset, task->charset, sizeof report->charset);
    report->charset[sizeof report->charset - 1] = '\0';
    report->body_ended = flag_of(&task->body_ended);
    report->vouched = flag_of(&task->vouched);
    report->notes = task->notes;
    report->skipped = task->skipped;
    report->result = task->result;
    report->error_kind = task->kind;
    report->line = task->line;
    report->offset = task->offset;
    memcpy(report->text, task->message, sizeof report->text);
    report->text[sizeof report->text - 1] = '\0';
}
