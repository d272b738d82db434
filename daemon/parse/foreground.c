#include "parse/foreground.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json_string.h"
#include "base/list.h"
#include "flow/body.h"
#include "parse/process.h"
#include "record/line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FEED_SIZE    16384
#define PIPE_SIZE    ((size_t)256 << 10)
#define SPLICE_SIZE  ((size_t)256 << 10)
#define CUT_PATIENCE (2 * NS_PER_SEC)

/* The thread that plays the download. */
struct feeder {
    int file; /* borrowed */
    int pipe; /* the write end; closed by the thread */
    int64_t cut_at;
    struct body *body;
    bool watched; /* by a worker that runs a process, and sees the body's state alone */
    uint64_t bytes;
    int error; /* errno of reading the file */
};

struct foreground {
    struct parse_task task;
    struct feeder feeder;
    struct parse_pair type; /* its Content-Type */
    const char *shown;      /* the file's name */
    FILE *out;
    struct buf line;
};

/* --- feeding ---------------------------------------------------------------------------------- */

static size_t next_size(const struct feeder *f, size_t most)
{
    if (f->cut_at < 0 || (uint64_t)f->cut_at - f->bytes > most)
        return most;
    return (size_t)((uint64_t)f->cut_at - f->bytes);
}

/* A regular file's pages go into the pipe as they are. True: the whole file is in the pipe, or the
 * rest is copy_file's, which finds out what was wrong. */
static bool splice_file(struct feeder *f)
{
    struct stat st;
    size_t size;
    if (fstat(f->file, &st) < 0 || !S_ISREG(st.st_mode))
        return true;
    while ((size = next_size(f, SPLICE_SIZE)) > 0) {
        ssize_t n = splice(f->file, NULL, f->pipe, NULL, size, SPLICE_F_MOVE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 || errno != EPIPE;
        f->bytes += (uint64_t)n;
    }
    return true;
}

/* Waits for the file (a terminal, say) but no longer than the parser reads. */
static bool wait_for_file(const struct feeder *f)
{
    struct pollfd fds[2] = {{.fd = f->file, .events = POLLIN}, {.fd = f->pipe}};
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return true; /* then read waits */
    return !(fds[1].revents & POLLERR);
}

/* True: the whole file is in the pipe. */
static bool copy_file(struct feeder *f)
{
    char data[FEED_SIZE];
    if (!splice_file(f))
        return false;
    for (;;) {
        size_t size = next_size(f, sizeof data);
        if (size == 0 || !wait_for_file(f))
            return false;
        ssize_t n = read(f->file, data, size);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            f->error = errno;
        if (n < 0 || fd_write_all(f->pipe, data, (size_t)n) < 0)
            return false;
        f->bytes += (uint64_t)n;
    }
}

/* Processes are given time to read what came before the cut; then the worker kills them. */
static void tell_cut(struct feeder *f)
{
    uint64_t deadline = clock_now() + CUT_PATIENCE;
    struct timespec pause = {.tv_nsec = NS_PER_MS};
    struct pollfd pfd = {.fd = f->pipe};
    int held = 1;
    while (held > 0 && clock_now() < deadline) {
        if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLERR)) {
            atomic_store_explicit(&f->body->reader_left, true, memory_order_release);
            break;
        }
        if (ioctl(f->pipe, FIONREAD, &held) < 0)
            break;
        if (held > 0)
            nanosleep(&pause, NULL);
    }
    body_settle(f->body, BODY_ABORTED);
}

/* A cut closes the pipe without a word: the reader gets what is in it, then the error. So the
 * parser sees exactly as many bytes as were asked for. */
static void *feed(void *arg)
{
    struct feeder *f = arg;
    if (copy_file(f))
        body_settle(f->body, BODY_COMPLETE);
    else if (f->watched)
        tell_cut(f);
    fd_close(&f->pipe);
    return NULL;
}

/* All signals blocked: a SIGPIPE of the pipe, whose reader may leave early, stays with the
 * thread. */
static int start_feeder(struct feeder *f, pthread_t *ret_thread)
{
    pthread_attr_t attr;
    sigset_t all;
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    sigfillset(&all);
    pthread_attr_setsigmask_np(&attr, &all);
    r = pthread_create(ret_thread, &attr, feed, f);
    pthread_attr_destroy(&attr);
    return -r;
}

/* --- the lines -------------------------------------------------------------------------------- */

static int put_line(struct foreground *fg)
{
    line_end(&fg->line);
    if (fg->line.failed)
        return -ENOMEM;
    return fwrite(fg->line.data, 1, fg->line.len, fg->out) == fg->line.len ? 0 : -errno;
}

static void begin_line(struct foreground *fg, enum event event)
{
    buf_reset(&fg->line);
    line_begin(&fg->line, clock_real_us(), event);
    line_u64(&fg->line, "job", 0);
    line_u64(&fg->line, "attempt", 0);
}

static int emit(struct parse_task *task, const char *json, size_t len)
{
    struct foreground *fg = container_of(task, struct foreground, task);
    begin_line(fg, EVENT_RECORD);
    line_u64(&fg->line, "seq", task->source.seq + 1);
    line_raw(&fg->line, "data", json, len);
    int r = put_line(fg);
    if (r == 0)
        task->source.seq++;
    return r;
}

static void put_error(struct foreground *fg)
{
    const struct parse_task *task = &fg->task;
    struct buf error = BUF_INIT, *b = &fg->line;
    buf_puts(&error, "{\"kind\":");
    json_put_string(&error, kind_name(task->kind), strlen(kind_name(task->kind)));
    line_str(&error, "message", task->message);
    if (task->line > 0)
        line_u64(&error, "line", task->line);
    if (task->offset != PENSTOCK_NO_OFFSET)
        line_u64(&error, "offset", task->offset);
    buf_putc(&error, '}');
    if (error.failed)
        b->failed = true;
    else
        line_raw(b, "error", error.data, error.len);
    buf_deinit(&error);
}

static int put_verdict(struct foreground *fg)
{
    const struct parse_task *task = &fg->task;
    bool failed = task->result == PENSTOCK_FAILED;
    begin_line(fg, EVENT_VERDICT);
    line_str(&fg->line, "state", job_state_name(failed ? JOB_FAILED : JOB_DONE));
    line_str(&fg->line, "file", fg->shown);
    line_str(&fg->line, "parser", task->parser->name);
    line_u64(&fg->line, "bytes",
             task->process ? fg->feeder.bytes
                           : atomic_load_explicit(&task->body->bytes_read, memory_order_relaxed));
    if (atomic_load_explicit(&task->body->decoding, memory_order_relaxed))
        line_u64(&fg->line, "decoded_bytes",
                 atomic_load_explicit(&task->body->bytes_decoded, memory_order_relaxed));
    line_u64(&fg->line, "records", task->source.seq);
    parse_task_text_members(&fg->line, task);
    if (task->result == PENSTOCK_ENOUGH)
        line_str(&fg->line, "verified_by", verified_name(VERIFIED_ENOUGH));
    if (failed)
        put_error(fg);
    int r = put_line(fg);
    return r == 0 && fflush(fg->out) != 0 ? -errno : r;
}

/* --- the run ---------------------------------------------------------------------------------- */

static void done(struct parse_task *task)
{
    (void)task; /* the same thread goes on */
}

static int fail(const char *what, int r)
{
    fprintf(stderr, "penstockd: %s: %s\n", what, strerrordesc_np(-r));
    return 1;
}

/* The verdict has it too; this is for the person in front of it. */
static void tell_failure(const struct foreground *fg)
{
    const struct parse_task *task = &fg->task;
    if (task->line > 0)
        fprintf(stderr, "penstockd: %s:%" PRIu64 ": %s\n", fg->shown, task->line, task->message);
    else
        fprintf(stderr, "penstockd: %s: %s\n", fg->shown, task->message);
}

static int make_pipe(struct foreground *fg)
{
    int ends[2], r = 0;
    fg->task.write_fd = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fg->task.read_fd = ends[0];
    fg->feeder.pipe = ends[1];
    (void)fcntl(ends[1], F_SETPIPE_SZ, (int)PIPE_SIZE); /* if it may be had */
    if (fg->task.process) {
        fg->feeder.watched = true;
        r = body_watch(fg->task.body);
        if (r == 0)
            r = fg->task.write_fd = fd_dup(ends[1]);
    }
    return r < 0 ? r : 0;
}

static int run_task(struct foreground *fg)
{
    pthread_t thread;
    fg->task.read_fd = fg->feeder.pipe = -1;
    int r = make_pipe(fg);
    if (r == 0)
        r = start_feeder(&fg->feeder, &thread);
    if (r < 0) {
        fd_close(&fg->task.read_fd);
        fd_close(&fg->feeder.pipe);
        fd_close(&fg->task.write_fd);
        return fail("starting", r);
    }
    parse_task_run(&fg->task);
    pthread_join(thread, NULL);
    if (fg->feeder.error)
        fprintf(stderr, "penstockd: %s: %s\n", fg->shown, strerrordesc_np(fg->feeder.error));
    r = put_verdict(fg);
    if (r < 0)
        return fail("writing the records", r);
    if (fg->task.result != PENSTOCK_FAILED)
        return 0;
    tell_failure(fg);
    return 1;
}

static void set_task(struct foreground *fg, const struct parser_def *def,
                     const struct foreground_terms *terms)
{
    struct parse_task *task = &fg->task;
    task->parser = def->impl;
    process_attach(task, def->process);
    task->facts = (struct parse_facts){.url = fg->shown};
    if (terms->content_type) {
        fg->type = (struct parse_pair){"Content-Type", terms->content_type};
        task->facts.headers = &fg->type;
        task->facts.header_count = 1;
    }
    task->body = fg->feeder.body;
    task->decode = terms->decode;
    task->text = terms->text;
    task->record_bytes = terms->record_bytes;
    task->emit = emit;
    task->done = done;
}

static int run_def(const struct parser_def *def, const struct foreground_terms *terms, int file,
                   const char *shown, FILE *out)
{
    struct parse_pair *merged;
    size_t count;
    int r = registry_merge_options(def, terms->options, terms->option_count, &merged, &count);
    if (r < 0)
        return fail("options", r);
    struct body *body = body_new();
    struct foreground *fg = calloc(1, sizeof *fg);
    if (body && fg) {
        fg->shown = shown;
        fg->out = out;
        fg->feeder = (struct feeder){.file = file, .cut_at = terms->cut_at, .body = body};
        set_task(fg, def, terms);
        fg->task.facts.options = merged;
        fg->task.facts.option_count = count;
        r = run_task(fg);
        buf_deinit(&fg->line);
    } else {
        r = fail("starting", -ENOMEM);
    }
    free(fg);
    body_unref(body);
    free(merged);
    return r;
}

static int usage_error(const char *what, const char *why)
{
    struct error err;
    error_set(&err, 0, "%s: %s", what, why);
    fprintf(stderr, "penstockd: %s\n", err.text);
    return 2;
}

int foreground_run(const struct registry *registry, const char *name,
                   const struct foreground_terms *terms, const char *path, FILE *out)
{
    const struct parser_def *def = registry_find(registry, name);
    struct error err;
    if (!def)
        return usage_error("there is no parser of the name", name);
    if (registry_check_options(def, terms->options, terms->option_count, &err) < 0)
        return usage_error("option", err.text);
    bool standard_input = !path || strcmp(path, "-") == 0;
    int file = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return usage_error(path, strerrordesc_np(errno));
    int r = run_def(def, terms, file, standard_input ? "-" : path, out);
    if (!standard_input)
        fd_close(&file);
    return r;
}
