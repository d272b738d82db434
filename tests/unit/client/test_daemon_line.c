/* What the daemon says, as a client reads it: answers, verdicts, and the ends of a body. */
#include "client/daemon_line.h"

#include "client/ends.h"
#include "client/public_verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct answer answer;

static int read_line(const char *line)
{
    return answer_read(line, strlen(line), &answer);
}

static void results(void **state)
{
    assert_int_equal(read_line("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"id\":3}}"), 0);
    assert_int_equal(answer.id, 7);
    assert_int_equal(answer.code, 0);
    assert_int_equal(json_integer_value(json_object_get(answer.result, "id")), 3);
    answer_deinit(&answer);
    assert_null(answer.root);
    assert_int_equal(read_line("{\"id\":8,\"error\":null,\"result\":null}"), 0);
    assert_int_equal(answer.code, 0);
    assert_true(json_is_null(answer.result));
    answer_deinit(&answer);
}

static void errors(void **state)
{
    assert_int_equal(read_line("{\"id\":7,\"error\":{\"code\":-32602,\"message\":\"no\","
                               "\"data\":{\"field\":\"url\"}}}"),
                     0);
    assert_int_equal(answer.code, -32602);
    assert_string_equal(answer.message, "no");
    assert_string_equal(answer.field, "url");
    assert_null(answer.result);
    answer_deinit(&answer);
    assert_int_equal(read_line("{\"id\":null,\"error\":{\"code\":1}}"), 0);
    assert_int_equal(answer.id, 0); /* of no request that could be read */
    assert_string_equal(answer.message, "the daemon gave no reason");
    assert_null(answer.field);
    answer_deinit(&answer);
}

static void what_is_no_answer(void **state)
{
    static const char *const lines[] = {
        "",
        "hello",
        "[]",
        "7",
        "{}",
        "{\"id\":7}",
        "{\"id\":7,\"error\":{}}",
        "{\"id\":7,\"error\":{\"code\":0,\"message\":\"\"}}",
        "{\"id\":7,\"error\":{\"code\":\"1\"}}",
        "{\"id\":7,\"error\":\"no\"}",
        "{\"id\":7,\"result\":1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (read_line(lines[i]) != -EBADMSG)
            fail_msg("%s is taken", lines[i]);
    assert_int_equal(read_line("{\"method\":\"event\",\"params\":{}}"), 1);
    assert_int_equal(read_line("{\"method\":\"event\",\"id\":7,\"result\":1}"), 1);
}

/* --- verdicts --------------------------------------------------------------------------------- */

static struct penstock_verdict verdict_of(const char *text)
{
    struct penstock_verdict v;
    json_t *line = json_loads(text, 0, NULL);
    assert_non_null(line);
    verdict_read(line, &v);
    json_decref(line);
    return v;
}

static void a_job_that_is_done(void **state)
{
    struct penstock_verdict v =
        verdict_of("{\"event\":\"verdict\",\"job\":42,\"attempt\":2,\"state\":\"done\","
                   "\"status\":200,\"bytes\":1048576,\"records\":9000,\"verified_by\":\"length\","
                   "\"resumes\":1,\"seconds\":{\"total\":0.5,\"queued\":0.25}}");
    assert_int_equal(v.job, 42);
    assert_int_equal(v.attempt, 2);
    assert_int_equal(v.state, PENSTOCK_STATE_DONE);
    assert_int_equal(v.status, 200);
    assert_int_equal(v.bytes, 1048576);
    assert_int_equal(v.records, 9000);
    assert_int_equal(v.resumes, 1);
    assert_true(v.seconds == 0.5);
    assert_string_equal(v.verified_by, "length");
    assert_string_equal(v.error_kind, "");
    assert_string_equal(v.error_message, "");
}

static void one_that_is_not(void **state)
{
    struct penstock_verdict v =
        verdict_of("{\"job\":1,\"state\":\"failed\",\"reason\":\"r\",\"error\":{\"kind\":"
                   "\"truncated\",\"message\":\"after 7 bytes\"}}");
    assert_int_equal(v.state, PENSTOCK_STATE_FAILED);
    assert_string_equal(v.error_kind, "truncated");
    assert_string_equal(v.error_message, "after 7 bytes");
    v = verdict_of("{\"job\":1,\"state\":\"cancelled\",\"reason\":\"not any more\"}");
    assert_int_equal(v.state, PENSTOCK_STATE_CANCELLED);
    assert_string_equal(v.error_kind, "");
    assert_string_equal(v.error_message, "not any more");
}

/* Of a later daemon, say: never taken for done. */
static void one_that_nobody_understands(void **state)
{
    struct penstock_verdict v = verdict_of("{\"job\":-1,\"state\":\"doner\",\"bytes\":\"x\"}");
    assert_int_equal(v.state, PENSTOCK_STATE_UNKNOWN);
    assert_int_equal(v.job, 0);
    assert_int_equal(v.bytes, 0);
    assert_int_equal(verdict_of("{}").state, PENSTOCK_STATE_UNKNOWN);
    assert_int_equal(verdict_of("{\"state\":\"done and more than fits\"}").state,
                     PENSTOCK_STATE_UNKNOWN);
    verdict_unknown(&v, 9, "the daemon has gone");
    assert_int_equal(v.state, PENSTOCK_STATE_UNKNOWN);
    assert_int_equal(v.job, 9);
    assert_string_equal(v.error_message, "the daemon has gone");
}

static void a_long_message_is_cut(void **state)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    memcpy(text, "{\"reason\":\"", 11);
    memcpy(text + sizeof text - 3, "\"}", 3);
    struct penstock_verdict v = verdict_of(text);
    assert_int_equal(strlen(v.error_message), sizeof v.error_message - 1);
}

/* --- ends ------------------------------------------------------------------------------------- */

static bool is_cloexec(int fd)
{
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void a_pipe(void **state)
{
    int ends[2];
    char byte;
    assert_int_equal(ends_make(ends, false), 0);
    assert_true(is_cloexec(ends[0]) && is_cloexec(ends[1]));
    assert_int_equal(write(ends[1], "x", 1), 1);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

/* Where the daemon dies it has not read its byte: that is an error, and no end. */
static void a_pair_of_sockets(void **state)
{
    int ends[2];
    char byte;
    assert_int_equal(ends_make(ends, true), 0);
    assert_true(is_cloexec(ends[0]) && is_cloexec(ends[1]));
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(ends[0]);
    /* On purpose: the byte is read first. */
    assert_int_equal(ends_make(ends, true), 0);
    assert_int_equal(read(ends[1], &byte, 1), 1);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results),
        cmocka_unit_test(errors),
        cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(a_job_that_is_done),
        cmocka_unit_test(one_that_is_not),
        cmocka_unit_test(one_that_nobody_understands),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(a_pipe),
        cmocka_unit_test(a_pair_of_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
