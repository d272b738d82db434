/* penstock-host --describe: what a plug-in says of itself, as JSON, or what is wrong with it, in a
 * sentence; and nothing that the plug-in itself says meanwhile. */
#include "support/testlib.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience()) /* ms; only a hang meets it */

/* The exit status; all of standard output. */
static int describe(const char *file, struct buf *out)
{
    const char *const argv[] = {PENSTOCK_HOST, "--describe", file, NULL};
    struct buf err = BUF_INIT;
    buf_reset(out);
    int status = test_run(argv, "", PATIENCE, out, &err);
    assert_string_equal(err.data ? err.data : "", "");
    buf_deinit(&err);
    return status;
}

static void test_parsers(void **state)
{
    static const struct {
        const char *file, *text;
    } rows[] = {
        {PLUGINS "/acting.so",
         "{\"abi\":1,\"name\":\"acting\",\"summary\":\"does \\\"as\\\" it is told\",\"flags\":0,"
         "\"stdio\":false,\"options\":[{\"name\":\"act\",\"default\":\"count\",\"help\":"
         "\"what to do\"},{\"name\":\"limit\",\"default\":null,\"help\":\"none\"},"
         "{\"name\":\"third\",\"default\":null,\"help\":\"the third\"}]}\n"},
        {PLUGINS "/printing.so",
         "{\"abi\":1,\"name\":\"printing\",\"summary\":\"prints its records, a line each\","
         "\"flags\":1,\"stdio\":true,\"options\":[]}\n"},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(describe(rows[i].file, &out), 0);
        assert_string_equal(out.data, rows[i].text);
        json_t *value = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(value);
        json_decref(value);
    }
    buf_deinit(&out);
}

/* Each fault is one sentence, and names what has to be changed. */
static void test_faults(void **state)
{
    static const struct {
        const char *kind, *text;
    } rows[] = {
        {"abi", "it was compiled for version 2 of penstock/parser.h; this is version 1: compile it "
                "anew"},
        {"size", "its size member is 8, not sizeof(struct penstock_parser)"},
        {"name", "its name \"Acting Up\" will not do: up to 32 characters, a letter a-z first, "
                 "then also digits, - and _"},
        {"summary", "it has no summary"},
        {"parse", "it has no parse function"},
        {"option", "its option \"Wrong\" is misnamed: a letter a-z first, then also digits and _"},
        {"help", "its option \"third\" has no help"},
        {"twice", "its option \"act\" is there twice"},
        {"symbol", "it has no symbol penstock_plugin, as penstock/parser.h describes it"},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char file[512];
        snprintf(file, sizeof file, "%s/%s.so", PLUGINS, rows[i].kind);
        assert_int_equal(describe(file, &out), 1);
        assert_string_equal(out.data, rows[i].text);
    }
    buf_deinit(&out);
}

static void test_files_that_are_none(void **state)
{
    const char *text = test_path("text.so");
    struct buf out = BUF_INIT;
    test_write_file(text, "no object\n", 10);
    assert_int_equal(describe(text, &out), 1);
    assert_non_null(strstr(out.data, "it cannot be loaded: "));
    assert_int_equal(describe(test_path("missing.so"), &out), 1);
    assert_non_null(strstr(out.data, "it cannot be loaded: "));
    assert_non_null(strstr(out.data, "missing.so"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parsers),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
