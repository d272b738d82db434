/* The parameters of a statement, as the text that PostgreSQL reads. */
#include "pg_inside.h"

static struct args args;

static int setup(void **state)
{
    (void)state;
    args_reset(&args);
    return 0;
}

static void expect_parameter(int at, const char *expected)
{
    const char *const *values = args_values(&args);
    assert_non_null(values);
    assert_true(at < args.count);
    if (expected)
        assert_string_equal(values[at], expected);
    else
        assert_null(values[at]);
}

static void numbers_have_all_their_digits(void **state)
{
    (void)state;
    args_int(&args, INT64_MIN);
    args_int(&args, INT64_MAX);
    args_int(&args, 0);
    args_bool(&args, true);
    args_bool(&args, false);
    assert_int_equal(args.count, 5);
    expect_parameter(0, "-9223372036854775808");
    expect_parameter(1, "9223372036854775807");
    expect_parameter(2, "0");
    expect_parameter(3, "t");
    expect_parameter(4, "f");
}

static void no_text_is_another_than_an_empty_one(void **state)
{
    (void)state;
    args_text(&args, NULL);
    args_text(&args, "");
    args_text(&args, "a \"text\" \\ {1,2} as it is");
    expect_parameter(0, NULL);
    expect_parameter(1, "");
    expect_parameter(2, "a \"text\" \\ {1,2} as it is");
}

/* What one statement has left shows in no other. */
static void what_was_there_before_is_gone(void **state)
{
    (void)state;
    args_text(&args, NULL);
    args_text(&args, "long before");
    args_arrays(&args, 1);
    array_int(&args, 2, 5);
    args_close(&args);
    args_reset(&args);
    assert_int_equal(args.count, 0);
    args_text(&args, "x");
    args_text(&args, "");
    args_int(&args, 9);
    args_close(&args); /* no array is open */
    expect_parameter(0, "x");
    expect_parameter(1, "");
    expect_parameter(2, "9");
}

static void an_array_without_items_is_empty(void **state)
{
    (void)state;
    args_arrays(&args, 2);
    args_close(&args);
    expect_parameter(0, "{}");
    expect_parameter(1, "{}");
}

static void items_are_told_apart(void **state)
{
    (void)state;
    args_int(&args, 1);
    args_arrays(&args, 3);
    for (int i = -1; i < 2; i++) {
        array_int(&args, 1, i);
        array_bool(&args, 2, i > 0);
        array_text(&args, 3, i < 0 ? NULL : i == 0 ? "" : "NULL");
    }
    args_close(&args);
    args_text(&args, "behind");
    assert_int_equal(args.count, 5);
    expect_parameter(0, "1");
    expect_parameter(1, "{-1,0,1}");
    expect_parameter(2, "{f,f,t}");
    expect_parameter(3, "{NULL,\"\",\"NULL\"}"); /* the word is no NULL */
    expect_parameter(4, "behind");
}

static void a_text_stands_in_quotes(void **state)
{
    static const char *const texts[][2] = {
        {"plain", "{\"plain\"}"},
        {"a,b", "{\"a,b\"}"},
        {"{}", "{\"{}\"}"},
        {"\"", "{\"\\\"\"}"},
        {"\\", "{\"\\\\\"}"},
        {"\\\"\\", "{\"\\\\\\\"\\\\\"}"},
        {"say \"hi\" twice", "{\"say \\\"hi\\\" twice\"}"},
        {" blank ", "{\" blank \"}"},
        {"\xc3\xbc\n\t", "{\"\xc3\xbc\n\t\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        args_reset(&args);
        args_arrays(&args, 1);
        array_text(&args, 0, texts[i][0]);
        args_close(&args);
        expect_parameter(0, texts[i][1]);
    }
}

/* An array that is closed stays so while others are begun behind it. */
static void closing_ends_what_is_open_alone(void **state)
{
    (void)state;
    args_arrays(&args, 1);
    array_int(&args, 0, 1);
    args_close(&args);
    args_arrays(&args, 1);
    array_int(&args, 1, 2);
    args_close(&args);
    args_close(&args);
    expect_parameter(0, "{1}");
    expect_parameter(1, "{2}");
}

static void there_is_room_for_all(void **state)
{
    (void)state;
    for (int i = 0; i < ARGS_MAX; i++)
        args_int(&args, i);
    for (int i = 0; i < ARGS_MAX; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        expect_parameter(i, text);
    }
}

/* A parameter that is incomplete sends nothing, as it could pass for another one. */
static void an_incomplete_one_gives_no_values(void **state)
{
    (void)state;
    args_int(&args, 1);
    args_text(&args, "x");
    args.bufs[1].failed = true;
    assert_null(args_values(&args));
    args_reset(&args);
    args_int(&args, 1);
    assert_non_null(args_values(&args)); /* what is not used any more is no matter */
    args_int(&args, 2);
    expect_parameter(1, "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_have_all_their_digits, setup),
        cmocka_unit_test_setup(no_text_is_another_than_an_empty_one, setup),
        cmocka_unit_test_setup(what_was_there_before_is_gone, setup),
        cmocka_unit_test_setup(an_array_without_items_is_empty, setup),
        cmocka_unit_test_setup(items_are_told_apart, setup),
        cmocka_unit_test_setup(a_text_stands_in_quotes, setup),
        cmocka_unit_test_setup(closing_ends_what_is_open_alone, setup),
        cmocka_unit_test_setup(there_is_room_for_all, setup),
        cmocka_unit_test_setup(an_incomplete_one_gives_no_values, setup),
    };
    int failed = cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
    args_deinit(&args);
    return failed;
}
