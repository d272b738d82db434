/* The control loop's side of an attempt, and its lifetime. */
#include "attempt/attempt.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/json_string.h"
#include "base/list.h"
#include "fetch/cookies.h"
#include "fetch/fetch.h"
#include "attempt/redirect.h"
#include "terms/proxy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attempt *attempt_ref(struct attempt *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void attempt_unref(struct attempt *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
        return;
    body_unref(a->body);
    fd_close(&a->run_fd);
    checksum_deinit(&a->checksum);
    identity_deinit(&a->identity);
    cookies_free(a->cookies);
    registry_unref(a->registry);
    policy_unref(a->policy);
    free(a->headers);
    free(a->url);
    free(a->host);
    free(a->shown_url);
    free(a->redirect);
    free(a->retry_after);
    resume_deinit(&a->resume);
    condition_deinit(&a->condition);
    free(a->extra);
    encoding_deinit(&a->encoding);
    free(a->facts);
    spool_close(&a->spool);
    keep_close(&a->keep);
    free(a);
}

/* --- the cause --------------------------------------------------------------------------------- */

/* The winner fills it in and publishes it; NULL for everybody else. */
static struct cause *cause_claim(struct attempt *a)
{
    if (atomic_exchange_explicit(&a->cause_claimed, true, memory_order_acq_rel))
        return NULL;
    return &a->first_cause;
}

static void cause_publish(struct attempt *a, struct cause *cause)
{
    atomic_store_explicit(&a->cause, cause, memory_order_release);
}

bool attempt_fail(struct attempt *a, enum error_kind kind, const char *fmt, ...)
{
    struct cause *cause = cause_claim(a);
    if (!cause)
        return false;
    cause->kind = kind;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cause->message, sizeof cause->message, fmt, ap);
    va_end(ap);
    cause_publish(a, cause);
    return true;
}

/* --- ending -------------------------------------------------------------------------------------- */

static void end_if_over(struct attempt *a)
{
    enum attempt_parser parser = atomic_load_explicit(&a->parser, memory_order_acquire);
    if (a->ended || !a->over || parser == PARSER_RUNNING)
        return;
    a->ended = true;
    a->ops->ended(a);
}

static void on_parsed(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, parsed_mail);
    end_if_over(a);
    attempt_unref(a); /* the worker's */
}

void attempt_parsed(struct attempt *a)
{
    enum attempt_parser running = PARSER_RUNNING;
    if (atomic_compare_exchange_strong_explicit(&a->parser, &running, PARSER_RETURNED,
                                                memory_order_acq_rel, memory_order_acquire))
        mailbox_post(a->env->control, &a->parsed_mail);
    else
        attempt_unref(a); /* abandoned: nobody waits for it, and the control loop may be gone */
}

static bool has_command(const struct attempt *a)
{
    return a->task.relay;
}

/* Nobody is left who could tell how the command ended. */
static void forget_command(struct attempt *a)
{
    if (!attempt_engaged(a) || !has_command(a))
        return;
    relay_gone(&a->relay);
    body_wake(a->body);
}

/* The client was not told to begin, and will not be. */
static void forget_unbegun(struct attempt *a)
{
    if (!a->told_begin)
        forget_command(a);
}

static void on_begun(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, begun_mail);
    if (attempt_cause(a)) {
        forget_unbegun(a);
    } else if (!a->ended) {
        a->told_begin = true;
        a->ops->begun(a);
    }
    attempt_unref(a);
}

static void on_delivered(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, delivered_mail);
    if (!attempt_cause(a) && !a->ended)
        a->ops->delivered(a);
    attempt_unref(a);
}

static void stop(struct attempt *a);

/* The cause is set. */
static void on_broken(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, broken_mail);
    if (!a->ended)
        stop(a);
    attempt_unref(a);
}

/* A redirect in mid-body: the pipe stays on its loop, and so do all further hops. */
static void on_parked(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, parked_mail);
    if (!a->identity.reading)
        identity_wipe(&a->identity);
    if (attempt_cause(a))
        attempt_fetch_abort(a); /* the parser's, perhaps: then nobody else does */
    else
        a->ops->redirected(a, a->redirect);
    attempt_unref(a);
}

static void on_over(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, over_mail);
    a->loop = NULL;
    if (!a->identity.reading)
        identity_wipe(&a->identity);
    if (a->redirect && !attempt_cause(a) && !attempt_engaged(a)) {
        a->ops->redirected(a, a->redirect);
        return;
    }
    a->over = true;
    if (attempt_cause(a) &&
        atomic_load_explicit(&a->parser, memory_order_acquire) == PARSER_RUNNING) {
        sink_shut(a->env->sink, &a->task.source); /* what it still says is a consequence */
        body_wake(a->body);
        forget_unbegun(a);
        a->ops->aborted(a);
    }
    end_if_over(a);
}

bool attempt_abandon(struct attempt *a)
{
    enum attempt_parser running = PARSER_RUNNING;
    if (!atomic_compare_exchange_strong_explicit(&a->parser, &running, PARSER_ABANDONED,
                                                 memory_order_acq_rel, memory_order_acquire))
        return false;
    forget_command(a);
    pool_abandon(a->env->pool, &a->pool_job);
    /* `ended` comes by mail, as if the parser had returned; the worker will find itself abandoned
     * and drop its own reference. */
    attempt_ref(a);
    mailbox_post(a->env->control, &a->parsed_mail);
    return true;
}

void attempt_returned(struct attempt *a)
{
    forget_command(a);
}

bool attempt_untouched(const struct attempt *a)
{
    enum attempt_parser parser = atomic_load_explicit(&a->parser, memory_order_acquire);
    return parser != PARSER_ABANDONED &&
           !atomic_load_explicit(&a->relay.touched, memory_order_acquire);
}

void attempt_command_ended(struct attempt *a, int status)
{
    if (!attempt_engaged(a) || !has_command(a))
        return;
    relay_exited(&a->relay, status);
    body_wake(a->body);
}

/* The cause is set: stops whatever runs. */
static void stop(struct attempt *a)
{
    if (attempt_engaged(a)) {
        sink_shut(a->env->sink, &a->task.source);
        body_wake(a->body); /* a complete one as well */
    }
    if (a->loop)
        attempt_fetch_abort(a);
    else
        mailbox_post(a->env->control, &a->over_mail); /* between two hops: nothing runs */
}

bool attempt_abort(struct attempt *a, enum error_kind kind, const char *message)
{
    if (!attempt_fail(a, kind, "%s", message))
        return false;
    stop(a);
    return true;
}

bool attempt_cancel(struct attempt *a, bool interrupted, const char *message)
{
    struct cause *cause = cause_claim(a);
    if (!cause)
        return false;
    cause->cancelled = !interrupted;
    cause->interrupted = interrupted;
    snprintf(cause->message, sizeof cause->message, "%s", message);
    cause_publish(a, cause);
    stop(a);
    return true;
}

/* --- beginning -------------------------------------------------------------------------------- */

/* All that the hop needs is there. */
static void go(struct attempt *a)
{
    if (!attempt_engaged(a)) /* in mid-body the pipe's */
        a->loop = fetch_loop_for(a->env->fetch, a->host);
    attempt_fetch_start(a);
}

static void on_identity(struct identity *identity)
{
    struct attempt *a = container_of(identity, struct attempt, identity);
    if (attempt_cause(a)) { /* aborted meanwhile: over_mail was posted, if not delivered */
        identity_wipe(identity);
    } else if (identity->result < 0) {
        attempt_abort(a, KIND_RESOURCES, identity->error.text);
    } else {
        go(a);
    }
    attempt_unref(a);
}

/* Ours go everywhere; the job's own as the hop has it. */
static void choose_headers(struct attempt *a)
{
    const struct strings *asked = &a->spec->headers;
    bool had_body = strcmp(a->spec->method, "POST") == 0, has_body = strcmp(a->method, "POST") == 0;
    a->header_count = 0;
    /* What nobody decodes is not asked for. */
    if (a->spec->effective.compress && a->spec->effective.decode != DECODE_FILE_NONE)
        a->headers[a->header_count++] = ENCODING_ACCEPT;
    for (size_t i = 0; i < asked->count; i++)
        if (redirect_keeps_header(asked->items[i], a->elsewhere, had_body, has_body))
            a->headers[a->header_count++] = asked->items[i];
}

/* What was meant for the job's origin stays there; once another one was asked it is not sent any more. */
static void turn_to(struct attempt *a, const char *url)
{
    a->method = redirect_method(a->status, a->method);
    if (!a->elsewhere && !redirect_same_origin(a->url, url)) {
        a->elsewhere = true;
        identity_forget_credential(&a->identity);
    }
}

int attempt_hop(struct attempt *a, const char *url, const char *host,
                const struct attempt_host *traits)
{
    char *url_copy = strdup(url), *host_copy = strdup(host);
    char *shown = a->hops > 0 ? spec_redact_url(url, traits->redact) : NULL;
    const char *proxy = proxy_for(a->env->proxy, url, host);
    struct credential *proxy_credential = NULL;
    if (!url_copy || !host_copy || (a->hops > 0 && !shown) ||
        credential_for_proxy(traits->proxy_credential, proxy, &proxy_credential) < 0 ||
        identity_prepare(&a->identity, traits->client_cert, traits->client_key, proxy_credential) <
            0) {
        free(url_copy);
        free(host_copy);
        free(shown);
        return -ENOMEM;
    }
    if (a->hops++ > 0)
        turn_to(a, url);
    if (a->started == 0)
        a->started = clock_now();
    choose_headers(a);
    free(a->url);
    free(a->host);
    a->url = url_copy;
    a->host = host_copy;
    free(a->shown_url);
    a->shown_url = shown;
    a->proxy = proxy;
    a->http = traits->http;
    a->bytes_per_second = traits->bytes_per_second;
    free(a->redirect); /* `url` may point there */
    a->redirect = NULL;
    if (identity_wanted(&a->identity))
        identity_read(&attempt_ref(a)->identity, a->env->loop, a->url, on_identity);
    else
        go(a);
    return 0;
}

bool attempt_asks_again(const struct attempt *a)
{
    return a->again;
}

void attempt_begin_again(struct attempt *a, struct credential *credential)
{
    a->again = false;
    a->hops = 0;
    a->elsewhere = false;
    a->method = a->spec->method;
    identity_forget_credential(&a->identity);
    a->identity.credential = credential;
}

int attempt_new(const struct attempt_env *env, const struct attempt_ops *ops, void *user,
                const struct spec *spec, struct registry *registry, struct policy *policy,
                struct credential *credential, uint64_t job, uint32_t number,
                struct attempt **ret_attempt)
{
    struct attempt *a = calloc(1, sizeof *a);
    if (!a) {
        credential_free(credential);
        return -ENOMEM;
    }
    a->identity.credential = credential;
    atomic_init(&a->refs, 1);
    a->env = env;
    a->ops = ops;
    a->user = user;
    a->spec = spec;
    a->registry = registry_ref(registry);
    a->policy = policy_ref(policy);
    a->job = job;
    a->number = number;
    a->method = spec->method;
    mail_init(&a->over_mail, on_over);
    mail_init(&a->parked_mail, on_parked);
    mail_init(&a->parsed_mail, on_parsed);
    mail_init(&a->begun_mail, on_begun);
    mail_init(&a->delivered_mail, on_delivered);
    mail_init(&a->broken_mail, on_broken);
    a->run_fd = -1;
    atomic_init(&a->length, -1);
    attempt_fetch_init(a);
    a->headers = calloc(spec->headers.count + 2 + CONDITION_HEADERS, sizeof *a->headers);
    if (spec->effective.max_redirects > 0)
        a->cookies = cookies_new();
    if (!a->headers || (spec->effective.max_redirects > 0 && !a->cookies) ||
        checksum_init(&a->checksum, spec->effective.digest) < 0)
        goto nomem;
    *ret_attempt = a;
    return 0;
nomem:
    attempt_unref(a);
    return -ENOMEM;
}

int attempt_name_schedule(struct attempt *a, const char *name)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, ",\"schedule\":");
    json_put_string(&b, name, strlen(name));
    a->extra = b.failed ? NULL : buf_steal(&b);
    buf_deinit(&b);
    return a->extra ? 0 : -ENOMEM;
}

int attempt_remember(struct attempt *a, const char *etag, const char *modified, const char *page)
{
    return condition_init(&a->condition, etag, modified, page);
}

void attempt_lend(struct attempt *a, int fd)
{
    a->run_fd = fd;
}

/* --- what came of it --------------------------------------------------------------------------- */

static bool has_returned(const struct attempt *a)
{
    return atomic_load_explicit(&a->parser, memory_order_acquire) == PARSER_RETURNED;
}

/* Those of the body's data. A process says how many are none, and may say anything. */
static uint64_t data_records(const struct parse_task *task)
{
    return task->notes < task->source.seq ? task->source.seq - task->notes : 0;
}

const struct cause *attempt_conclude(struct attempt *a)
{
    uint64_t min = a->spec->effective.min_records;
    bool enough = a->task.result == PENSTOCK_ENOUGH;
    if (attempt_engaged(a))
        sink_shut(a->env->sink, &a->task.source);
    if (attempt_cause(a) || a->condition.unchanged)
        return attempt_cause(a);
    if (!attempt_engaged(a) || (a->task.result != PENSTOCK_OK && !enough) ||
        (!enough && !a->task.body_ended))
        attempt_fail(a, KIND_INTERNAL, "the parser ended without a result");
    else if (!a->spec->run && data_records(&a->task) < min) /* a command has none */
        attempt_fail(a, KIND_UNEXPECTED, "min_records: %llu records, at least %llu were expected",
                     (unsigned long long)data_records(&a->task), (unsigned long long)min);
    return attempt_cause(a);
}

void attempt_put_text(struct buf *line, const struct attempt *a)
{
    if (has_returned(a))
        parse_task_text_members(line, &a->task);
}

struct spool *attempt_spool(struct attempt *a)
{
    return a->spool.lines > 0 ? &a->spool : NULL;
}

bool attempt_keeps_body(const struct attempt *a)
{
    const struct cause *cause = attempt_cause(a);
    return cause && keep_worth(cause->kind) && attempt_engaged(a) && a->keep.max > 0;
}

int attempt_store_body(struct attempt *a, char **ret_path)
{
    return keep_store(&a->keep, a->env->spool_dir, a->env->spool_max, a->job, a->number, ret_path);
}

static enum attempt_wait wait_of(const struct attempt *a)
{
    if (!attempt_engaged(a))
        return WAITS_ORIGIN;
    if (atomic_load_explicit(&a->task.source.wait_since, memory_order_relaxed))
        return WAITS_SINK;
    if (atomic_load_explicit(&a->paused, memory_order_relaxed))
        return WAITS_PARSER;
    return atomic_load_explicit(&a->transfer.throttled, memory_order_relaxed) ? WAITS_HOST
                                                                              : WAITS_ORIGIN;
}

/* No transfer is under way: what the fetch loop found out is to be read. */
static void report_download(const struct attempt *a, struct attempt_report *r)
{
    const struct condition *c = &a->condition;
    bool noted = c->noting && (!c->unchanged || c->renewed);
    uint64_t sink = r->wait_sink;
    r->status = a->status;
    r->address = a->end.address[0] ? a->end.address : NULL;
    r->retry_after = a->retry_after;
    r->proxy_refuses = a->end.proxy_refuses;
    r->connect = a->end.connect_ns;
    r->first_byte = a->end.first_byte_ns;
    r->wait_origin += r->first_byte;
    /* While the parser waits for the sink the pipe is full as well: that time is the sink's. */
    r->wait_parser = a->pipe_full_ns > sink ? a->pipe_full_ns - sink : 0;
    r->unchanged = c->unchanged;
    r->digest_name = checksum_asked(&a->checksum, &r->digest);
    r->validators = noted ? &c->seen : NULL;
    r->skipped_codings = a->task.decode.skipped;
    r->verified = a->verified;
}

static void report_reading(const struct attempt *a, struct attempt_report *r)
{
    if (r->verified == VERIFIED_NONE && a->task.vouched)
        r->verified = VERIFIED_ENCODING;
    else if (r->verified == VERIFIED_NONE && a->task.result == PENSTOCK_ENOUGH)
        r->verified = VERIFIED_ENOUGH;
}

void attempt_report(const struct attempt *a, uint64_t now, struct attempt_report *ret_report)
{
    bool engaged = attempt_engaged(a);
    struct attempt_report r = {
        .started = a->started,
        .hops = a->hops,
        .url = a->url,
        .host = a->host,
        .final_url = a->shown_url,
        .bytes = atomic_load_explicit(&a->bytes, memory_order_relaxed),
        .length = atomic_load_explicit(&a->length, memory_order_relaxed),
        .records = engaged ? sink_source_seq(a->env->sink, &a->task.source) : 0,
        .held = engaged && a->hold_max > 0,
        .resumes = atomic_load_explicit(&a->resume.count, memory_order_relaxed),
        .engaged = engaged,
        .parser_busy = engaged ? parse_task_busy(&a->task, now) : 0,
        .decoded = engaged && atomic_load_explicit(&a->body->decoding, memory_order_relaxed),
        .decoded_bytes =
            engaged ? atomic_load_explicit(&a->body->bytes_decoded, memory_order_relaxed) : 0,
        .waits = wait_of(a),
        .wait_origin = engaged ? body_read_wait(a->body, now) : 0,
        .wait_sink = engaged ? sink_waited(&a->task.source, now) : 0,
    };
    if (!a->loop)
        report_download(a, &r);
    if (!a->loop && has_returned(a))
        report_reading(a, &r);
    *ret_report = r;
}
