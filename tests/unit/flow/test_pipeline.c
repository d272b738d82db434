/* Command lines, and processes connected by pipes. Each run is in a child of the test's own, as the
 * functions are for a program of one thread that owns all its children. */
#include "flow/pipeline.h"

#include "base/fd.h"
#include "flow/pipeline_split.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- command lines ---------------------------------------------------------------------------- */

/* The words, each in brackets; or the sentence. */
static const char *split(const char *text)
{
    static char out[1024];
    struct error err = {""};
    char **argv;
    int r = pipeline_split(text, &argv, &err);
    if (r < 0) {
        assert_int_equal(r, -EINVAL);
        snprintf(out, sizeof out, "%s", err.text);
        return out;
    }
    out[0] = '\0';
    for (size_t i = 0; argv[i]; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "[%s]", argv[i]);
    pipeline_argv_free(argv);
    return out;
}

static void test_words(void **state)
{
    static const char *const cases[][2] = {
        {"cat", "[cat]"},
        {"  a\tb  c ", "[a][b][c]"},
        {"a 'b c' \"d e\"", "[a][b c][d e]"},
        {"a''b \"\" '' x", "[ab][][][x]"},
        {"pre'mid dle'post", "[premid dlepost]"},
        {"'a\"b' \"c'd\"", "[a\"b][c'd]"},
        {"a\\ b \\x41\\101\\n\\s \\\\", "[a b][AA\n ][\\]"},
        {"\"a\\\"b\" 'c\\'d'", "[a\"b][c'd]"},
        {"$HOME %n * ~ # !", "[$HOME][%n][*][~][#][!]"},
        {"grep -E 'a|b' \"x>y\" \\| \\>", "[grep][-E][a|b][x>y][|][>]"},
        {"gr\xc3\xbc\xc3\x9f", "[gr\xc3\xbc\xc3\x9f]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(split(cases[i][0]), cases[i][1]);
}

static void test_refused(void **state)
{
    static const char *const cases[][2] = {
        {"", "no command"},          {"   ", "no command"},       {"''", "no command"},
        {"a 'b", "not closed"},      {"a \"b", "not closed"},     {"a \\", "stands at its end"},
        {"a \\q", "no escape"},      {"\\x4", "no escape"},       {"\\x00", "no escape"},
        {"\\400", "no escape"},      {"a | b", "`stage =` line"}, {"a|b", "`stage =` line"},
        {"a > b", "redirects"},      {"a 2>/dev/null", "sh -c"},  {"a < b", "redirects"},
        {"a && b", "an unquoted &"}, {"a; b", "an unquoted ;"},   {"a &", "sh -c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!strstr(split(cases[i][0]), cases[i][1]))
            fail_msg("%s: %s", cases[i][0], split(cases[i][0]));
}

/* --- runs ------------------------------------------------------------------------------------- */

#define STAGES_MAX 4

struct outcome {
    int started;          /* pipeline_start's result */
    size_t stage, failed; /* that could not start; pipeline_failed's */
    int status;           /* of the one that failed */
    char error[512];
    size_t children; /* left behind */
};

struct plan {
    const char *stages[STAGES_MAX + 1]; /* command lines */
    struct pipeline_limits limits;
    bool kill; /* as soon as all have started */
};

/* In a child: runs, waits until all have ended or one has failed, kills what is left. */
static void carry_out(const struct plan *plan, int in, int out, struct outcome *o)
{
    char **argv[STAGES_MAX];
    struct pipeline p;
    struct error err = {""};
    struct pipeline_config config = {.stages = (char *const *const *)argv,
                                     .in = in,
                                     .out = out,
                                     .err = 2,
                                     .limits = &plan->limits};
    while (plan->stages[config.count]) {
        assert_int_equal(pipeline_split(plan->stages[config.count], &argv[config.count], &err), 0);
        config.count++;
    }
    assert_int_equal(pipeline_adopt(), 0);
    o->started = pipeline_start(&p, &config, &o->stage, &err);
    memcpy(o->error, err.text, sizeof o->error);
    close(in);
    close(out);
    while (o->started == 0 && !plan->kill && p.running > 0 && pipeline_failed(&p) == p.count) {
        siginfo_t info;
        waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
        pipeline_reap(&p);
    }
    o->failed = pipeline_failed(&p);
    o->status = o->failed < p.count ? p.stages[o->failed].status : 0;
    pipeline_kill_all(&p);
    o->children = (size_t)(waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD);
    for (size_t i = 0; i < config.count; i++)
        pipeline_argv_free(argv[i]);
}

/* What came out of it, and in *o how it went. */
static const char *run(const struct plan *plan, const char *input, struct outcome *o)
{
    static char text[65536];
    int in[2], out[2], report[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct outcome outcome = {0};
        close(in[1]);
        close(out[0]);
        carry_out(plan, in[0], out[1], &outcome);
        _exit(write(report[1], &outcome, sizeof outcome) != sizeof outcome);
    }
    signal(SIGPIPE, SIG_IGN);
    fd_close(&in[0]);
    fd_close(&out[1]);
    fd_close(&report[1]);
    if (input)
        fd_write_all(in[1], input, strlen(input));
    if (input)
        fd_close(&in[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(out[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    assert_int_equal(read(report[0], o, sizeof *o), sizeof *o);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(o->children, 0);
    fd_close(&in[1]);
    fd_close(&out[0]);
    fd_close(&report[0]);
    return text;
}

static void test_a_pipeline(void **state)
{
    struct outcome o;
    struct plan plan = {.stages = {"sort", "uniq -c", "tr -d ' '"}};
    assert_string_equal(run(&plan, "b\na\nb\n", &o), "1a\n2b\n");
    assert_int_equal(o.started, 0);
    assert_int_equal(o.failed, 3);
}

static void test_statuses(void **state)
{
    static const struct {
        const char *stages[STAGES_MAX + 1];
        size_t failed;
    } cases[] = {
        {{"true"}, 1},
        {{"false"}, 0},
        {{"cat", "false"}, 1},
        {{"false", "cat"}, 0},
        /* Excused: ended by a pipe that a contented stage left. */
        {{"yes", "head -n 1"}, 2},
        {{"sh -c 'yes; exit $?'", "head -n 1"}, 2},
        {{"yes", "cat", "head -n 1"}, 3},
        /* The last one has nobody behind it. */
        {{"sh -c 'kill -PIPE $$'"}, 0},
        {{"true", "sh -c 'exit 141'"}, 1},
        {{"true", "sh -c 'kill -KILL $$'", "cat"}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome o;
        struct plan plan = {0};
        memcpy(plan.stages, cases[i].stages, sizeof plan.stages);
        run(&plan, "x\n", &o);
        assert_int_equal(o.started, 0);
        if (o.failed != cases[i].failed)
            fail_msg("case %zu: stage %zu", i, o.failed);
    }
}

/* What is behind a stage that fails never meets an end. */
static void test_no_end_behind_a_failure(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct outcome o;
        struct plan plan = {.stages = {"sh -c 'echo part; kill -SEGV $$'", "cat",
                                       "sh -c 'cat >/dev/null; echo end'"}};
        assert_string_equal(run(&plan, "", &o), "");
        assert_int_equal(o.failed, 0);
        assert_true(WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGSEGV);
    }
}

/* Nor does anything that is killed. */
static void test_killed_together(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct outcome o;
        struct plan plan = {
            .stages = {"cat", "setsid cat",
                       "sh -c '(setsid sh -c \"cat >/dev/null; echo end\") <&0; echo end'"},
            .kill = true};
        assert_string_equal(run(&plan, NULL, &o), "");
        assert_int_equal(o.started, 0);
    }
}

static void test_what_cannot_start(void **state)
{
    struct outcome o;
    struct plan plan = {.stages = {"cat", "no-such-command-at-all x", "cat"}};
    assert_string_equal(run(&plan, "", &o), "");
    assert_int_equal(o.started, -ENOENT);
    assert_int_equal(o.stage, 1);
    assert_non_null(strstr(o.error, "no-such-command-at-all"));
    assert_non_null(strstr(o.error, "not found"));
    plan = (struct plan){.stages = {"/etc/passwd"}};
    run(&plan, "", &o);
    assert_int_equal(o.started, -EACCES);
    assert_non_null(strstr(o.error, "/etc/passwd"));
}

/* 0, 1, 2 and nothing else; default signals; its own group; the limits. */
static void test_what_a_stage_has(void **state)
{
    struct outcome o;
    struct plan plan = {.stages = {"cat", "ls /proc/self/fd"}};
    int leak = open("/dev/null", O_RDONLY); /* without close-on-exec */
    assert_true(leak >= 0);
    /* The fourth is the directory itself. */
    assert_string_equal(run(&plan, "", &o), "0\n1\n2\n3\n");
    close(leak);
    plan = (struct plan){.stages = {"sh -c 'ulimit -n; ulimit -f; ulimit -t'"},
                         .limits = {.open_files = 50, .file_size = 1 << 20, .cpu_time = 7}};
    assert_string_equal(run(&plan, "", &o), "50\n2048\n7\n");
    plan = (struct plan){.stages = {"sh -c 'ulimit -Sn; kill -USR1 $$'"},
                         .limits = {.soft_files = 60}};
    assert_string_equal(run(&plan, "", &o), "60\n");
    assert_true(WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGUSR1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_pipeline),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_no_end_behind_a_failure),
        cmocka_unit_test(test_killed_together),
        cmocka_unit_test(test_what_cannot_start),
        cmocka_unit_test(test_what_a_stage_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
