/* JSON Pointers by the examples of RFC 6901, and step by step. */
#include "parse/json_pointer.h"

#include "samples.h"

/* The document of RFC 6901, 5, and what each pointer evaluates to there. */
static const char document[] = "{\n"
                               "   \"foo\": [\"bar\", \"baz\"],\n"
                               "   \"\": 0,\n"
                               "   \"a/b\": 1,\n"
                               "   \"c%d\": 2,\n"
                               "   \"e^f\": 3,\n"
                               "   \"g|h\": 4,\n"
                               "   \"i\\\\j\": 5,\n"
                               "   \"k\\\"l\": 6,\n"
                               "   \" \": 7,\n"
                               "   \"m~n\": 8\n"
                               "}";

static void the_examples_of_the_rfc(void **state)
{
    static const char *const examples[][2] = {
        {"/foo", "[\"bar\", \"baz\"]\n"},
        {"/foo/0", "\"bar\"\n"},
        {"/foo/1", "\"baz\"\n"},
        {"/", "0\n"},
        {"/a~1b", "1\n"},
        {"/c%d", "2\n"},
        {"/e^f", "3\n"},
        {"/g|h", "4\n"},
        {"/i\\j", "5\n"},
        {"/k\"l", "6\n"},
        {"/ ", "7\n"},
        {"/m~0n", "8\n"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char options[64];
        snprintf(options, sizeof options, "each=value\npointer=%s", examples[i][0]);
        struct sample s = WELL(options, document, examples[i][1]);
        check_whole(&parser_json, &s, 1);
        check_whole(&parser_json, &s, 4096);
    }
}

static struct json_pointer pointer;

static int end(void **state)
{
    json_pointer_deinit(&pointer);
    return 0;
}

static void pointers_that_are_none(void **state)
{
    static const char *const bad[][2] = {
        {"a", "\"a\" is no JSON Pointer; write /name/0/name, or nothing for the whole document"},
        {"#/a",
         "\"#/a\" is no JSON Pointer; write /name/0/name, or nothing for the whole document"},
        {"/a~", "~ is written ~0, and / in a name ~1"},
        {"/~/b", "~ is written ~0, and / in a name ~1"},
        {"/~2", "~ is written ~0, and / in a name ~1"},
        {"/a/b~0~", "~ is written ~0, and / in a name ~1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err;
        assert_int_equal(json_pointer_init(&pointer, bad[i][0], &err), -EINVAL);
        assert_string_equal(err.text, bad[i][1]);
        end(NULL);
    }
}

static void it_has_a_bound(void **state)
{
    struct error err;
    char text[2 * JSON_POINTER_STEPS + 3] = "";
    for (int i = 0; i < JSON_POINTER_STEPS; i++)
        strcat(text, "/a");
    assert_int_equal(json_pointer_init(&pointer, text, &err), 0);
    assert_int_equal(pointer.count, JSON_POINTER_STEPS);
    end(NULL);
    strcat(text, "/");
    assert_int_equal(json_pointer_init(&pointer, text, &err), -EINVAL);
    assert_string_equal(err.text, "it has more than 32 steps");
}

/* ~01 is ~1, not / (RFC 6901, 4). */
static void steps_without_their_escapes(void **state)
{
    static const char *const steps[] = {"", "~1", "/~", "x"};
    struct error err;
    assert_int_equal(json_pointer_init(&pointer, "//~01/~1~0/x", &err), 0);
    assert_int_equal(pointer.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(pointer.steps[i].name, steps[i]);
    end(NULL);
    assert_int_equal(json_pointer_init(&pointer, "", &err), 0);
    assert_int_equal(pointer.count, 0);
}

/* 0, or digits without a leading 0 (RFC 6901, 4); "-" is behind the last one, so nothing. */
static void indexes(void **state)
{
    static const struct {
        const char *text;
        uint64_t index;
    } cases[] = {
        {"/0", 0},
        {"/7", 7},
        {"/10", 10},
        {"/999999999999999999", UINT64_C(999999999999999999)},
        {"/00", UINT64_MAX},
        {"/01", UINT64_MAX},
        {"/", UINT64_MAX},
        {"/-", UINT64_MAX},
        {"/-1", UINT64_MAX},
        {"/+1", UINT64_MAX},
        {"/1e0", UINT64_MAX},
        {"/ 1", UINT64_MAX},
        {"/18446744073709551615", UINT64_MAX},
        {"/18446744073709551616", UINT64_MAX}, /* which is not 0 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err;
        assert_int_equal(json_pointer_init(&pointer, cases[i].text, &err), 0);
        if (pointer.steps[0].index != cases[i].index)
            fail_msg("%s", cases[i].text);
        end(NULL);
    }
}

static void assert_member(const char *name, const char *text, bool is)
{
    struct error err;
    char step[64];
    snprintf(step, sizeof step, "/%s", name);
    assert_int_equal(json_pointer_init(&pointer, step, &err), 0);
    if (json_pointer_is_member(&pointer, 0, text, strlen(text)) != is)
        fail_msg("%s: %s", name, text);
    end(NULL);
}

/* A name is compared as what it says, however it is written. */
static void members_by_their_names(void **state)
{
    assert_member("ab", "ab", true);
    assert_member("ab", "abc", false);
    assert_member("ab", "a", false);
    assert_member("ab", "\\u0061b", true);
    assert_member("ab", "\\u0061\\u0062", true);
    assert_member("\xc3\xa9", "\\u00E9", true);
    assert_member("\xe2\x82\xac", "\\u20ac", true);
    assert_member("\xf0\x9f\x98\x80", "\\uD83D\\uDE00", true);
    assert_member("\xef\xbf\xbd", "\\ud83d", true); /* half of a pair is no character */
    assert_member("\xef\xbf\xbd", "\\ude00", true);
    assert_member("\xef\xbf\xbd\xef\xbf\xbd", "\\ud83d\\ud83d", true);
    assert_member("\xef\xbf\xbdx", "\\ud83dx", true);
    assert_member("\xef\xbf\xbd"
                  "A",
                  "\\ud83d\\u0041", true);
    assert_member("\"\\/~1", "\\\"\\\\\\/", false);
    assert_member("\"\\~1", "\\\"\\\\\\/", true);
    assert_member("\b\f\n\r\t", "\\b\\f\\n\\r\\t", true);
    assert_member("a", "a\\u0000", false); /* a NUL ends no name */
}

static void elements_come_one_by_one(void **state)
{
    struct error err;
    assert_int_equal(json_pointer_init(&pointer, "/2/x", &err), 0);
    for (int round = 0; round < 2; round++) { /* each array begins anew */
        json_pointer_enter(&pointer, 0);
        assert_false(json_pointer_is_element(&pointer, 0));
        assert_false(json_pointer_is_element(&pointer, 0));
        assert_true(json_pointer_is_element(&pointer, 0));
        assert_false(json_pointer_is_element(&pointer, 0));
        json_pointer_enter(&pointer, 1);
        assert_false(json_pointer_is_element(&pointer, 1)); /* the name is no index */
        assert_true(json_pointer_take(&pointer, 1));
        assert_false(json_pointer_take(&pointer, 1));
    }
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc),
        EACH(pointers_that_are_none),
        EACH(it_has_a_bound),
        EACH(steps_without_their_escapes),
        EACH(indexes),
        EACH(members_by_their_names),
        EACH(elements_come_one_by_one),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
