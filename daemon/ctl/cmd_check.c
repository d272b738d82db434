/* The daemon judges, and the client looks names up: a resolver that hangs is so nobody's trouble
 * but the caller's. First the daemon is asked what the job comes to, and so which host it is; then
 * once more, with the addresses that the name has here. With --head the daemon asks the host: by a
 * job that ends with this command. */
#include "ctl/cmd_check.h"

#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/intr.h"
#include "ctl/out.h"
#include "ctl/progress_line.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"
#include "ctl/wait.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 64

/* --- the name --------------------------------------------------------------------------------- */

static int family_of(const json_t *view)
{
    const json_t *ip = json_object_get(json_object_get(view, "terms"), "ip");
    const char *value = json_string_value(json_object_get(ip, "value"));
    if (value && strcmp(value, "4") == 0)
        return AF_INET;
    return value && strcmp(value, "6") == 0 ? AF_INET6 : AF_UNSPEC;
}

/* 0, or what getaddrinfo says is wrong. */
static int look_up(const json_t *view, json_t *addresses)
{
    const char *host = json_string_value(json_object_get(json_object_get(view, "host"), "name"));
    struct addrinfo hints = {.ai_family = family_of(view), .ai_socktype = SOCK_STREAM}, *list;
    int r = getaddrinfo(host ? host : "", NULL, &hints, &list);
    if (r != 0)
        return r;
    for (struct addrinfo *a = list; a && json_array_size(addresses) < ADDRESSES_MAX;
         a = a->ai_next) {
        char text[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            json_array_append_new(addresses, json_stringn(text, strcspn(text, "%")));
    }
    freeaddrinfo(list);
    return 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

static void put_row(struct table *t, const char *name, const char *value, const char *from)
{
    table_cell(t, name);
    table_cell(t, value);
    table_cell(t, from);
}

/* Returns whether it is allowed. */
static bool put_judged(struct table *t, const char *name, const char *what, const json_t *view)
{
    bool allowed = json_is_true(json_object_get(view, "allowed"));
    const char *message = json_string_value(json_object_get(view, "message"));
    put_row(t, name, what, allowed ? "allowed" : message ? message : "refused");
    return allowed;
}

static void put_scalar(struct table *t, const char *name, const json_t *value, const char *from)
{
    struct buf b = BUF_INIT;
    if (value)
        view_put_scalar(&b, value);
    if (b.len > 0 && buf_putc(&b, '\0') == 0)
        put_row(t, name, b.data, from);
    buf_deinit(&b);
}

static void put_host(struct table *t, const json_t *view)
{
    static const char *const members[] = {"connections", "requests_per_second", "bytes_per_second",
                                          "running"};
    const json_t *host = json_object_get(view, "host");
    size_t i;
    json_t *section;
    json_array_foreach(json_object_get(host, "sections"), i, section)
    {
        put_row(t, i == 0 ? "host" : "", json_string_value(section), "section");
    }
    for (size_t k = 0; k < sizeof members / sizeof *members; k++)
        put_scalar(t, members[k], json_object_get(host, members[k]), "of the host");
    if (json_is_true(json_object_get(host, "paused")) ||
        json_is_true(json_object_get(view, "paused")))
        put_row(t, "paused", "yes", "it would wait");
    if (json_is_true(json_object_get(host, "broken")))
        put_row(t, "broken", "yes", "it would wait");
}

/* Who has as many running as he may would wait. */
static void put_quota(struct table *t, const json_t *view)
{
    const json_t *quota = json_object_get(view, "max_running");
    json_int_t running = json_integer_value(json_object_get(quota, "running"));
    if (!quota)
        return;
    put_scalar(t, "max_running", json_object_get(quota, "value"),
               json_string_value(json_object_get(quota, "from")));
    put_scalar(t, "", json_object_get(quota, "running"),
               running < json_integer_value(json_object_get(quota, "value"))
                   ? "of yours run"
                   : "of yours run: it would wait");
}

static bool put_credential(struct table *t, const json_t *view)
{
    const json_t *credential = json_object_get(view, "credential");
    const char *name = json_string_value(json_object_get(credential, "name"));
    const char *message = json_string_value(json_object_get(credential, "message"));
    if (credential)
        put_row(t, "credential", name ? name : "none", message ? message : "is sent");
    return !message;
}

static void put_terms(struct table *t, const json_t *view)
{
    const char *name;
    json_t *term;
    json_object_foreach(json_object_get(view, "terms"), name, term)
    {
        const char *value = json_string_value(json_object_get(term, "value"));
        const char *from = json_string_value(json_object_get(term, "from"));
        if (value && *value && from && strcmp(name, "credential") != 0)
            put_row(t, name, value, from);
    }
}

/* Returns whether a job would get as far as its host. */
static bool put_view(struct buf *b, const json_t *view, int unknown)
{
    struct table t;
    size_t i;
    json_t *address;
    bool good, reached = false;
    const char *proxy = json_string_value(json_object_get(view, "proxy"));
    const char *url = json_string_value(json_object_get(view, "url"));
    table_init(&t, 3);
    good = put_judged(&t, "policy", url ? url : "", json_object_get(view, "policy"));
    if (proxy) {
        put_row(&t, "proxy", proxy, "it looks the name up and connects");
        reached = true;
    }
    if (unknown)
        put_row(&t, "address", "none", gai_strerror(unknown));
    json_array_foreach(json_object_get(view, "addresses"), i, address)
    {
        const char *text = json_string_value(json_object_get(address, "address"));
        if (put_judged(&t, "address", text ? text : "", address))
            reached = true;
    }
    put_host(&t, view);
    put_quota(&t, view);
    good = put_credential(&t, view) && good && reached;
    put_terms(&t, view);
    table_print(&t, out_columns(false), b);
    table_deinit(&t);
    return good;
}

/* --- the head --------------------------------------------------------------------------------- */

static void put_resumable(struct table *t, const json_t *head)
{
    const json_t *resumable = json_object_get(head, "resumable");
    const char *hindrance = json_string_value(json_object_get(head, "hindrance"));
    if (resumable)
        put_row(t, "resumable", json_is_true(resumable) ? "yes" : "no",
                hindrance ? hindrance : "if the download breaks");
}

static void put_error(struct table *t, const json_t *verdict)
{
    const json_t *error = json_object_get(verdict, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    put_scalar(t, "error", json_object_get(error, "kind"), message ? message : "");
    put_scalar(t, "reason", json_object_get(verdict, "reason"), "cancelled");
}

static void put_head(struct buf *b, const json_t *verdict)
{
    static const char *const members[] = {"http",          "tls",           "type",
                                          "length",        "encoding",      "etag",
                                          "last_modified", "accept_ranges", "retry_after"};
    const json_t *head = json_object_get(verdict, "head");
    const json_t *seconds = json_object_get(verdict, "seconds");
    bool proxied = json_is_true(json_object_get(head, "proxied"));
    struct table t;
    table_init(&t, 3);
    put_scalar(&t, "status", json_object_get(verdict, "status"), "to HEAD");
    put_scalar(&t, "final_url", json_object_get(verdict, "final_url"), "where redirects led");
    put_scalar(&t, "address", json_object_get(head, "address"),
               proxied ? "of the proxy" : "connected to");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        put_scalar(&t, members[i], json_object_get(head, members[i]), "");
    put_resumable(&t, head);
    put_scalar(&t, "queued", json_object_get(seconds, "queued"), "seconds");
    put_scalar(&t, "dns", json_object_get(head, "dns"), "seconds");
    put_scalar(&t, "handshake", json_object_get(head, "handshake"), "seconds, of TLS");
    put_scalar(&t, "connect", json_object_get(seconds, "connect"), "seconds, all in all");
    put_scalar(&t, "first_byte", json_object_get(seconds, "first_byte"), "seconds from the start");
    put_error(&t, verdict);
    table_print(&t, out_columns(false), b);
    table_deinit(&t);
}

static int tell_head(struct ctl *ctl, const struct answer *answer)
{
    const json_t *job = json_array_get(json_object_get(answer->result, "jobs"), 0);
    const char *state = json_string_value(json_object_get(job, "state"));
    struct buf b = BUF_INIT;
    if (!answer->result)
        return ctl_refused(ctl, answer->code, answer->field, answer->message);
    if (ctl->json) {
        wait_put_raw(answer);
    } else {
        put_head(&b, json_object_get(job, "verdict"));
        out_take(&b);
    }
    buf_deinit(&b);
    return state && strcmp(state, "done") == 0 ? EXIT_ALL_WELL : EXIT_JOB_FAILED;
}

/* 1: it is there; 0: not yet; or a negative errno. */
static int take_answer(struct conn *conn, struct answer *ret_answer)
{
    char *line;
    size_t len;
    int r;
    while ((r = wire_line(&conn->wire, &line, &len)) > 0) {
        r = answer_read(line, len, ret_answer);
        if (r <= 0)
            return r < 0 ? r : 1;
    }
    return r;
}

/* The answer to `wait` for this job. 0, or a negative errno. */
static int await(struct ctl *ctl, uint64_t id, struct answer *ret_answer)
{
    struct conn *conn = &ctl->conn;
    struct progress progress;
    int r;
    progress_init(&progress, conn->wire.path);
    while ((r = take_answer(conn, ret_answer)) == 0) {
        r = progress_tick(&progress, id, 0, 1);
        if (r == 0)
            r = conn_poll(conn, NULL, 0, progress_timeout(&progress));
        if (r < 0)
            break;
    }
    progress_deinit(&progress);
    return r < 0 ? r : 0;
}

/* An exit status. */
static int check_head(struct ctl *ctl, json_t *job)
{
    struct answer answer;
    struct error err;
    uint64_t request;
    int status = ctl_ask(ctl, "head", json_incref(job), &answer);
    if (status != 0)
        return status;
    json_int_t id = json_integer_value(json_object_get(answer.result, "id"));
    answer_deinit(&answer);
    int r = wire_send(&ctl->conn.wire, "wait", json_pack("{s:[I]}", "ids", id), &request, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    r = intr_catch();
    if (r == 0)
        r = await(ctl, (uint64_t)id, &answer);
    if (r == -EINTR) {
        out_error("interrupted; job %" JSON_INTEGER_FORMAT " is cancelled", id);
        return EXIT_INTERRUPTED;
    }
    if (r < 0)
        return ctl_fail(wire_explain(&ctl->conn.wire, r, &err), &err);
    status = tell_head(ctl, &answer);
    answer_deinit(&answer);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static int ask_job_options(const struct args *args, json_t **ret_job, struct error *err)
{
    int r = ask_options(args, GROUP_JOB | GROUP_PARSED, ret_job, err);
    if (r < 0)
        return r;
    if (json_object_set_new(*ret_job, "url", json_string(args->operands[0])) == 0)
        return 0;
    json_decref(*ret_job);
    return error_set(err, -EINVAL, "the URL is not UTF-8");
}

int cmd_check_url(struct ctl *ctl)
{
    struct error err;
    struct answer answer;
    struct buf b = BUF_INIT;
    json_t *job, *addresses = json_array();
    int r = ask_job_options(&ctl->args, &job, &err);
    if (r < 0) {
        json_decref(addresses);
        return ctl_fail(r, &err);
    }
    int status = ctl_ask(ctl, "check_url", json_pack("{s:O}", "job", job), &answer);
    if (status == 0) {
        r = look_up(answer.result, addresses);
        answer_deinit(&answer);
        status = ctl_ask(ctl, "check_url",
                         json_pack("{s:O, s:O}", "job", job, "addresses", addresses), &answer);
    }
    json_decref(addresses);
    if (status == 0) {
        status = put_view(&b, answer.result, r) ? EXIT_ALL_WELL : EXIT_JOB_FAILED;
        if (ctl->json)
            ctl_put_raw(&answer);
        else
            out_take(&b);
        buf_deinit(&b);
        answer_deinit(&answer);
        if (args_has(&ctl->args, OPT_HEAD))
            status = ctl_worse(status, check_head(ctl, job));
    }
    json_decref(job);
    return status;
}
