/* json, xml, feed, digest and the filters of lines on tables of inputs. */
#include "samples.h"

/* --- json ------------------------------------------------------------------------------------------ */

static void test_json_elements(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "[]", ""),
        WELL(NULL, "[1,2.50,-0e1,\"x\",null,[3],{\"a\":[]}]",
             "1\n2.50\n-0e1\n\"x\"\nnull\n[3]\n{\"a\":[]}\n"),
        WELL(NULL, " [ 1 , 2 ] ", "1\n2\n"),
        WELL(NULL, "\xef\xbb\xbf[1]", "1\n"),
        WELL(NULL, "[\n  {\n    \"a\": 1,\r\n    \"b\": \"x  y\"\n  }\n]\n",
             "{\"a\": 1,\"b\": \"x  y\"}\n"),
        WELL(NULL, "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}\n"),
        WELL(NULL, "7", "7\n"),
        WELL(NULL, "[1] {\"a\":2}\n3\n\"x\"[4]", "1\n{\"a\":2}\n3\n\"x\"\n4\n"),
        WELL(NULL, "\x1e[1]\n\x1e{}\n", "1\n{}\n"),
        WELL(NULL, "[\"\xff\xe4\xbd\"]", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n"),
        WELL("each=value", "[1,2] {}", "[1,2]\n{}\n"),
        WELL("each=member", "{\"a\":1,\"b\\n\":{\"c\":[\n1]}}",
             "{\"name\":\"a\",\"value\":1}\n{\"name\":\"b\\n\",\"value\":{\"c\":[1]}}\n"),
        WELL("each=member", "[1,{\"a\":2}]", "1\n{\"a\":2}\n"),
        WELL("max_record=3", "[123,\"a\"]", "123\n\"a\"\n"),
        FAILS("max_record=3", "[1,\n 1234]", "1\n", KIND_LIMIT_EXCEEDED, 2, "3 bytes"),
        FAILS("max_record=3", "[1,\"abcd", "1\n", KIND_LIMIT_EXCEEDED, 1, "max_record"),
        FAILS("max_depth=2", "[1,[2],[[3]]]", "1\n[2]\n", KIND_LIMIT_EXCEEDED, 1, "2 levels"),
        FAILS(NULL, "", "", KIND_PARSER_FAILED, 1, "no JSON value"),
        FAILS(NULL, "\n\n", "", KIND_PARSER_FAILED, 3, "no JSON value"),
        FAILS(NULL, "[1,2", "1\n", KIND_PARSER_FAILED, 1, "cut short"),
        FAILS(NULL, "[1,\n2,\n]", "1\n2\n", KIND_PARSER_FAILED, 3, "no JSON value"),
        FAILS(NULL, "[1]]", "1\n", KIND_PARSER_FAILED, 1, "no JSON value"),
        FAILS(NULL, "[1 2]", "1\n", KIND_PARSER_FAILED, 1, "comma"),
        FAILS(NULL, "[\xff]", "", KIND_PARSER_FAILED, 1, "no JSON value"),
    };
    CHECK(&parser_json, samples);
}

static void test_json_pointer(void **state)
{
    static const struct sample samples[] = {
        WELL("pointer=/a", "{\"b\":[1],\"a\":[2,[3]],\"c\":{\"a\":[4]}}", "2\n[3]\n"),
        WELL("pointer=/a/b", "{\"a\":{\"x\":{\"b\":[1]},\"b\":[2]},\"b\":[3]}", "2\n"),
        WELL("pointer=/a/b", "{\"a\":{\"b\":{\"c\":1}}}", "{\"c\":1}\n"),
        WELL("pointer=/1", "[[1],[2,3],[4]]", "2\n3\n"),
        WELL("pointer=/1/a/0", "[{\"a\":[1]},{\"a\":[\"x\",2]}]", "\"x\"\n"),
        WELL("pointer=/0", "{\"0\":[1]} [[2]]", "1\n2\n"),
        WELL("pointer=/", "{\"\":[1]}", "1\n"),
        WELL("pointer=/a~1b~0", "{\"a/b~\":[1]}", "1\n"),
        WELL("pointer=/\xc3\xbc", "{\"\\u00fc\":[1]}", "1\n"),
        WELL("pointer=/\xf0\x9f\x98\x80", "{\"\\ud83d\\ude00\":[1]}", "1\n"),
        WELL("pointer=/a", "{\"a\":[1],\"a\":[2]}", "1\n2\n"),
        WELL("pointer=/a", "{\"a\":[]}", ""),
        WELL("pointer=/a", "{\"b\":1} {\"a\":[5]}", "5\n"),
        WELL("pointer=/a\neach=member", "{\"a\":{\"x\":1},\"b\":{\"y\":2}}",
             "{\"name\":\"x\",\"value\":1}\n"),
        WELL("pointer=/a\neach=value", "{\"a\":[1,2]}", "[1,2]\n"),
        FAILS("pointer=/a/b", "{\"a\":[1],\"b\":2}", "", KIND_PARSER_FAILED, 1,
              "nothing at \"/a/b\""),
        FAILS("pointer=/00", "[[1]]", "", KIND_PARSER_FAILED, 1, "nothing at"),
        FAILS("pointer=/2", "[[1],[2]]", "", KIND_PARSER_FAILED, 1, "nothing at"),
        FAILS("pointer=/a", "{\"a\":[1],\"b\":[}", "1\n", KIND_PARSER_FAILED, 1, "no JSON value"),
    };
    CHECK(&parser_json, samples);
}

static const char *get_option(void *arg, const char *name)
{
    const char *const *pair = arg;
    const struct penstock_option *o =
        ((const struct penstock_parser *)(const void *)pair[2])->options;
    if (strcmp(name, pair[0]) == 0)
        return pair[1];
    while (strcmp(o->name, name) != 0)
        o++;
    return o->standard;
}

/* The sentence, or NULL if the value will do. */
static const char *refused(const struct penstock_parser *parser, const char *name,
                           const char *value)
{
    static char message[256];
    const char *arg[3] = {name, value, (const char *)parser};
    return parser->check(get_option, arg, message, sizeof message) ? message : NULL;
}

static void assert_refused(const struct penstock_parser *parser, const char *name,
                           const char *value, const char *part)
{
    const char *message = refused(parser, name, value);
    assert_non_null(message);
    if (!strstr(message, part))
        fail_msg("%s=%s: %s", name, value, message);
}

static void test_json_options(void **state)
{
    char deep[200] = "";
    for (int i = 0; i < 33; i++)
        strcat(deep, "/a");
    assert_null(refused(&parser_json, "pointer", "/a/0"));
    assert_refused(&parser_json, "pointer", "a/b", "no JSON Pointer");
    assert_refused(&parser_json, "pointer", "/a~2", "~0");
    assert_refused(&parser_json, "pointer", deep, "32 steps");
    assert_refused(&parser_json, "each", "line", "element, member, value");
    assert_refused(&parser_json, "max_depth", "2000", "between");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_elements),
        cmocka_unit_test(test_json_pointer),
        cmocka_unit_test(test_json_options),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
