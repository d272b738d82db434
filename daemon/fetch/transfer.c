/* A transfer's life: started and cancelled from any thread by mail, run and ended on its loop's
 * thread.
 *
 *   IDLE -> QUEUED -> RUNNING -> IDLE, then on_end
 *             |          `-> CANCELLING (the cancel mail is on its way) -> IDLE, then on_end
 *             `-> CANCELLED (the start mail is on its way) -> IDLE, then on_end
 *
 * Each arrow is one compare-exchange, so that on_end is called once, and only when no mail of the
 * struct's is under way: then nothing refers to it any more. */
#include "fetch/transfer.h"

#include "base/clock.h"
#include "fetch/clocks.h"
#include "fetch/delivery.h"
#include "fetch/libcurl.h"
#include "fetch/loop_impl.h"
#include "fetch/outcome.h"
#include "fetch/resolver.h"
#include "fetch/setup.h"
#include "fetch/shortage.h"
#include "fetch/spares.h"
#include "fetch/splice.h"
#include "fetch/transfer_impl.h"

#include <assert.h>

enum transfer_phase { PHASE_IDLE, PHASE_QUEUED, PHASE_RUNNING, PHASE_CANCELLING, PHASE_CANCELLED };

static bool phase_move(struct transfer *t, enum transfer_phase from, enum transfer_phase to)
{
    int expected = (int)from;
    return atomic_compare_exchange_strong_explicit(&t->phase, &expected, (int)to,
                                                   memory_order_acq_rel, memory_order_acquire);
}

/* Curl's limit is on all connections, those in use as well: with as many stalled transfers as it
 * allows, each one that ends would lose its connection. */
static void count_running(struct fetch_loop *loop, int change)
{
    unsigned running =
        atomic_fetch_add_explicit(&loop->running, (unsigned)change, memory_order_relaxed);
    resolver_count_transfers(change);
    long connects = (long)(running + (unsigned)change) + (long)loop->idle_connects;
    curl_multi_setopt(loop->multi.handle, CURLMOPT_MAXCONNECTS, connects);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Nothing of ours refers to t any more. */
static void tell_end(struct transfer *t)
{
    struct transfer_result result = {
        .kind = KIND_INTERNAL, .stopped = true, .message = "stopped before it began"};
    if (t->impl) {
        result = t->impl->result;
        spares_put(t->impl);
        t->impl = NULL;
    }
    t->ops->on_end(t, &result);
}

/* Libcurl keeps what it made of the CA bundle for all later connections. Of one that was read, or
 * whose keys were unpacked, without memory, certificates may be missing or useless for good. */
static void doubt_trust(struct transfer_impl *impl)
{
    bool tls = !impl->plain || impl->proxy_type == PROXY_HTTPS;
    if (tls && impl->opened && impl_is_starved(impl))
        trust_renew(&impl->loop->trust);
}

/* Takes it out of everybody's hands; the result is final. */
static void detach(struct transfer_impl *impl, CURLcode code)
{
    impl->ended = true;
    outcome_fill(impl, code);
    doubt_trust(impl);
    if (impl->result.kind == KIND_CONNECT || impl->result.kind == KIND_CONNECT_TIMEOUT)
        lookup_doubt(&impl->loop->lookups, impl->host, impl->port);
    clocks_stop(impl);
    list_del(&impl->report.link);
    list_del(&impl->rate_link);
    list_del(&impl->turn_link);
    splice_stop(impl);
    rate_put(impl->rate);
    impl->rate = NULL;
    impl_leave_curl(impl);
    count_running(impl->loop, -1);
}

static void impl_end(struct transfer_impl *impl, CURLcode code)
{
    assert(fetch_loop_is_current(impl->loop));
    if (impl->ended)
        return;
    struct transfer *t = impl->t;
    detach(impl, code);
    if (phase_move(t, PHASE_RUNNING, PHASE_IDLE))
        tell_end(t);
}

/* NULL for the handles that curl keeps for itself. */
static struct transfer_impl *impl_of(CURL *easy)
{
    char *impl = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &impl);
    return (struct transfer_impl *)(void *)impl;
}

static void on_unwatched(CURL *easy)
{
    struct transfer_impl *impl = impl_of(easy);
    if (impl && impl->t && !impl->ended && impl->stage == STAGE_CONNECT)
        clocks_hurry(impl);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void on_cancel(struct mail *mail)
{
    struct transfer *t = container_of(mail, struct transfer, cancel_mail);
    if (t->impl && !t->impl->ended) {
        impl_stop(t->impl);
        detach(t->impl, CURLE_ABORTED_BY_CALLBACK);
    }
    if (phase_move(t, PHASE_CANCELLING, PHASE_IDLE))
        tell_end(t);
}

static void impl_add(struct transfer_impl *impl)
{
    clocks_enter(impl, STAGE_CONNECT);
    CURLMcode code = curl_multi_add_handle(impl->loop->multi.handle, impl->easy);
    impl->added = code == CURLM_OK;
    if (impl->added)
        return;
    impl_fail(impl, code == CURLM_OUT_OF_MEMORY ? KIND_RESOURCES : KIND_INTERNAL,
              "the transfer could not be started: %s", curl_multi_strerror(code));
    impl_end(impl, CURLE_FAILED_INIT);
}

static void impl_begin(struct transfer_impl *impl)
{
    struct fetch_loop *loop = impl->loop;
    atomic_fetch_add_explicit(&loop->transfers, 1, memory_order_relaxed);
    count_running(loop, 1);
    impl->started = clock_now();
    impl->shortages = shortage_count();
    if (setup_handle(impl) < 0) {
        impl_end(impl, CURLE_FAILED_INIT);
        return;
    }
    impl_add(impl);
}

static bool is_broken_connection(CURLcode code)
{
    switch ((int)code) {
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2: /* the connection; a stream that was reset says nothing of it */
        return true;
    default:
        return false;
    }
}

/* A request that fails on a reused connection before the first byte of its answer has met a
 * connection that its peer was closing: it goes out once more, on a new one (RFC 9112, 9.3.1), and
 * nobody need know. (A POST is never sent on a reused one: its origin may have acted on what it
 * read.) */
static bool may_go_afresh(const struct transfer_impl *impl, CURLcode code)
{
    if (impl->afresh || impl->settled || impl->opened)
        return false;
    return impl->stale ||
           (impl->result.connection_reused && impl->head.bytes == 0 && is_broken_connection(code));
}

static void go_afresh(struct transfer_impl *impl)
{
    impl_leave_curl(impl);
    impl->afresh = true;
    impl->stale = impl->unheard = false;
    impl->tried_count = 0;
    impl->curl_error[0] = impl->result.address[0] = '\0';
    curl_easy_setopt(impl->easy, CURLOPT_FRESH_CONNECT, 1L); /* a constant: it cannot fail */
    impl_add(impl);
}

static void on_done(struct multi *multi, CURL *easy, CURLcode code)
{
    struct transfer_impl *impl = impl_of(easy);
    if (impl->added && may_go_afresh(impl, code)) {
        go_afresh(impl);
        return;
    }
    if (impl->added && impl->splice) {
        splice_begin(impl);
        return;
    }
    impl_leave_curl(impl);
    if (!impl->over && delivery_outlasts_curl(impl, code)) {
        impl->over = true;
        impl->over_code = code;
        return;
    }
    impl_end(impl, code);
}

static void on_start(struct mail *mail)
{
    struct transfer *t = container_of(mail, struct transfer, start_mail);
    if (!phase_move(t, PHASE_QUEUED, PHASE_RUNNING)) {
        phase_move(t, PHASE_CANCELLED, PHASE_IDLE);
        tell_end(t);
        return;
    }
    assert(fetch_loop_is_current(t->loop) && !t->impl);
    struct transfer_impl *impl = spares_take(t->loop);
    if (impl) {
        t->impl = impl;
        impl->t = t;
        impl_begin(impl);
        return;
    }
    static const struct transfer_result no_memory = {
        .kind = KIND_RESOURCES, .message = "out of memory for another transfer"};
    if (phase_move(t, PHASE_RUNNING, PHASE_IDLE))
        t->ops->on_end(t, &no_memory);
}

void transfer_start(struct transfer *t, struct fetch_loop *loop,
                    const struct transfer_request *request, const struct transfer_ops *ops,
                    void *user)
{
    t->request = request;
    t->ops = ops;
    t->user = user;
    t->loop = loop;
    t->impl = NULL;
    atomic_store_explicit(&t->throttled, false, memory_order_relaxed);
    mail_init(&t->start_mail, on_start);
    mail_init(&t->cancel_mail, on_cancel);
    atomic_store_explicit(&t->phase, PHASE_QUEUED, memory_order_release);
    mailbox_post(&loop->mailbox, &t->start_mail);
}

void transfer_cancel(struct transfer *t)
{
    if (phase_move(t, PHASE_QUEUED, PHASE_CANCELLED))
        return; /* on_start finds it */
    if (phase_move(t, PHASE_RUNNING, PHASE_CANCELLING))
        mailbox_post(&t->loop->mailbox, &t->cancel_mail);
}

void transfer_resume(struct transfer *t)
{
    struct transfer_impl *impl = t->impl;
    assert(fetch_loop_is_current(t->loop));
    if (!impl || impl->ended || !impl->paused)
        return;
    impl->paused = false;
    if (impl->splice)
        splice_go_on(impl);
    else
        delivery_go_on(impl);
}

static void on_rate_allows(struct list *waiting)
{
    struct transfer_impl *impl = container_of(waiting, struct transfer_impl, rate_link);
    impl->throttled = false;
    atomic_store_explicit(&impl->t->throttled, false, memory_order_relaxed);
    delivery_go_on(impl);
}

void transfer_serve(struct fetch_loop *loop)
{
    loop->multi.done = on_done;
    loop->multi.turned = impl_tell_turns;
    loop->multi.unwatched = on_unwatched;
    count_running(loop, 0);
    rates_init(&loop->rates, &loop->uv, on_rate_allows);
}
