/* A typed field that is set from text, kept when the text is wrong, copied, and told again. */
#include "terms/field.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct thing {
    char *string;
    struct strings list, lines;
    uint64_t u64, duration, size;
    int64_t i64;
    double rate;
    int choice;
    mode_t mode;
    unsigned events;
};

static int check_word(const char *text, struct error *err)
{
    return strcmp(text, "no") == 0 ? error_set(err, -EINVAL, "it is no word") : 0;
}

#define AT(member) .offset = offsetof(struct thing, member)

static const struct field_choice colours[] = {{"red", 3}, {"green", 5}, {NULL, 0}};
static const struct field string = {"string", FIELD_STRING, AT(string), .standard = "s",
                                    .check = check_word};
static const struct field list = {"list", FIELD_LIST, AT(list), .standard = "a b",
                                  .check = check_word};
static const struct field lines = {"lines", FIELD_LINES, AT(lines), .standard = ""};
static const struct field u64 = {"u64", FIELD_U64, AT(u64), .standard = "7", .min = 2, .max = 100};
static const struct field i64 = {"i64", FIELD_I64, AT(i64), .standard = "0", .max = 10};
static const struct field duration = {
    "duration",         FIELD_DURATION,   .none_ok = true,         AT(duration),
    .standard = "1min", .min = NS_PER_MS, .max = 3600 * NS_PER_SEC};
static const struct field size = {"size",           FIELD_SIZE, AT(size),
                                  .standard = "1K", .min = 10,  .max = 1 << 20};
static const struct field rate = {"rate", FIELD_RATE, AT(rate), .standard = "", .max = 1000};
static const struct field choice = {"choice", FIELD_CHOICE, AT(choice), .standard = "red",
                                    .choices = colours};
static const struct field mode = {"mode", FIELD_MODE, AT(mode), .standard = "0640"};
static const struct field events = {"events", FIELD_EVENTS, AT(events), .standard = "all"};
static const struct field *const all[] = {&string, &list, &lines,  &u64,  &i64,   &duration,
                                          &size,   &rate, &choice, &mode, &events};
#define COUNT (sizeof all / sizeof all[0])

static struct thing thing;
static struct error err;

static int begin(void **state)
{
    thing = (struct thing){.string = NULL};
    for (size_t i = 0; i < COUNT; i++)
        if (field_reset(all[i], &thing, &err) < 0)
            fail_msg("%s: %s", all[i]->name, err.text);
    return 0;
}

static int end(void **state)
{
    for (size_t i = 0; i < COUNT; i++)
        field_clear(all[i], &thing);
    return 0;
}

static int set(const struct field *field, const char *text)
{
    size_t bad = 99;
    return field_set(field, &thing, &text, 1, &bad, &err);
}

/* What the config would have. */
static const char *told(const struct field *field)
{
    static char text[256];
    struct buf b = BUF_INIT;
    text[0] = '\0';
    for (size_t i = 0; i < field_lines(field, &thing); i++) {
        buf_reset(&b);
        field_put(field, &thing, i, &b);
        if (b.len > 0)
            strncat(strcat(text, i > 0 ? "|" : ""), b.data, 100);
    }
    buf_deinit(&b);
    return text;
}

static void texts_are_read(void **state)
{
    static const struct {
        const struct field *field;
        const char *text, *told; /* NULL: it is refused */
    } cases[] = {
        {&string, "x y", "x y"},
        {&string, "", ""},
        {&string, "no", NULL},
        {&list, " x,y\tz , ", "x y z"},
        {&list, "x no", NULL},
        {&lines, "x y", "x y"},
        {&u64, "2", "2"},
        {&u64, "1", NULL},
        {&u64, "100", "100"},
        {&u64, "101", NULL},
        {&u64, "-3", NULL},
        {&u64, "3x", NULL},
        {&u64, "", NULL},
        {&u64, "none", NULL},
        {&i64, "-10", "-10"},
        {&i64, "10", "10"},
        {&i64, "-11", NULL},
        {&i64, "11", NULL},
        {&duration, "90", "90s"},
        {&duration, "2min", "2min"},
        {&duration, "none", "none"},
        {&duration, "61min", NULL},
        {&duration, "soon", NULL},
        {&size, "2K", "2K"},
        {&size, "1M", "1M"},
        {&size, "9", NULL},
        {&size, "2M", NULL},
        {&size, "none", NULL}, /* not of this one */
        {&rate, "0.5", "0.5"},
        {&rate, "1000", "1000"},
        {&rate, "0", NULL},
        {&rate, "1001", NULL},
        {&rate, "nan", NULL},
        {&choice, "green", "green"},
        {&choice, "gree", NULL},
        {&choice, "", NULL},
        {&mode, "0600", "0600"},
        {&mode, "0888", NULL},
        {&events, "nothing", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char before[256];
        end(NULL);
        begin(NULL);
        strcpy(before, told(cases[i].field));
        int r = set(cases[i].field, cases[i].text);
        if ((r == 0) != (cases[i].told != NULL))
            fail_msg("%s = %s: %d", cases[i].field->name, cases[i].text, r);
        /* What was refused has changed nothing. */
        assert_string_equal(told(cases[i].field), r == 0 ? cases[i].told : before);
        if (r < 0) {
            assert_int_equal(r, -EINVAL);
            assert_true(strlen(err.text) > 0);
        }
    }
}

static void of_several_texts_the_last_counts(void **state)
{
    static const char *const texts[] = {"3", "4"};
    size_t bad;
    assert_int_equal(field_set(&u64, &thing, texts, 2, &bad, &err), 0);
    assert_int_equal(thing.u64, 4);
    assert_int_equal(field_set(&list, &thing, texts, 2, &bad, &err), 0); /* of a list, all */
    assert_string_equal(told(&list), "3 4");
    assert_int_equal(field_set(&lines, &thing, texts, 2, &bad, &err), 0);
    assert_string_equal(told(&lines), "3|4");
    assert_int_equal(field_lines(&lines, &thing), 2);
}

static void the_wrong_one_is_named(void **state)
{
    static const char *const texts[] = {"a", "no", "b"};
    size_t bad = 99;
    assert_int_equal(field_set(&list, &thing, texts, 3, &bad, &err), -EINVAL);
    assert_int_equal(bad, 1);
    assert_string_equal(err.text, "it is no word");
}

static void none_at_all_is_the_default(void **state)
{
    size_t bad;
    assert_int_equal(set(&u64, "9"), 0);
    assert_int_equal(field_set(&u64, &thing, NULL, 0, &bad, &err), 0);
    assert_int_equal(thing.u64, 7);
    assert_int_equal(field_set(&list, &thing, NULL, 0, &bad, &err), 0); /* but of a list */
    assert_int_equal(thing.list.count, 0);
}

/* What is told is read back as the same, whatever the type. */
static void what_is_told_is_read(void **state)
{
    for (size_t i = 0; i < COUNT; i++) {
        char text[256];
        strcpy(text, told(all[i]));
        if (*text && set(all[i], text) < 0)
            fail_msg("%s = %s: %s", all[i]->name, text, err.text);
        assert_string_equal(told(all[i]), text);
    }
}

static void copies_are_of_their_own(void **state)
{
    struct thing other = {.string = NULL};
    assert_int_equal(set(&string, "first"), 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(field_copy(all[i], &other, &thing), 0);
    assert_ptr_not_equal(other.string, thing.string);
    assert_ptr_not_equal(other.list.items, thing.list.items);
    assert_int_equal(set(&string, "second"), 0);
    assert_int_equal(set(&list, "x"), 0);
    assert_string_equal(other.string, "first");
    assert_int_equal(other.list.count, 2);
    assert_string_equal(other.list.items[1], "b");
    assert_int_equal(other.duration, thing.duration);
    assert_int_equal(other.events, thing.events);
    for (size_t i = 0; i < COUNT; i++)
        field_clear(all[i], &other);
    assert_null(other.string);
    assert_int_equal(other.list.count, 0);
}

static void pairs(void **state)
{
    struct settings_pair *pairs = NULL;
    size_t count = 0;
    char name[] = "n";
    assert_int_equal(pairs_add(&pairs, &count, name, "1"), 0);
    name[0] = 'm';
    assert_int_equal(pairs_add(&pairs, &count, name, "2"), 0);
    assert_int_equal(count, 2);
    assert_string_equal(pairs[0].name, "n");
    assert_string_equal(pairs[1].name, "m");
    assert_string_equal(pairs[1].value, "2");
    pairs_free(pairs, count);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(texts_are_read),         EACH(of_several_texts_the_last_counts),
        EACH(the_wrong_one_is_named), EACH(none_at_all_is_the_default),
        EACH(what_is_told_is_read),   EACH(copies_are_of_their_own),
        cmocka_unit_test(pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
