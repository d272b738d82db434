/* struct penstock: calls, answers and events on one connection, for a loop of the program's own. */
#include "paper_daemon.h"
#include "penstock/client.h"

#include <errno.h>
#include <fcntl.h>

static struct fake fake;
static struct talk talk;
static struct penstock *connection;

/* What callbacks were given, in order: "a={…} b!-5:url=why e={…} ". */
static char heard[4096];

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    size_t at = strlen(heard);
    va_list ap;
    va_start(ap, format);
    vsnprintf(heard + at, sizeof heard - at, format, ap);
    va_end(ap);
}

static void on_answer(void *arg, const char *result, const struct penstock_fault *fault)
{
    const char *name = arg;
    assert_true((result == NULL) == (fault != NULL));
    if (result)
        note("%s=%s ", name, result);
    else
        note("%s!%d:%s=%s ", name, fault->code, fault->field, fault->message);
}

static void on_event(void *arg, const char *line)
{
    note("%s>%s ", (const char *)arg, line ? line : "end");
}

static void call(const char *method, const char *params, const char *name)
{
    assert_int_equal(penstock_call(connection, method, params, on_answer, (void *)(uintptr_t)name),
                     0);
}

/* Until so many lines came in one go or several. */
static void process(int lines)
{
    while (lines > 0) {
        fake_wait(penstock_get_fd(connection), POLLIN);
        int r = penstock_process(connection);
        assert_in_range(r, 0, lines);
        lines -= r;
    }
}

static void send_all(void)
{
    while (penstock_get_events(connection) & POLLOUT) {
        fake_wait(penstock_get_fd(connection), POLLOUT);
        assert_int_equal(penstock_process(connection), 0);
    }
}

static int begin(void **state)
{
    heard[0] = '\0';
    fake_listen(&fake, test_path("socket"));
    assert_int_equal(penstock_connect(fake.path, &connection), 0);
    fake_accept(&fake, &talk);
    return 0;
}

static int end(void **state)
{
    penstock_disconnect(connection);
    connection = NULL;
    talk_end(&talk);
    fake_close(&fake);
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Requests are numbered from 1 on, and go out when there is room. */
static void requests(void **state)
{
    assert_int_equal(penstock_get_events(connection), POLLIN);
    assert_true(fcntl(penstock_get_fd(connection), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(penstock_get_fd(connection), F_GETFL) & O_NONBLOCK);
    call("stats", NULL, "a");
    call("show", "{\"id\":7}", "b");
    assert_int_equal(penstock_get_events(connection), POLLIN | POLLOUT);
    send_all();
    assert_int_equal(penstock_get_events(connection), POLLIN);
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}");
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"show\",\"params\":{\"id\":7}}");
    assert_string_equal(heard, "");
}

/* Each call gets its own answer, whatever their order, and once. */
static void answers(void **state)
{
    call("a", NULL, "a");
    call("b", NULL, "b");
    call("c", NULL, "c");
    assert_int_equal(penstock_call(connection, "d", NULL, NULL, NULL), 0); /* nobody asks */
    send_all();
    talk_answer(&talk, 3, "{\"x\":[1,2]}");
    talk_answer(&talk, 1, "null");
    talk_say(&talk, "{\"id\":2,\"error\":{\"code\":-32001,\"message\":\"no such job\","
                    "\"data\":{\"field\":\"id\"}}}");
    talk_answer(&talk, 1, "2"); /* of a call that has its answer */
    talk_answer(&talk, 9, "3");
    talk_answer(&talk, 4, "4");
    process(6);
    assert_string_equal(heard, "c={\"x\":[1,2]} a=null b!-32001:id=no such job ");
    penstock_disconnect(connection);
    connection = NULL;
    assert_string_equal(heard, "c={\"x\":[1,2]} a=null b!-32001:id=no such job ");
}

/* An error without an id is about a line that could not be read: the first that waits. */
static void errors_without_an_id(void **state)
{
    call("a", NULL, "a");
    call("b", NULL, "b");
    send_all();
    talk_say(&talk, "{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"no JSON\"}}");
    process(1);
    assert_string_equal(heard, "a!-32700:=no JSON ");
    talk_answer(&talk, 2, "true");
    process(1);
    assert_string_equal(heard, "a!-32700:=no JSON b=true ");
}

static void refused(void **state)
{
    assert_int_equal(penstock_call(connection, "show", "{\"id\":", on_answer, NULL), -EINVAL);
    assert_non_null(strstr(penstock_error(NULL), "show: the parameters are no JSON"));
    assert_int_equal(penstock_call(connection, "show", "{} {}", on_answer, NULL), -EINVAL);
    char *large = malloc((1 << 20) + 16);
    assert_non_null(large);
    memset(large, 'x', 1 << 20);
    memcpy(large, "[\"", 2);
    memcpy(large + (1 << 20) - 2, "\"]", 2);
    large[1 << 20] = '\0';
    assert_int_equal(penstock_call(connection, "show", large, on_answer, NULL), -EMSGSIZE);
    assert_non_null(strstr(penstock_error(NULL), "1 MiB"));
    free(large);
    assert_int_equal(penstock_get_events(connection), POLLIN); /* nothing is sent of them */
    call("stats", NULL, "a");
    send_all();
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}");
    assert_string_equal(heard, "");
}

static void submissions(void **state)
{
    assert_int_equal(penstock_submit(connection, "http://h.test/", "max_body=7 label.a=b",
                                     on_answer, (void *)(uintptr_t) "a"),
                     0);
    send_all();
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":"
                       "{\"url\":\"http://h.test/\",\"max_body\":7,\"labels\":{\"a\":\"b\"}}}");
    static const struct {
        const char *url, *options, *words;
    } cases[] = {
        {NULL, NULL, "url"},
        {"http://h.test/", "max_body", "NAME=VALUE is wanted"},
        {"http://h.test/", "socket=/x", "has its socket already"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            penstock_submit(connection, cases[i].url, cases[i].options, on_answer, NULL), -EINVAL);
        if (!strstr(penstock_error(NULL), cases[i].words))
            fail_msg("%s", penstock_error(NULL));
    }
    assert_int_equal(penstock_get_events(connection), POLLIN);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Lines go to whoever is there then; other notifications to nobody. */
static void events(void **state)
{
    talk_event(&talk, "{\"event\":\"start\"}");
    process(1);
    assert_string_equal(heard, "");
    penstock_on_event(connection, on_event, (void *)(uintptr_t) "first");
    talk_event(&talk, "{\"event\":\"record\",\"data\":\"\\u00e4\"}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"begin\",\"params\":{\"id\":1}}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"end\"}");
    process(3);
    assert_string_equal(heard, "first>{\"event\":\"record\",\"data\":\"\xc3\xa4\"} first>end ");
    heard[0] = '\0';
    penstock_on_event(connection, on_event, (void *)(uintptr_t) "second");
    call("a", NULL, "a");
    send_all();
    talk_event(&talk, "{}");
    talk_answer(&talk, 1, "1");
    talk_event(&talk, "{}");
    process(3);
    assert_string_equal(heard, "second>{} a=1 second>{} ");
}

/* --- the end ---------------------------------------------------------------------------------- */

/* What came before the end is told; then every call that waits has a fault, and no other is
 * taken. */
static void the_daemon_goes(void **state)
{
    int r;
    call("a", NULL, "a");
    call("b", NULL, "b");
    send_all();
    talk_answer(&talk, 1, "1");
    talk_end(&talk);
    do {
        fake_wait(penstock_get_fd(connection), POLLIN);
        r = penstock_process(connection);
    } while (r >= 0);
    assert_int_equal(r, -ECONNRESET);
    char wanted[600];
    snprintf(wanted, sizeof wanted, "the daemon at %s has closed the connection", fake.path);
    assert_string_equal(penstock_error(NULL), wanted);
    snprintf(wanted, sizeof wanted, "a=1 b!0:=the daemon at %s has closed the connection ",
             fake.path);
    assert_string_equal(heard, wanted);
    assert_int_equal(penstock_call(connection, "c", NULL, on_answer, NULL), -ECONNRESET);
    assert_int_equal(penstock_process(connection), -ECONNRESET);
    assert_string_equal(heard, wanted);
}

/* The daemon has gone before a request is sent: what it has said before is heard all the same. */
static void it_has_said_why(void **state)
{
    talk_say(&talk, "{\"id\":null,\"error\":{\"code\":-32003,\"message\":\"stopping\"}}");
    talk_end(&talk);
    call("a", NULL, "a");
    assert_int_equal(penstock_process(connection), 1);
    assert_string_equal(heard, "a!-32003:=stopping ");
    assert_int_equal(penstock_process(connection), -ECONNRESET);
}

static void no_protocol(void **state)
{
    static const char *const lines[] = {"220 smtp.test ESMTP", "[]", "{\"id\":1}", "7"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (i > 0)
            begin(state);
        call("a", NULL, "a");
        send_all();
        talk_say(&talk, lines[i]);
        fake_wait(penstock_get_fd(connection), POLLIN);
        assert_int_equal(penstock_process(connection), -EBADMSG);
        assert_true(strncmp(heard, "a!0:=", 5) == 0);
        assert_non_null(strstr(heard, "does not speak penstock's protocol"));
        if (i + 1 < sizeof lines / sizeof lines[0])
            end(state);
    }
}

static void disconnect(void **state)
{
    call("a", NULL, "a");
    call("b", NULL, "b");
    penstock_disconnect(connection);
    connection = NULL;
    assert_string_equal(heard, "a!0:=the connection was ended b!0:=the connection was ended ");
    penstock_disconnect(NULL);
    assert_null(talk_hear(&talk));
}

/* Who calls again from his answer is refused once the connection has ended. */
static void on_answer_call(void *arg, const char *result, const struct penstock_fault *fault)
{
    int r = penstock_call(connection, "again", NULL, on_answer, (void *)(uintptr_t) "c");
    note("%s:%d ", fault ? "fault" : result, r);
}

static void calls_from_answers(void **state)
{
    penstock_call(connection, "a", NULL, on_answer_call, NULL);
    send_all();
    talk_answer(&talk, 1, "1");
    process(1);
    send_all();
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}");
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"again\"}");
    talk_answer(&talk, 2, "2");
    process(1);
    assert_string_equal(heard, "1:0 c=2 ");
    heard[0] = '\0';
    penstock_call(connection, "a", NULL, on_answer_call, NULL);
    struct penstock *gone = connection;
    penstock_disconnect(gone);
    connection = NULL;
    char wanted[32];
    snprintf(wanted, sizeof wanted, "fault:%d ", -ECONNRESET);
    assert_string_equal(heard, wanted);
}

/* --- asking and waiting ----------------------------------------------------------------------- */

/* The daemon's words are there before it is asked. */
static void ask(void **state)
{
    char *result = NULL;
    penstock_on_event(connection, on_event, (void *)(uintptr_t) "e");
    call("a", NULL, "a");
    talk_event(&talk, "{}");
    talk_answer(&talk, 1, "1");
    talk_answer(&talk, 2, "{\"id\":7}");
    assert_int_equal(penstock_ask(connection, "show", "{\"id\":7}", &result), 0);
    assert_string_equal(result, "{\"id\":7}");
    assert_string_equal(heard, "e>{} a=1 "); /* those of others meanwhile */
    free(result);
    talk_say(&talk, "{\"id\":3,\"error\":{\"code\":-32005,\"message\":\"another user's\","
                    "\"data\":{\"field\":\"id\"}}}");
    result = NULL;
    assert_int_equal(penstock_ask(connection, "show", "{\"id\":8}", &result), 1);
    assert_null(result);
    const struct penstock_fault *fault = penstock_fault_of(connection);
    assert_int_equal(fault->code, -32005);
    assert_string_equal(fault->message, "another user's");
    assert_string_equal(fault->field, "id");
    assert_int_equal(penstock_ask(connection, "show", "{", &result), -EINVAL);
    talk_end(&talk);
    assert_int_equal(penstock_ask(connection, "show", NULL, &result), -ECONNRESET);
    assert_int_equal(penstock_ask(connection, "show", NULL, &result), -ECONNRESET);
    assert_null(result);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(requests),    EACH(answers),    EACH(errors_without_an_id), EACH(refused),
        EACH(submissions), EACH(events),     EACH(the_daemon_goes),      EACH(it_has_said_why),
        EACH(no_protocol), EACH(disconnect), EACH(calls_from_answers),   EACH(ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
