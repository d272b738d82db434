/* JSON without memory: allocation 1, 2, 3 … fails, alone or with all that follow, until all goes
 * well. What is given is whole, or there is nothing and the error says why; nothing is left. The
 * sanitizers have allocators of their own, so this runs in the plain build. */
#include "base/json_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static long fail_at,
    fail_count;           /* so many fail from the fail_at-th on, which is counted down; 0: none */
static long live, failed; /* blocks; failures */

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void __libc_free(void *block);

void *malloc(size_t size)
{
    bool refused = fail_at == 1 && fail_count > 0;
    fail_at -= fail_at > 1;
    fail_count -= refused;
    failed += refused;
    void *block = refused ? NULL : __libc_malloc(size);
    live += block != NULL;
    return block;
}

void free(void *block)
{
    live -= block != NULL;
    __libc_free(block);
}
#endif

/* Strings longer than jansson's first buffer, numbers, escapes, tables that grow. */
static char *make_text(size_t filler)
{
    static char text[200000];
    size_t len = 0;
    len += (size_t)sprintf(text, "{\"url\":\"http://www.example.org/path/to/it?n=100&x=%s\",",
                           "abcdefghijklmnopqrstuvwxyz0123456789");
    len += (size_t)sprintf(text + len, "\"long\":\"");
    memset(text + len, 'y', filler);
    len += filler;
    len +=
        (size_t)sprintf(text + len, "\\u00e9\\n\",\"numbers\":[1,2.5,-1234567890123456789,1e300");
    for (size_t i = 0; i < 40; i++)
        len += (size_t)sprintf(text + len, ",%zu", i * 1000003);
    len += (size_t)sprintf(text + len, "],\"labels\":{");
    for (size_t i = 0; i < 40; i++)
        len += (size_t)sprintf(text + len, "%s\"label%zu\":\"value%zu\"", i ? "," : "", i, i);
    sprintf(text + len, "},\"deep\":[[[[[[{\"a\":{\"b\":{\"c\":[true,false,null]}}}]]]]]]}");
    return text;
}

/* How many of the counted allocations it makes. */
static long exhaust(const char *text, long count)
{
    json_t *whole = json_read_text(text, JSON_REJECT_DUPLICATES, NULL);
    long n = 0;
    assert_non_null(whole);
    for (bool all = false; !all; n++) {
        json_error_t why;
        long before = live;
        unsigned lost = json_lost();
        failed = 0;
        fail_at = n + 1;
        fail_count = count;
        json_t *root = json_read_text(text, JSON_REJECT_DUPLICATES, &why);
        fail_at = fail_count = 0;
        all = failed == 0;
        if (all && !json_equal(root, whole))
            fail_msg("allocation %ld was not made, and the text is not what it was", n);
        if (!all && (root || json_error_code(&why) != json_error_out_of_memory))
            fail_msg("allocation %ld failed: %s", n, root ? "there is a value" : why.text);
        assert_int_equal(json_lost() - lost > 0, !all);
        json_decref(root);
        if (live != before)
            fail_msg("allocation %ld failed: %ld blocks were left", n, live - before);
        assert_true(n < 100000);
    }
    json_decref(whole);
    return n;
}

static void test_whole_or_nothing(void **state)
{
#ifdef SANITIZED
    skip();
#endif
    static const size_t fillers[] = {0, 1, 100, 127, 5000, 150000};
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++) {
        assert_true(exhaust(make_text(fillers[i]), 1) > 100);
        exhaust(make_text(fillers[i]), 3);
        exhaust(make_text(fillers[i]), 1000000);
    }
}

/* All that is left out is noticed: in copies, and in what is put together. */
static void test_copies(void **state)
{
#ifdef SANITIZED
    skip();
#endif
    json_t *value = json_read_text(make_text(10), 0, NULL);
    for (int deep = 0; deep < 2; deep++) {
        long n = 0;
        for (bool all = false; !all; n++) {
            long before = live;
            failed = 0;
            fail_at = n + 1;
            fail_count = 1;
            json_t *copy = deep ? json_deep_copied(value) : json_copied(value);
            fail_at = fail_count = 0;
            all = failed == 0;
            if (all ? !json_equal(copy, value) : copy != NULL)
                fail_msg("allocation %ld failed: there is a copy", n);
            json_decref(copy);
            if (live != before)
                fail_msg("allocation %ld failed: %ld blocks were left", n, live - before);
        }
        assert_true(n > 5);
    }
    json_decref(value);
}

/* As jansson's own, in all that is well and in what is not. */
static void test_as_jansson(void **state)
{
    static const char *const texts[] = {
        "{}", "[1,2",          "{\"a\":1,\"a\":2}", "\"x\"",    "",
        " ",  "[\"\\u0000\"]", "{\"a\":1} x",       "\"\xff\"", "[1]\n",
    };
    static const size_t flags[] = {0, JSON_REJECT_DUPLICATES, JSON_DECODE_ANY, JSON_ALLOW_NUL,
                                   JSON_DISABLE_EOF_CHECK};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++) {
            json_error_t why = {0}, theirs = {0};
            size_t len = strlen(texts[i]);
            json_t *a = json_read(texts[i], len, flags[f], &why);
            json_t *b = json_loadb(texts[i], len, flags[f], &theirs);
            assert_int_equal(a == NULL, b == NULL);
            assert_true(!a || json_equal(a, b));
            assert_string_equal(why.text, theirs.text);
            assert_int_equal(why.position, theirs.position);
            assert_int_equal(json_error_code(&why), json_error_code(&theirs));
            json_decref(a);
            json_decref(b);
        }
    }
    assert_null(json_read("[", SIZE_MAX / 2, 0, NULL)); /* no reserve can be had for that */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_or_nothing),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_as_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
