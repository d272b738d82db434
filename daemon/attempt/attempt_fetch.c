/* The fetch loop's side of an attempt: from the response's head to the last byte in the pipe.
 *
 * A hop ends in exactly one over_mail to the control loop, which is the fetch loop's last touch:
 * after on_end without a pipe, or once the pipe's handle is closed. */
#include "attempt/attempt.h"

#include "base/clock.h"
#include "base/markup.h"
#include "base/fd.h"
#include "base/list.h"
#include "fetch/fetch.h"
#include "attempt/echo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct attempt *of(struct transfer *t)
{
    return t->user;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct attempt *a = container_of(handle, struct attempt, resume_timer);
    mailbox_post(a->env->control, &a->over_mail);
}

static void hop_over(struct attempt *a)
{
    if (!attempt_resume_stop(a, on_timer_closed))
        mailbox_post(a->env->control, &a->over_mail);
}

/* --- the body pipe ------------------------------------------------------------------------------- */

static void on_pipe_closed(struct body_pipe *pipe)
{
    struct attempt *a = pipe->user;
    a->pipe_open = false;
    hop_over(a);
}

/* The transfer is over and nothing more goes into the pipe. */
static void close_pipe(struct attempt *a)
{
    if (a->pipe_closing)
        return;
    a->pipe_closing = true;
    a->pipe_full_ns = body_pipe_full_time(&a->pipe, clock_now());
    body_pipe_close(&a->pipe, on_pipe_closed);
}

static void abandon_body(struct attempt *a)
{
    if (!a->pipe_open) {
        hop_over(a);
        return;
    }
    body_pipe_abort(&a->pipe);
    close_pipe(a);
}

/* In mid-body the pipe stays where it is while the control loop sees to the next hop; its reader may leave meanwhile,
 * and an abort may come: then the hop finds it closing. */
static void park(struct attempt *a)
{
    attempt_ref(a);
    mailbox_post(a->env->control, &a->parked_mail);
}

static void on_go_on(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, go_on_mail);
    if (a->pipe_open && !a->pipe_closing) {
        if (attempt_cause(a))
            abandon_body(a);
        else
            attempt_fetch_again(a);
    }
    attempt_unref(a);
}

static void on_drained(struct body_pipe *pipe)
{
    struct attempt *a = pipe->user;
    atomic_store_explicit(&a->paused, false, memory_order_relaxed);
    if (a->transferring)
        transfer_resume(&a->transfer);
    else
        attempt_resume_drained(a);
}

static void on_reader_gone(struct body_pipe *pipe)
{
    struct attempt *a = pipe->user;
    if (a->transferring)
        transfer_cancel(&a->transfer); /* the parser's verdict says what it means */
    else
        abandon_body(a); /* a resume was pending */
}

static void on_finished(struct body_pipe *pipe)
{
    close_pipe(pipe->user);
}

static const struct body_pipe_ops pipe_ops = {
    .drained = on_drained, .reader_gone = on_reader_gone, .finished = on_finished};

/* --- the parser ------------------------------------------------------------------------------- */

static int fail_resources(struct attempt *a, const char *what, int r)
{
    attempt_fail(a, KIND_RESOURCES, "%s: %s", what, strerror(-r));
    return r;
}

/* The body's first byte is here, or its end without one: makes the pipe and engages a worker. */
static int engage(struct attempt *a)
{
    int read_fd;
    a->body = body_new();
    if (!a->body)
        return fail_resources(a, "no memory for the body", -ENOMEM);
    int r = body_pipe_open(&a->pipe, fetch_loop_uv(a->loop), a->body, a->env->pipe_size, &pipe_ops,
                           a, &read_fd);
    if (r < 0)
        return fail_resources(a, "no pipe could be made for the body", r);
    a->pipe_open = true;
    a->pipe.budget = a->env->pipe_budget;
    return attempt_engage(a, read_fd);
}

/* --- the response ------------------------------------------------------------------------------- */

const char *attempt_header(const struct transfer_response *response, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            value = response->headers[i].value;
    return value;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* "text/csv", "text/" followed by *, compared without case and without parameters. */
static bool type_matches(const char *type, const char *wanted)
{
    size_t len = type ? strcspn(type, "; \t") : 0, want = strlen(wanted);
    if (want > 0 && wanted[want - 1] == '*')
        return len >= want - 1 && strncasecmp(type, wanted, want - 1) == 0;
    return len == want && strncasecmp(type, wanted, want) == 0;
}

/* Is this an answer that the job wants a parser to see? 0, or a negative errno with the cause set. */
static int accept_head(struct attempt *a, const struct transfer_response *r)
{
    const struct job_params *p = &a->spec->effective;
    const char *type = attempt_header(r, "Content-Type");
    if (p->expect_type && !type_matches(type, p->expect_type)) {
        attempt_fail(a, KIND_UNEXPECTED, "expect_type: the origin sent %s, %s was expected",
                     type ? type : "no Content-Type", p->expect_type);
        return -EINVAL;
    }
    if (r->status == 200 && resume_is_part(r)) {
        attempt_fail(
            a, KIND_TRUNCATED,
            "the origin answered 200, and says that it sends a part: Content-Range: %.100s",
            attempt_header(r, "Content-Range"));
        return -EINVAL;
    }
    if (p->max_body > 0 && r->content_length > 0 && (uint64_t)r->content_length > p->max_body) {
        attempt_fail(a, KIND_LIMIT_EXCEEDED,
                     "max_body: the origin announces %lld bytes, %llu are allowed",
                     (long long)r->content_length, (unsigned long long)p->max_body);
        return -EFBIG;
    }
    if (p->digest_headers == DIGEST_HEADERS_VERIFY && checksum_headers(&a->checksum, r) < 0)
        return fail_resources(a, "no memory for a digest", -ENOMEM);
    return encoding_accept(a, r);
}

/* The URL of the request had the secret of a `query` credential in it, and an origin may say that back. Where a
 * URL goes from here (the log, the store, another host) the secret must not. */
static void take_redirect(struct attempt *a, const struct transfer_response *r)
{
    const struct credential *c = a->identity.credential;
    char text[1024];
    if (r->bad_location) {
        snprintf(text, sizeof text, "%s", r->bad_location);
        credential_redact(c, text);
        attempt_fail(a, KIND_REDIRECTS, "%s", text);
        return;
    }
    a->redirect = c ? credential_strip(c, r->location) : strdup(r->location);
    if (!a->redirect)
        attempt_fail(a, KIND_RESOURCES, "no memory for a redirect");
    else if (c && credential_shows(c, a->redirect))
        attempt_fail(a, KIND_REDIRECTS,
                     "the redirect's URL has the secret of the credential %s in it", c->name);
}

bool attempt_redirected(struct attempt *a, const struct transfer_response *response)
{
    bool is = is_redirect(response->status) && (response->location || response->bad_location);
    if (is)
        take_redirect(a, response);
    return is;
}

static int take_response(struct attempt *a, const struct transfer_response *r)
{
    if (a->resume.count > 0)
        return attempt_resume_check(a, r);
    a->status = r->status;
    if (attempt_redirected(a, r))
        return -ECANCELED;
    const char *retry_after = attempt_header(r, "Retry-After");
    if (retry_after)
        a->retry_after = strdup(retry_after); /* a hint: without memory it is not taken */
    if (condition_holds(&a->condition, r, clock_real_us() / 1000000)) {
        a->mode = MODE_UNCHANGED;
        return r->status == 304 ? 0
                                : -ECANCELED; /* a body that is there already is not waited for */
    }
    if (!spec_status_accepted(&a->spec->effective, r->status)) {
        a->mode = MODE_EXCERPT;
        return 0;
    }
    int result = accept_head(a, r);
    if (result == 0) {
        a->mode = MODE_STREAM;
        resume_note(&a->resume, r, a->method, clock_real_us() / 1000000);
        condition_note(&a->condition, r, a->url, clock_real_us() / 1000000);
        atomic_store_explicit(&a->length, r->content_length, memory_order_relaxed);
        if (attempt_keep_facts(a, r) < 0)
            result = fail_resources(a, "no memory for the response's head", -ENOMEM);
    }
    return result;
}

static int on_response(struct transfer *t, const struct transfer_response *r)
{
    struct attempt *a = of(t);
    const struct credential *c = a->identity.credential;
    struct transfer_response shown = *r;
    struct transfer_header *headers = c ? echo_redact(c, r) : NULL;
    if (c && !headers)
        return fail_resources(a, "no memory for the response's head", -ENOMEM);
    if (headers)
        shown.headers = headers;
    int result = take_response(a, &shown);
    free(headers);
    return result;
}

static int take_excerpt(struct attempt *a, const char *data, size_t len)
{
    size_t room = ATTEMPT_EXCERPT - a->excerpt_len;
    size_t n = len < room ? len : room;
    memcpy(a->excerpt + a->excerpt_len, data, n);
    a->excerpt_len += n;
    return a->excerpt_len == ATTEMPT_EXCERPT ? -ECANCELED : TRANSFER_TAKEN;
}

/* Bytes that the parser does not have yet: all or nothing. */
static int take(struct attempt *a, const char *data, size_t len)
{
    uint64_t bytes = atomic_load_explicit(&a->bytes, memory_order_relaxed);
    uint64_t max = a->spec->effective.max_body;
    if (max > 0 && bytes + len > max) {
        attempt_fail(a, KIND_LIMIT_EXCEEDED, "max_body: more than %llu bytes came",
                     (unsigned long long)max);
        return -EFBIG;
    }
    if (!a->pipe_open) {
        int r = engage(a);
        if (r < 0)
            return r;
    }
    int r = body_pipe_write(&a->pipe, data, len);
    if (r == BODY_PIPE_FULL) {
        atomic_store_explicit(&a->paused, true, memory_order_relaxed);
        return TRANSFER_PAUSE;
    }
    if (r == -EPIPE)
        return r; /* the parser left: its verdict says what that means */
    if (r < 0)
        return fail_resources(a, "the body's pipe", r);
    encoding_note(a, data, len);
    resume_took(&a->resume, bytes, data, len);
    atomic_store_explicit(&a->bytes, bytes + len, memory_order_relaxed);
    if (checksum_update(&a->checksum, data, len) < 0) {
        attempt_fail(a, KIND_INTERNAL, "the digest could not be computed");
        return -EIO;
    }
    return TRANSFER_TAKEN;
}

static int on_data(struct transfer *t, const char *data, size_t len)
{
    struct attempt *a = of(t);
    if (a->mode == MODE_EXCERPT)
        return take_excerpt(a, data, len);
    if (a->mode == MODE_UNCHANGED)
        return TRANSFER_TAKEN; /* there is nothing (RFC 9110, 15.4.5) */
    size_t skip = 0;
    int r = attempt_resume_compare(a, data, len, &skip);
    if (r == 0 && skip < len)
        r = take(a, data + skip, len - skip);
    if (r != TRANSFER_TAKEN)
        return r;
    uint64_t bytes = atomic_load_explicit(&a->bytes, memory_order_relaxed);
    return resume_passed(&a->resume, skip, bytes) ? -ECANCELED : TRANSFER_TAKEN;
}

static void on_turn(struct transfer *t)
{
    struct attempt *a = of(t);
    if (a->pipe_open)
        body_pipe_flush(&a->pipe);
}

/* Nobody on this side has to see what is left. */
static struct body_pipe *pipe_for(struct transfer *t, uint64_t left)
{
    struct attempt *a = of(t);
    uint64_t max = a->spec->effective.max_body;
    uint64_t bytes = atomic_load_explicit(&a->bytes, memory_order_relaxed);
    bool unseen = a->mode == MODE_STREAM && a->pipe_open && a->resume.skip == 0 &&
                  encoding_noted(a) && !checksum_runs(&a->checksum) &&
                  (max == 0 || (bytes <= max && left <= max - bytes));
    return unseen ? &a->pipe : NULL;
}

static void on_piped(struct transfer *t, uint64_t len)
{
    struct attempt *a = of(t);
    uint64_t bytes = atomic_load_explicit(&a->bytes, memory_order_relaxed);
    atomic_store_explicit(&a->bytes, bytes + len, memory_order_relaxed);
    atomic_store_explicit(&a->paused, body_pipe_full(&a->pipe), memory_order_relaxed);
}

/* --- the end ------------------------------------------------------------------------------------- */

static void fail_status(struct attempt *a)
{
    for (size_t i = 0; i < a->excerpt_len; i++)
        if ((unsigned char)a->excerpt[i] < 0x20 || a->excerpt[i] == 0x7f)
            a->excerpt[i] = ' ';
    a->excerpt_len = markup_plain(a->excerpt, a->excerpt_len);
    a->excerpt[a->excerpt_len] = '\0';
    credential_redact(a->identity.credential, a->excerpt); /* an origin may say it back */
    attempt_fail(a, KIND_HTTP_STATUS, "%s port %d answered %d%s%s", a->host, a->end.port, a->status,
                 a->excerpt_len > 0 ? ": " : "", a->excerpt);
}

/* 0, or -EINVAL with the cause set. May raise `verified`. */
static int check_digest(struct attempt *a)
{
    bool checked = false;
    struct error err;
    int r = checksum_final(&a->checksum, &checked, &err);
    if (r < 0) {
        attempt_fail(a, r == -EBADMSG ? KIND_DIGEST_MISMATCH : KIND_INTERNAL, "%s", err.text);
        return -EINVAL;
    }
    if (checked && a->verified == VERIFIED_NONE)
        a->verified = VERIFIED_DIGEST;
    return 0;
}

/* Nobody has verified the end, and it is to be. */
static bool open_end(const struct attempt *a)
{
    return a->verified == VERIFIED_NONE && a->spec->effective.unverified == UNVERIFIED_FAIL;
}

/* The response ended as far as HTTP can tell. Is the body whole, and what was asked for? */
static int check_whole(struct attempt *a)
{
    const struct job_params *p = &a->spec->effective;
    uint64_t bytes = atomic_load_explicit(&a->bytes, memory_order_relaxed);
    a->verified = a->end.verified;
    if (attempt_resume_whole(a) < 0)
        return -EINVAL;
    if (check_digest(a) < 0)
        return -EINVAL;
    if (open_end(a) && !encoding_may_vouch(a)) {
        attempt_fail(
            a, KIND_UNVERIFIED_END,
            "the connection's close ended the body (%llu bytes), and nobody can tell whether it is "
            "whole; `unverified = accept` takes it as it is, `digest` would check it%s",
            (unsigned long long)bytes, encoding_remedy(a));
        return -EINVAL;
    }
    if (bytes < p->min_bytes) {
        attempt_fail(a, KIND_UNEXPECTED,
                     "min_bytes: the body has %llu bytes, at least %llu were expected",
                     (unsigned long long)bytes, (unsigned long long)p->min_bytes);
        return -EINVAL;
    }
    return 0;
}

static void on_end(struct transfer *t, const struct transfer_result *result)
{
    struct attempt *a = of(t);
    a->transferring = false;
    a->end = *result;
    bool aborted = attempt_cause(a) != NULL;
    if (a->redirect && !aborted) {
        if (a->pipe_open)
            park(a);
        else
            hop_over(a);
        return;
    }
    if (a->mode == MODE_UNCHANGED) { /* its head says everything */
        hop_over(a);
        return;
    }
    if (attempt_resume_try(a))
        return;
    if (a->mode == MODE_EXCERPT && !aborted)
        fail_status(a);
    else if (a->end.kind != KIND_NONE && !a->end.stopped)
        attempt_fail(a, a->end.kind, "%s", a->end.message);
    else if (!a->end.stopped && !aborted && check_whole(a) == 0 &&
             (a->pipe_open || engage(a) == 0)) {
        if (open_end(a))
            body_pipe_end(&a->pipe); /* the worker's decoder decides */
        else
            body_pipe_complete(&a->pipe);
        return;
    }
    abandon_body(a);
}

static const struct transfer_ops transfer_ops = {
    .on_response = on_response,
    .on_data = on_data,
    .on_turn = on_turn,
    .pipe_for = pipe_for,
    .on_piped = on_piped,
    .on_end = on_end,
};

/* The control loop has set a cause. */
static void on_abort(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, abort_mail);
    if (a->transferring)
        transfer_cancel(&a->transfer); /* on_end does the rest */
    else if (a->pipe_open && !a->pipe_closing)
        abandon_body(a); /* the carry was being written out, or a resume was pending */
    attempt_unref(a);
}

void attempt_fetch_abort(struct attempt *a)
{
    attempt_ref(a);
    fetch_loop_post(a->loop, &a->abort_mail);
}

void attempt_fetch_init(struct attempt *a)
{
    a->pipe.fd = a->relay.out = -1;
    mail_init(&a->abort_mail, on_abort);
    mail_init(&a->go_on_mail, on_go_on);
    resume_init(&a->resume);
}

static void start(struct attempt *a)
{
    a->transferring = true;
    transfer_start(&a->transfer, a->loop, &a->request, &transfer_ops, a);
}

/* The headers of this hop without conditions: the job's and then the credential's. */
static size_t plain_headers(struct attempt *a)
{
    const struct credential *credential = a->identity.credential;
    if (!credential || !credential->header)
        return a->header_count;
    a->headers[a->header_count] = credential->header;
    return a->header_count + 1;
}

void attempt_fetch_again(struct attempt *a)
{
    a->request.header_count = plain_headers(a); /* the body is of another version already */
    a->request.range_from = a->resume.asked;
    a->request.if_range = a->resume.from_start ? NULL : a->resume.validator;
    start(a);
}

void attempt_fetch_start(struct attempt *a)
{
    const struct job_params *p = &a->spec->effective;
    bool post = strcmp(a->method, "POST") == 0;
    const struct identity *identity = &a->identity;
    bool mid_body = attempt_engaged(a);
    size_t plain = plain_headers(a), conditions = 0;
    if (!mid_body) {
        conditions = condition_ask(&a->condition, a->url, a->headers + plain);
        a->mode = MODE_HEAD;
        a->status = 0;
    }
    a->request = (struct transfer_request){
        .url = identity->url ? identity->url : a->url,
        .host = a->host,
        .method = a->method,
        .body = post ? a->spec->body : NULL,
        .body_len = post ? a->spec->body_len : 0,
        .headers = a->headers,
        .header_count = plain + conditions,
        .user_agent = p->user_agent,
        .cookies = a->cookies,
        .proxy = a->proxy,
        .proxy_user = identity->proxy ? identity->proxy->user : NULL,
        .proxy_password = identity->proxy ? identity->proxy->marks[0] : NULL,
        .client_cert = identity->cert,
        .client_cert_len = identity->cert_len,
        .client_key = identity->key,
        .client_key_len = identity->key_len,
        .http = a->http,
        .ip = p->ip,
        .bytes_per_second = a->bytes_per_second,
        .policy = a->policy,
        .connect_ms = (uint32_t)(p->connect_timeout / NS_PER_MS),
        .first_byte_ms = (uint32_t)(p->first_byte_timeout / NS_PER_MS),
        .stall_ms = (uint32_t)(p->stall_timeout / NS_PER_MS),
        .max_header_bytes = a->env->max_header,
    };
    if (mid_body) {
        attempt_ref(a);
        fetch_loop_post(a->loop, &a->go_on_mail);
    } else {
        start(a);
    }
}
