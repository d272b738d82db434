/* The thread before a parser that is a process: what it reads of a body, what it writes, and what
 * it says of the end. */
#include "parse/process_decode.h"

#include "base/buf.h"
#include "base/fd.h"
#include "support/testlib.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "gzipped.h"

static struct process_decode decoder;
static struct body *source;
static int origin, decoded, copy; /* ends: the body's, the decoded bytes', a duplicate's */
static struct buf seen, kept;
static struct gzipped coded;
static int fds_before;

static const char lines[] = "first line\nsecond line\n";

static void keep(void *arg, const char *data, size_t len)
{
    buf_put(arg, data, len);
}

static int begin(void **state)
{
    fds_before = test_fd_count(0);
    gzip(&coded, lines, sizeof lines - 1);
    decoder = (struct process_decode){.tee = keep, .tee_arg = &kept};
    source = body_new();
    return source ? 0 : -1;
}

static void start(const struct decode_plan *plan, bool drain)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    origin = ends[1];
    assert_int_equal(process_decode_start(&decoder, plan, source, ends[0], drain, &decoded, &copy),
                     0);
    fd_close(&copy); /* a host's, in a real run */
}

static void give(const void *data, size_t len, enum body_state end)
{
    assert_int_equal(fd_write_all(origin, data, len), 0);
    if (end != BODY_OPEN)
        assert_true(body_settle(source, end));
    fd_close(&origin);
}

/* All that the stages would read. */
static void read_decoded(void)
{
    char data[512];
    ssize_t n;
    while ((n = read(decoded, data, sizeof data)) > 0)
        buf_put(&seen, data, (size_t)n);
    assert_int_equal(n, 0);
    fd_close(&decoded);
    process_decode_wait(&decoder);
}

static void assert_bytes(const struct buf *b, const void *data, size_t len)
{
    assert_int_equal(b->len, len);
    if (len > 0)
        assert_memory_equal(b->data, data, len);
}

static int end(void **state)
{
    process_decode_deinit(&decoder);
    body_unref(source);
    buf_deinit(&seen);
    buf_deinit(&kept);
    seen = kept = (struct buf)BUF_INIT;
    fd_close(&origin);
    assert_int_equal(test_fd_count(0), fds_before);
    return 0;
}

/* --- which plans ------------------------------------------------------------------------------ */

static void a_file_that_only_may_be_coded_is_the_stages_own(void **state)
{
    struct decode_plan plan = {.file = DECODE_FILE_AUTO};
    assert_false(process_decode_wanted(&plan));
    assert_int_equal(plan.file, DECODE_FILE_NONE);
    plan.file = DECODE_FILE_XZ;
    assert_true(process_decode_wanted(&plan));
    assert_int_equal(plan.file, DECODE_FILE_XZ);
    plan =
        (struct decode_plan){.file = DECODE_FILE_AUTO, .codings = {DECODE_GZIP}, .coding_count = 1};
    assert_true(process_decode_wanted(&plan));
    assert_int_equal(plan.file, DECODE_FILE_NONE);
}

/* --- whole ------------------------------------------------------------------------------------ */

static void a_body_without_a_coding_passes_as_it_is(void **state)
{
    const struct decode_plan plain = {.file = DECODE_FILE_NONE};
    start(&plain, false);
    give(lines, sizeof lines - 1, BODY_COMPLETE);
    read_decoded();
    assert_bytes(&seen, lines, sizeof lines - 1);
    assert_bytes(&kept, lines, sizeof lines - 1);
    assert_true(decoder.ended);
    assert_false(decoder.vouched);
    assert_int_equal(decoder.kind, KIND_NONE);
    assert_int_equal(body_state(decoder.body), BODY_COMPLETE);
    assert_false(atomic_load(&source->decoding));
}

static const struct decode_plan gzip_plan = {.codings = {DECODE_GZIP}, .coding_count = 1};

static void a_coded_body_is_decoded_and_kept_as_it_came(void **state)
{
    start(&gzip_plan, false);
    give(coded.data, coded.len, BODY_COMPLETE);
    read_decoded();
    assert_bytes(&seen, lines, sizeof lines - 1);
    assert_bytes(&kept, coded.data, coded.len);
    assert_true(decoder.ended);
    assert_int_equal(body_state(decoder.body), BODY_COMPLETE);
    assert_true(atomic_load(&source->decoding));
    assert_int_equal(atomic_load(&source->bytes_read), coded.len);
    assert_int_equal(atomic_load(&source->bytes_decoded), sizeof lines - 1);
}

/* The writer could not tell; one stream with its checksum can. */
static void a_checksum_vouches_for_an_end_that_nobody_verified(void **state)
{
    start(&gzip_plan, false);
    give(coded.data, coded.len, BODY_ENDED);
    read_decoded();
    assert_true(decoder.vouched);
    assert_true(decoder.ended);
    assert_int_equal(body_state(source), BODY_COMPLETE);
    assert_int_equal(body_state(decoder.body), BODY_COMPLETE);
}

/* --- not whole -------------------------------------------------------------------------------- */

static void what_is_not_whole_is_aborted_behind_it(void **state)
{
    static const struct {
        bool plain, damaged;
        size_t less; /* bytes that are missing at the end */
        uint64_t max;
        enum body_state end;
        enum error_kind kind; /* KIND_NONE: the source's own cause is its owner's to tell */
    } cases[] = {
        {true, false, 0, 0, BODY_ABORTED, KIND_NONE},
        {true, false, 0, 0, BODY_OPEN, KIND_NONE},
        {true, false, 0, 0, BODY_ENDED, KIND_UNVERIFIED_END},
        {false, false, 0, 0, BODY_ABORTED, KIND_NONE},
        {false, false, 1, 0, BODY_COMPLETE, KIND_DECODE_ERROR},
        {false, false, 1, 0, BODY_ENDED, KIND_TRUNCATED},
        {false, true, 0, 0, BODY_COMPLETE, KIND_DECODE_ERROR},
        {false, false, 0, 4, BODY_COMPLETE, KIND_LIMIT_EXCEEDED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct decode_plan plan =
            cases[i].plain ? (struct decode_plan){.file = DECODE_FILE_NONE} : gzip_plan;
        if (i > 0) {
            end(NULL);
            begin(NULL);
        }
        plan.max_decoded = cases[i].max;
        if (cases[i].damaged)
            coded.data[coded.len - 6] ^= 1; /* its checksum */
        start(&plan, false);
        give(cases[i].plain ? (const void *)lines : coded.data,
             (cases[i].plain ? sizeof lines - 1 : coded.len) - cases[i].less, cases[i].end);
        read_decoded();
        if (decoder.kind != cases[i].kind)
            fail_msg("%zu: %s: %s", i, kind_name(decoder.kind), decoder.message);
        assert_int_equal(strlen(decoder.message) > 0, cases[i].kind != KIND_NONE);
        assert_false(decoder.ended);
        assert_int_equal(body_state(decoder.body), BODY_ABORTED);
        assert_true(seen.len < sizeof lines); /* a beginning of the truth */
        if (seen.len > 0)
            assert_memory_equal(seen.data, lines, seen.len);
    }
}

/* --- stages that leave ------------------------------------------------------------------------ */

static void stages_that_leave_end_the_download(void **state)
{
    struct pollfd pfd;
    start(&gzip_plan, false);
    fd_close(&decoded);
    process_decode_wait(&decoder); /* it does not wait for a byte of the origin's */
    pfd = (struct pollfd){.fd = origin};
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_true(pfd.revents & POLLERR);
    assert_true(atomic_load(&decoder.body->reader_left));
    assert_int_equal(body_state(decoder.body), BODY_ABORTED);
    assert_false(decoder.ended);
    assert_int_equal(decoder.kind, KIND_NONE);
}

/* For a digest that was demanded, the source is read to its end. */
static void the_rest_is_drained_where_its_end_matters(void **state)
{
    start(&gzip_plan, true);
    fd_close(&decoded);
    give(coded.data, coded.len, BODY_COMPLETE);
    process_decode_wait(&decoder);
    assert_true(decoder.ended);
    assert_bytes(&kept, coded.data, coded.len);
    assert_int_equal(atomic_load(&source->bytes_read), coded.len);
    assert_true(atomic_load(&decoder.body->reader_left));
    assert_int_equal(body_state(decoder.body), BODY_ABORTED); /* nobody has had all of it */
}

static void one_that_never_began_is_over(void **state)
{
    process_decode_wait(&decoder);
    process_decode_deinit(&decoder);
    assert_null(decoder.body);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_only_may_be_coded_is_the_stages_own),
        EACH(a_body_without_a_coding_passes_as_it_is),
        EACH(a_coded_body_is_decoded_and_kept_as_it_came),
        EACH(a_checksum_vouches_for_an_end_that_nobody_verified),
        EACH(what_is_not_whole_is_aborted_behind_it),
        EACH(stages_that_leave_end_the_download),
        EACH(the_rest_is_drained_where_its_end_matters),
        EACH(one_that_never_began_is_over),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
