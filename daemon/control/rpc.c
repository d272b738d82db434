#include "control/rpc.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/json_read.h"

#include "control/message.h"
#include "control/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An array of requests. The answer's line is begun only once all of them have answered, unless the
 * budget forbids to wait for them: so events may pass while one of them takes long. */
struct batch {
    unsigned unanswered;
    unsigned refs;
};

struct request {
    struct list link;
    struct rpc *rpc;
    struct message message;
    struct batch *batch;        /* or NULL */
    const char *before, *after; /* the glue around its answer: "", "[" or ",", and "\n" or "]\n" */
    bool answered;
    bool held;    /* the stream waits for its answer to leave */
    bool submits; /* the stream waits for its result */
    /* a `follow` by ids: its answer, until a call of ours says that there are such jobs */
    json_t *check;
    json_t *check_params;
    unsigned lost; /* json_lost() when it was begun */
    size_t bytes;  /* its share of rpc->bytes */
    size_t memory; /* and of rpc->memory */
    struct buf text;
    struct api_call call;
};

static void tell(struct runner *runner, const char *what, uint64_t id)
{
    struct rpc *rpc = container_of(runner, struct rpc, runner);
    stream_tell(rpc->stream, what, id);
}

void rpc_init(struct rpc *rpc, const struct rpc_host *host, const struct peer *peer,
              struct stream *stream, void (*answered)(struct rpc *rpc))
{
    *rpc = (struct rpc){.host = host, .peer = *peer, .stream = stream, .answered = answered};
    stream->follower.peer = *peer;
    list_init(&rpc->queue);
    list_init(&rpc->unbegun);
    rpc->fd = -1;
    runner_init(&rpc->runner, tell);
}

void rpc_passed(struct rpc *rpc, int fd)
{
    fd_close_foreign(&rpc->fd); /* nobody asked for it */
    rpc->fd = fd;
    if (!fd_is_local(fd)) {
        fd_close_foreign(&rpc->fd);
        rpc->fd = FD_UNUSABLE;
    }
}

static void batch_unref(struct batch *batch)
{
    if (batch && --batch->refs == 0)
        free(batch);
}

static void request_free(struct request *r)
{
    r->rpc->bytes -= r->bytes;
    r->rpc->memory -= r->memory;
    list_del(&r->link);
    if (r->held)
        stream_release(r->rpc->stream);
    batch_unref(r->batch);
    message_deinit(&r->message);
    json_decref(r->check);
    json_decref(r->check_params);
    buf_deinit(&r->text);
    buf_deinit(&r->call.text);
    free(r);
}

static void set_memory(struct request *r, size_t memory)
{
    r->rpc->memory += memory - r->memory;
    r->memory = memory;
}

/* `len`: of its text; jansson's values take some four times that. */
static struct request *request_new(struct rpc *rpc, struct batch *batch, size_t len)
{
    struct request *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->rpc = rpc;
    set_memory(r, sizeof *r + 4 * len);
    r->before = "";
    r->after = "\n";
    r->batch = batch;
    if (batch) {
        batch->refs++;
        batch->unanswered++;
    }
    list_add_tail(&rpc->unbegun, &r->link);
    return r;
}

/* From here on rpc->bytes has what it really takes. */
static void settle(struct request *r)
{
    struct rpc *rpc = r->rpc;
    r->answered = true;
    if (r->batch)
        r->batch->unanswered--;
    if (r->text.failed)
        rpc->failed = true;
    json_decref(r->message.params); /* of any size, and the answer may wait long to leave */
    r->message.params = NULL;
    rpc->bytes -= r->bytes;
    r->bytes = sizeof *r + r->text.len; /* itself as well: a notification has no text */
    rpc->bytes += r->bytes;
    set_memory(r, sizeof *r + r->text.size);
}

static void answer_error(struct request *r, int code, const char *message, const char *field)
{
    if (r->message.id)
        reply_error(&r->text, r->message.id, code, message, field);
    settle(r);
}

/* Takes ownership of `result`; NULL: there was no memory for it. An answer that may have lost a
 * piece is not given: to know that, it is enough that nothing was lost on this thread since the
 * request was begun. */
static void answer_result(struct request *r, json_t *result)
{
    if (!result || json_lost() != r->lost) {
        answer_error(r, API_INTERNAL, "no memory for the answer", NULL);
    } else {
        if (r->message.id)
            reply_result(&r->text, r->message.id, result);
        settle(r);
    }
    json_decref(result);
}

/* A result that came as text. */
static void answer_text(struct request *r)
{
    if (r->message.id)
        reply_result_text(&r->text, r->message.id, r->call.text.data, r->call.text.len);
    buf_deinit(&r->call.text);
    settle(r);
}

static void answer_follow(struct request *r, int code, const struct error *error, const char *field)
{
    struct stream *stream = r->rpc->stream;
    struct error err = {""};
    /* not_found is what the stream says better: which id */
    if (code != 0 && code != API_NOT_FOUND) {
        stream_reset(stream);
        answer_error(r, code, error ? error->text : "", field);
        return;
    }
    field = NULL;
    code = stream_checked(stream, &err, &field);
    if (code != 0) {
        answer_error(r, code, err.text, field);
    } else {
        answer_result(r, r->check);
        r->check = NULL;
    }
}

static void answer_call(struct request *r, json_t *result)
{
    const struct rpc_host *host = r->rpc->host;
    if (r->call.method == API_SUBMIT)
        reply_complete_errors(result);
    if (r->call.method == API_STATS && host->stats)
        host->stats(host->arg, result);
    answer_result(r, result);
}

static void on_answer(struct api_call *call, json_t *result, int code, const struct error *error,
                      const char *field)
{
    struct request *r = container_of(call, struct request, call);
    struct rpc *rpc = r->rpc;

    rpc->calls--;
    if (r->submits)
        stream_submitted(rpc->stream, result);
    if (rpc->abandoned) {
        json_decref(result);
        request_free(r);
    } else if (r->call.text.len > 0 && !r->check) {
        answer_text(r);
    } else if (r->check) {
        json_decref(result);
        answer_follow(r, code, error, field);
    } else if (code != 0) {
        json_decref(result);
        answer_error(r, code, error ? error->text : "", field);
    } else {
        answer_call(r, result);
    }
    rpc->answered(rpc);
}

static void begin_ping(struct request *r)
{
    const struct rpc_host *host = r->rpc->host;
    answer_result(r, json_pack("{s:b,s:s,s:s,s:i}", "pong", 1, "version", host->version, "instance",
                               host->instance, "pid", (int)getpid()));
}

static void call_jobs(struct request *r, enum api_method method, const json_t *params)
{
    struct rpc *rpc = r->rpc;
    r->call.method = method;
    r->call.params = params;
    r->call.peer = rpc->peer;
    r->call.answer = on_answer;
    r->call.runner = &rpc->runner;
    r->call.fd = -1;
    if (method == API_RUN || method == API_BACKUP) {
        r->call.fd = rpc->fd;
        rpc->fd = -1;
    }
    rpc->calls++;
    api_call(rpc->host->api, &r->call);
}

static void begin_check(struct request *r)
{
    const json_t *first = json_array_get(json_object_get(r->message.params, "ids"), 0);
    r->check_params = json_pack("{s:O}", "id", first);
    if (r->check_params) {
        call_jobs(r, API_SHOW, r->check_params);
        return;
    }
    stream_reset(r->rpc->stream);
    answer_error(r, API_INTERNAL, "out of memory", NULL);
}

static void begin_follow(struct request *r)
{
    struct stream *stream = r->rpc->stream;
    struct error err = {""};
    const char *field = NULL;
    json_t *result = NULL;

    r->held = true;
    stream_hold(stream);
    int code = stream_follow(stream, r->message.params, &result, &err, &field);
    if (code != 0) {
        answer_error(r, code, err.text, field);
    } else if (stream_needs_check(stream)) {
        r->check = result;
        begin_check(r);
    } else {
        answer_result(r, result);
    }
}

static int begin_submit_follow(struct request *r)
{
    struct error err = {""};
    int code = stream_submit(r->rpc->stream, r->message.events, r->message.press, &err);
    if (code != 0) {
        answer_error(r, code, err.text, "follow");
        return code;
    }
    stream_hold(r->rpc->stream);
    r->held = true;
    r->submits = true;
    r->call.follower = &r->rpc->stream->follower;
    return 0;
}

static void begin_call(struct request *r)
{
    if (r->message.follow && begin_submit_follow(r) != 0)
        return;
    call_jobs(r, r->message.method->call, r->message.params);
}

static void begin(struct request *r)
{
    list_del(&r->link);
    list_add_tail(&r->rpc->queue, &r->link);
    r->lost = json_lost();
    r->bytes = message_reserve(&r->message);
    r->rpc->bytes += r->bytes;
    if (r->message.code != 0)
        answer_error(r, r->message.code, r->message.error.text, r->message.field);
    else if (r->message.method->kind == MESSAGE_PING)
        begin_ping(r);
    else if (r->message.method->kind == MESSAGE_FOLLOW)
        begin_follow(r);
    else
        begin_call(r);
}

static bool has_room(const struct rpc *rpc, const struct request *r)
{
    size_t allowance = budget_allowance(rpc->host->budget);
    return rpc->calls < RPC_CALLS && rpc->bytes + message_reserve(&r->message) <=
                                         (allowance < RPC_BYTES ? allowance : RPC_BYTES);
}

/* One may always begin, however much it reserves: else a large one would wait for ever. */
static void begin_more(struct rpc *rpc)
{
    rpc->stopped = false;
    while (!list_empty(&rpc->unbegun) && !rpc->failed) {
        struct request *r = container_of(rpc->unbegun.next, struct request, link);
        if (!list_empty(&rpc->queue) && !has_room(rpc, r))
            return;
        rpc->stopped = rpc->deadline && clock_now() >= rpc->deadline;
        if (rpc->stopped)
            return;
        begin(r);
    }
}

static int add_one(struct rpc *rpc, struct batch *batch, json_t *value, size_t len)
{
    struct request *r = request_new(rpc, batch, len);
    return r ? message_read(value, &r->message) : -ENOMEM;
}

/* The answers to an array make one array; which of them there will be is known from the ids. */
static void glue(struct list *first, struct list *end)
{
    struct request *last = NULL;
    for (struct list *e = first; e != end; e = e->next) {
        struct request *r = container_of(e, struct request, link);
        if (!r->message.id)
            continue;
        r->before = last ? "," : "[";
        r->after = "";
        last = r;
    }
    if (last)
        last->after = "]\n";
}

static int add_batch(struct rpc *rpc, json_t *array, size_t len)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return -ENOMEM;
    batch->refs = 1;
    struct list *before = rpc->unbegun.prev;
    int r = 0;
    for (size_t i = 0; i < json_array_size(array) && r == 0; i++)
        r = add_one(rpc, batch, json_array_get(array, i), len / json_array_size(array));
    glue(before->next, &rpc->unbegun);
    batch_unref(batch);
    return r;
}

int rpc_refuse(struct rpc *rpc, int code, const char *message)
{
    struct request *r = request_new(rpc, NULL, 0);
    if (!r)
        return -ENOMEM;
    r->message.id = strdup("null");
    if (!r->message.id)
        return -ENOMEM;
    r->message.code = code;
    error_set(&r->message.error, code, "%s", message);
    begin_more(rpc);
    return 0;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

int rpc_line(struct rpc *rpc, const char *text, size_t len)
{
    if (is_blank(text, len))
        return 0;
    struct error err = {""};
    json_t *root = NULL;
    int r = message_parse(text, len, &root, &err);
    return rpc_parsed(rpc, r, root, len, &err);
}

int rpc_parsed(struct rpc *rpc, int result, json_t *root, size_t len, const struct error *err)
{
    if (result == -ENOMEM)
        return result;
    if (result < 0)
        return rpc_refuse(rpc, result, err->text);
    int r = json_is_array(root) ? add_batch(rpc, root, len) : add_one(rpc, NULL, root, len);
    json_decref(root);
    if (r < 0)
        return r;
    begin_more(rpc);
    return rpc->failed ? -ENOMEM : 0;
}

int rpc_go_on(struct rpc *rpc)
{
    begin_more(rpc);
    return rpc->failed ? -ENOMEM : 0;
}

bool rpc_wants(const struct rpc *rpc)
{
    return list_empty(&rpc->unbegun) && rpc->calls < RPC_CALLS && rpc->bytes < RPC_BYTES;
}

static bool may_leave(const struct rpc *rpc, const struct request *r)
{
    if (!r->answered)
        return false;
    bool begins_line = r->before[0] == '[';
    return !begins_line || r->batch->unanswered == 0 || !list_empty(&rpc->unbegun);
}

static void leave(struct rpc *rpc, struct request *r, struct buf *out)
{
    if (r->message.id) {
        buf_puts(out, r->before);
        buf_put(out, r->text.data, r->text.len);
        buf_puts(out, r->after);
        rpc->mid_line = r->after[0] == '\0';
    }
    request_free(r);
}

int rpc_take(struct rpc *rpc, struct buf *out, size_t want)
{
    for (;;) {
        begin_more(rpc);
        if (rpc->failed || out->failed)
            return -ENOMEM;
        if (list_empty(&rpc->queue) || out->len >= want)
            return 0;
        struct request *r = container_of(rpc->queue.next, struct request, link);
        if (!may_leave(rpc, r))
            return 0;
        leave(rpc, r, out);
    }
}

bool rpc_idle(const struct rpc *rpc)
{
    return list_empty(&rpc->queue) && list_empty(&rpc->unbegun);
}

void rpc_abandon(struct rpc *rpc)
{
    if (rpc->abandoned)
        return;
    rpc->abandoned = true;
    fd_close_foreign(&rpc->fd);
    api_runner_gone(&rpc->runner);
    list_for_each(e, &rpc->unbegun) request_free(container_of(e, struct request, link));
    list_for_each(e, &rpc->queue)
    {
        struct request *r = container_of(e, struct request, link);
        if (r->answered)
            request_free(r);
        else
            api_call_abandon(&r->call);
    }
}
