/* A connection to the daemon, at the other end of which stands whatever a test has put there. */
#include "base/clock.h"
#include "ctl/conn.h"
#include "forked.h"

#include "ctl/intr.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct conn conn;
static int other = -1; /* the daemon's end */

static int set_up(void **state)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -1;
    conn = (struct conn){.wire = {.fd = ends[0], .path = "/run/x"}, .ignores_stdout = true};
    jsonl_init(&conn.wire.in, 1 << 20);
    other = ends[1];
    return 0;
}

static int tear_down(void **state)
{
    wire_close(&conn.wire);
    if (other >= 0)
        close(other);
    other = -1;
    return 0;
}

static void say(const char *text)
{
    assert_int_equal(write(other, text, strlen(text)), (ssize_t)strlen(text));
}

static void hang_up(void)
{
    close(other);
    other = -1;
}

#define OTHERS(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}\n"
#define EVENT              "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n"

/* --- calls ------------------------------------------------------------------------------------ */

/* A call whose answer is there already. */
static void test_calls(void **state)
{
    struct answer answer;
    struct error err;
    char request[256] = "";
    say(EVENT OTHERS("7", "\"another's\"") OTHERS("1", "{\"a\":1}") OTHERS("2", "true"));
    assert_int_equal(conn_call(&conn, "show", json_pack("{s:i}", "id", 9), &answer, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(answer.result, "a")), 1);
    assert_int_equal(strncmp(answer.text, "{\"jsonrpc\":\"2.0\",\"id\":1,", 24), 0);
    assert_false(conn.owed);
    answer_deinit(&answer);
    assert_int_equal(conn_call(&conn, "ping", NULL, &answer, &err), 0);
    assert_true(json_is_true(answer.result));
    answer_deinit(&answer);
    assert_true(read(other, request, sizeof request - 1) > 0);
    assert_string_equal(request, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\","
                                 "\"params\":{\"id\":9}}\n"); /* the other's answer was there */
}

/* An error is an answer; one without an id is about the request as a whole. */
static void test_errors_are_answers(void **state)
{
    struct answer answer;
    struct error err;
    say("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"what?\","
        "\"data\":{\"field\":\"x\"}}}\n");
    assert_int_equal(conn_call(&conn, "ping", NULL, &answer, &err), 0);
    assert_int_equal(answer.code, -32700);
    assert_string_equal(answer.message, "what?");
    assert_string_equal(answer.field, "x");
    assert_null(answer.result);
    answer_deinit(&answer);
}

static void fails(int code, const char *text)
{
    struct answer answer;
    struct error err = {""};
    assert_int_equal(conn_call(&conn, "ping", NULL, &answer, &err), code);
    if (!strstr(err.text, text))
        fail_msg("'%s' lacks '%s'", err.text, text);
    assert_true(conn.owed); /* whether it was done is not known */
}

static void test_a_daemon_that_goes(void **state)
{
    say(EVENT "{\"jsonrpc\":\"2.0\",\"id\":1"); /* half an answer is none */
    hang_up();
    fails(-ECONNRESET, "the daemon at /run/x has closed the connection");
}

/* What it has said before is read all the same, although it takes nothing any more. */
static void test_a_daemon_that_has_answered_and_gone(void **state)
{
    struct answer answer;
    struct error err;
    say(OTHERS("1", "3"));
    hang_up();
    assert_int_equal(conn_call(&conn, "ping", NULL, &answer, &err), 0);
    assert_int_equal(json_integer_value(answer.result), 3);
    answer_deinit(&answer);
}

static void test_something_else(void **state)
{
    say("220 ready\n");
    fails(-EBADMSG, "/run/x does not speak penstock's protocol");
}

static void test_the_deadline(void **state)
{
    conn.deadline = clock_now() + NS_PER_MS;
    fails(-ETIMEDOUT, "the daemon has not answered within --timeout");
    say(OTHERS("1", "3")); /* too late, and in nobody's way */
    conn.deadline = 0;
    say(OTHERS("2", "4"));
    struct answer answer;
    struct error err;
    assert_int_equal(conn_call(&conn, "ping", NULL, &answer, &err), 0);
    assert_int_equal(json_integer_value(answer.result), 4);
    answer_deinit(&answer);
}

static void test_a_request_that_is_too_long(void **state)
{
    struct answer answer;
    struct error err;
    char *text = malloc(WIRE_MAX_LINE + 1);
    memset(text, 'x', WIRE_MAX_LINE);
    text[WIRE_MAX_LINE] = '\0';
    assert_int_equal(conn_call(&conn, "x", json_string(text), &answer, &err), -EMSGSIZE);
    assert_non_null(strstr(err.text, "a line may have 1 MiB"));
    assert_false(conn.owed); /* nothing was asked */
    free(text);
}

/* --- waiting for others ----------------------------------------------------------------------- */

static void test_other_descriptors(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct pollfd extra[2] = {{.fd = ends[0], .events = POLLIN},
                              {.fd = ends[1], .events = POLLOUT}};
    assert_int_equal(conn_poll(&conn, extra, 1, 0), 0);
    assert_int_equal(extra[0].revents, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(conn_poll(&conn, extra, 2, -1), 0);
    assert_int_equal(extra[0].revents, POLLIN);
    assert_int_equal(extra[1].revents, POLLOUT);
    assert_false(conn.heard); /* that was not the daemon */
    say(EVENT);
    assert_int_equal(conn_poll(&conn, NULL, 0, -1), 0);
    assert_true(conn.heard);
    close(ends[0]);
    close(ends[1]);
}

/* --- signals ---------------------------------------------------------------------------------- */

static int interrupted_call(void)
{
    struct answer answer;
    struct error err;
    if (intr_catch() < 0)
        return 90;
    raise(SIGINT);
    return conn_call(&conn, "ping", NULL, &answer, &err) == -EINTR && conn.owed ? 0 : 91;
}

/* The first signal waits for the answer; the second does not. */
static int call_that_holds_on(void)
{
    struct answer answer;
    struct error err;
    if (intr_catch() < 0)
        return 90;
    conn.holds_on = true;
    raise(SIGINT);
    if (conn_poll(&conn, NULL, 0, 0) != 0 || !conn.stops)
        return 91;
    if (write(other, OTHERS("1", "1"), sizeof OTHERS("1", "1") - 1) < 0 ||
        conn_call(&conn, "ping", NULL, &answer, &err) != 0)
        return 92;
    answer_deinit(&answer);
    raise(SIGINT);
    return conn_call(&conn, "ping", NULL, &answer, &err) == -EINTR ? 0 : 93;
}

static void test_signals(void **state)
{
    struct buf text = BUF_INIT;
    assert_int_equal(forked_run(interrupted_call, &text), 0);
    assert_string_equal(text.data, "");
    assert_int_equal(forked_run(call_that_holds_on, &text), 0);
    assert_string_equal(text.data,
                        "penstockctl: stops once the daemon has answered, in 10 s at the "
                        "latest; once more stops at once\n");
    buf_deinit(&text);
}

/* --- does it live? ---------------------------------------------------------------------------- */

/* Answers pings until it is killed; the first clients may have given up already. */
static void answer_pings(int listener)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        char piece[256] = "";
        int fd = accept(listener, NULL, NULL);
        if (read(fd, piece, sizeof piece - 1) > 0 && strstr(piece, "\"ping\""))
            (void)!write(fd, "{}\n", 3);
        close(fd);
    }
}

static void test_does_it_answer(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", test_path("socket"));
    snprintf(conn.wire.path, sizeof conn.wire.path, "%s", address.sun_path);
    assert_false(conn_answers(&conn)); /* there is no such socket */
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_false(conn_answers(&conn)); /* nobody listens */
    assert_int_equal(listen(listener, 4), 0);
    assert_false(conn_answers(&conn)); /* nobody answers, within its second */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        answer_pings(listener);
    TEST_WAIT(conn_answers(&conn), PATIENCE); /* the machine may hold up a second's answer */
    kill(pid, SIGKILL);
    assert_int_equal(forked_end(pid), 128 + SIGKILL);
    close(listener);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_calls),
        CASE(test_errors_are_answers),
        CASE(test_a_daemon_that_goes),
        CASE(test_a_daemon_that_has_answered_and_gone),
        CASE(test_something_else),
        CASE(test_the_deadline),
        CASE(test_a_request_that_is_too_long),
        CASE(test_other_descriptors),
        CASE(test_signals),
        CASE(test_does_it_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
