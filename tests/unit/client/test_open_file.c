/* A URL opened as a FILE: what its reader sees of what the daemon says and of what comes through
 * the pipe. */
#include "body_talk.h"

/* One that has begun: "line 1" is on its way. */
static FILE *open_file(void)
{
    struct opening o;
    begin_opening(&o, true);
    pour("line 1\n");
    say("begin");
    opening_end(&o);
    assert_non_null(o.file);
    assert_string_equal(o.why, "");
    return o.file;
}

/* All that the reader gets, and whether the end was one. */
static bool reads(FILE *file, const char *text)
{
    char data[256];
    size_t n = fread(data, 1, sizeof data - 1, file);
    data[n] = '\0';
    assert_string_equal(data, text);
    assert_true(feof(file) || ferror(file));
    assert_false(feof(file) && ferror(file));
    return feof(file);
}

static void whole(void **state)
{
    struct penstock_verdict verdict;
    FILE *file = open_file();
    pour("line 2\n");
    say("complete");
    fd_close(&given);
    assert_true(reads(file, "line 1\nline 2\n"));
    assert_string_equal(penstock_error(file), "");
    talk_answer(&talk, 2, "{}");
    say_done();
    assert_int_equal(penstock_close(file, 0, &verdict), 0);
    expect_exited(0);
    assert_int_equal(verdict.state, PENSTOCK_STATE_DONE);
    assert_int_equal(verdict.job, JOB);
    assert_int_equal(verdict.status, 200);
    assert_string_equal(verdict.verified_by, "length");
    assert_null(talk_hear(&talk)); /* the connection has ended with it */
}

/* An empty body begins with its end. */
static void empty(void **state)
{
    struct opening o;
    begin_opening(&o, true);
    fd_close(&given);
    say("complete");
    opening_end(&o);
    assert_non_null(o.file);
    assert_true(reads(o.file, ""));
    say_done();
    assert_int_equal(penstock_close(o.file, 0, NULL), 0);
}

/* An end of the pipe that the daemon has not called one is none. Its word of why comes once it has
 * heard that the reader has ended, and that is said once. */
static void cut(void **state)
{
    struct penstock_verdict verdict;
    struct reading r;
    FILE *file = open_file();
    fd_close(&given);
    say("abort");
    reading_begin(&r, file, -1);
    expect_exited(1);
    talk_answer(&talk, 2, "{}");
    say_truncated();
    reading_end(&r);
    assert_true(r.failed);
    assert_string_equal(r.why, "truncated: cut");
    assert_int_equal(penstock_close(file, 0, &verdict), 1);
    assert_int_equal(verdict.state, PENSTOCK_STATE_FAILED);
    assert_string_equal(verdict.error_kind, "truncated");
    assert_null(talk_hear(&talk));
}

/* The verdict has come by itself. */
static void cut_and_told(void **state)
{
    FILE *file = open_file();
    fd_close(&given);
    say("abort");
    say_truncated();
    errno = 0;
    assert_false(reads(file, "line 1\n"));
    assert_int_equal(errno, EIO);
    assert_string_equal(penstock_error(file), "truncated: cut");
    assert_int_equal(penstock_close(file, 0, NULL), 1);
}

/* It stays an error although the pipe is still open on the other side. */
static void cut_with_the_pipe_open(void **state)
{
    FILE *file = open_file();
    say("abort");
    say_verdict("\"state\":\"cancelled\",\"reason\":\"by request\"");
    assert_false(reads(file, "line 1\n"));
    assert_string_equal(penstock_error(file), "cancelled: by request");
    assert_int_equal(penstock_close(file, 0, NULL), 1);
}

/* A verdict that comes before the end is one of a body that is not whole, whatever it says. */
static void a_verdict_before_the_end(void **state)
{
    FILE *file = open_file();
    say_done();
    fd_close(&given);
    assert_false(reads(file, "line 1\n"));
    assert_string_equal(penstock_error(file), "the body did not arrive whole");
    fclose(file);
}

static void the_daemon_dies(void **state)
{
    struct penstock_verdict verdict;
    char why[512];
    FILE *file = open_file();
    daemon_ends();
    assert_false(reads(file, "line 1\n"));
    snprintf(why, sizeof why, "the daemon at %s has closed the connection", fake.path);
    assert_string_equal(penstock_error(file), why);
    assert_true(penstock_close(file, 0, &verdict) < 0);
    assert_int_equal(verdict.state, PENSTOCK_STATE_UNKNOWN);
    assert_int_equal(verdict.job, JOB);
    assert_string_equal(verdict.error_message, why);
}

/* … after all of the body, and before the verdict. */
static void the_daemon_dies_at_the_end(void **state)
{
    struct penstock_verdict verdict;
    FILE *file = open_file();
    say("complete");
    daemon_ends();
    assert_true(reads(file, "line 1\n"));
    assert_int_equal(penstock_close(file, 0, &verdict), -ECONNRESET);
    assert_int_equal(verdict.state, PENSTOCK_STATE_UNKNOWN);
}

/* What the reader made of it is told as an exit status. */
static void results(void **state)
{
    static const int cases[][2] = {{0, 0}, {1, 1}, {3, 3}, {128, 128}, {129, 1}, {-1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *file = open_file();
        say("complete");
        if (cases[i][0] == 0)
            say_done();
        else
            say_verdict("\"state\":\"failed\",\"error\":{\"kind\":\"parser_failed\"}");
        assert_int_equal(penstock_close(file, cases[i][0], NULL), cases[i][0] != 0);
        expect_exited(cases[i][1]);
        daemon_ends();
    }
}

/* A plain fclose says nothing of the reader: the connection ends, and with it the job. */
static void closed_without_a_word(void **state)
{
    FILE *file = open_file();
    assert_int_equal(fclose(file), 0);
    assert_null(talk_hear(&talk));
    assert_int_equal(penstock_close(NULL, 0, NULL), -EBADF);
    assert_int_equal(penstock_close(stdin, 0, NULL), -EBADF);
    assert_string_equal(penstock_error(stdin), "this is no FILE of penstock_open's");
}

/* --- what cannot be opened -------------------------------------------------------------------- */

/* The job's fault, or one of the daemon's that may pass. */
static void refused(void **state)
{
    static const struct {
        int code, errno_value;
    } cases[] = {{-32602, EINVAL}, {-32005, EINVAL}, {-32002, EINVAL}, {-32603, EIO},
                 {-32003, EIO},    {-32004, EIO},    {-32006, EIO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct opening o;
        char line[128];
        opening_begin(&o, i % 2, NULL, "{\"url\":\"http://h.test/\"}");
        snprintf(line, sizeof line, "{\"id\":1,\"error\":{\"code\":%d,\"message\":\"no\"}}",
                 cases[i].code);
        talk_say(&talk, line);
        opening_end(&o);
        assert_true(!o.file && o.fd == -1);
        assert_int_equal(o.code, cases[i].errno_value);
        assert_string_equal(o.why, "no");
        assert_null(talk_hear(&talk));
        daemon_ends();
    }
}

/* The job has failed before a byte of it came. */
static void failed(void **state)
{
    struct opening o;
    begin_opening(&o, true);
    say("abort");
    say_verdict("\"state\":\"failed\",\"error\":{\"kind\":\"dns\",\"message\":\"no such name\"}");
    opening_end(&o);
    assert_null(o.file);
    assert_int_equal(o.code, EIO);
    assert_string_equal(o.why, "dns: no such name");
}

static void the_daemon_goes_before_the_first_byte(void **state)
{
    struct opening o;
    begin_opening(&o, true);
    daemon_ends();
    opening_end(&o);
    assert_null(o.file);
    assert_int_equal(o.code, EIO);
    assert_non_null(strstr(o.why, "has closed the connection"));
}

static void unreachable(void **state)
{
    static const struct {
        const char *options;
        int code;
        const char *words;
    } cases[] = {{"socket=/none/such", ENOENT, "is penstockd running"},
                 {"socket=/dev/null", ECONNREFUSED, "nobody listens there"},
                 {"max_body", EINVAL, "NAME=VALUE is wanted"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        errno = 0;
        assert_null(penstock_open("http://h.test/", cases[i].options));
        assert_int_equal(errno, cases[i].code);
        if (!strstr(penstock_error(NULL), cases[i].words))
            fail_msg("%s", penstock_error(NULL));
        assert_int_equal(penstock_open_fd("http://h.test/", cases[i].options), -1);
        assert_int_equal(errno, cases[i].code);
    }
}

static void options(void **state)
{
    struct opening o;
    opening_begin(&o, true, "digest=sha256 max_redirects=3",
                  "{\"url\":\"http://h.test/\",\"digest\":\"sha256\",\"max_redirects\":3}");
    daemon_ends();
    opening_end(&o);
    assert_null(o.file);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(whole),
        EACH(empty),
        EACH(cut),
        EACH(cut_and_told),
        EACH(cut_with_the_pipe_open),
        EACH(a_verdict_before_the_end),
        EACH(the_daemon_dies),
        EACH(the_daemon_dies_at_the_end),
        EACH(results),
        EACH(closed_without_a_word),
        EACH(refused),
        EACH(failed),
        EACH(the_daemon_goes_before_the_first_byte),
        EACH(unreachable),
        EACH(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
