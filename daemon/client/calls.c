/* struct penstock: a connection that makes calls and follows, for a loop of the program's own.
 * Calls that wait for their answers stand in a list, in the order in which they were made. */
#include "base/json_read.h"
#include "base/list.h"
#include "client/daemon_line.h"
#include "client/open_error.h"
#include "client/job_options.h"
#include "client/wire.h"
#include "penstock/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct call {
    uint64_t id;
    penstock_answer answer;
    void *arg;
    struct list link;
};

struct penstock {
    struct wire wire;
    bool ended; /* nobody answers any more */
    struct list calls;
    penstock_event event;
    void *event_arg;
    struct penstock_fault fault; /* of penstock_ask: its texts are copies below */
    struct error message, field;
};

int penstock_connect(const char *path, struct penstock **ret_connection)
{
    struct penstock *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(open_error(), -ENOMEM, "out of memory");
    int r = wire_open(&p->wire, path, open_error());
    if (r < 0) {
        free(p);
        return r;
    }
    list_init(&p->calls);
    *ret_connection = p;
    return 0;
}

static void answer_call(struct call *call, const char *result, const struct penstock_fault *fault)
{
    list_del(&call->link);
    if (call->answer)
        call->answer(call->arg, result, fault);
    free(call);
}

/* The connection has ended, or will be. Those who call again from their answers are refused. */
static void fail_calls(struct penstock *p, const char *why)
{
    struct error copy; /* they may fail, and open_error is where that is told */
    error_set(&copy, 0, "%s", why);
    struct penstock_fault fault = {.message = copy.text, .field = ""};
    p->ended = true;
    while (!list_empty(&p->calls))
        answer_call(container_of(p->calls.next, struct call, link), NULL, &fault);
}

void penstock_disconnect(struct penstock *connection)
{
    if (!connection)
        return;
    fail_calls(connection, "the connection was ended");
    wire_close(&connection->wire);
    free(connection);
}

int penstock_get_fd(const struct penstock *connection)
{
    return connection->wire.fd;
}

short penstock_get_events(const struct penstock *connection)
{
    return (short)(POLLIN | (connection->wire.out.len > 0 ? POLLOUT : 0));
}

/* --- what comes ------------------------------------------------------------------------------- */

static void on_notification(struct penstock *p, const char *line, size_t len)
{
    json_t *root = json_read(line, len, JSON_ALLOW_NUL, NULL);
    const char *method = json_string_value(json_object_get(root, "method"));
    bool end = method && strcmp(method, "end") == 0, event = method && strcmp(method, "event") == 0;
    char *text = event ? json_dumps(json_object_get(root, "params"), JSON_COMPACT) : NULL;
    json_decref(root);
    if (p->event && (end || text))
        p->event(p->event_arg, text);
    free(text);
}

static struct call *call_of(struct penstock *p, uint64_t id)
{
    list_for_each(e, &p->calls)
    {
        struct call *call = container_of(e, struct call, link);
        /* Without an id it is about a line that could not be read, and the first is the one that
         * waits. */
        if (call->id == id || id == 0)
            return call;
    }
    return NULL;
}

static void on_answer(struct penstock *p, const struct answer *answer)
{
    struct call *call = call_of(p, answer->id);
    if (!call)
        return;
    if (answer->code) {
        struct penstock_fault fault = {.code = answer->code,
                                       .message = answer->message,
                                       .field = answer->field ? answer->field : ""};
        answer_call(call, NULL, &fault);
        return;
    }
    char *text = json_dumps(answer->result, JSON_COMPACT | JSON_ENCODE_ANY);
    struct penstock_fault fault = {.message = "out of memory", .field = ""};
    answer_call(call, text, text ? NULL : &fault);
    free(text);
}

static int take_lines(struct penstock *p)
{
    struct answer answer;
    char *line;
    size_t len;
    int r, count = 0;
    while ((r = wire_line(&p->wire, &line, &len)) > 0) {
        r = answer_read(line, len, &answer);
        if (r == 1) {
            on_notification(p, line, len);
        } else if (r == 0) {
            on_answer(p, &answer);
            answer_deinit(&answer);
        } else {
            return r;
        }
        count++;
    }
    return r < 0 ? r : count;
}

int penstock_process(struct penstock *connection)
{
    int r = wire_flush(&connection->wire), count = 0;
    if (r == -EPIPE || r == -ECONNRESET) { /* it may have said why */
        buf_reset(&connection->wire.out);
        r = 0;
    }
    if (r == 0 && !connection->wire.closed)
        r = wire_receive(&connection->wire);
    if (r == 0)
        r = count = take_lines(connection);
    if (r >= 0 && (!connection->wire.closed || count > 0))
        return count;
    if (r >= 0)
        r = -ECONNRESET;
    wire_explain(&connection->wire, r, open_error());
    fail_calls(connection, open_error()->text);
    return r;
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Takes ownership of `params`. */
static int send_call(struct penstock *p, const char *method, json_t *params, penstock_answer answer,
                     void *arg)
{
    struct call *call = p->ended ? NULL : malloc(sizeof *call);
    if (!call) {
        json_decref(params);
        return p->ended ? wire_explain(&p->wire, -ECONNRESET, open_error())
                        : error_set(open_error(), -ENOMEM, "out of memory");
    }
    *call = (struct call){.answer = answer, .arg = arg};
    int r = wire_send(&p->wire, method, params, &call->id, open_error());
    if (r < 0)
        free(call);
    else
        list_add_tail(&p->calls, &call->link);
    return r;
}

int penstock_call(struct penstock *connection, const char *method, const char *params,
                  penstock_answer answer, void *arg)
{
    json_error_t why;
    json_t *value = params ? json_read_text(params, JSON_ALLOW_NUL, &why) : NULL;
    if (params && !value)
        return error_set(open_error(), -EINVAL, "%s: the parameters are no JSON: %s", method,
                         why.text);
    return send_call(connection, method, value, answer, arg);
}

int penstock_submit(struct penstock *connection, const char *url, const char *options,
                    penstock_answer answer, void *arg)
{
    json_t *job;
    char *path;
    int r = options_job(url, options, &job, &path, open_error());
    if (r < 0)
        return r;
    if (path) {
        free(path);
        json_decref(job);
        return error_set(open_error(), -EINVAL, "options: the connection has its socket already");
    }
    return send_call(connection, "submit", job, answer, arg);
}

void penstock_on_event(struct penstock *connection, penstock_event event, void *arg)
{
    connection->event = event;
    connection->event_arg = arg;
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct ask {
    struct penstock *connection;
    bool answered, gone;
    char *result;
};

static void on_asked(void *arg, const char *result, const struct penstock_fault *fault)
{
    struct ask *ask = arg;
    struct penstock *p = ask->connection;
    ask->answered = true;
    if (fault) {
        ask->gone = fault->code == 0;
        error_set(&p->message, 0, "%s", fault->message);
        error_set(&p->field, 0, "%s", fault->field);
        p->fault = (struct penstock_fault){fault->code, p->message.text, p->field.text};
    } else {
        ask->result = strdup(result);
    }
}

int penstock_ask(struct penstock *connection, const char *method, const char *params,
                 char **ret_result)
{
    struct ask ask = {.connection = connection};
    int r = penstock_call(connection, method, params, on_asked, &ask);
    while (r >= 0 && !ask.answered) {
        struct pollfd pfd = {penstock_get_fd(connection), penstock_get_events(connection), 0};
        (void)poll(&pfd, 1, -1);
        r = penstock_process(connection);
    }
    if (!ask.answered)
        return r;
    if (ask.gone)
        return r < 0 ? r : -ENOMEM;
    if (!ask.result && connection->fault.code == 0)
        return -ENOMEM;
    if (!ask.result)
        return 1;
    *ret_result = ask.result;
    return 0;
}

const struct penstock_fault *penstock_fault_of(const struct penstock *connection)
{
    return &connection->fault;
}
