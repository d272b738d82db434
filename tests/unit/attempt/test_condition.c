/* What makes a request conditional, and what its answer means. */
#include "attempt/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL  "http://a/b?c"
#define DAY1 "Wed, 01 Jan 2025 00:00:00 GMT"
#define DAY2 "Thu, 02 Jan 2025 00:00:00 GMT"
#define NEXT "Wed, 01 Jan 2025 00:00:01 GMT"

static const time_t day1 = 1735689600;

/* A response with these headers; NULL leaves one out. */
static struct transfer_response *respond(int status, const char *etag, const char *modified,
                                         const char *date)
{
    static struct transfer_header headers[3];
    static struct transfer_response response;
    response = (struct transfer_response){.status = status, .headers = headers};
    if (etag)
        headers[response.header_count++] = (struct transfer_header){"ETag", etag};
    if (modified)
        headers[response.header_count++] = (struct transfer_header){"Last-Modified", modified};
    if (date)
        headers[response.header_count++] = (struct transfer_header){"Date", date};
    return &response;
}

static void same(const char *a, const char *b)
{
    if (a && b)
        assert_string_equal(a, b);
    else
        assert_ptr_equal(a, b);
}

/* What is kept of a body that came with these. */
static void keeps(const char *etag, const char *modified, const char *date, time_t now, bool kept)
{
    struct condition c;
    assert_int_equal(condition_init(&c, NULL, NULL, NULL), 0);
    condition_note(&c, respond(200, etag, modified, date), URL, now);
    same(c.seen.etag, kept ? etag : NULL);
    same(c.seen.modified, kept ? modified : NULL);
    assert_int_equal(c.seen.page != NULL, kept);
    if (kept) {
        assert_int_equal(strlen(c.seen.page), 64);
        assert_null(strstr(c.seen.page, "http"));
    }
    condition_deinit(&c);
}

static void test_kept(void **state)
{
    keeps("\"1\"", NULL, NULL, day1, true);
    keeps("W/\"1\"", NULL, DAY1, day1, true);
    keeps("\"1\"", DAY1, DAY2, day1, true);
    keeps(NULL, DAY1, NEXT, day1, true);
    keeps(NULL, DAY1, DAY1, day1 + 9, false);
    keeps("\"1\"", DAY1, DAY1, day1 + 9, false);
    keeps("\"1\"", DAY2, DAY1, day1 + 9, false);
    keeps("\"1\"", DAY1, NULL, day1, false);
    keeps("\"1\"", DAY1, NULL, day1 + 1, false); /* our clock may be off */
    keeps("\"1\"", DAY1, NULL, day1 + 60, false);
    keeps("\"1\"", DAY1, NULL, day1 + 61, true);
    keeps("\"1\"", DAY1, "some day", day1 + 1, false);
    keeps("\"1\"", DAY1, "some day", day1 + 61, true);
    keeps(NULL, NULL, DAY1, day1, false);
    keeps("\"\"", NULL, DAY1, day1, false); /* of nothing: every version has it */
    keeps("W/\"\"", NULL, DAY1, day1, false);
}

static void test_noted_with_care(void **state)
{
    static const struct transfer_header odd_date[] = {{"etag", "\"1\""}, {"Last-Modified", "then"}};
    static const struct transfer_header twice[] = {{"ETag", "\"1\""}, {"ETag", "\"2\""}};
    static const struct transfer_header odd[] = {{"ETag", "\"\x01\""}, {"Last-Modified", ""}};
    struct transfer_response r = {.status = 200, .headers = odd_date, .header_count = 2};
    struct condition c = {.noting = false};
    condition_note(&c, &r, URL, day1);
    assert_null(c.seen.page); /* not asked for */
    c.noting = true;
    condition_note(&c, &r, URL, day1);
    assert_string_equal(c.seen.etag, "\"1\"");
    assert_null(c.seen.modified);
    assert_non_null(c.seen.page);
    r.headers = twice;
    condition_note(&c, &r, URL, day1);
    assert_null(c.seen.page);
    r.headers = odd;
    condition_note(&c, &r, URL, day1);
    assert_null(c.seen.page);
    condition_note(&c, respond(203, "\"1\"", DAY1, DAY2), URL, day1); /* by a proxy, transformed */
    assert_null(c.seen.page);
    condition_deinit(&c);
}

/* A condition that was left by a body with these. */
static void known(struct condition *c, const char *etag, const char *modified)
{
    struct condition before;
    const char *headers[CONDITION_HEADERS];
    condition_init(&before, NULL, NULL, NULL);
    condition_note(&before, respond(200, etag, modified, DAY2), URL, day1);
    assert_int_equal(condition_init(c, etag, modified, before.seen.page), 0);
    condition_deinit(&before);
    assert_int_equal(condition_ask(c, "http://a/b", headers), 0);
    assert_false(condition_holds(c, respond(304, etag, NULL, NULL), day1));
    assert_int_equal(condition_ask(c, URL, headers), !!etag + !!modified);
}

static void test_asked(void **state)
{
    struct condition c;
    const char *headers[CONDITION_HEADERS];
    known(&c, "\"1\"", DAY1);
    assert_int_equal(condition_ask(&c, URL, headers), 2);
    assert_string_equal(headers[0], "If-None-Match: \"1\"");
    assert_string_equal(headers[1], "If-Modified-Since: " DAY1);
    condition_deinit(&c);
    known(&c, NULL, DAY1);
    assert_int_equal(condition_ask(&c, URL, headers), 1);
    condition_deinit(&c);
    assert_int_equal(condition_init(&c, NULL, NULL, NULL), 0);
    assert_int_equal(condition_ask(&c, URL, headers), 0);
    condition_deinit(&c);
}

static void test_a_200(void **state)
{
    static const struct {
        const char *etag, *modified, *new_etag, *new_modified;
        bool holds;
    } cases[] = {
        {"\"1\"", NULL, "\"1\"", NULL, true},      {"\"1\"", NULL, "\"1\"", DAY1, true},
        {"\"1\"", DAY1, "\"1\"", DAY1, true},      {"\"1\"", DAY1, "\"1\"", DAY2, false},
        {"\"1\"", DAY1, "\"2\"", DAY1, false},     {"\"1\"", DAY1, NULL, DAY1, false},
        {"W/\"1\"", NULL, "W/\"1\"", NULL, false}, {"1", NULL, "1", NULL, false},
        {NULL, DAY1, NULL, DAY1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct condition c;
        known(&c, cases[i].etag, cases[i].modified);
        assert_int_equal(
            condition_holds(&c, respond(200, cases[i].new_etag, cases[i].new_modified, DAY2), day1),
            cases[i].holds);
        assert_false(c.renewed);
        assert_false(condition_holds(&c, respond(203, cases[i].etag, NULL, NULL), day1));
        condition_deinit(&c);
    }
}

static void test_a_304(void **state)
{
    static const struct {
        const char *new_etag, *new_modified, *date;
        const char *etag, *modified; /* after it; both NULL: nothing is left */
        bool renewed;
    } cases[] = {
        {NULL, NULL, NULL, "\"1\"", DAY1, false},
        {"\"1\"", DAY1, NULL, "\"1\"", DAY1, false},
        {"\"2\"", NULL, NULL, "\"2\"", DAY1, true},
        {"W/\"1\"", DAY1, DAY2, "W/\"1\"", DAY1, true},
        {NULL, NEXT, DAY2, "\"1\"", NEXT, true},
        {"\"1\"", DAY2, DAY2, NULL, NULL, true}, /* touched in this second */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct condition c;
        known(&c, "\"1\"", DAY1);
        const struct transfer_response *r =
            respond(304, cases[i].new_etag, cases[i].new_modified, cases[i].date);
        assert_true(condition_holds(&c, r, day1 + 86400));
        assert_int_equal(c.renewed, cases[i].renewed);
        same(c.seen.etag, cases[i].etag);
        same(c.seen.modified, cases[i].modified);
        same(c.seen.page, cases[i].etag ? c.known.page : NULL);
        condition_deinit(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),  cmocka_unit_test(test_noted_with_care),
        cmocka_unit_test(test_asked), cmocka_unit_test(test_a_200),
        cmocka_unit_test(test_a_304),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
