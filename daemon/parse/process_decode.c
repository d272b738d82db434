#include "parse/process_decode.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK      32768
#define STACK_SIZE ((size_t)256 << 10)

bool process_decode_wanted(struct decode_plan *plan)
{
    if (plan->file == DECODE_FILE_AUTO)
        plan->file = DECODE_FILE_NONE;
    return !decode_plan_empty(plan);
}

/* --- the source ------------------------------------------------------------------------------- */

/* Waits for data, or until the stages have left. True: there is something to read (the end as
 * well). */
static bool wait_for_data(struct process_decode *d)
{
    struct body *body = d->source;
    struct pollfd fds[2] = {{.fd = d->in, .events = POLLIN}, {.fd = d->out}};
    uint64_t start = clock_now();
    int n;
    atomic_store_explicit(&body->read_wait_since, start, memory_order_release);
    do
        n = poll(fds, 2, -1);
    while (n < 0 && errno == EINTR);
    uint64_t waited = atomic_load_explicit(&body->read_wait, memory_order_relaxed);
    /* The sum first: body_read_wait relies on it. */
    atomic_store_explicit(&body->read_wait, waited + (clock_now() - start), memory_order_release);
    atomic_store_explicit(&body->read_wait_since, 0, memory_order_release);
    return n > 0 && (d->drain || !(fds[1].revents & POLLERR));
}

/* As decode_source. An end counts only if the writer has said which one it is. */
static ssize_t read_source(void *arg, char *data, size_t size)
{
    struct process_decode *d = arg;
    ssize_t n;
    do {
        if (body_state(d->source) == BODY_ABORTED || !wait_for_data(d))
            return -1;
        n = read(d->in, data, size);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        atomic_fetch_add_explicit(&d->source->bytes_read, (uint64_t)n, memory_order_relaxed);
    if (n > 0 && d->tee)
        d->tee(d->tee_arg, data, (size_t)n);
    if (n == 0) {
        enum body_state state = body_state(d->source);
        return state == BODY_COMPLETE || state == BODY_ENDED ? 0 : -1;
    }
    return n;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void fault(struct process_decode *d, enum error_kind kind, const char *message)
{
    d->kind = kind;
    snprintf(d->message, sizeof d->message, "%s", message);
}

static void note_fault(struct process_decode *d)
{
    switch (decode_fault(d->decode)) {
    case DECODE_CORRUPT:
        fault(d,
              decode_cut(d->decode) && body_state(d->source) == BODY_ENDED ? KIND_TRUNCATED
                                                                           : KIND_DECODE_ERROR,
              decode_message(d->decode));
        break;
    case DECODE_LIMIT:
        fault(d, KIND_LIMIT_EXCEEDED, decode_message(d->decode));
        break;
    case DECODE_NO_MEMORY:
        fault(d, KIND_RESOURCES, "no memory for decoding the body");
        break;
    default:
        break; /* the source's own */
    }
}

/* All of the source was decoded. Is its end one? */
static void judge_end(struct process_decode *d)
{
    d->vouched = decode_vouches(d->decode);
    body_judge_end(d->source, d->vouched);
    d->ended = body_state(d->source) == BODY_COMPLETE;
    if (!d->ended)
        fault(
            d, KIND_UNVERIFIED_END,
            "the connection's close ended the body, and neither its length nor a checked encoding "
            "tells whether it is whole; `unverified = accept` takes it as it is, `digest` would "
            "check it");
}

/* Of `auto` that is known only after the first bytes. */
static void note_decoding(struct process_decode *d)
{
    if (decode_active(d->decode))
        atomic_store_explicit(&d->source->decoding, true, memory_order_relaxed);
}

static void *pump(void *arg)
{
    struct process_decode *d = arg;
    char data[CHUNK];
    bool left = false;
    ssize_t n;
    while ((n = decode_read(d->decode, data, sizeof data)) > 0) {
        note_decoding(d);
        atomic_fetch_add_explicit(&d->source->bytes_decoded, (uint64_t)n, memory_order_relaxed);
        left = left || fd_write_all(d->out, data, (size_t)n) < 0;
        if (left && !d->drain)
            break;
    }
    note_decoding(d);
    struct pollfd pfd = {.fd = d->out};
    left = left || (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLERR));
    if (left)
        atomic_store_explicit(&d->body->reader_left, true, memory_order_release);
    if (n == 0)
        judge_end(d);
    else if (!left)
        note_fault(d);
    body_settle(d->body, d->ended && !left ? BODY_COMPLETE : BODY_ABORTED);
    fd_close(&d->out);
    fd_close(&d->in); /* the download's writer sees EPIPE, if it is not over */
    return NULL;
}

/* --- around it -------------------------------------------------------------------------------- */

static int start_thread(struct process_decode *d)
{
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    pthread_attr_setstacksize(&attr, STACK_SIZE > 2 * (size_t)PTHREAD_STACK_MIN
                                         ? STACK_SIZE
                                         : 2 * (size_t)PTHREAD_STACK_MIN);
    /* It has the worker's mask: all signals blocked. */
    r = pthread_create(&d->thread, &attr, pump, d);
    pthread_attr_destroy(&attr);
    d->running = r == 0;
    return -r;
}

static int make_body(struct process_decode *d, const struct decode_plan *plan)
{
    d->decode = decode_new(plan, read_source, d);
    d->body = body_new();
    if (!d->decode || !d->body)
        return -ENOMEM;
    return body_watch(d->body);
}

int process_decode_start(struct process_decode *d, const struct decode_plan *plan,
                         struct body *source, int in, bool drain, int *ret_read, int *ret_write)
{
    int ends[2] = {-1, -1}, copy = -1;
    *d = (struct process_decode){.source = source,
                                 .in = in,
                                 .out = -1,
                                 .drain = drain,
                                 .tee = d->tee,
                                 .tee_arg = d->tee_arg};
    int r = make_body(d, plan);
    if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
        r = -errno;
    if (r == 0)
        r = copy = fd_dup(ends[1]);
    if (r >= 0) {
        d->out = ends[1];
        r = start_thread(d);
    }
    if (r < 0) {
        fd_close(&d->in);
        fd_close(&ends[0]);
        fd_close(&ends[1]);
        fd_close(&copy);
        return r;
    }
    *ret_read = ends[0];
    *ret_write = copy;
    return 0;
}

void process_decode_wait(struct process_decode *d)
{
    if (d->running)
        pthread_join(d->thread, NULL);
    d->running = false;
}

void process_decode_deinit(struct process_decode *d)
{
    decode_free(d->decode);
    d->decode = NULL;
    body_unref(d->body);
    d->body = NULL;
}
