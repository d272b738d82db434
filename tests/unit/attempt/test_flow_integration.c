/* fetch, flow and parse together, without the job layer (feed.h shows how): what the flow promises,
 * tried against the origin that misbehaves. */
#include "unit/attempt/feed.h"

#include "support/testlib.h"

#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define PATIENCE     (60000 * test_patience())
#define SOCKET_BYTES 65536 /* SO_SNDBUF and SO_RCVBUF; the kernel doubles each */

static struct origin *plain, *tls;

/* --- parsers ---------------------------------------------------------------------------------- */

/* Reads as far as it can, in pieces of sizes that change, and compares. */
static int parse_comparing(FILE *body, struct penstock_run *run)
{
    struct feed *feed = feed_of(run);
    char piece[20000];
    size_t n, want = 1;
    while (feed->hesitates && atomic_load(&feed->pauses) == 0)
        sched_yield();
    while ((n = fread(piece, 1, want, body)) > 0) {
        if (feed->read + n > feed->expected.len ||
            memcmp(piece, feed->expected.data + feed->read, n) != 0)
            feed->wrong_byte = true;
        feed->read += n;
        want = (want * 7 + 11) % sizeof piece + 1;
        if (want % 5 == 0)
            sched_yield();
    }
    feed->saw_end = feof(body) && !ferror(body);
    feed->read_error = ferror(body) ? errno : 0;
    /* An error stays one. */
    if (ferror(body)) {
        clearerr(body);
        if (fgetc(body) != EOF || !ferror(body))
            feed->saw_end = true;
    }
    return PENSTOCK_OK; /* whatever it saw, as an old parser would */
}

static const struct penstock_parser comparing = {.abi = PENSTOCK_PARSER_ABI,
                                                 .size = sizeof comparing,
                                                 .name = "comparing",
                                                 .parse = parse_comparing};

/* Reads 1 MiB for each token. */
static struct {
    sem_t tokens, spent;
    atomic_bool enough;
    _Atomic uint64_t read;
} gate;

static int parse_gated(FILE *body, struct penstock_run *run)
{
    struct feed *feed = feed_of(run);
    static char mebibyte[1 << 20]; /* one such parser runs at a time */
    for (;;) {
        while (sem_wait(&gate.tokens) < 0)
            ;
        if (atomic_load(&gate.enough))
            return PENSTOCK_ENOUGH;
        size_t n = fread(mebibyte, 1, sizeof mebibyte, body);
        atomic_fetch_add(&gate.read, n);
        sem_post(&gate.spent);
        if (n < sizeof mebibyte) {
            feed->read_error = ferror(body) ? errno : 0;
            feed->saw_end = feof(body) && !ferror(body);
            return PENSTOCK_FAILED;
        }
    }
}

static const struct penstock_parser gated = {
    .abi = PENSTOCK_PARSER_ABI, .size = sizeof gated, .name = "gated", .parse = parse_gated};

static int read_ten_lines(FILE *body)
{
    char line[64], want[64];
    for (int i = 1; i <= 10; i++) {
        snprintf(want, sizeof want, "line %d\n", i);
        if (!fgets(line, sizeof line, body) || strcmp(line, want) != 0)
            return -1;
    }
    return 0;
}

static int parse_ten(FILE *body, struct penstock_run *run)
{
    return read_ten_lines(body) < 0 ? PENSTOCK_FAILED : PENSTOCK_ENOUGH;
}

static const struct penstock_parser ten = {
    .abi = PENSTOCK_PARSER_ABI, .size = sizeof ten, .name = "ten", .parse = parse_ten};

static int parse_ten_and_close(FILE *body, struct penstock_run *run)
{
    int r = read_ten_lines(body);
    fclose(body);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_parser ten_and_close = {.abi = PENSTOCK_PARSER_ABI,
                                                     .size = sizeof ten_and_close,
                                                     .name = "ten_and_close",
                                                     .parse = parse_ten_and_close};

/* --- tests ------------------------------------------------------------------------------------ */

static void set_gate(void)
{
    sem_init(&gate.tokens, 0, 0);
    sem_init(&gate.spent, 0, 0);
    atomic_store(&gate.enough, false);
    atomic_store(&gate.read, 0);
}

static void spend_token(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE / 1000;
    sem_post(&gate.tokens);
    assert_return_code(sem_timedwait(&gate.spent, &until), errno);
}

/* What may be on its way between the origin and the parser: the pipe, the carry (which collects
 * while the body is fast), stdio's buffer, a chunk in libcurl's, and the two socket buffers, each
 * of which the kernel fills beyond its size by a segment at most. */
static void assert_little_is_under_way(const char *id)
{
    const uint64_t most = PIPE_SIZE + BODY_PIPE_BATCH + BODY_READER_BUFFER + 2 * 16384 +
                          2 * (2 * SOCKET_BYTES + 65536);
    struct origin_counts counts;
    uint64_t read = atomic_load(&gate.read);
    assert_true(origin_counts(plain, id, &counts));
    if (counts.body_sent > read + most)
        fail_msg("the origin has sent %llu bytes of which %llu were read",
                 (unsigned long long)counts.body_sent, (unsigned long long)read);
}

static void ten_fast_ones_finish(void)
{
    struct feed *fast[10];
    for (size_t i = 0; i < 10; i++) {
        fast[i] = feed_start(plain, &comparing, "/lines?n=20000");
        feed_go(fast[i]);
    }
    for (size_t i = 0; i < 10; i++) {
        TEST_WAIT(feed_over(fast[i]), PATIENCE);
        assert_true(fast[i]->saw_end && !fast[i]->wrong_byte);
        assert_int_equal(fast[i]->read, fast[i]->expected.len);
        assert_int_equal(fast[i]->task.result, PENSTOCK_OK);
        feed_free(fast[i]);
    }
}

static void a_slow_parser_holds_the_origin_back(void **state)
{
    struct feed *feed = feed_start(plain, &gated, "/bytes?endless=1&id=gated");
    struct origin_counts counts;
    set_gate();
    feed_go(feed);
    TEST_WAIT(atomic_load(&feed->paused), PATIENCE);
    ten_fast_ones_finish();
    spend_token();
    TEST_WAIT(atomic_load(&feed->paused), PATIENCE);
    uint64_t rss = test_rss_bytes(0);
    for (int i = 0; i < 64; i++) {
        spend_token();
        assert_little_is_under_way("gated");
    }
    TEST_WAIT(atomic_load(&feed->paused), PATIENCE);
    uint64_t rss_after = test_rss_bytes(0); /* of this body: the fast ones' threads come and go */
    ten_fast_ones_finish();
    assert_little_is_under_way("gated");
    if (!test_sanitized() && rss_after > rss + (1 << 20))
        fail_msg("resident memory grew by %llu bytes", (unsigned long long)(rss_after - rss));
    assert_int_equal(atomic_load(&gate.read), UINT64_C(65) << 20);
    assert_false(feed_over(feed));

    atomic_store(&gate.enough, true);
    sem_post(&gate.tokens);
    TEST_WAIT(feed_over(feed), PATIENCE);
    assert_int_equal(feed->task.result, PENSTOCK_ENOUGH);
    assert_true(feed->result.stopped);
    TEST_WAIT((origin_counts(plain, "gated", &counts), counts.client_left == 1), PATIENCE);
    feed_free(feed);
}

static void enough_stops_an_endless_body(void **state)
{
    struct feed *feed = feed_start(plain, &ten, "/lines?endless=1&id=ten");
    struct origin_counts counts;
    feed_go(feed);
    TEST_WAIT(feed_over(feed), PATIENCE);
    assert_int_equal(feed->task.result, PENSTOCK_ENOUGH);
    assert_true(feed->result.stopped);
    assert_false(feed->task.body_ended);
    TEST_WAIT((origin_counts(plain, "ten", &counts), counts.client_left == 1), PATIENCE);
    assert_true(counts.body_sent < 1 << 20);
    feed_free(feed);
}

static void a_parser_may_close_and_leave_the_rest(void **state)
{
    struct feed *feed = feed_start(plain, &ten_and_close, "/lines?n=200000");
    feed_go(feed);
    TEST_WAIT(feed_over(feed), PATIENCE);
    assert_int_equal(feed->task.result, PENSTOCK_OK);
    assert_int_equal(feed->result.kind, KIND_NONE);
    assert_int_equal(feed->result.bytes, feed->expected.len);
    assert_true(feed->task.body_ended);
    feed_free(feed);
}

/* Every way to go wrong, and some to go right: the reader meets the end if and only if the body is
 * whole, and what it has read by then is the body or its beginning. */
static const struct {
    const char *path;
    enum error_kind kind;
    enum verified_by verified;
    bool parses; /* a byte gets as far as the parser, or a good end */
} fates[] = {
    {"/bytes?n=0", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=1", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=300000", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=300000&framing=chunked&chunk=70000", KIND_NONE, VERIFIED_CHUNKED, true},
    {"/bytes?n=300000&framing=chunked&trailer=1", KIND_NONE, VERIFIED_CHUNKED, true},
    {"/bytes?n=3000&framing=chunked&chunk=1", KIND_NONE, VERIFIED_CHUNKED, true},
    {"/bytes?n=0&framing=chunked", KIND_NONE, VERIFIED_CHUNKED, true},
    {"/bytes?n=30000&drip=1,1000", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=3000&head_drip=1", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=3000&info=103,5", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=3000&http10=1", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=3000&close=1", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=300000&framing=close", KIND_NONE, VERIFIED_NONE, true},
    {"/bytes?n=300000&framing=close&cut=200000", KIND_NONE, VERIFIED_NONE, true},
    {"/bytes?n=0&framing=close", KIND_NONE, VERIFIED_NONE, false},
    {"/bytes?n=300000&cut=1", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&cut=299999", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&cut=0", KIND_TRUNCATED, 0, false},
    {"/bytes?n=300000&cut=200000", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&length=+1", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&reset=200000", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&framing=close&reset=200000", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&framing=chunked&cut=200000", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&framing=chunked&cut=8192", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&framing=chunked&reset=200000", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&framing=chunked&no_final_chunk=1", KIND_TRUNCATED, 0, true},
    {"/bytes?n=300000&framing=chunked&bad_chunk=200000", KIND_PROTOCOL, 0, true},
    {"/bytes?n=300000&stall=200000", KIND_STALLED, 0, true},
    {"/bytes?n=300000&framing=chunked&stall=300000", KIND_STALLED, 0, true},
    {"/bytes?n=3000&head_cut=40", KIND_TRUNCATED, 0, false},
    {"/bytes?n=3000&head_cut=0", KIND_CONNECT, 0, false},
    {"/bytes?n=3000&head_reset=0", KIND_CONNECT, 0, false},
    {"/bytes?n=3000&garbage=1", KIND_PROTOCOL, 0, false},
    {"/bytes?n=3000&no_status_line=1", KIND_PROTOCOL, 0, false},
    {"/bytes?n=3000&bad_status=1", KIND_PROTOCOL, 0, false},
    {"/bytes?n=3000&http09=1", KIND_PROTOCOL, 0, false},
    {"/bytes?n=3000&endless_head=1", KIND_LIMIT_EXCEEDED, 0, false},
    {"/bytes?n=3000&header_flood=20000", KIND_LIMIT_EXCEEDED, 0, false},
    {"/bytes?n=3000&huge_header=1M", KIND_LIMIT_EXCEEDED, 0, false},
    {"/bytes?n=3000&dup_length=same", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=3000&dup_length=other", KIND_PROTOCOL, 0, false},
    {"/bytes?n=3000&te_cl=1", KIND_PROTOCOL, 0, false},
    {"/bytes?n=0&status=204", KIND_NONE, VERIFIED_LENGTH, true},
    {"/bytes?n=3000&framing=chunked&no_final_crlf=1", KIND_TRUNCATED, 0, true},
    {"/silence", KIND_FIRST_BYTE_TIMEOUT, 0, false},
};

/* From 8.12 on libcurl takes the end of a TLS connection without close_notify for a cut; before,
 * for an end. */
static bool is_fated(const struct transfer_result *result, size_t i, bool over_tls)
{
    if (over_tls && strstr(fates[i].path, "framing=close&cut=") && result->kind == KIND_TRUNCATED)
        return true;
    return result->kind == fates[i].kind && result->verified == fates[i].verified;
}

static void assert_fate(struct feed *feed, size_t i, const char *over)
{
    bool whole = fates[i].kind == KIND_NONE && fates[i].verified != VERIFIED_NONE;
    const struct transfer_result *result = &feed->result;
    bool good = is_fated(result, i, strcmp(over, "HTTPS") == 0) &&
                feed->engaged == fates[i].parses && !feed->wrong_byte && feed->saw_end == whole &&
                body_state(feed->body) == (whole ? BODY_COMPLETE : BODY_ABORTED);
    if (good && feed->engaged)
        good = whole ? feed->read == feed->expected.len && feed->task.result == PENSTOCK_OK
                     : feed->read_error == EIO && feed->task.result == PENSTOCK_FAILED;
    if (!good)
        fail_msg("%s over %s: %s (%s), %s, parser %s, read %llu%s, %s, errno %d", fates[i].path,
                 over, kind_name(result->kind), result->message, verified_name(result->verified),
                 feed->engaged ? "ran" : "did not run", (unsigned long long)feed->read,
                 feed->wrong_byte ? " wrong ones" : "", feed->saw_end ? "end" : "no end",
                 feed->read_error);
}

static void every_fate_over(struct origin *origin, const char *over)
{
    enum { COUNT = sizeof fates / sizeof fates[0] };
    struct feed *feeds[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        feeds[i] = feed_start(origin, &comparing, fates[i].path);
        if (fates[i].kind == KIND_STALLED) /* not before what comes has come */
            feeds[i]->request.stall_ms = 1000 * test_patience();
        if (fates[i].kind == KIND_FIRST_BYTE_TIMEOUT)
            feeds[i]->request.first_byte_ms = 50;
        feed_go(feeds[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        TEST_WAIT(feed_over(feeds[i]), PATIENCE);
        assert_fate(feeds[i], i, over);
        feed_free(feeds[i]);
    }
}

static void no_end_is_seen_that_is_none(void **state)
{
    every_fate_over(plain, "HTTP");
    every_fate_over(tls, "HTTPS");
}

/* HTTP can't tell that more was meant than a Content-Length says: what it says is what is read. */
static void a_length_too_short_ends_there(void **state)
{
    struct feed *feed = feed_start(plain, &comparing, "/bytes?n=300000&length=-5");
    feed_go(feed);
    TEST_WAIT(feed_over(feed), PATIENCE);
    assert_int_equal(feed->result.kind, KIND_NONE);
    assert_int_equal(feed->result.verified, VERIFIED_LENGTH);
    assert_int_equal(feed->read, 300000 - 5);
    assert_true(feed->saw_end && !feed->wrong_byte);
    feed_free(feed);
}

static void a_cancelled_reader_wakes_with_an_error(void **state)
{
    struct feed *blocked = feed_start(plain, &comparing, "/bytes?n=1M&stall=1000&id=cancelled");
    struct origin_counts counts;
    feed_go(blocked);
    TEST_WAIT((origin_counts(plain, "cancelled", &counts), counts.stalled == 1), PATIENCE);
    TEST_WAIT(atomic_load(&blocked->body->bytes_read) == 1000, PATIENCE);
    assert_false(feed_over(blocked));
    transfer_cancel(&blocked->transfer);
    TEST_WAIT(feed_over(blocked), PATIENCE);
    assert_true(blocked->result.stopped);
    assert_int_equal(blocked->read_error, EIO);
    assert_false(blocked->saw_end);
    assert_int_equal(blocked->read, 1000);
    feed_free(blocked);
}

static void a_cancelled_transfer_may_be_paused(void **state)
{
    struct feed *paused = feed_start(plain, &gated, "/bytes?endless=1&id=paused");
    struct origin_counts counts;
    set_gate();
    feed_go(paused);
    TEST_WAIT(atomic_load(&paused->paused), PATIENCE);
    transfer_cancel(&paused->transfer);
    TEST_WAIT(atomic_load(&paused->fed), PATIENCE);
    assert_false(atomic_load(&paused->parsed));
    TEST_WAIT((origin_counts(plain, "paused", &counts), counts.client_left == 1), PATIENCE);
    spend_token(); /* the error, whatever the pipe still holds */
    TEST_WAIT(feed_over(paused), PATIENCE);
    assert_int_equal(paused->read_error, EIO);
    assert_false(paused->saw_end);
    assert_int_equal(paused->task.result, PENSTOCK_FAILED);
    feed_free(paused);
}

/* Many at once, each of them paused at least once: no wake-up is lost, no byte is wrong. */
static void many_pauses_lose_nothing(void **state)
{
    enum { COUNT = 48 };
    struct feed *feeds[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        feeds[i] = feed_start(i % 3 ? plain : tls, &comparing,
                              i % 2 ? "/bytes?n=2M" : "/csv?n=40000&framing=chunked&chunk=5000");
        feeds[i]->hesitates = true;
        feed_go(feeds[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        TEST_WAIT(feed_over(feeds[i]), 3 * PATIENCE);
        assert_int_equal(feeds[i]->result.kind, KIND_NONE);
        assert_true(feeds[i]->saw_end && !feeds[i]->wrong_byte);
        assert_int_equal(feeds[i]->read, feeds[i]->expected.len);
        feed_free(feeds[i]);
    }
}

static void no_descriptor_is_left(void **state)
{
    struct origin_totals totals;
    TEST_WAIT((origin_totals(plain, &totals), totals.open <= 64), PATIENCE);
    int before = test_fd_count(0);
    for (int i = 0; i < 50; i++) {
        struct feed *feed = feed_start(plain, i % 2 ? &ten : &comparing,
                                       i % 2 ? "/lines?endless=1" : "/bytes?n=200000&cut=100000");
        feed_go(feed);
        TEST_WAIT(feed_over(feed), PATIENCE);
        feed_free(feed);
    }
    TEST_WAIT(test_fd_count(0) <= before, PATIENCE);
}

static int start(void **state)
{
    struct error err = {""};
    const char *const allow[] = {"127.0.0.0/8"};
    struct fetch_config config = {.threads = 1, .receive_buffer = SOCKET_BYTES};
    signal(SIGPIPE, SIG_IGN); /* as the daemon does: EPIPE tells */
    plain = origin_new(&(struct origin_config){.send_buffer = SOCKET_BYTES});
    tls = origin_new(&(struct origin_config){.send_buffer = SOCKET_BYTES, .tls = ORIGIN_TLS});
    if (plain && tls && policy_new(allow, 1, NULL, 0, &policy, &err) == 0 &&
        fetch_new(&config, &fetch, &err) == 0 && pool_new(64, 0, &pool) == 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int finish(void **state)
{
    int threads = test_thread_count(0);
    fetch_free(fetch); /* a loop that did not close clean says so here */
    unsigned stuck = pool_free(pool);
    policy_unref(policy);
    origin_free(plain);
    origin_free(tls);
    return stuck > 0 || threads < 3;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_parser_holds_the_origin_back),
        cmocka_unit_test(enough_stops_an_endless_body),
        cmocka_unit_test(a_parser_may_close_and_leave_the_rest),
        cmocka_unit_test(no_end_is_seen_that_is_none),
        cmocka_unit_test(a_length_too_short_ends_there),
        cmocka_unit_test(a_cancelled_reader_wakes_with_an_error),
        cmocka_unit_test(a_cancelled_transfer_may_be_paused),
        cmocka_unit_test(many_pauses_lose_nothing),
        cmocka_unit_test(no_descriptor_is_left),
    };
    return cmocka_run_group_tests_name("fetch, flow and parse together", tests, start, finish);
}
