/* What becomes of a run: whole bodies, how the command ends, cuts, and a reader that leaves. */
#include "relay_run.h"

#include <fcntl.h>

/* --- whole bodies ----------------------------------------------------------------------------- */

static void a_whole_body_is_delivered_and_the_command_awaited(void **state)
{
    prepare_pipe();
    deliver_two_lines();
    command_ends(0);
    finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
    assert_true(atomic_load(&relay.touched));
}

/* The byte that the client wrote is taken out, or the end would be an error. */
static void a_socket_has_an_end_once_the_body_is_whole(void **state)
{
    prepare_socket();
    deliver_two_lines();
    command_ends(0);
    finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
}

static void an_empty_body_begins_and_ends(void **state)
{
    prepare_pipe();
    begin();
    end_body(BODY_COMPLETE);
    assert_int_equal(client_end(), 0);
    TEST_WAIT(was_told("delivered"), 20000 * test_patience());
    command_ends(0);
    finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
}

#define LARGE ((size_t)1 << 20)

static char pattern(size_t i)
{
    return (char)(i * 31 ^ i >> 9);
}

static void *send_large(void *arg)
{
    static char data[LARGE];
    for (size_t i = 0; i < LARGE; i++)
        data[i] = pattern(i);
    send_bytes(data, LARGE);
    end_body(BODY_COMPLETE);
    return NULL;
}

/* A reader that takes a little at a time, out of a pipe that holds little. */
static void read_large(void)
{
    pthread_t sender;
    char got[1021];
    size_t at = 0;
    ssize_t n;
    begin();
    assert_int_equal(pthread_create(&sender, NULL, send_large, NULL), 0);
    while ((n = read(client, got, sizeof got)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (got[i] != pattern(at))
                fail_msg("byte %zu is another one", at);
    assert_int_equal(n, 0);
    assert_int_equal(at, LARGE);
    pthread_join(sender, NULL);
    TEST_WAIT(was_told("delivered"), 20000 * test_patience());
    command_ends(0);
    finish(PENSTOCK_OK, KIND_NONE, "", "begun delivered exited done");
}

static void a_body_larger_than_its_pipes_comes_whole(void **state)
{
    prepare_pipe();
    assert_true(fcntl(client, F_SETPIPE_SZ, 4096) >= 4096);
    read_large();
    prepare_socket();
    read_large();
}

/* --- how the command ends --------------------------------------------------------------------- */

static void how_the_command_ended_is_how_the_job_ends(void **state)
{
    static const struct {
        int status;
        enum error_kind kind;
        const char *message;
    } cases[] = {
        {1, KIND_PARSER_FAILED, "the command's exit status is 1"},
        {128, KIND_PARSER_FAILED, "the command's exit status is 128"},
        {128 + SIGKILL, KIND_PARSER_CRASHED, "the command was ended by signal 9"},
        {128 + SIGSEGV, KIND_PARSER_CRASHED, "the command was ended by signal 11"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prepare_pipe();
        deliver_two_lines();
        command_ends(cases[i].status);
        pthread_join(worker, NULL);
        assert_string_equal(task.message, cases[i].message);
        assert_int_equal(task.kind, cases[i].kind);
        assert_int_equal(task.result, PENSTOCK_FAILED);
        body_unref(task.body);
        fd_close(&client);
    }
}

static void the_first_that_is_told_of_its_end_counts(void **state)
{
    prepare_pipe();
    begin();
    send_text("one\n");
    client_reads("one\n");
    relay_exited(&relay, 4);
    relay_exited(&relay, 0);
    relay_gone(&relay);
    body_wake(task.body);
    finish(PENSTOCK_FAILED, KIND_PARSER_FAILED, "the command's exit status is 4", "begun done");
}

static void nobody_can_tell_how_it_ended(void **state)
{
    prepare_pipe();
    deliver_two_lines();
    relay_gone(&relay);
    body_wake(task.body);
    pthread_join(worker, NULL);
    assert_string_equal(task.message, "the client that ran the command has gone");
    assert_int_equal(task.kind, KIND_INTERNAL);
    assert_int_equal(task.result, PENSTOCK_FAILED);
    body_unref(task.body);
    fd_close(&client);
}

/* --- cuts ------------------------------------------------------------------------------------- */

static void a_cut_is_not_delivered(void **state)
{
    prepare_pipe();
    begin();
    send_text("half");
    client_reads("half");
    end_body(BODY_ABORTED);
    finish(PENSTOCK_FAILED, KIND_TRUNCATED, "the body did not arrive whole", "begun done");
}

static void a_cut_before_the_first_byte_has_touched_nothing(void **state)
{
    prepare_pipe();
    begin();
    end_body(BODY_ABORTED);
    pthread_join(worker, NULL);
    assert_false(atomic_load(&relay.touched)); /* another attempt may go into the same pipe */
    assert_string_equal(story, "done");
    assert_int_equal(task.kind, KIND_TRUNCATED);
    body_unref(task.body);
    fd_close(&client);
}

/* The pipe's end without a word of its writer's. */
static void an_end_that_nobody_has_settled_is_none(void **state)
{
    prepare_pipe();
    begin();
    send_text("half");
    client_reads("half");
    end_body(BODY_OPEN);
    TEST_WAIT(was_told("begun"), 20000 * test_patience());
    assert_true(body_settle(task.body, BODY_ABORTED)); /* the owner, in the end */
    finish(PENSTOCK_FAILED, KIND_TRUNCATED, "the body did not arrive whole", "begun done");
}

static void a_socket_of_a_cut_body_gives_an_error_and_no_end(void **state)
{
    prepare_socket();
    begin();
    send_text("half");
    client_reads("half");
    end_body(BODY_ABORTED);
    assert_int_equal(client_end(), ECONNRESET);
    finish(PENSTOCK_FAILED, KIND_TRUNCATED, "the body did not arrive whole", "begun done");
}

/* Nobody is to hear of this run any more. */
static void a_run_that_is_shut_moves_nothing(void **state)
{
    prepare_pipe();
    atomic_store(&task.source.shut, true);
    begin();
    pthread_join(worker, NULL);
    assert_int_equal(task.result, PENSTOCK_FAILED);
    assert_string_equal(story, "done");
    assert_int_equal(client_end(), 0);
    body_unref(task.body);
    fd_close(&origin);
    fd_close(&client);
    assert_int_equal(test_fd_count(0), fds_before);
}

static void an_unverified_end_is_told_to_the_client(void **state)
{
    void (*const prepares[])(void) = {prepare_pipe, prepare_socket};
    for (size_t i = 0; i < 2; i++) {
        prepares[i]();
        begin();
        send_text("all?");
        client_reads("all?");
        end_body(BODY_ENDED);
        finish(PENSTOCK_FAILED, KIND_UNVERIFIED_END, UNVERIFIED, "begun broken done");
        assert_int_equal(broken_kind, KIND_UNVERIFIED_END);
        assert_string_equal(broken_why, UNVERIFIED);
    }
}

/* There may have been bytes that never came. */
static void an_empty_body_with_an_unverified_end(void **state)
{
    prepare_pipe();
    begin();
    end_body(BODY_ENDED);
    finish(PENSTOCK_FAILED, KIND_UNVERIFIED_END, UNVERIFIED, "done");
}

/* --- a reader that leaves --------------------------------------------------------------------- */

static void a_reader_that_leaves_has_had_enough(void **state)
{
    void (*const prepares[])(void) = {prepare_pipe, prepare_socket};
    for (size_t i = 0; i < 2; i++) {
        prepares[i]();
        begin();
        send_text("one\n");
        client_reads("one\n");
        fd_close(&client);
        wait_until_origin_is_refused();
        atomic_store(&task.body->reader_left, true); /* as the writer does, which then aborts */
        end_body(BODY_ABORTED);
        command_ends(0);
        finish(PENSTOCK_ENOUGH, KIND_NONE, "", "begun exited done");
    }
}

/* The byte is in the body's pipe before the worker begins: it may close that pipe as soon as it
 * sees that nobody reads. */
static void one_that_leaves_before_the_first_byte_is_told_of_it(void **state)
{
    prepare_pipe();
    fd_close(&client);
    send_text("one\n");
    begin();
    wait_until_origin_is_refused();
    TEST_WAIT(was_told("begun"), 20000 * test_patience());
    command_ends(0);
    finish(PENSTOCK_ENOUGH, KIND_NONE, "", "begun exited done");
}

static void one_that_leaves_while_no_byte_comes_is_told_of_it(void **state)
{
    void (*const prepares[])(void) = {prepare_pipe, prepare_socket};
    for (size_t i = 0; i < 2; i++) {
        prepares[i]();
        begin();
        fd_close(&client);
        wait_until_origin_is_refused();
        TEST_WAIT(was_told("begun"), 20000 * test_patience());
        command_ends(0);
        finish(PENSTOCK_ENOUGH, KIND_NONE, "", "begun exited done");
    }
}

static void leave_and_drain(enum body_state state)
{
    prepare_pipe();
    task.drain_after_enough = true;
    begin();
    send_text("one\n");
    client_reads("one\n");
    fd_close(&client);
    command_ends(0);
    send_text("two\n");
    send_text("three\n");
    end_body(state);
    pthread_join(worker, NULL);
    body_unref(task.body);
}

/* Where a digest was demanded, the rest is read all the same. */
static void the_rest_is_drained_where_its_end_matters(void **state)
{
    leave_and_drain(BODY_COMPLETE);
    assert_int_equal(task.result, PENSTOCK_OK);
    assert_true(task.body_ended);
    leave_and_drain(BODY_OPEN);
    assert_int_equal(task.result, PENSTOCK_FAILED);
    assert_int_equal(task.kind, KIND_TRUNCATED);
    assert_string_equal(task.message, "the rest of the body did not arrive whole");
    assert_false(task.body_ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_body_is_delivered_and_the_command_awaited),
        cmocka_unit_test(a_socket_has_an_end_once_the_body_is_whole),
        cmocka_unit_test(an_empty_body_begins_and_ends),
        cmocka_unit_test(a_body_larger_than_its_pipes_comes_whole),
        cmocka_unit_test(how_the_command_ended_is_how_the_job_ends),
        cmocka_unit_test(the_first_that_is_told_of_its_end_counts),
        cmocka_unit_test(nobody_can_tell_how_it_ended),
        cmocka_unit_test(a_cut_is_not_delivered),
        cmocka_unit_test(a_cut_before_the_first_byte_has_touched_nothing),
        cmocka_unit_test(an_end_that_nobody_has_settled_is_none),
        cmocka_unit_test(a_socket_of_a_cut_body_gives_an_error_and_no_end),
        cmocka_unit_test(a_run_that_is_shut_moves_nothing),
        cmocka_unit_test(an_unverified_end_is_told_to_the_client),
        cmocka_unit_test(an_empty_body_with_an_unverified_end),
        cmocka_unit_test(a_reader_that_leaves_has_had_enough),
        cmocka_unit_test(one_that_leaves_before_the_first_byte_is_told_of_it),
        cmocka_unit_test(one_that_leaves_while_no_byte_comes_is_told_of_it),
        cmocka_unit_test(the_rest_is_drained_where_its_end_matters),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
