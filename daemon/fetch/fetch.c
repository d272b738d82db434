/* The loops: made and unmade by one thread, each run by its own. Work comes by mail; the last mail
 * stops it. */
#include "fetch/fetch.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "fetch/libcurl.h"
#include "fetch/loop_impl.h"
#include "fetch/shortage.h"
#include "fetch/spares.h"
#include "fetch/transfer.h"
#include "fetch/warm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TICK_MS          500
#define DEFAULT_CONNECTS 64
#define MAX_THREADS      64

struct fetch {
    size_t count;
    struct fetch_loop loops[];
};

/* The system's bundle, as libcurl was built for it. NULL: it has none. */
static const char *system_ca(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    return info->age >= CURLVERSION_SEVENTH ? info->cainfo : NULL;
}

/* --- the loop's thread --- */

static void on_tick(uv_timer_t *timer)
{
    struct fetch_loop *loop = container_of(timer, struct fetch_loop, tick);
    atomic_store_explicit(&loop->ticks_ns, clock_now(), memory_order_relaxed);
}

static void on_trust(struct mail *mail)
{
    trust_renew(&container_of(mail, struct fetch_loop, trust_mail)->trust);
}

static void on_stop(struct mail *mail)
{
    struct fetch_loop *loop = container_of(mail, struct fetch_loop, stop_mail);
    spares_free(loop);
    multi_close(&loop->multi, NULL);
    rates_close(&loop->rates);
    trust_close(&loop->trust);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    mailbox_close(&loop->mailbox, NULL, NULL);
}

static void *run(void *arg)
{
    struct fetch_loop *loop = arg;
    char name[16];
    fetch_loop_adopt(loop);
    snprintf(name, sizeof name, "fetch-%u", loop->index);
    pthread_setname_np(pthread_self(), name);
    uint64_t shortages = shortage_count();
    warm_ca(loop->multi.handle, loop->trust.path);
    if (shortage_count() != shortages) /* some of its certificates may be missing */
        trust_renew(&loop->trust);
    uv_update_time(&loop->uv);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

/* --- making and unmaking --- */

static void close_uv(struct fetch_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int r = uv_loop_close(&loop->uv);
    if (r == 0)
        return;
    /* A handle is still in the loop whose memory goes away next: better to die here than anywhere
     * later. */
    log_error("fetch-%u: the loop has open handles at its end: %s", loop->index, uv_strerror(r));
    abort();
}

static void sockets_deinit(struct fetch_loop *loop)
{
    fd_close(&loop->dead);
    connections_deinit(&loop->sockets);
}

static int loop_init(struct fetch_loop *loop, unsigned index, const struct fetch_config *config)
{
    const char *ca = config->ca_file ? config->ca_file : system_ca();
    loop->index = index;
    loop->receive_buffer = config->receive_buffer;
    loop->splice_min = config->splice_min;
    list_init(&loop->spares);
    list_init(&loop->turns);
    mail_init(&loop->stop_mail, on_stop);
    mail_init(&loop->trust_mail, on_trust);
    loop->dead = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = loop->dead < 0 ? -errno : connections_init(&loop->sockets);
    if (r < 0)
        goto no_sockets;
    r = uv_loop_init(&loop->uv);
    if (r < 0)
        goto no_sockets;
    r = trust_init(&loop->trust, &loop->uv, ca);
    if (r < 0)
        goto no_trust;
    r = mailbox_init(&loop->mailbox, &loop->uv);
    if (r < 0)
        goto no_mailbox;
    r = multi_init(&loop->multi, &loop->uv);
    if (r < 0)
        goto no_multi;
    loop->idle_connects = config->max_connects ? config->max_connects : DEFAULT_CONNECTS;
    transfer_serve(loop);
    uv_timer_init(&loop->uv, &loop->tick);
    uv_timer_start(&loop->tick, on_tick, TICK_MS, TICK_MS);
    atomic_store_explicit(&loop->ticks_ns, clock_now(), memory_order_relaxed);
    return 0;

no_multi:
    mailbox_close(&loop->mailbox, NULL, NULL);
no_mailbox:
    trust_close(&loop->trust);
no_trust:
    close_uv(loop);
    trust_deinit(&loop->trust);
no_sockets:
    sockets_deinit(loop);
    return r;
}

/* Its thread has ended, or never began. */
static void loop_deinit(struct fetch_loop *loop)
{
    close_uv(loop);
    trust_deinit(&loop->trust);
    sockets_deinit(loop);
}

/* Signals are the control loop's; the resolver's threads inherit the mask too. */
static int start_thread(struct fetch_loop *loop)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int r = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static int loop_start(struct fetch_loop *loop, unsigned index, const struct fetch_config *config)
{
    int r = loop_init(loop, index, config);
    if (r < 0)
        return r;
    r = start_thread(loop);
    if (r < 0) {
        on_stop(&loop->stop_mail);
        loop_deinit(loop);
    }
    return r;
}

int fetch_new(const struct fetch_config *config, struct fetch **ret_fetch, struct error *err)
{
    unsigned threads = config->threads ? config->threads : 1;
    if (threads > MAX_THREADS)
        return error_set(err, -EINVAL, "fetch.threads is %u: at most %d", threads, MAX_THREADS);
    int r = libcurl_start(err);
    if (r < 0)
        return r;
    struct fetch *fetch = calloc(1, sizeof *fetch + threads * sizeof fetch->loops[0]);
    if (!fetch)
        return error_set(err, -ENOMEM, "out of memory for the fetch loops");
    for (; fetch->count < threads; fetch->count++) {
        r = loop_start(&fetch->loops[fetch->count], (unsigned)fetch->count, config);
        if (r < 0) {
            fetch_free(fetch);
            return error_set(err, r, "a fetch loop cannot be started: %s", uv_strerror(r));
        }
    }
    *ret_fetch = fetch;
    return 0;
}

void fetch_free(struct fetch *fetch)
{
    if (!fetch)
        return;
    for (size_t i = 0; i < fetch->count; i++)
        mailbox_post(&fetch->loops[i].mailbox, &fetch->loops[i].stop_mail);
    for (size_t i = 0; i < fetch->count; i++) {
        pthread_join(fetch->loops[i].thread, NULL);
        loop_deinit(&fetch->loops[i]);
    }
    free(fetch);
}

/* --- for others --- */

void fetch_renew_trust(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++)
        mailbox_post(&fetch->loops[i].mailbox, &fetch->loops[i].trust_mail);
}

size_t fetch_loop_count(const struct fetch *fetch)
{
    return fetch->count;
}

void fetch_loop_stats(const struct fetch *fetch, size_t i, struct fetch_loop_stats *ret_stats)
{
    const struct fetch_loop *loop = &fetch->loops[i];
    ret_stats->transfers = atomic_load_explicit(&loop->transfers, memory_order_relaxed);
    ret_stats->connections = atomic_load_explicit(&loop->connections, memory_order_relaxed);
    ret_stats->spliced = atomic_load_explicit(&loop->spliced, memory_order_relaxed);
    ret_stats->bytes = atomic_load_explicit(&loop->bytes, memory_order_relaxed);
    ret_stats->running = atomic_load_explicit(&loop->running, memory_order_relaxed);
    ret_stats->ticks_ns = atomic_load_explicit(&loop->ticks_ns, memory_order_relaxed);
}

/* FNV-1a, 32 bits. */
struct fetch_loop *fetch_loop_for(struct fetch *fetch, const char *host)
{
    uint32_t hash = 2166136261u;
    for (const char *p = host; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return &fetch->loops[hash % fetch->count];
}

struct fetch_loop *fetch_loop_at(struct fetch *fetch, size_t i)
{
    return &fetch->loops[i];
}
