/* Whole attempts without memory: allocation 1, 2, 3 … fails, on the control loop, the fetch loop or
 * the worker, of a library's or of ours, in a run each. The attempt ends once: it has succeeded
 * with all the records of its body, or it has failed in a way that is tried again, before the
 * parser could take what it saw for the whole. Nothing is left, and with memory again the same
 * loops and workers carry the same attempt through. The origins are processes of their own. */
#include "support/exhaust.h"

#include "attempt/attempt.h"
#include "attempt/retry.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/reserve.h"
#include "fetch/fetch.h"
#include "fetch/policy.h"
#include "parse/pool.h"
#include "record/sink.h"
#include "support/apart.h"
#include "support/testlib.h"
#include "terms/spec_url.h"
#include "unit/attempt/request_spec.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#define DENSE 60

struct scenario {
    const struct apart *origin;
    const char *path;      /* an id of its own is added for each run */
    const char *members;   /* of the job, beside its URL */
    enum error_kind fails; /* KIND_NONE: it succeeds */
    uint64_t records;      /* then */
    enum verified_by verified;
    unsigned hops, resumes; /* at least */
    const char *etag;       /* of an earlier body; NULL */
};

static struct apart plain, tls;
static struct policy *policy;
static const char *log_path;
static uv_loop_t loop;
static struct mailbox mailbox;
static struct attempt_env env;
static const struct scenario *scenario;
static struct attempt *attempt;
static unsigned ended;
static sem_t begun;
static bool starved; /* memory may fail now */
static long failing; /* the allocation that does */

/* --- the control loop's side ------------------------------------------------------------------ */

static int hop(const char *url, const char *host)
{
    const struct hop_traits traits = {.http = 11, .redact = &settings->redact};
    return attempt_hop(attempt, url, host, &traits);
}

/* As a job does it. */
static void on_redirected(struct attempt *a, const char *url)
{
    struct error err;
    char *host = NULL;
    if (strncmp(url, plain.base, strlen(plain.base)) != 0)
        fail_msg("it was sent to %s", url);
    int r = spec_url_host(url, &host, &err);
    if (r == 0)
        r = hop(url, host);
    if (r < 0) {
        assert_int_equal(r, -ENOMEM);
        attempt_abort(a, KIND_RESOURCES, "no memory for a redirect");
    }
    free(host);
}

static void on_other(struct attempt *a)
{
}

static void on_ended(struct attempt *a)
{
    ended++;
}

static const struct attempt_ops ops = {.redirected = on_redirected,
                                       .begun = on_other,
                                       .delivered = on_other,
                                       .aborted = on_other,
                                       .ended = on_ended};

static void turn_until_ended(void)
{
    uint64_t deadline = test_now_ms() + 20000 * test_patience();
    while (ended == 0) {
        uv_run(&loop, UV_RUN_NOWAIT);
        if (ended == 0)
            test_nap_(deadline, "the attempt ends", __FILE__, __LINE__);
    }
}

/* --- one attempt ------------------------------------------------------------------------------ */

static struct spec *new_spec(void)
{
    static unsigned number;
    struct buf text = BUF_INIT;
    buf_printf(&text, "{\"url\":\"%s%s&id=%u\",%s}", scenario->origin->base, scenario->path,
               ++number, scenario->members);
    buf_putc(&text, '\0');
    struct spec *spec = request_spec(text.data);
    buf_deinit(&text);
    return spec;
}

/* Without memory for its condition a request has none. */
static bool is_unchanged_well(const struct attempt_report *report)
{
    if (!report->unchanged)
        return !scenario->etag || starved;
    return scenario->etag && report->records == 0;
}

static void check_success(void)
{
    struct attempt_report report;
    attempt_report(attempt, clock_now(), &report);
    bool whole = report.unchanged ||
                 (report.records == scenario->records && report.verified == scenario->verified);
    if (scenario->fails || !whole || !is_unchanged_well(&report) || report.hops < scenario->hops ||
        report.resumes < scenario->resumes)
        fail_msg("%s, allocation %ld%s: done with %llu records of %llu, by %s, %u hops, %u resumes",
                 scenario->path, failing, starved ? "" : " before",
                 (unsigned long long)report.records, (unsigned long long)scenario->records,
                 verified_name(report.verified), report.hops, report.resumes);
}

static void check_failure(const struct cause *cause)
{
    if (scenario->fails == cause->kind || (starved && retry_wanted(cause->kind, 0)))
        return;
    fail_msg("%s, allocation %ld%s: %s (%s)", scenario->path, failing, starved ? "" : " before",
             kind_name(cause->kind), cause->message);
}

static void run_attempt(long n)
{
    struct spec *spec = new_spec();
    const struct cause *cause = NULL;
    char page[TEST_SHA256_SIZE]; /* as a schedule keeps it */
    test_sha256(spec->url, strlen(spec->url), page);
    ended = 0;
    failing = n;
    starved = n > 0;
    atomic_store(&exhaust_at, n);
    exhaust_spares = false;
    int r = attempt_new(&env, &ops, NULL, spec, registry, policy, NULL, 1, 1, &attempt);
    if (r == 0) {
        if (scenario->etag)
            r = attempt_remember(attempt, scenario->etag, NULL, page);
        if (r == 0)
            r = hop(spec->url, spec->host);
        if (r == 0) {
            turn_until_ended();
            cause = attempt_conclude(attempt);
        }
        exhaust_spares = true;
        if (r == 0 && cause)
            check_failure(cause);
        else if (r == 0)
            check_success();
        attempt_unref(attempt);
    }
    exhaust_spares = true;
    assert_true(r == 0 || (starved && r == -ENOMEM));
    assert_int_equal(ended, r == 0);
    spec_free(spec);
}

/* --- sweeps ----------------------------------------------------------------------------------- */

/* Later ones, and the libcurl that comes with them, do not stand a handshake without memory; and
 * they lose a block themselves where a digest finds none. */
static bool is_openssl_3_0(void)
{
    return OpenSSL_version_num() >> 20 == 0x300;
}

static void on_begun(struct mail *mail)
{
    sem_post(&begun);
}

/* Its loop has done what it does at its start. */
static void wait_until_begun(struct fetch *fetch)
{
    struct timespec until;
    struct mail mail;
    mail_init(&mail, on_begun);
    fetch_loop_post(fetch_loop_at(fetch, 0), &mail);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20 * (time_t)test_patience();
    assert_int_equal(sem_timedwait(&begun, &until), 0);
}

static void env_new(void)
{
    const struct sink_target target = {
        .name = "file", .type = SINK_FILE, .path = log_path, .fd = -1, .events = EVENT_ALL};
    const struct sink_config sink = {.targets = &target, .target_count = 1};
    const struct fetch_config fetch = {.ca_file = tls.ca_file};
    struct error err;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_init(&mailbox, &loop), 0);
    env = (struct attempt_env){.control = &mailbox,
                               .pipe_size = 4096, /* so that the transfer is paused */
                               .max_record = 1 << 20,
                               .decode_ratio = 1000,
                               .decode_window = 8 << 20,
                               .max_header = 256 << 10,
                               .resume_delay = 1,
                               .loop = &loop,
                               .spool_dir = test_dir(),
                               .spool_max = 1 << 30};
    assert_int_equal(sink_new(&sink, &env.sink, &err), 0);
    assert_int_equal(fetch_new(&fetch, &env.fetch, &err), 0);
    wait_until_begun(env.fetch);
    assert_int_equal(pool_new(2, 2, &env.pool), 0);
}

static void env_free(void)
{
    fetch_free(env.fetch);
    assert_int_equal(pool_free(env.pool), 0);
    assert_int_equal(sink_free(env.sink, 30 * NS_PER_SEC), 0);
    mailbox_close(&mailbox, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* True: it made fewer than n allocations. */
static bool run_once(long n)
{
    env_new();
    if (!exhaust_counts) /* the worker's thread must be there */
        run_attempt(0);
    run_attempt(n);
    bool all = atomic_exchange(&exhaust_at, 0) > 0;
    run_attempt(0);
    env_free();
    return all;
}

static void sweep(const struct scenario *which)
{
    long n = 0, runs = 0;
    if (!exhaust_possible || (which->origin == &tls && !is_openssl_3_0()))
        skip();
    scenario = which;
    for (int i = 0; i < 2; i++) /* what libraries keep for good is made now */
        run_once(1000000);
    int fds = test_fd_count(0);
    for (bool all = false; !all; runs++) {
        long before = atomic_load(&exhaust_live);
        n = exhaust_next(n, DENSE);
        all = run_once(n);
        /* Is it kept, as for a thread that is about to end, or lost each time? */
        for (int again = 0; again < 5 && atomic_load(&exhaust_live) > before; again++) {
            before = atomic_load(&exhaust_live);
            run_once(n);
        }
        if (atomic_load(&exhaust_live) > before && is_openssl_3_0())
            fail_msg("%s, allocation %ld: %ld blocks were left", scenario->path, n,
                     atomic_load(&exhaust_live) - before);
        assert_int_equal(test_fd_count(0), fds);
        assert_true(n < 100000);
    }
    assert_true(runs > 10);
    print_message("%ld runs, up to allocation %ld\n", runs - 1, n - 1);
}

#define LINES "\"parser\":\"lines\""

static void test_plain(void **state)
{
    sweep(
        &(struct scenario){.origin = &plain,
                           .path = "/lines?n=1000",
                           .members = LINES ",\"headers\":{\"X-A\":\"b\"},\"labels\":{\"l\":\"v\"}",
                           .records = 1000,
                           .verified = VERIFIED_LENGTH,
                           .hops = 1});
}

/* Decoded, and checked by two digests. */
static void test_encoded(void **state)
{
    sweep(
        &(struct scenario){.origin = &plain,
                           .path = "/lines?n=1000&gzip=2&digest=sha256&framing=chunked",
                           .members = LINES ",\"digest\":\"sha256\",\"digest_headers\":\"verify\"",
                           .records = 1000,
                           .verified = VERIFIED_CHUNKED,
                           .hops = 1});
}

/* Only the end of the encoding says that it is whole. */
static void test_vouched(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/lines?n=1000&gzip=1&framing=close",
                             .members = LINES,
                             .records = 1000,
                             .verified = VERIFIED_ENCODING,
                             .hops = 1});
}

static void test_redirected(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/lines?n=50&redirects=2&header=Set-Cookie:a=b",
                             .members = LINES,
                             .records = 50,
                             .verified = VERIFIED_LENGTH,
                             .hops = 3});
}

static void test_resumed(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/lines?n=4000&cut_first=20000&etag=is:%22a%22",
                             .members = LINES,
                             .records = 4000,
                             .verified = VERIFIED_LENGTH,
                             .hops = 1,
                             .resumes = 1});
}

/* Never done, whatever fails. */
static void test_cut(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/lines?n=1000&cut=3000&etag=none&modified=0",
                             .members = LINES "",
                             .fails = KIND_TRUNCATED});
}

static void test_refused(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/lines?n=10&status=404",
                             .members = LINES,
                             .fails = KIND_HTTP_STATUS});
}

static void test_held(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/ndjson?n=500",
                             .members = "\"parser\":\"ndjson\",\"deliver\":\"commit\"",
                             .records = 500,
                             .verified = VERIFIED_LENGTH,
                             .hops = 1});
}

static void test_unchanged(void **state)
{
    sweep(&(struct scenario){.origin = &plain,
                             .path = "/lines?n=10&etag=is:%22a%22",
                             .members = LINES,
                             .records = 10,
                             .verified = VERIFIED_LENGTH,
                             .hops = 1,
                             .etag = "\"a\""});
}

static void test_tls(void **state)
{
    sweep(&(struct scenario){.origin = &tls,
                             .path = "/lines?n=100",
                             .members = LINES,
                             .records = 100,
                             .verified = VERIFIED_LENGTH,
                             .hops = 1});
}

static int start_all(void **state)
{
    const char *const allow[] = {"127.0.0.0/8"};
    struct error err;
    apart_start(&plain, &(struct origin_config){0});
    apart_start(&tls, &(struct origin_config){.tls = ORIGIN_TLS});
    sem_init(&begun, 0, 0);
    log_path = test_path("log");
    signal(SIGPIPE, SIG_IGN); /* as the daemon does: EPIPE tells */
    return request_spec_begin("") || policy_new(allow, 1, NULL, 0, &policy, &err) < 0;
}

static int stop_all(void **state)
{
    apart_stop(&plain);
    apart_stop(&tls);
    policy_unref(policy);
    return request_spec_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),     cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_vouched),   cmocka_unit_test(test_redirected),
        cmocka_unit_test(test_resumed),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_held),
        cmocka_unit_test(test_unchanged), cmocka_unit_test(test_tls),
    };
    exhaust_spares = true;
    if (reserve_for_libuv() < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
