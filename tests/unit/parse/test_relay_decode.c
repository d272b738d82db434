/* A body that is decoded on its way to a client's command. */
#include "relay_run.h"

#include "gzipped.h"

static struct gzipped coded;

static void prepare_gzip(bool socket)
{
    static const char text[] = "first line\nsecond line\n";
    gzip(&coded, text, sizeof text - 1);
    if (socket)
        prepare_socket();
    else
        prepare_pipe();
    task.decode.file = DECODE_FILE_GZIP;
}

static void a_coded_body_is_delivered_decoded(void **state)
{
    static const enum body_state ends[] = {BODY_COMPLETE, BODY_ENDED};
    for (size_t i = 0; i < 4; i++) {
        prepare_gzip(i % 2 == 1);
        begin();
        send_bytes(coded.data, coded.len);
        end_body(ends[i / 2]); /* one stream with a checksum tells its end itself */
        client_reads("first line\nsecond line\n");
        assert_int_equal(client_end(), 0);
        TEST_WAIT(was_told("delivered"), 20000 * test_patience());
        command_ends(0);
        assert_int_equal(atomic_load(&task.body->bytes_read), coded.len);
        assert_int_equal(atomic_load(&task.body->bytes_decoded), 23);
        assert_true(atomic_load(&task.body->decoding));
        finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
        assert_true(task.vouched);
    }
}

/* The command may well be zcat. */
static void what_only_looks_coded_is_left_as_it_is(void **state)
{
    char got[sizeof coded.data];
    size_t len = 0;
    ssize_t n;
    prepare_gzip(false);
    task.decode.file = DECODE_FILE_AUTO;
    begin();
    send_bytes(coded.data, coded.len);
    end_body(BODY_COMPLETE);
    while ((n = read(client, got + len, sizeof got - len)) > 0)
        len += (size_t)n;
    assert_int_equal(len, coded.len);
    assert_memory_equal(got, coded.data, len);
    TEST_WAIT(was_told("delivered"), 20000 * test_patience());
    command_ends(0);
    finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
}

static void what_cannot_be_decoded_is_broken(void **state)
{
    static const struct {
        size_t less; /* bytes that are missing at the end */
        bool damaged;
        uint64_t max;
        enum body_state end;
        enum error_kind kind;
    } cases[] = {
        {1, false, 0, BODY_COMPLETE, KIND_DECODE_ERROR},
        {1, false, 0, BODY_ENDED, KIND_TRUNCATED},
        {0, true, 0, BODY_COMPLETE, KIND_DECODE_ERROR},
        {0, true, 0, BODY_ENDED, KIND_DECODE_ERROR},
        {0, false, 5, BODY_COMPLETE, KIND_LIMIT_EXCEEDED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prepare_gzip(false);
        task.decode.max_decoded = cases[i].max;
        if (cases[i].damaged)
            coded.data[coded.len - 8] ^= 1; /* its checksum */
        begin();
        send_bytes(coded.data, coded.len - cases[i].less);
        end_body(cases[i].end);
        pthread_join(worker, NULL);
        if (task.kind != cases[i].kind)
            fail_msg("%zu: %s: %s", i, kind_name(task.kind), task.message);
        assert_int_equal(task.result, PENSTOCK_FAILED);
        assert_false(was_told("delivered"));
        assert_true(strlen(task.message) > 0);
        if (was_told("broken")) { /* which the client hears if it has heard of the beginning */
            assert_true(was_told("begun"));
            assert_int_equal(broken_kind, cases[i].kind);
            assert_string_equal(broken_why, task.message);
        }
        body_unref(task.body);
        fd_close(&client);
    }
}

/* Of two streams, one behind the other, nobody can tell whether a third was to come. */
static void an_end_that_no_checksum_vouches_for(void **state)
{
    static const enum body_state ends[] = {BODY_ENDED, BODY_COMPLETE};
    for (size_t i = 0; i < 2; i++) {
        prepare_gzip(false);
        begin();
        send_bytes(coded.data, coded.len);
        send_bytes(coded.data, coded.len);
        end_body(ends[i]);
        client_reads("first line\nsecond line\nfirst line\nsecond line\n");
        if (ends[i] == BODY_ENDED) {
            finish(PENSTOCK_FAILED, KIND_UNVERIFIED_END, UNVERIFIED, "begun broken done");
            assert_int_equal(broken_kind, KIND_UNVERIFIED_END);
        } else {
            TEST_WAIT(was_told("delivered"), 20000 * test_patience());
            command_ends(0);
            finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
        }
        assert_false(task.vouched);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_coded_body_is_delivered_decoded),
        cmocka_unit_test(an_end_that_no_checksum_vouches_for),
        cmocka_unit_test(what_only_looks_coded_is_left_as_it_is),
        cmocka_unit_test(what_cannot_be_decoded_is_broken),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
