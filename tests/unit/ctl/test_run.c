/* `run` against a daemon of paper, which has the write end of COMMAND's standard input: whatever it
 * says and however it goes, COMMAND meets an end only of a whole body. */
#include "scene.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define SAY(method) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":{\"id\":7}}"
#define ID          "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":7}}"
#define TELLS_END   "cat; echo MET" /* a script that says so when it meets an end */

static int body = -1; /* the daemon's end */

/* Hears the request, and answers it with these lines, up to a NULL. */
static void serve_run(const char *params, const char *const lines[])
{
    char request[1024], *newline;
    body = scene_take(request, sizeof request);
    newline = strchr(request, '\n');
    assert_non_null(newline);
    *newline = '\0';
    json_t *value = json_loads(request, 0, NULL);
    assert_non_null(value);
    assert_string_equal(json_string_value(json_object_get(value, "method")), "run");
    same_json(json_object_get(value, "params"), params);
    json_decref(value);
    for (size_t i = 0; lines[i]; i++)
        talk_say(&talk, lines[i]);
}
#define SERVE(params, ...) serve_run(params, (const char *const[]){__VA_ARGS__, NULL})

/* All of the body is in the pipe, and the daemon has let go of it. */
static void feed(const char *text)
{
    assert_int_equal(fd_write_all(body, text, strlen(text)), 0);
}

static void feed_whole(const char *text)
{
    feed(text);
    fd_close(&body);
    talk_say(&talk, SAY("complete"));
}

static void exited(int status)
{
    char request[128];
    snprintf(request, sizeof request,
             "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"exited\",\"params\":{\"id\":7,\"status\":"
             "%d}}",
             status);
    talk_expect(&talk, request);
}

static void verdict(const char *more)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"event\":\"verdict\",\"job\":7,%s}", more);
    talk_event(&talk, b.data);
    buf_deinit(&b);
}

static void file_lacks(const char *path, const char *part)
{
    struct buf b = BUF_INIT;
    assert_true(test_read_file(path, &b));
    if (b.data && strstr(b.data, part))
        fail_msg("'%s' has '%s'", b.data, part);
    buf_deinit(&b);
}

static void test_a_whole_body(void **state)
{
    CLIENT(&child, &daemon_, "run", "http://a/", "--max-attempts=3", "--", "sh", "-c", TELLS_END);
    SERVE("{\"url\":\"http://a/\",\"max_attempts\":3}", ID, SAY("begin"));
    feed("abc\n");
    talk_say(&talk, SAY("begin")); /* once more is nothing */
    feed_whole("def\n");
    exited(0);
    verdict("\"state\":\"done\"");
    client_ends(&child, 0, "abc\ndef\nMET\n", NULL);
}

/* A last line that nothing else can contain, behind the whole body and before its end. */
static void test_trailer(void **state)
{
    CLIENT(&child, &daemon_, "run", "--trailer", "token", "u", "--", "sh", "-c", TELLS_END);
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    feed_whole("abc\n");
    exited(0);
    verdict("\"state\":\"done\"");
    client_ends(&child, 0, "abc\ntoken\nMET\n", NULL);
}

/* The command's own status is told to the daemon, and is ours. */
static void test_its_status(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", "cat > /dev/null; exit 9");
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    feed_whole("abc");
    exited(9);
    verdict("\"state\":\"failed\",\"error\":{\"kind\":\"parser_failed\",\"message\":\"it exited "
            "with 9\\u0007\"}");
    client_ends(&child, 9, "",
                "penstockctl: job 7 failed parser_failed: it exited with 9\\u0007\n");
}

static void test_a_command_that_is_not_there(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "/nonexistent/load");
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    exited(127);
    verdict("\"state\":\"failed\",\"error\":{\"kind\":\"parser_failed\"}");
    client_ends(&child, 127, "", "/nonexistent/load");
}

/* --- what is no whole body -------------------------------------------------------------------- */

static void test_a_cut(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", TELLS_END);
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    feed("abc\n");
    struct buf line = BUF_INIT;
    test_wait_line(child.out, "abc", PATIENCE, &line); /* it reads */
    buf_deinit(&line);
    fd_close(&body);
    talk_say(&talk, SAY("abort"));
    exited(128 + SIGKILL);
    verdict("\"state\":\"failed\",\"error\":{\"kind\":\"truncated\",\"message\":\"cut\"}");
    client_ends(&child, 1, "abc\n", "penstockctl: job 7 failed truncated: cut\n");
}

/* The daemon is killed: its end closes without a word. */
static void test_the_daemon_goes_in_mid_body(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", TELLS_END);
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    feed("abc\n");
    fd_close(&body);
    talk_end(&talk);
    assert_int_equal(test_finish(&child, PATIENCE), 1);
    file_lacks(child.out, "MET");
    file_has(child.err, "has closed the connection\n");
}

/* What it says of the verdict alone is no end of the body either. */
static void test_a_verdict_without_a_word_before(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", TELLS_END);
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    fd_close(&body);
    verdict("\"state\":\"done\"");
    assert_int_equal(test_finish(&child, PATIENCE), 1);
    file_lacks(child.out, "MET");
}

/* A command that gives up early is its own judge; what it has left behind reads on, and must not
 * take that for the end. */
static void test_what_it_leaves_behind(void **state)
{
    const char *fifo = test_path("left");
    char script[300], byte;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int left = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(left >= 0);
    snprintf(script, sizeof script, "exec 9> %s 8<&0; { cat <&8; echo MET; } & exit 3", fifo);
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", script);
    SERVE("{\"url\":\"u\"}", ID);
    feed("abc\n"); /* while nobody can have left */
    talk_say(&talk, SAY("begin"));
    exited(3);
    fd_close(&body);
    verdict("\"state\":\"failed\",\"error\":{\"kind\":\"parser_failed\"}");
    assert_int_equal(test_finish(&child, PATIENCE), 3);
    fake_wait(left, POLLIN); /* until the last of them has ended */
    assert_int_equal(read(left, &byte, 1), 0);
    file_lacks(child.out, "MET");
    close(left);
}

/* A command that has the whole body judges it alone, and is waited for. */
static void test_the_daemon_goes_afterwards(void **state)
{
    const char *fifo = test_path("fifo");
    char script[300];
    assert_int_equal(mkfifo(fifo, 0600), 0);
    snprintf(script, sizeof script, "cat; echo MET; read word < %s; exit 4", fifo);
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", script);
    SERVE("{\"url\":\"u\"}", ID, SAY("begin"));
    feed_whole("abc\n");
    struct buf line = BUF_INIT;
    test_wait_line(child.out, "MET", PATIENCE, &line);
    buf_deinit(&line);
    talk_end(&talk);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    client_ends(&child, 4, "abc\nMET\n",
                "penstockctl: the daemon has gone; the command had the whole body\n");
}

/* --- before it begins ------------------------------------------------------------------------- */

static void ends_unbegun(const char *line, int status, const char *err)
{
    CLIENT(&child, &daemon_, "run", "u", "--max-body=x", "--", "sh", "-c", "echo it ran");
    SERVE("{\"url\":\"u\",\"max_body\":\"x\"}", line);
    client_ends(&child, status, "", err);
    fd_close(&body);
    talk_end(&talk);
}

static void test_refusals(void **state)
{
    ends_unbegun("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"max_body: "
                 "no\",\"data\":{\"field\":\"max_body\"}}}",
                 2, "penstockctl: --max-body: no\n");
    ends_unbegun("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32004,\"message\":\"full\"}}",
                 3, "penstockctl: full\n");
    ends_unbegun("SMTP", 3, "does not speak penstock's protocol\n");
}

static void test_a_job_that_has_no_body(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", "echo it ran");
    SERVE("{\"url\":\"u\"}", ID);
    verdict("\"state\":\"failed\",\"error\":{\"kind\":\"dns\",\"message\":\"no such name\"}");
    client_ends(&child, 1, "", "penstockctl: job 7 failed dns: no such name\n");
}

static void test_a_signal_before_it_begins(void **state)
{
    CLIENT(&child, &daemon_, "run", "u", "--", "sh", "-c", "echo it ran");
    SERVE("{\"url\":\"u\"}", ID);
    test_signal(&child, SIGTERM);
    client_ends(&child, 128 + SIGTERM, "",
                "penstockctl: interrupted: the command was not started\n");
}

static void test_mistakes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"run", "--", "cat"},
         .status = 2,
         .err = "penstockctl: run: one URL is wanted before `--`\n"},
        {.args = {"run", "u", "--"},
         .status = 2,
         .err = "penstockctl: run: a command is wanted after `--`\n"},
        {.args = {"run", "u", "cat", "-n"},
         .status = 2,
         .err = "penstockctl: `--` stands before the command: penstockctl run u -- cat -n\n"},
        {.args = {"run", "u", "v", "--", "cat"},
         .status = 2,
         .err = "penstockctl: run: one URL is wanted before `--`\n"},
        {.args = {"run", "u", "--stdin=file", "--", "cat"},
         .status = 2,
         .err = "penstockctl: --stdin: 'file' is neither pipe nor socket\n"},
        {.args = {"run", "u", "--trailer=a\nb", "--", "cat"},
         .status = 2,
         .err = "penstockctl: --trailer: one line is wanted\n"},
        {.args = {"run", "\xff", "--", "cat"},
         .status = 2,
         .err = "penstockctl: run: the URL is not UTF-8\n"},
    };
    SCENES(scenes);
}

static int end_run(void **state)
{
    fd_close(&body);
    return teardown(state);
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, setup, end_run)
    const struct CMUnitTest tests[] = {
        RUN(test_a_whole_body),
        RUN(test_trailer),
        RUN(test_its_status),
        RUN(test_a_command_that_is_not_there),
        RUN(test_a_cut),
        RUN(test_the_daemon_goes_in_mid_body),
        RUN(test_a_verdict_without_a_word_before),
        RUN(test_what_it_leaves_behind),
        RUN(test_the_daemon_goes_afterwards),
        RUN(test_refusals),
        RUN(test_a_job_that_has_no_body),
        RUN(test_a_signal_before_it_begins),
        RUN(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
