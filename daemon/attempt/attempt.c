/* The control loop's part of an attempt, its lifetime, and what joins the three threads. */
#include "attempt/attempt.h"

#include "attempt/download.h"
#include "attempt/reading.h"
#include "attempt/retry.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "fetch/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct attempt {
    atomic_int refs;
    /* Immutable. */
    const struct attempt_env *env;
    const struct attempt_ops *ops;
    void *user;
    const struct spec *spec;
    struct registry *registry;
    struct policy *policy;
    uint64_t job;
    uint32_t number;

    /* The control loop's. */
    struct fetch_loop *loop; /* where a download is under way, or parked; NULL: nowhere */
    uint64_t started;
    bool over; /* nothing runs on the fetch loop, and no hop follows */
    bool ended;
    bool told_begin; /* `begun` was called */
    struct mail parked_mail, over_mail, parsed_mail, begun_mail, delivered_mail, broken_mail,
        batch_mail;
    struct hop hop;

    struct download download; /* the fetch loop's */
    struct reading reading;   /* the worker's */
    struct first_cause cause; /* any thread's */
    struct progress progress; /* written by the fetch loop */
};

static struct attempt *attempt_ref(struct attempt *a)
{
    int before = atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return a;
}

void attempt_unref(struct attempt *a)
{
    if (!a)
        return;
    int before = atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before != 1)
        return;
    download_deinit(&a->download);
    reading_deinit(&a->reading);
    hop_deinit(&a->hop);
    registry_unref(a->registry);
    policy_unref(a->policy);
    free(a);
}

void *attempt_user(const struct attempt *a)
{
    return a->user;
}

const struct cause *attempt_cause(const struct attempt *a)
{
    return cause_of(&a->cause);
}

static bool engaged(const struct attempt *a)
{
    return progress_engaged(&a->progress);
}

/* --- from the fetch loop ---------------------------------------------------------------------- */

static struct attempt *of_download(struct download *d)
{
    return container_of(d, struct attempt, download);
}

static int on_head(struct download *d, const struct transfer_response *response)
{
    struct attempt *a = of_download(d);
    return reading_head(&a->reading, a->hop.shown_url, response, &d->encoding);
}

static int on_consumer(struct download *d, int read_fd)
{
    struct attempt *a = attempt_ref(of_download(d)); /* the worker's */
    int r = reading_engage(&a->reading, d->body, read_fd, d->pipe.fd, d->checksum.demanded);
    if (r < 0)
        attempt_unref(a);
    return r;
}

static void on_download_parked(struct download *d)
{
    struct attempt *a = attempt_ref(of_download(d));
    mailbox_post(a->env->control, &a->parked_mail);
}

static void on_download_over(struct download *d)
{
    struct attempt *a = of_download(d);
    mailbox_post(a->env->control, &a->over_mail);
}

static void on_release(struct download *d)
{
    attempt_unref(of_download(d));
}

static const struct download_ops download_ops = {.head = on_head,
                                                 .consumer = on_consumer,
                                                 .parked = on_download_parked,
                                                 .over = on_download_over,
                                                 .release = on_release};

/* --- from the worker -------------------------------------------------------------------------- */

static struct attempt *of_reading(struct reading *r)
{
    return container_of(r, struct attempt, reading);
}

/* The worker's reference goes on with the mail; where nobody waits for one it is dropped. */
static void on_reading_done(struct reading *r, bool abandoned)
{
    struct attempt *a = of_reading(r);
    if (abandoned)
        attempt_unref(a);
    else
        mailbox_post(a->env->control, &a->parsed_mail);
}

static void on_reading_begun(struct reading *r)
{
    struct attempt *a = attempt_ref(of_reading(r));
    mailbox_post(a->env->control, &a->begun_mail);
}

static void on_reading_delivered(struct reading *r)
{
    struct attempt *a = attempt_ref(of_reading(r));
    mailbox_post(a->env->control, &a->delivered_mail);
}

static void on_reading_broken(struct reading *r)
{
    struct attempt *a = attempt_ref(of_reading(r));
    mailbox_post(a->env->control, &a->broken_mail);
}

static void on_reading_batch(struct reading *r)
{
    struct attempt *a = attempt_ref(of_reading(r));
    mailbox_post(a->env->control, &a->batch_mail);
}

static const struct reading_ops reading_ops = {.done = on_reading_done,
                                               .begun = on_reading_begun,
                                               .delivered = on_reading_delivered,
                                               .broken = on_reading_broken,
                                               .batch = on_reading_batch};

/* --- ending ----------------------------------------------------------------------------------- */

static void end_if_over(struct attempt *a)
{
    if (a->ended || !a->over || reading_state(&a->reading) == READING_RUNNING)
        return;
    assert(!a->loop);
    a->ended = true;
    a->ops->ended(a);
}

static void on_parsed(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, parsed_mail);
    end_if_over(a);
    attempt_unref(a); /* the worker's */
}

/* The client was not told to begin, and will not be. */
static void forget_unbegun(struct attempt *a)
{
    if (!a->told_begin)
        reading_forget_command(&a->reading);
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

static void on_batch(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, batch_mail);
    if (!attempt_cause(a) && !a->ended)
        a->ops->batch(a);
    attempt_unref(a);
}

static void abort_download(struct attempt *a)
{
    attempt_ref(a); /* until `release` */
    if (!download_abort(&a->download))
        attempt_unref(a); /* the mail that is under way already has its own */
}

/* The cause is set: stops whatever runs. */
static void stop(struct attempt *a)
{
    assert(attempt_cause(a));
    reading_stop(&a->reading);
    if (a->loop)
        abort_download(a);
    else
        mailbox_post(a->env->control, &a->over_mail); /* between two hops: nothing runs */
}

/* The cause is set. */
static void on_broken(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, broken_mail);
    if (!a->ended)
        stop(a);
    attempt_unref(a);
}

static void wipe_identity(struct attempt *a)
{
    if (!a->hop.identity.reading)
        identity_wipe(&a->hop.identity);
}

/* A redirect in mid-body: the pipe stays on its loop, and so do all further hops. */
static void on_parked(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, parked_mail);
    wipe_identity(a);
    if (attempt_cause(a))
        abort_download(a); /* the parser's, perhaps: then nobody else does */
    else
        a->ops->redirected(a, a->download.redirect);
    attempt_unref(a);
}

static void on_over(struct mail *mail)
{
    struct attempt *a = container_of(mail, struct attempt, over_mail);
    a->loop = NULL;
    wipe_identity(a);
    if (a->download.redirect && !attempt_cause(a) && !engaged(a)) {
        a->ops->redirected(a, a->download.redirect);
        return;
    }
    a->over = true;
    if (attempt_cause(a) && reading_state(&a->reading) == READING_RUNNING) {
        reading_stop(&a->reading);
        forget_unbegun(a);
        a->ops->aborted(a);
    }
    end_if_over(a);
}

bool attempt_abandon(struct attempt *a)
{
    if (!reading_abandon(&a->reading))
        return false;
    /* `ended` comes by mail, as if the parser had returned; the worker will find itself abandoned
     * and drop its own reference. */
    attempt_ref(a);
    mailbox_post(a->env->control, &a->parsed_mail);
    return true;
}

void attempt_returned(struct attempt *a)
{
    reading_forget_command(&a->reading);
}

void attempt_command_ended(struct attempt *a, int status)
{
    reading_command_ended(&a->reading, status);
}

bool attempt_abort(struct attempt *a, enum error_kind kind, const char *message)
{
    if (a->ended || !cause_fail(&a->cause, kind, "%s", message))
        return false;
    stop(a);
    return true;
}

bool attempt_cancel(struct attempt *a, bool interrupted, const char *message)
{
    if (a->ended || !cause_cancel(&a->cause, interrupted, message))
        return false;
    stop(a);
    return true;
}

/* --- hops ------------------------------------------------------------------------------------- */

/* All that the hop needs is there. */
static void go(struct attempt *a)
{
    if (engaged(a)) {   /* in mid-body it is the pipe's loop */
        attempt_ref(a); /* until `release` */
        download_go_on(&a->download);
        return;
    }
    a->loop = fetch_loop_for(a->env->fetch, a->hop.host);
    download_start(&a->download, a->loop);
}

static void on_identity(struct identity *identity)
{
    struct attempt *a = container_of(identity, struct attempt, hop.identity);
    if (attempt_cause(a)) /* aborted meanwhile: over_mail was posted, if not delivered */
        identity_wipe(identity);
    else if (identity->result < 0)
        attempt_abort(a, KIND_RESOURCES, identity->error.text);
    else
        go(a);
    attempt_unref(a);
}

int attempt_hop(struct attempt *a, const char *url, const char *host,
                const struct hop_traits *traits)
{
    if (a->over) /* it waited for its slot meanwhile, and its reader left: its parser ends it */
        return 0;
    int r = hop_next(&a->hop, a->spec, a->env->proxy, url, host, traits, a->download.status);
    if (r < 0)
        return r;
    if (a->started == 0)
        a->started = clock_now();
    if (identity_wanted(&a->hop.identity))
        identity_read(&attempt_ref(a)->hop.identity, a->env->loop, a->hop.url, on_identity);
    else
        go(a);
    return 0;
}

bool attempt_asks_again(const struct attempt *a)
{
    return a->download.again;
}

void attempt_begin_again(struct attempt *a, struct credential *credential)
{
    a->download.again = false;
    hop_begin_again(&a->hop, a->spec, credential);
}

/* --- beginning -------------------------------------------------------------------------------- */

static struct attempt *attempt_alloc(void)
{
    struct attempt *a = aligned_alloc(PROGRESS_LINE, sizeof *a);
    if (a)
        memset(a, 0, sizeof *a);
    return a;
}

int attempt_new(const struct attempt_env *env, const struct attempt_ops *ops, void *user,
                const struct spec *spec, struct registry *registry, struct policy *policy,
                struct credential *credential, uint64_t job, uint32_t number,
                struct attempt **ret_attempt)
{
    struct attempt *a = attempt_alloc();
    if (!a) {
        credential_free(credential);
        return -ENOMEM;
    }
    atomic_init(&a->refs, 1);
    a->env = env;
    a->ops = ops;
    a->user = user;
    a->spec = spec;
    a->registry = registry_ref(registry);
    a->policy = policy_ref(policy);
    a->job = job;
    a->number = number;
    atomic_init(&a->progress.length, -1);
    mail_init(&a->over_mail, on_over);
    mail_init(&a->parked_mail, on_parked);
    mail_init(&a->parsed_mail, on_parsed);
    mail_init(&a->begun_mail, on_begun);
    mail_init(&a->delivered_mail, on_delivered);
    mail_init(&a->broken_mail, on_broken);
    mail_init(&a->batch_mail, on_batch);
    reading_init(&a->reading, env, &reading_ops, spec, &a->cause, &a->progress, job, number);
    a->download = (struct download){.env = env,
                                    .ops = &download_ops,
                                    .spec = spec,
                                    .hop = &a->hop,
                                    .policy = policy,
                                    .cause = &a->cause,
                                    .progress = &a->progress};
    int r = hop_init(&a->hop, spec, credential);
    if (r == 0)
        r = download_init(&a->download);
    if (r < 0)
        attempt_unref(a);
    else
        *ret_attempt = a;
    return r;
}

int attempt_name_schedule(struct attempt *a, const char *name)
{
    return reading_name_schedule(&a->reading, name);
}

int attempt_remember(struct attempt *a, const char *etag, const char *modified, const char *page)
{
    return condition_init(&a->download.condition, etag, modified, page);
}

void attempt_store_records(struct attempt *a, bool batches)
{
    reading_store_records(&a->reading, batches);
}

struct spool attempt_batch(const struct attempt *a)
{
    return reading_batch(&a->reading);
}

void attempt_batch_over(struct attempt *a)
{
    reading_batch_over(&a->reading);
}

void attempt_lend(struct attempt *a, int fd)
{
    reading_lend(&a->reading, fd);
}

void attempt_press(struct attempt *a, struct sink_credit *credit)
{
    reading_press(&a->reading, credit);
}

/* --- what came of it -------------------------------------------------------------------------- */

const struct cause *attempt_conclude(struct attempt *a)
{
    assert(a->ended);
    reading_stop(&a->reading);
    if (!attempt_cause(a) && !a->download.condition.unchanged && !a->download.told)
        reading_conclude(&a->reading);
    return attempt_cause(a);
}

void attempt_put_text(struct buf *line, const struct attempt *a)
{
    if (reading_state(&a->reading) == READING_RETURNED)
        parse_task_text_members(line, &a->reading.task);
}

void attempt_put_head(struct buf *line, const struct attempt *a)
{
    if (a->download.told)
        head_facts_put(line, a->download.told, &a->download.end, &a->download.resume);
}

struct spool *attempt_spool(struct attempt *a)
{
    return a->reading.holds && a->reading.spool.lines > 0 ? &a->reading.spool : NULL;
}

const struct spool *attempt_stored(struct attempt *a)
{
    return a->reading.stores && a->reading.spool.lines > 0 ? &a->reading.spool : NULL;
}

int attempt_records(struct attempt *a, const struct spool **ret_spool)
{
    const struct spool *spool = &a->reading.spool;
    *ret_spool = spool->lines > 0 ? spool : NULL;
    return a->reading.copy_error ? a->reading.copy_error : spool->error;
}

bool attempt_keeps_body(const struct attempt *a)
{
    const struct cause *cause = attempt_cause(a);
    return cause && keep_worth(cause->kind) && engaged(a) && a->reading.keep.max > 0;
}

int attempt_store_body(struct attempt *a, char **ret_path)
{
    return keep_store(&a->reading.keep, a->env->spool_dir, a->env->spool_max, a->job, a->number,
                      ret_path);
}

bool attempt_untouched(const struct attempt *a)
{
    return reading_untouched(&a->reading);
}

void attempt_report(const struct attempt *a, uint64_t now, struct attempt_report *ret_report)
{
    struct attempt_report r = {.started = a->started,
                               .hops = a->hop.count,
                               .url = a->hop.url,
                               .host = a->hop.host,
                               .final_url = a->hop.shown_url};
    reading_report(&a->reading, now, &r);
    download_report(&a->download, !a->loop, &r);
    if (!a->loop && r.verified == VERIFIED_NONE)
        r.verified = reading_verified(&a->reading);
    *ret_report = r;
}

/* A body that was put together of several answers may be what the decoder does not like: its
 * origin's mistake (or ours), which an answer in one piece does not repeat. */
bool attempt_worth_retrying(const struct attempt *a)
{
    const struct cause *cause = attempt_cause(a);
    struct attempt_report report;
    attempt_report(a, clock_now(), &report);
    if (cause->kind == KIND_PROXY && report.proxy_refuses)
        return false;
    return retry_wanted(cause->kind, report.status) ||
           (cause->kind == KIND_DECODE_ERROR && report.resumes > 0);
}
