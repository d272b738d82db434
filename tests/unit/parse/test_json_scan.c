/* The scanner: what it tells of, however the text comes; and that it knows the same language as a
 * plain recursive reader written from the grammar. */
#include "parse/json_scan.h"

#include "base/buf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "b3 e7 …": events and how many bytes had been used when they were told. */
static char *trace(const char *text, size_t len, size_t chunk, unsigned watch)
{
    static const char names[] = ".bENn";
    struct json_scan scan;
    struct buf b = BUF_INIT;
    size_t at = 0, used;
    enum json_event event = JSON_MORE;
    json_scan_init(&scan, 8, watch);
    while (at < len && event < JSON_BAD) {
        size_t n = len - at < chunk ? len - at : chunk;
        char *copy = malloc(n);
        memcpy(copy, text + at, n);
        event = json_scan(&scan, copy, n, &used);
        free(copy);
        at += used;
        if (event != JSON_MORE && event < JSON_BAD)
            buf_printf(&b, "%c%zu ", names[event], at);
    }
    while (event < JSON_BAD && (event = json_scan_end(&scan)) == JSON_END)
        buf_printf(&b, "E%zu ", at);
    if (event == JSON_BAD)
        buf_printf(&b, "bad%zu", at);
    if (event == JSON_TOO_DEEP)
        buf_printf(&b, "deep%zu", at);
    if (!b.data)
        buf_puts(&b, "");
    assert_false(b.failed);
    return buf_steal(&b);
}

static void test_events(void **state)
{
    static const struct {
        const char *text;
        unsigned watch;
        const char *events;
    } samples[] = {
        {"", 9, ""},
        {" \n", 9, ""},
        {"1", 9, "b1 E1 "},
        {" -1.5e+3 ", 0, "b2 E8 "},
        {"[1,[2],{\"a\":3}]", 0, "b1 E15 "},
        {"[1,[2],{\"a\":3}]", 1, "b1 b2 E2 b4 E6 b8 E14 E15 "},
        {"[1,[2],{\"a\":3}]", 2, "b1 b2 E2 b4 b5 E5 E6 b8 N9 n11 b13 E13 E14 E15 "},
        {"{\"a\":1,\"b\":2}", 1, "b1 N2 n4 b6 E6 N8 n10 b12 E12 E13 "},
        {"{} []\n\"\" true null", 0, "b1 E2 b4 E5 b7 E8 b10 E13 b15 E18 "},
        {"1 2", 0, "b1 E1 b3 E3 "},
        {"true false", 0, "b1 E4 b6 E10 "},
        {"{}[]", 0, "b1 E2 bad2"},
        {"[][]", 1, "b1 E2 bad2"},
        {"\"\"\"\"", 0, "b1 E2 bad2"},
        {"truefalse", 0, "b1 E4 bad4"},
        {"1[]", 0, "b1 E1 bad1"},
        {"01", 0, "b1 E1 bad1"},
        {"[[[[[[[[1]]]]]]]]", 0, "b1 E17 "},
        {"[[[[[[[[[1]]]]]]]]]", 0, "b1 deep8"},
        {"[1", 0, "b1 bad2"},
        {"\"\\u12", 0, "b1 bad5"},
        {"[1}", 0, "b1 bad2"},
        {"{\"a\"}", 0, "b1 bad4"},
        {"-", 0, "b1 bad1"},
        {"1e", 0, "b1 bad2"},
        {"\"\\ud83d\\ude00\x7f\xff\"", 0, "b1 E16 "},
        {"\"a\tb\"", 0, "b1 bad2"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        for (size_t chunk = 1; chunk < 20; chunk++) {
            char *events = trace(samples[i].text, strlen(samples[i].text), chunk, samples[i].watch);
            if (strcmp(events, samples[i].events) != 0)
                fail_msg("%s in %zu: %s", samples[i].text, chunk, events);
            free(events);
        }
}

static void test_record_separators(void **state)
{
    struct json_scan scan;
    size_t used;
    json_scan_init(&scan, 8, 0);
    assert_int_equal(json_scan(&scan, "\x1e", 1, &used), JSON_BAD);
    json_scan_init(&scan, 8, 0);
    scan.separators = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(json_scan(&scan, "\x1e\x1e{", 3, &used), JSON_BEGIN);
        assert_int_equal(json_scan(&scan, "}", 1, &used), JSON_END);
        assert_int_equal(json_scan(&scan, "\n1", 2, &used), JSON_BEGIN);
        assert_int_equal(json_scan(&scan, "\x1e", 1, &used), JSON_END);
    }
    assert_int_equal(scan.values, 6);
}

/* --- a reader from the grammar ---------------------------------------------------------------- */

struct reader {
    const char *p, *end;
};

static int look(const struct reader *r)
{
    return r->p < r->end ? (unsigned char)*r->p : -1;
}

static bool take(struct reader *r, const char *bytes)
{
    if (r->p == r->end || !strchr(bytes, *r->p) || !*r->p)
        return false;
    r->p++;
    return true;
}

static bool take_all(struct reader *r, const char *text)
{
    for (; *text; text++)
        if (look(r) != *text || !r->p++)
            return false;
    return true;
}

static bool digits(struct reader *r)
{
    bool any = false;
    while (take(r, "0123456789"))
        any = true;
    return any;
}

static bool number(struct reader *r)
{
    take(r, "-");
    if (!take(r, "0") && !digits(r))
        return false;
    if (take(r, ".") && !digits(r))
        return false;
    if (take(r, "eE")) {
        take(r, "+-");
        return digits(r);
    }
    return true;
}

static bool string(struct reader *r)
{
    if (!take(r, "\""))
        return false;
    for (;;) {
        int c = look(r);
        if (c < 0x20)
            return false;
        r->p++;
        if (c == '"')
            return true;
        if (c != '\\')
            continue;
        if (take(r, "u")) {
            for (int i = 0; i < 4; i++)
                if (!take(r, "0123456789abcdefABCDEF"))
                    return false;
        } else if (!take(r, "\"\\/bfnrt")) {
            return false;
        }
    }
}

static void space(struct reader *r)
{
    while (take(r, " \t\r\n"))
        ;
}

static bool value(struct reader *r, int depth);

static bool items(struct reader *r, int depth, bool names, const char *close)
{
    r->p++;
    space(r);
    if (take(r, close))
        return true;
    do {
        space(r);
        if (names) {
            if (!string(r))
                return false;
            space(r);
            if (!take(r, ":"))
                return false;
            space(r);
        }
        if (!value(r, depth + 1))
            return false;
        space(r);
    } while (take(r, ","));
    return take(r, close);
}

static bool value(struct reader *r, int depth)
{
    switch (look(r)) {
    case '{':
        return depth < 8 && items(r, depth, true, "}");
    case '[':
        return depth < 8 && items(r, depth, false, "]");
    case '"':
        return string(r);
    case 't':
        return take_all(r, "true");
    case 'f':
        return take_all(r, "false");
    case 'n':
        return take_all(r, "null");
    default:
        return number(r);
    }
}

static bool is_json(const char *text, size_t len)
{
    struct reader r = {text, text + len};
    space(&r);
    if (!value(&r, 0))
        return false;
    space(&r);
    return r.p == r.end;
}

/* --- the same language ------------------------------------------------------------------------ */

static bool scans(const char *text, size_t len, size_t chunk)
{
    struct json_scan scan;
    size_t at = 0, used;
    json_scan_init(&scan, 8, 0);
    while (at < len) {
        size_t n = len - at < chunk ? len - at : chunk;
        if (json_scan(&scan, text + at, n, &used) >= JSON_BAD)
            return false;
        at += used;
    }
    while (json_scan_end(&scan) == JSON_END)
        ;
    return json_scan_end(&scan) == JSON_MORE && scan.values == 1;
}

static void test_same_language_as_the_grammar(void **state)
{
    static const char *const tokens[] = {
        "{",    "}",  "[",     "]",     ",",    ":",    "\"a\"", "\"", "1",       "-",
        "0",    ".5", "e",     "E+",    "true", "null", " ",     "\n", "\\",      "\\u",
        "00ff", "x",  "false", "\"\\n", "é",    "[[[[", "]]]]",  "\t", "{\"k\":", "12"};
    unsigned seed = 7, good = 0;
    for (int round = 0; round < 300000; round++) {
        char text[200] = "";
        int count = 1 + rand_r(&seed) % 9;
        for (int i = 0; i < count; i++)
            strcat(text, tokens[(size_t)rand_r(&seed) % (sizeof tokens / sizeof tokens[0])]);
        size_t len = strlen(text);
        bool wanted = is_json(text, len);
        good += wanted;
        if (scans(text, len, 1 + (size_t)rand_r(&seed) % 9) != wanted)
            fail_msg("%s: %d", text, wanted);
    }
    assert_in_range(good, 3000, 300000); /* both kinds were met */
}

/* Every sequence of up to four bytes out of those that mean something. */
static void test_every_short_text(void **state)
{
    static const char bytes[] = "{}[],:\"01-.eE+tn\\u ";
    char text[4];
    for (size_t len = 1; len <= 4; len++) {
        size_t count = 1, n = sizeof bytes - 1;
        for (size_t i = 0; i < len; i++)
            count *= n;
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0, rest = i; j < len; j++, rest /= n)
                text[j] = bytes[rest % n];
            if (scans(text, len, 4) != is_json(text, len) ||
                scans(text, len, 1) != is_json(text, len))
                fail_msg("%.*s", (int)len, text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_record_separators),
        cmocka_unit_test(test_same_language_as_the_grammar),
        cmocka_unit_test(test_every_short_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
