/* A hop ends in exactly one `over`, which is the fetch loop's last touch: after on_end without a
 * pipe, or once the pipe's handle and the timer's are closed. */
#include "attempt/download.h"

#include "attempt/answer.h"
#include "attempt/verify.h"
#include "base/clock.h"
#include "base/list.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct download *of(struct transfer *t)
{
    struct download *d = t->user;
    assert(fetch_loop_is_current(d->loop));
    return d;
}

/* --- the request ------------------------------------------------------------------------------ */

/* The headers of this request without conditions: the hop's and then the credential's. */
static size_t plain_headers(struct download *d)
{
    const struct hop *hop = d->hop;
    const struct credential *credential = hop->identity.credential;
    memcpy(d->headers, hop->headers, hop->header_count * sizeof *d->headers);
    if (!credential || !credential->header)
        return hop->header_count;
    d->headers[hop->header_count] = credential->header;
    return hop->header_count + 1;
}

/* All of it but what makes it conditional, or asks for the rest of a body. */
static void make_request(struct download *d)
{
    const struct job_params *p = &d->spec->effective;
    const struct hop *hop = d->hop;
    const struct identity *identity = &hop->identity;
    bool post = strcmp(hop->method, "POST") == 0;
    d->request = (struct transfer_request){
        .url = identity->url ? identity->url : hop->url,
        .host = hop->host,
        .method = hop->method,
        .body = post ? d->spec->body : NULL,
        .body_len = post ? d->spec->body_len : 0,
        .headers = d->headers,
        .header_count = plain_headers(d),
        .user_agent = p->user_agent,
        .cookies = hop->cookies,
        .proxy = hop->proxy,
        .proxy_user = identity->proxy ? identity->proxy->user : NULL,
        .proxy_password = identity->proxy ? identity->proxy->marks[0] : NULL,
        .client_cert = identity->cert,
        .client_cert_len = identity->cert_len,
        .client_key = identity->key,
        .client_key_len = identity->key_len,
        .http = hop->http,
        .ip = p->ip,
        .bytes_per_second = hop->bytes_per_second,
        .policy = d->policy,
        .connect_ms = (uint32_t)(p->connect_timeout / NS_PER_MS),
        .first_byte_ms = (uint32_t)(p->first_byte_timeout / NS_PER_MS),
        .stall_ms = (uint32_t)(p->stall_timeout / NS_PER_MS),
        .max_header_bytes = d->env->max_header,
    };
}

static const struct transfer_ops transfer_ops;

static void transfer_begin(struct download *d)
{
    assert(!d->transferring);
    d->transferring = true;
    transfer_start(&d->transfer, d->loop, &d->request, &transfer_ops, d);
}

/* Another transfer for the same body, which asks for what d->resume says. */
static void rest_begin(struct download *d)
{
    make_request(d); /* without conditions: the body is of another version already */
    d->request.range_from = d->resume.asked;
    d->request.if_range = d->resume.from_start ? NULL : d->resume.validator;
    transfer_begin(d);
}

/* --- the timer of a resume -------------------------------------------------------------------- */

static void resume_begin(struct download *d)
{
    d->resume_pending = false;
    resume_ask(&d->resume, progress_bytes(d->progress));
    rest_begin(d);
}

static void on_resume_timer(uv_timer_t *timer)
{
    struct download *d = container_of(timer, struct download, resume_timer);
    /* A slow parser's pipe is still full: its origin would only time out again. */
    if (d->resume_pending && !body_pipe_full(&d->pipe))
        resume_begin(d);
}

/* The pipe has room again. */
static void resume_drained(struct download *d)
{
    if (d->resume_pending && !uv_is_active((uv_handle_t *)&d->resume_timer))
        resume_begin(d);
}

static bool resume_later(struct download *d, uint64_t delay)
{
    uv_loop_t *loop = fetch_loop_uv(d->loop);
    if (!d->resume_timer_open && uv_timer_init(loop, &d->resume_timer) < 0)
        return false;
    d->resume_timer_open = d->resume_pending = true;
    uv_update_time(loop);
    uv_timer_start(&d->resume_timer, on_resume_timer, delay / NS_PER_MS + 1, 0);
    return true;
}

static void on_resume_timer_closed(uv_handle_t *handle)
{
    struct download *d = container_of(handle, struct download, resume_timer);
    d->ops->over(d);
}

/* Nothing more will be resumed. */
static void hop_over(struct download *d)
{
    assert(fetch_loop_is_current(d->loop) && !d->transferring && !d->pipe_open);
    d->resume_pending = false;
    if (!d->resume_timer_open) {
        d->ops->over(d);
        return;
    }
    d->resume_timer_open = false;
    uv_close((uv_handle_t *)&d->resume_timer, on_resume_timer_closed);
}

/* --- the body pipe ---------------------------------------------------------------------------- */

static void on_pipe_closed(struct body_pipe *pipe)
{
    struct download *d = pipe->user;
    d->pipe_open = false;
    hop_over(d);
}

/* The transfer is over and nothing more goes into the pipe. */
static void close_pipe(struct download *d)
{
    if (d->pipe_closing)
        return;
    d->pipe_closing = true;
    d->pipe_full_ns = body_pipe_full_time(&d->pipe, clock_now());
    body_pipe_close(&d->pipe, on_pipe_closed);
}

static void abandon_body(struct download *d)
{
    if (!d->pipe_open) {
        hop_over(d);
        return;
    }
    body_pipe_abort(&d->pipe);
    close_pipe(d);
}

static void on_drained(struct body_pipe *pipe)
{
    struct download *d = pipe->user;
    assert(fetch_loop_is_current(d->loop));
    progress_set_paused(d->progress, false);
    if (d->transferring)
        transfer_resume(&d->transfer);
    else
        resume_drained(d);
}

static void on_reader_gone(struct body_pipe *pipe)
{
    struct download *d = pipe->user;
    if (d->transferring)
        transfer_cancel(&d->transfer); /* the parser's verdict says what it means */
    else
        abandon_body(d); /* a resume was pending */
}

static void on_finished(struct body_pipe *pipe)
{
    close_pipe(pipe->user);
}

static const struct body_pipe_ops pipe_ops = {
    .drained = on_drained, .reader_gone = on_reader_gone, .finished = on_finished};

/* --- the consumer ----------------------------------------------------------------------------- */

/* The body's first byte is here, or its end without one: makes the pipe and engages a worker. */
static int engage(struct download *d)
{
    int read_fd;
    d->body = body_new();
    if (!d->body)
        return cause_fail_errno(d->cause, "no memory for the body", -ENOMEM);
    int r = body_pipe_open(&d->pipe, fetch_loop_uv(d->loop), d->body, d->env->pipe_size, &pipe_ops,
                           d, &read_fd);
    if (r < 0)
        return cause_fail_errno(d->cause, "no pipe could be made for the body", r);
    d->pipe_open = true;
    d->pipe.budget = d->env->pipe_budget;
    return d->ops->consumer(d, read_fd);
}

/* --- what comes ------------------------------------------------------------------------------- */

static int on_response(struct transfer *t, const struct transfer_response *response)
{
    return answer_take(of(t), response);
}

/* Bytes that the parser does not have yet: all or nothing. */
static int take(struct download *d, const char *data, size_t len)
{
    uint64_t bytes = progress_bytes(d->progress);
    uint64_t max = d->spec->effective.max_body;
    if (max > 0 && bytes + len > max) {
        cause_fail(d->cause, KIND_LIMIT_EXCEEDED, "max_body: more than %llu bytes came",
                   (unsigned long long)max);
        return -EFBIG;
    }
    if (!d->pipe_open) {
        int r = engage(d);
        if (r < 0)
            return r;
    }
    int r = body_pipe_write(&d->pipe, data, len);
    if (r == BODY_PIPE_FULL) {
        progress_set_paused(d->progress, true);
        return TRANSFER_PAUSE;
    }
    if (r == -EPIPE)
        return r; /* the parser left: its verdict says what that means */
    if (r < 0)
        return cause_fail_errno(d->cause, "the body's pipe", r);
    encoding_note(&d->encoding, data, len);
    resume_took(&d->resume, bytes, data, len);
    progress_set_bytes(d->progress, bytes + len);
    if (checksum_update(&d->checksum, data, len) < 0) {
        cause_fail(d->cause, KIND_INTERNAL, "the digest could not be computed");
        return -EIO;
    }
    return TRANSFER_TAKEN;
}

static int compare_rest(struct download *d, const char *data, size_t len, size_t *ret_skip)
{
    struct error why;
    int r = resume_compare(&d->resume, progress_bytes(d->progress), data, len, ret_skip, &why);
    if (r < 0)
        answer_fail_rest(d, &why);
    return r;
}

static int on_data(struct transfer *t, const char *data, size_t len)
{
    struct download *d = of(t);
    if (d->mode == MODE_EXCERPT)
        return answer_excerpt(d, data, len);
    if (d->mode == MODE_UNCHANGED)
        return TRANSFER_TAKEN; /* there is nothing (RFC 9110, 15.4.5) */
    size_t skip = 0;
    int r = compare_rest(d, data, len, &skip);
    if (r == 0 && skip < len)
        r = take(d, data + skip, len - skip);
    if (r != TRANSFER_TAKEN)
        return r;
    uint64_t bytes = progress_bytes(d->progress);
    return resume_passed(&d->resume, skip, bytes) ? -ECANCELED : TRANSFER_TAKEN;
}

static void on_turn(struct transfer *t)
{
    struct download *d = of(t);
    if (d->pipe_open)
        body_pipe_flush(&d->pipe);
}

/* Nobody on this side has to see what is left. */
static struct body_pipe *pipe_for(struct transfer *t, uint64_t left)
{
    struct download *d = of(t);
    uint64_t max = d->spec->effective.max_body;
    uint64_t bytes = progress_bytes(d->progress);
    bool unseen = d->mode == MODE_STREAM && d->pipe_open && d->resume.skip == 0 &&
                  encoding_noted(&d->encoding) && !checksum_runs(&d->checksum) &&
                  (max == 0 || (bytes <= max && left <= max - bytes));
    return unseen ? &d->pipe : NULL;
}

static void on_piped(struct transfer *t, uint64_t len)
{
    struct download *d = of(t);
    uint64_t bytes = progress_bytes(d->progress);
    progress_set_bytes(d->progress, bytes + len);
    progress_set_paused(d->progress, body_pipe_full(&d->pipe));
}

/* --- the end ---------------------------------------------------------------------------------- */

/* It was put off to the end: the next attempt waits as the origin asked. */
static void give_up_busy(struct download *d, const struct error *why)
{
    if (d->resume.asked_wait) {
        free(d->retry_after);
        d->retry_after = strdup(d->resume.asked_wait); /* a hint: without memory it is not taken */
    }
    answer_fail_rest(d, why);
}

/* A transfer has ended, as d->end says, which may be corrected here. True: the download goes on,
 * and another transfer starts by itself later. */
static bool resume_wanted(struct download *d)
{
    struct error why;
    uint64_t delay = 0, taken = progress_bytes(d->progress);
    bool body =
        d->mode == MODE_STREAM && d->pipe_open && !d->pipe.reader_left && !cause_of(d->cause);
    if (!body)
        return false;
    switch (resume_next(&d->resume, &d->end, taken, d->env->resume_delay, &delay, &why)) {
    case RESUME_AGAIN:
        return resume_later(d, delay);
    case RESUME_WHOLE:
        d->end.kind = KIND_NONE;
        d->end.stopped = false;
        d->end.verified = VERIFIED_LENGTH;
        break;
    case RESUME_OVER:
        if (d->resume.busy)
            give_up_busy(d, &why);
        else if (d->end.kind != KIND_NONE && !d->end.stopped)
            cause_fail(d->cause, d->end.kind, "%s", why.text);
    }
    return false;
}

static void on_end(struct transfer *t, const struct transfer_result *result)
{
    struct download *d = of(t);
    d->transferring = false;
    d->end = *result;
    bool aborted = cause_of(d->cause) != NULL;
    if (d->redirect && !aborted) {
        if (d->pipe_open)
            d->ops->parked(d);
        else
            hop_over(d);
        return;
    }
    if (d->mode == MODE_TOLD && !aborted)
        answer_judge_told(d);
    if (d->mode == MODE_UNCHANGED || d->mode == MODE_TOLD) { /* its head says everything */
        hop_over(d);
        return;
    }
    if (resume_wanted(d))
        return;
    if (d->mode == MODE_EXCERPT && !aborted)
        answer_fail_status(d);
    else if (d->end.kind != KIND_NONE && !d->end.stopped)
        cause_fail(d->cause, d->end.kind, "%s", d->end.message);
    else if (!d->end.stopped && !aborted && verify_whole(d) == 0 &&
             (d->pipe_open || engage(d) == 0)) {
        if (verify_open_end(d))
            body_pipe_end(&d->pipe); /* the worker's decoder decides */
        else
            body_pipe_complete(&d->pipe);
        return;
    }
    abandon_body(d);
}

static const struct transfer_ops transfer_ops = {
    .on_response = on_response,
    .on_data = on_data,
    .on_turn = on_turn,
    .pipe_for = pipe_for,
    .on_piped = on_piped,
    .on_end = on_end,
};

/* --- for the control loop --------------------------------------------------------------------- */

/* The control loop has set a cause. */
static void on_abort(struct mail *mail)
{
    struct download *d = container_of(mail, struct download, abort_mail);
    assert(fetch_loop_is_current(d->loop));
    if (d->transferring)
        transfer_cancel(&d->transfer); /* on_end does the rest */
    else if (d->pipe_open && !d->pipe_closing)
        abandon_body(d); /* the carry was being written out, or a resume was pending */
    d->ops->release(d);
}

static void on_go_on(struct mail *mail)
{
    struct download *d = container_of(mail, struct download, go_on_mail);
    assert(fetch_loop_is_current(d->loop));
    if (d->pipe_open && !d->pipe_closing) {
        if (cause_of(d->cause))
            abandon_body(d);
        else
            rest_begin(d);
    }
    d->ops->release(d);
}

static void forget_redirect(struct download *d)
{
    free(d->redirect);
    d->redirect = NULL;
}

int download_init(struct download *d)
{
    d->pipe.fd = -1;
    mail_init(&d->abort_mail, on_abort);
    mail_init(&d->go_on_mail, on_go_on);
    resume_init(&d->resume);
    d->headers = calloc(d->spec->headers.count + 2 + CONDITION_HEADERS, sizeof *d->headers);
    if (spec_is_head(d->spec) && !(d->told = calloc(1, sizeof *d->told)))
        return -ENOMEM;
    return d->headers ? checksum_init(&d->checksum, d->spec->effective.digest) : -ENOMEM;
}

void download_deinit(struct download *d)
{
    assert(!d->transferring && !d->pipe_open && !d->resume_timer_open);
    body_unref(d->body);
    free(d->headers);
    free(d->told);
    forget_redirect(d);
    free(d->retry_after);
    checksum_deinit(&d->checksum);
    resume_deinit(&d->resume);
    condition_deinit(&d->condition);
    encoding_deinit(&d->encoding);
}

void download_start(struct download *d, struct fetch_loop *loop)
{
    assert(!d->transferring && !d->pipe_open);
    forget_redirect(d);
    d->loop = loop;
    d->mode = MODE_HEAD;
    d->status = 0;
    make_request(d);
    if (d->told)
        d->told->proxied = d->hop->proxy && *d->hop->proxy;
    d->request.header_count +=
        condition_ask(&d->condition, d->hop->url, d->headers + d->request.header_count);
    transfer_begin(d);
}

void download_go_on(struct download *d)
{
    assert(d->redirect);
    forget_redirect(d);
    fetch_loop_post(d->loop, &d->go_on_mail);
}

bool download_abort(struct download *d)
{
    assert(cause_of(d->cause));
    return fetch_loop_post(d->loop, &d->abort_mail);
}

/* No transfer is under way: what the fetch loop found out is to be read. */
static void report_idle(const struct download *d, struct attempt_report *r)
{
    const struct condition *c = &d->condition;
    r->status = d->status;
    r->address = d->end.address[0] ? d->end.address : NULL;
    r->retry_after = d->retry_after;
    r->proxy_refuses = d->end.proxy_refuses;
    r->connect = d->end.connect_ns;
    r->first_byte = d->end.first_byte_ns;
    r->wait_origin += r->first_byte;
    /* While the parser waits for the sink the pipe is full as well: that time is the sink's. */
    r->wait_parser = d->pipe_full_ns > r->wait_sink ? d->pipe_full_ns - r->wait_sink : 0;
    r->unchanged = c->unchanged;
    r->digest_name = checksum_asked(&d->checksum, &r->digest);
    r->renewed = c->noting && (!c->unchanged || c->renewed);
    r->etag = c->seen.etag;
    r->modified = c->seen.modified;
    r->page = c->seen.page;
    r->skipped_codings = d->encoding.plan.skipped;
    r->verified = d->verified;
}

void download_report(const struct download *d, bool idle, struct attempt_report *report)
{
    report->bytes = progress_bytes(d->progress);
    report->length = atomic_load_explicit(&d->progress->length, memory_order_relaxed);
    report->resumes = atomic_load_explicit(&d->resume.count, memory_order_relaxed);
    if (idle)
        report_idle(d, report);
    if (!report->engaged || report->waits == WAITS_SINK || report->waits == WAITS_READER)
        return;
    if (atomic_load_explicit(&d->progress->paused, memory_order_relaxed))
        report->waits = WAITS_PARSER;
    else if (atomic_load_explicit(&d->transfer.throttled, memory_order_relaxed))
        report->waits = WAITS_HOST;
}
