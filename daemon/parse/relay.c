#include "parse/relay.h"

#include "base/clock.h"
#include "base/fd.h"
#include "parse/given.h"
#include "parse/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 32768
#define MOVE  (1 << 20) /* at most as much as one pipe holds */

struct run {
    struct parse_task *task;
    struct relay *relay;
    struct decode *decode; /* NULL: the body goes as it is */
    bool socket;           /* the client gave a socket, not a pipe */
    int stage[2];          /* of decoded bytes: between our write and the client's pipe */
    bool begun;            /* the client was told */
    bool left;             /* nobody reads the client's pipe any more */
    bool stopped;          /* aborted, or the command has ended: nothing more is moved */
    bool whole;            /* all of the body was read (and decoded) to its verified end */
};

/* --- what else may have happened -------------------------------------------------------------- */

static int status_of(const struct run *run)
{
    return atomic_load_explicit(&run->relay->status, memory_order_acquire);
}

/* The body was aborted, and not because we have left it ourselves. */
static bool cut(const struct run *run)
{
    struct body *body = run->task->body;
    return body_state(body) == BODY_ABORTED &&
           !atomic_load_explicit(&body->reader_left, memory_order_acquire);
}

static bool look(struct run *run)
{
    uint64_t drop;
    (void)!read(run->task->body->wake_fd, &drop, sizeof drop);
    bool shut = atomic_load_explicit(&run->task->source.shut, memory_order_acquire);
    if (shut || cut(run) || status_of(run) != RELAY_RUNS)
        run->stopped = true;
    return !run->stopped;
}

static void leave(struct run *run)
{
    run->left = true;
    fd_close(&run->relay->out);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void start_clock(struct body *body, uint64_t now)
{
    atomic_store_explicit(&body->read_wait_since, now, memory_order_release);
}

static void stop_clock(struct body *body, uint64_t start)
{
    uint64_t waited = atomic_load_explicit(&body->read_wait, memory_order_relaxed);
    /* The sum first: body_read_wait relies on it. */
    atomic_store_explicit(&body->read_wait, waited + (clock_now() - start), memory_order_release);
    atomic_store_explicit(&body->read_wait_since, 0, memory_order_release);
}

/* Until `fd` is ready (-1: for what others do alone). False: it is not worth while any more. */
static bool wait_for(struct run *run, int fd, short events)
{
    struct pollfd fds[] = {{.fd = run->task->body->wake_fd, .events = POLLIN},
                           {.fd = fd, .events = events},
                           {.fd = run->relay->out}};
    do {
        fds[1].revents = 0;
        if (poll(fds, 3, -1) < 0)
            continue;
        if (fds[0].revents && !look(run))
            return false;
        if (fds[2].revents & (POLLERR | (run->socket ? POLLHUP : 0))) {
            leave(run);
            fds[2].fd = -1;
            if (!run->task->drain_after_enough || fd < 0)
                return false;
        }
    } while (!fds[1].revents);
    return true;
}

/* That is the origin's time. */
static bool wait_for_data(struct run *run)
{
    struct body *body = run->task->body;
    uint64_t start = clock_now();
    start_clock(body, start);
    bool ready = wait_for(run, run->task->read_fd, POLLIN);
    stop_clock(body, start);
    return ready;
}

/* That is the command's. */
static bool wait_for_room(struct run *run)
{
    return run->relay->out >= 0 && wait_for(run, run->relay->out, POLLOUT) && !run->left;
}

static bool has_data(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    return poll(&pfd, 1, 0) > 0;
}

/* --- into the client's pipe ------------------------------------------------------------------- */

static void begin(struct run *run)
{
    if (!run->begun)
        run->relay->begun(run->relay);
    run->begun = true;
}

/* At most `max` bytes of what the pipe `from` holds. How many; 0: its end; -EAGAIN: it is empty, or
 * the client's is full; -EPIPE: nobody reads the client's. */
static ssize_t move(struct run *run, int from, size_t max)
{
    ssize_t n;
    atomic_store_explicit(&run->relay->touched, true, memory_order_release);
    do
        n = splice(from, NULL, run->relay->out, NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        begin(run);
    return n < 0 ? -errno : n;
}

static void fail(struct run *run, enum error_kind kind, const char *message)
{
    parse_task_fail(&run->task->run, kind, 0, PENSTOCK_NO_OFFSET, message);
    if (run->begun && !run->stopped)
        run->relay->broken(run->relay, kind, message);
    run->stopped = true;
}

static void fail_move(struct run *run, ssize_t error)
{
    struct error why;
    error_set(&why, (int)error, "the command's pipe: %s", strerrordesc_np((int)-error));
    fail(run, KIND_RESOURCES, why.text);
}

/* What was read of the body's pipe. */
static void count(struct run *run, size_t len)
{
    atomic_fetch_add_explicit(&run->task->body->bytes_read, len, memory_order_relaxed);
}

/* The body's pipe has ended. An end counts only if the writer has said which one it is. */
static void end_unverified(struct run *run)
{
    fail(run, KIND_UNVERIFIED_END,
         "the connection's close ended the body, and neither its length nor a checked encoding "
         "tells whether it is whole; `unverified = accept` takes it as it is, `digest` would check "
         "it");
}

/* Where nobody can tell whether that was all, this is said before it aborts the body: afterwards it
 * would be a cut. */
static void end_body(struct run *run, bool vouched)
{
    struct body *body = run->task->body;
    if (body_state(body) == BODY_ENDED && !vouched)
        end_unverified(run);
    body_judge_end(body, vouched);
    run->whole = body_state(body) == BODY_COMPLETE;
}

/* Into a socket bytes are copied: whether splice(2) waits there is up to a flag that the client can
 * clear. */
static void send_all(struct run *run, const char *data, size_t len)
{
    atomic_store_explicit(&run->relay->touched, true, memory_order_release);
    while (len > 0 && !run->left && !run->stopped) {
        ssize_t n = send(run->relay->out, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            begin(run);
            data += n;
            len -= (size_t)n;
        } else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            leave(run);
        } else if (n < 0 && errno == EAGAIN) {
            wait_for_room(run);
        } else if (n < 0 && errno != EINTR) {
            fail_move(run, -errno);
        }
    }
}

/* As decode_source: the body's pipe. */
static ssize_t read_source(void *arg, char *data, size_t size)
{
    struct run *run = arg;
    struct body *body = run->task->body;
    ssize_t n;
    do {
        if (run->stopped || !wait_for_data(run))
            return -1;
        n = read(run->task->read_fd, data, size);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        count(run, (size_t)n);
    if (n == 0) {
        enum body_state state = body_state(body);
        return state == BODY_COMPLETE || state == BODY_ENDED ? 0 : -1;
    }
    return n;
}

static void copy_plain(struct run *run)
{
    char data[CHUNK];
    ssize_t n = 1;
    while (!run->stopped && !run->left && (n = read_source(run, data, sizeof data)) > 0)
        send_all(run, data, (size_t)n);
    if (n == 0)
        end_body(run, false);
}

static void move_plain(struct run *run)
{
    if (run->socket) {
        copy_plain(run);
        return;
    }
    int in = run->task->read_fd;
    ssize_t n = 1;
    while (n != 0 && !run->stopped && !run->left) {
        if (!has_data(in) && (!wait_for_data(run) || run->left))
            return;
        n = move(run, in, MOVE);
        if (n > 0)
            count(run, (size_t)n);
        else if (n == -EPIPE)
            leave(run);
        else if (n == -EAGAIN)
            wait_for_room(run);
        else if (n < 0)
            fail_move(run, n);
    }
    if (n == 0)
        end_body(run, false);
}

/* --- decoding --------------------------------------------------------------------------------- */

/* The stage is empty before and after, unless it is not worth while any more. */
static void put(struct run *run, const char *data, size_t len)
{
    if (run->socket) {
        send_all(run, data, len);
        return;
    }
    while (len > 0 && !run->left && !run->stopped) {
        ssize_t n = write(run->stage[1], data, len);
        if (n < 0) {
            fail_move(run, -errno);
            return;
        }
        data += n;
        len -= (size_t)n;
        while (n > 0) {
            ssize_t moved = move(run, run->stage[0], (size_t)n);
            if (moved == -EPIPE)
                leave(run);
            else if (moved < 0 && moved != -EAGAIN)
                fail_move(run, moved);
            if (moved > 0)
                n -= moved;
            else if (run->left || run->stopped || !wait_for_room(run))
                break;
        }
    }
}

static void note_decoding(struct run *run, size_t len)
{
    struct body *body = run->task->body;
    if (decode_active(run->decode))
        atomic_store_explicit(&body->decoding, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&body->bytes_decoded, len, memory_order_relaxed);
}

/* The connection's close ended the body in the middle of a stream. */
static bool cut_by_close(const struct run *run)
{
    return decode_cut(run->decode) && body_state(run->task->body) == BODY_ENDED;
}

static void fail_decode(struct run *run)
{
    switch (decode_fault(run->decode)) {
    case DECODE_CORRUPT:
        fail(run, cut_by_close(run) ? KIND_TRUNCATED : KIND_DECODE_ERROR,
             decode_message(run->decode));
        break;
    case DECODE_LIMIT:
        fail(run, KIND_LIMIT_EXCEEDED, decode_message(run->decode));
        break;
    case DECODE_NO_MEMORY:
        fail(run, KIND_RESOURCES, "no memory for decoding the body");
        break;
    default:
        break; /* the source's own */
    }
}

static void move_decoded(struct run *run)
{
    char data[CHUNK];
    ssize_t n;
    while (!run->stopped && (!run->left || run->task->drain_after_enough) &&
           (n = decode_read(run->decode, data, sizeof data)) != 0) {
        if (n < 0) {
            fail_decode(run);
            return;
        }
        note_decoding(run, (size_t)n);
        put(run, data, (size_t)n);
    }
    if (run->stopped || (run->left && !run->task->drain_after_enough))
        return;
    note_decoding(run, 0);
    run->task->vouched = decode_vouches(run->decode);
    end_body(run, run->task->vouched);
}

/* --- the run ---------------------------------------------------------------------------------- */

static bool prepare(struct run *run)
{
    struct decode_plan plan = run->task->decode;
    if (plan.file == DECODE_FILE_AUTO)
        plan.file = DECODE_FILE_NONE; /* the command may well be zcat */
    if (decode_plan_empty(&plan))
        return true;
    run->decode = decode_new(&plan, read_source, run);
    if (run->decode && pipe2(run->stage, O_CLOEXEC | O_NONBLOCK) == 0)
        return true;
    parse_task_fail(&run->task->run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET,
                    "no memory or descriptors for decoding the body");
    return false;
}

/* The command may go on for long, with or without the rest of the body. After a cut, or whatever
 * else has settled how the job ends, nothing that it does matters any more. */
static void wait_for_exit(struct run *run)
{
    struct pollfd pfd = {.fd = run->task->body->wake_fd, .events = POLLIN};
    while (run->begun && !run->stopped && look(run))
        (void)poll(&pfd, 1, -1);
}

/* What was demanded of the body's end holds also for a body that the command did not want to the
 * end. */
static void drain(struct run *run)
{
    struct parse_task *task = run->task;
    if (run->whole || cut(run) || !task->drain_after_enough)
        return;
    int r = body_reader_open(&task->reader, task->body, task->read_fd);
    task->read_fd = -1;
    if (r == 0)
        r = body_reader_drain(&task->reader);
    run->whole = r == 0;
    if (r < 0)
        parse_task_fail(&task->run, r == -ENOMEM ? KIND_RESOURCES : KIND_TRUNCATED, 0,
                        PENSTOCK_NO_OFFSET, "the rest of the body did not arrive whole");
}

/* How the command ended, where that is a failure: the first one that is told counts. */
static void fail_status(struct run *run, int status)
{
    struct penstock_run *to = &run->task->run;
    struct error why;
    enum error_kind kind = status > 128 ? KIND_PARSER_CRASHED : KIND_PARSER_FAILED;
    if (status > 128)
        error_set(&why, 0, "the command was ended by signal %d", status - 128);
    else
        error_set(&why, 0, "the command's exit status is %d", status);
    parse_task_fail(to, kind, 0, PENSTOCK_NO_OFFSET, why.text);
}

static enum penstock_result judge(struct run *run)
{
    struct parse_task *task = run->task;
    int status = status_of(run);
    if (status > 0)
        fail_status(run, status);
    else if (cut(run) || status == RELAY_RUNS)
        parse_task_fail(&task->run, KIND_TRUNCATED, 0, PENSTOCK_NO_OFFSET,
                        "the body did not arrive whole");
    else if (status < 0)
        parse_task_fail(&task->run, KIND_INTERNAL, 0, PENSTOCK_NO_OFFSET,
                        "the client that ran the command has gone");
    else
        drain(run);
    return task->failed_said ? PENSTOCK_FAILED : run->whole ? PENSTOCK_OK : PENSTOCK_ENOUGH;
}

/* Sets `result` and what belongs to it. */
static void relay_run(struct parse_task *task)
{
    struct run run = {.task = task,
                      .relay = task->relay,
                      .socket = given_is_socket(task->relay->out),
                      .stage = {-1, -1}};
    if (prepare(&run) && look(&run)) {
        if (run.decode)
            move_decoded(&run);
        else
            move_plain(&run);
    }
    if (run.whole && !run.left && !run.stopped) {
        begin(&run); /* an empty one */
        given_end(run.relay->out);
        fd_close(&run.relay->out);
        run.relay->delivered(run.relay);
    } else if (!task->drain_after_enough) {
        fd_close(&task->read_fd); /* the writer sees that no more is wanted */
    }
    if (run.left && !run.stopped)
        begin(&run); /* its client says what that means, or goes as well: then it is cancelled */
    /* A socket's reader waits to be told, by the end or by an error. */
    if (run.socket)
        fd_close(&run.relay->out);
    wait_for_exit(&run);
    fd_close(&run.relay->out);
    task->result = judge(&run);
    task->body_ended = run.whole;
    fd_close(&task->read_fd);
    fd_close(&run.stage[0]);
    fd_close(&run.stage[1]);
    decode_free(run.decode);
}

void relay_attach(struct parse_task *task, struct relay *relay)
{
    task->relay = relay;
    task->run_elsewhere = relay_run;
    atomic_store_explicit(&relay->status, RELAY_RUNS, memory_order_relaxed);
}

static void settle(struct relay *relay, int status)
{
    int runs = RELAY_RUNS;
    atomic_compare_exchange_strong_explicit(&relay->status, &runs, status, memory_order_acq_rel,
                                            memory_order_acquire);
}

void relay_exited(struct relay *relay, int status)
{
    settle(relay, status);
}

void relay_gone(struct relay *relay)
{
    settle(relay, RELAY_GONE);
}
