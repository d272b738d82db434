/* `top` against a daemon of paper: what it asks for when which keys are pressed, what it makes of
 * refusals, and its pictures as plain text. */
#include "scene.h"

#include <pty.h>
#include <sys/wait.h>

#define ANSWER                                                                                   \
    "{\"instance\":\"i\",\"version\":\"1.2\",\"uptime\":9,\"active\":2,\"hosts\":[{\"name\":"    \
    "\"a.example\",\"state\":\"ready\"},{\"name\":\"b.example\",\"state\":\"paused\"}],"         \
    "\"running\":[{\"id\":3,\"attempt\":1,\"url\":\"http://a.example/x\",\"host\":\"a.example\"" \
    ",\"bytes\":1,\"seconds\":9},{\"id\":4,\"attempt\":1,\"url\":\"http://b.example/y\","        \
    "\"host\":\"b.example\",\"bytes\":1,\"seconds\":8}]}"

static int terminal = -1;
static pid_t client;
static struct buf screen; /* all that has appeared, escape sequences included */

static int set_up(void **state)
{
    struct winsize size = {.ws_row = 24, .ws_col = 100};
    setup(state);
    client = forkpty(&terminal, NULL, NULL, &size);
    if (client == 0) {
        setenv("TERM", "xterm", 1);
        setenv("NO_COLOR", "1", 1);
        unsetenv("LINES");
        unsetenv("COLUMNS");
        execl(PENSTOCKCTL, PENSTOCKCTL, "--socket", daemon_.path, "top", (char *)NULL);
        _exit(99);
    }
    return client < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    if (client > 0) {
        kill(client, SIGKILL);
        waitpid(client, NULL, 0);
    }
    fd_close(&terminal);
    buf_deinit(&screen);
    return teardown(state);
}

static void press(const char *keys)
{
    assert_int_equal(write(terminal, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void take_screen(void)
{
    char data[4096];
    ssize_t n = read(terminal, data, sizeof data);
    if (n <= 0)
        fail_msg("the client has ended");
    buf_put(&screen, data, (size_t)n);
}

static bool shows(const char *part)
{
    return screen.len > 0 && memmem(screen.data, screen.len, part, strlen(part));
}

/* A request of the client's: what it asks for again and again is answered at once, and NULL is
 * given for that; others are the caller's. */
static json_t *take_request(char *line, unsigned *ret_id)
{
    json_t *request = json_loads(line, 0, NULL);
    assert_non_null(request);
    const char *method = json_string_value(json_object_get(request, "method"));
    *ret_id = (unsigned)json_integer_value(json_object_get(request, "id"));
    if (strcmp(method, "top") != 0)
        return request;
    same_json(json_object_get(request, "params"), "{\"limit\":500}");
    talk_answer(&talk, *ret_id, ANSWER);
    json_decref(request);
    return NULL;
}

/* Serves it until the screen has shown `part`, or, with NULL, until it asks for something else. */
static json_t *serve_until(const char *part, unsigned *ret_id)
{
    char data[4096], *line;
    size_t len;
    while (!part || !shows(part)) {
        struct pollfd fds[2] = {{.fd = terminal, .events = POLLIN},
                                {.fd = talk.fd, .events = POLLIN}};
        while (jsonl_next(&talk.in, &line, &len) > 0) {
            json_t *request = take_request(line, ret_id);
            if (request && !part)
                return request;
            json_decref(request);
        }
        if (poll(fds, 2, (int)PATIENCE) < 1)
            fail_msg("it neither asks nor shows anything");
        if (fds[0].revents)
            take_screen();
        if (!fds[1].revents)
            continue;
        ssize_t n = read(talk.fd, data, sizeof data);
        if (n <= 0)
            fail_msg("the client has gone");
        assert_int_equal(jsonl_feed(&talk.in, data, (size_t)n), 0);
    }
    return NULL;
}

static void begin(void)
{
    unsigned id;
    fake_accept(&daemon_, &talk);
    serve_until("b.example/y", &id);
}

/* Its end by `q`, with 0 as its status. */
static void quit(void)
{
    int status;
    press("q");
    for (struct pollfd pfd = {.fd = terminal, .events = POLLIN};
         poll(&pfd, 1, (int)PATIENCE) > 0;) {
        char data[4096];
        if (read(terminal, data, sizeof data) <= 0)
            break;
    }
    assert_int_equal(waitpid(client, &status, 0), client);
    client = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* These keys lead to this request, and to no other before it. */
static void asks(const char *keys, const char *method, const char *params)
{
    unsigned id;
    begin();
    press(keys);
    json_t *request = serve_until(NULL, &id);
    assert_string_equal(json_string_value(json_object_get(request, "method")), method);
    same_json(json_object_get(request, "params"), params);
    json_decref(request);
    quit();
}

#define ASKS(name, keys, method, params) \
    static void name(void **state)       \
    {                                    \
        asks(keys, method, params);      \
    }
ASKS(test_cancel, "cy", "cancel", "{\"ids\":[3]}")
ASKS(test_cancel_the_second, "jcy", "cancel", "{\"ids\":[4]}")
ASKS(test_cancel_the_filtered, "/b.ex\rcy", "cancel", "{\"ids\":[4]}")
ASKS(test_cancel_what_is_typed_anew,
     "/\xe4\xbd\xa0\x7f"
     "b.ex\rcy",
     "cancel", "{\"ids\":[4]}")
ASKS(test_whatever_is_no_yes, "cxpY", "pause", "{\"host\":\"a.example\"}")
ASKS(test_resume_what_is_held, "jpy", "resume", "{\"host\":\"b.example\"}")
ASKS(test_hold_a_host, "\tpy", "pause", "{\"host\":\"a.example\"}")
ASKS(test_explain, "\r", "show", "{\"id\":3}")
ASKS(test_schedules, "\033[Z", "schedule_list", "{}") /* the last tab where there is no fleet */

/* --- what comes back -------------------------------------------------------------------------- */

static void test_a_job_explained(void **state)
{
    unsigned id;
    begin();
    press("\r");
    json_decref(serve_until(NULL, &id));
    talk_answer(&talk, id, "{\"id\":3,\"state\":\"running\",\"url\":\"u\",\"parser\":\"p\"}");
    serve_until("Job 3: u into the parser p", &id);
    serve_until("goes back", &id);
    press("q"); /* goes back, and no further */
    buf_reset(&screen);
    serve_until("b.example/y", &id);
    quit();
}

static void test_a_refusal_is_shown(void **state)
{
    unsigned id;
    begin();
    press("cy");
    json_decref(serve_until(NULL, &id));
    const struct step refusal = {.answer =
                                     "!{\"code\":-32003,\"message\":\"it is another user's\"}"};
    scene_answer(id, &refusal);
    serve_until("it is another user's", &id);
    quit();
}

/* Through a restart of the daemon it tries again, and says so meanwhile. */
static void test_the_daemon_comes_back(void **state)
{
    unsigned id;
    begin();
    talk_end(&talk);
    while (!shows("trying again")) {
        fake_wait(terminal, POLLIN);
        take_screen();
    }
    fake_accept(&daemon_, &talk);
    buf_reset(&screen);
    json_t *request = talk_hear_json(&talk);
    assert_string_equal(json_string_value(json_object_get(request, "method")), "top");
    assert_int_equal(json_integer_value(json_object_get(request, "id")), 1);
    json_decref(request);
    talk_answer(&talk, 1, ANSWER);
    press("h"); /* one that is alive has another line for that */
    serve_until("space freezes", &id);
    quit();
}

/* --- plain text ------------------------------------------------------------------------------- */

static void test_plain_pictures(void **state)
{
    CLIENT(&child, &daemon_, "top", "--count", "2", "--interval", "100ms");
    fake_accept(&daemon_, &talk);
    for (unsigned id = 1; id <= 3; id++) { /* rates need a look before the first one */
        struct step step = {"top", "{\"limit\":500}", ANSWER};
        scene_hear(id, &step);
        scene_answer(id, &step);
    }
    assert_int_equal(test_finish(&child, PATIENCE), 0);
    struct buf out = BUF_INIT;
    unsigned pictures = 0;
    assert_true(test_read_file(child.out, &out));
    assert_null(strchr(out.data, '\033'));
    for (char *p = out.data; (p = strstr(p, "penstockd 1.2, up 9.000 s, at ")); p++)
        pictures++;
    assert_int_equal(pictures, 2);
    assert_non_null(strstr(out.data, "http://b.example/y\n"));
    buf_deinit(&out);
}

static void test_other_ways(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"top", "--json", "--count=2", "--interval=100ms"},
         .steps = {{"top", "{\"limit\":500}", "{ \"a\":1 }"},
                   {"top", "{\"limit\":500}", "{ \"a\":2 }"}},
         .out = "{ \"a\":1 }\n{ \"a\":2 }\n"},
        {.args = {"top", "--json"},
         .steps = {{"top", "{\"limit\":500}", "!{\"code\":-32601,\"message\":\"no such method\"}"}},
         .status = 3,
         .err = "penstockctl: no such method\n"},
        {.args = {"top", "--interval", "99ms"},
         .status = 2,
         .err = "penstockctl: --interval: 100ms to 1h are possible\n"},
        {.args = {"top", "--interval", "2h"},
         .status = 2,
         .err = "penstockctl: --interval: 100ms to 1h are possible\n"},
        {.args = {"top", "--count", "0"},
         .status = 2,
         .err = "penstockctl: --count: '0' is not a whole number from 1\n"},
    };
    SCENES(scenes);
}

int main(void)
{
#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCREEN(test_cancel),
        SCREEN(test_cancel_the_second),
        SCREEN(test_cancel_the_filtered),
        SCREEN(test_cancel_what_is_typed_anew),
        SCREEN(test_whatever_is_no_yes),
        SCREEN(test_resume_what_is_held),
        SCREEN(test_hold_a_host),
        SCREEN(test_explain),
        SCREEN(test_schedules),
        SCREEN(test_a_job_explained),
        SCREEN(test_a_refusal_is_shown),
        SCREEN(test_the_daemon_comes_back),
        TEST(test_plain_pictures),
        TEST(test_other_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
