#include "parse/foreground.h"
#include "support/testlib.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct output {
    char *text;
    size_t len;
};

/* The exit code; what went to stderr is for the person, and thrown away here. */
static int run(const char *name, const struct parse_pair *option, const char *path, int64_t cut,
               struct output *ret)
{
    struct registry *registry = registry_new();
    FILE *out = open_memstream(&ret->text, &ret->len);
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    struct foreground_terms terms = {.options = option,
                                     .option_count = option ? 1 : 0,
                                     .decode = {.file = DECODE_FILE_AUTO},
                                     .cut_at = cut};
    int code = foreground_run(registry, name, &terms, path, out);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    fclose(out);
    registry_unref(registry);
    return code;
}

static const char *input(const char *text)
{
    static int n;
    const char *path = test_path("input-%d", n++);
    test_write_file(path, text, strlen(text));
    return path;
}

static void assert_has(const struct output *out, const char *what)
{
    if (!strstr(out->text, what))
        fail_msg("\"%s\" is not in: %s", what, out->text);
}

static size_t records(const struct output *out)
{
    size_t n = 0;
    for (const char *p = out->text; (p = strstr(p, "\"event\":\"record\"")); p++)
        n++;
    return n;
}

static void test_done(void **state)
{
    struct output out;
    assert_int_equal(run("lines", NULL, input("a\nb\n"), -1, &out), 0);
    assert_has(&out, "\"event\":\"record\",\"job\":0,\"attempt\":0,\"seq\":2,\"data\":{\"line\":2,"
                     "\"text\":\"b\"}}\n");
    assert_has(&out, "\"event\":\"verdict\",\"job\":0,\"attempt\":0,\"state\":\"done\"");
    assert_has(&out, "\"bytes\":4,\"records\":2}\n");
    assert_int_equal(records(&out), 2);
    free(out.text);
}

static void test_options(void **state)
{
    struct output out;
    const struct parse_pair good = {"skip_empty", "yes"}, bad = {"skip_empty", "perhaps"},
                            none = {"x", "y"};
    assert_int_equal(run("lines", &good, input("\n\nb\n"), -1, &out), 0);
    assert_int_equal(records(&out), 1);
    free(out.text);
    assert_int_equal(run("lines", &bad, input("x"), -1, &out), 2);
    assert_int_equal(out.len, 0);
    free(out.text);
    assert_int_equal(run("lines", &none, input("x"), -1, &out), 2);
    free(out.text);
    assert_int_equal(run("line", NULL, input("x"), -1, &out), 2);
    free(out.text);
    assert_int_equal(run("lines", NULL, test_path("nowhere"), -1, &out), 2);
    free(out.text);
    assert_int_equal(run("lines", NULL, test_dir(), -1, &out),
                     1); /* it opens, and cannot be read */
    free(out.text);
}

static void test_parser_fails(void **state)
{
    struct output out;
    assert_int_equal(run("ndjson", NULL, input("1\n\n{\n"), -1, &out), 1);
    assert_int_equal(records(&out), 1);
    assert_has(&out, "\"state\":\"failed\"");
    assert_has(&out, "\"error\":{\"kind\":\"parser_failed\",\"message\":\"the JSON value is cut "
                     "short\",\"line\":3,"
                     "\"offset\":4}}");
    free(out.text);
}

/* The parser gets exactly as many bytes as were asked for, and never an end. */
static void test_cut(void **state)
{
    const char *path = input("a\nb\nc\n");
    for (int cut = 0; cut <= 6; cut++)
        for (int round = 0; round < 20; round++) {
            struct output out;
            assert_int_equal(run("lines", NULL, path, cut, &out), 1);
            assert_int_equal(records(&out), cut / 2);
            assert_has(&out, "\"kind\":\"truncated\"");
            free(out.text);
        }
    struct output out;
    assert_int_equal(run("lines", NULL, path, 7, &out), 0);
    free(out.text);
}

static void test_larger_than_a_pipe(void **state)
{
    struct output out;
    char *text = malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    for (int i = 99; i < 1 << 20; i += 100)
        text[i] = '\n';
    const char *path = test_path("large");
    test_write_file(path, text, 1 << 20);
    free(text);
    assert_int_equal(run("count", NULL, path, -1, &out), 0);
    assert_has(&out, "\"data\":{\"bytes\":1048576,\"lines\":10485,\"words\":10486}");
    free(out.text);
    assert_int_equal(run("count", NULL, path, 1000000, &out), 1);
    assert_int_equal(records(&out), 0);
    assert_has(&out, "\"bytes\":1000000");
    free(out.text);
}

/* A parser that ends early does not wait for a standard input that goes on: a test's pipe that
 * nobody closes. */
static void test_early_end_of_standard_input(void **state)
{
    struct output out;
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x\n1\n", 4), 4);
    dup2(ends[0], STDIN_FILENO);
    assert_int_equal(run("ndjson", NULL, "-", -1, &out), 1);
    dup2(saved, STDIN_FILENO);
    assert_has(&out, "\"line\":1");
    assert_has(&out, "\"file\":\"-\"");
    free(out.text);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void test_output_fails(void **state)
{
    struct registry *registry = registry_new();
    FILE *full = fopen("/dev/full", "w");
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    assert_non_null(full);
    struct foreground_terms terms = {.cut_at = -1};
    int code = foreground_run(registry, "lines", &terms, input("a\n"), full);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    assert_int_equal(code, 1);
    fclose(full);
    registry_unref(registry);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_parser_fails),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_larger_than_a_pipe),
        cmocka_unit_test(test_early_end_of_standard_input),
        cmocka_unit_test(test_output_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
