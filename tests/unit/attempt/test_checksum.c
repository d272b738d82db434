/* Digests that responses name, and those that jobs ask for. */
#include "attempt/checksum.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HELLO_HEX "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define HELLO_B64 "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
#define EMPTY_B64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static struct checksum c;

static int feed(const char *asked, int status, const char *name, const char *value,
                const char *name2, const char *value2, bool *ret_checked)
{
    struct transfer_header headers[] = {{name, value}, {name2, value2}};
    struct transfer_response response = {.status = status,
                                         .headers = headers,
                                         .header_count = name2  ? 2
                                                         : name ? 1
                                                                : 0};
    struct error err;
    *ret_checked = false;
    assert_int_equal(checksum_init(&c, asked), 0);
    assert_int_equal(checksum_headers(&c, &response), 0);
    assert_int_equal(checksum_update(&c, "hel", 3), 0);
    assert_int_equal(checksum_update(&c, "lo", 2), 0);
    int r = checksum_final(&c, ret_checked, &err);
    if (r < 0)
        assert_non_null(strstr(err.text, HELLO_HEX));
    checksum_deinit(&c);
    return r;
}

/* 1: it was compared, and is right; 0: nothing to compare; -EBADMSG. */
static int one(int status, const char *name, const char *value)
{
    bool checked;
    int r = feed(NULL, status, name, value, NULL, NULL, &checked);
    return r < 0 ? r : checked;
}

static void test_headers(void **state)
{
    static const struct {
        const char *name, *value;
        int result;
    } cases[] = {
        {"Repr-Digest", "sha-256=:" HELLO_B64 ":", 1},
        {"repr-digest", "sha-256=:" HELLO_B64 ":", 1},
        {"Content-Digest", "sha-256=:" HELLO_B64 ":", 1},
        {"Repr-Digest", "sha-256=:" EMPTY_B64 ":", -EBADMSG},
        {"Content-Digest", "sha-256=:" EMPTY_B64 ":", -EBADMSG},
        {"Repr-Digest", " md5=:AAAA: ,\tsha-256=:" HELLO_B64 ":;q=1 ", 1},
        {"Repr-Digest", "sha-256=:" EMPTY_B64 ":, sha-256=:" HELLO_B64 ":",
         1}, /* the last counts */
        {"Repr-Digest",
         "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ:", 1}, /* no padding */
        {"Digest", "SHA-256=" HELLO_B64, 1},
        {"Digest", "sha-256=" EMPTY_B64, -EBADMSG},
        {"Digest", "MD5=HUXZLQLMuI/KZ5KDcJPcOA==,SHA-256=" HELLO_B64, 1},
        /* Nothing that can be compared: */
        {"Repr-Digest", "md5=:HUXZLQLMuI/KZ5KDcJPcOA==:", 0},
        {"Repr-Digest", "sha-256=" HELLO_B64, 0},
        {"Repr-Digest", "sha-256=:" HELLO_B64, 0},
        {"Repr-Digest", "sha-256=:AAAA:", 0},
        {"Repr-Digest", "sha-256=:" HELLO_B64 HELLO_B64 ":", 0},
        {"Repr-Digest", "sha-256=:LPJN l+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:", 0},
        {"Repr-Digest", "sha-256=:", 0},
        {"Repr-Digest", "sha-256", 0},
        {"Repr-Digest", "", 0},
        {"Repr-Digest", ",,,=,=:,:", 0},
        {"Digest", "sha-384=" HELLO_B64, 0},
        {"Want-Digest", "sha-256", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (one(200, cases[i].name, cases[i].value) != cases[i].result)
            fail_msg("%s: %s", cases[i].name, cases[i].value);
}

/* Of another status it need not be the selected representation. */
static void test_status(void **state)
{
    assert_int_equal(one(404, "Repr-Digest", "sha-256=:" EMPTY_B64 ":"), 0);
    assert_int_equal(one(404, "Digest", "sha-256=" EMPTY_B64), 0);
    assert_int_equal(one(404, "Content-Digest", "sha-256=:" EMPTY_B64 ":"), -EBADMSG);
    assert_int_equal(one(203, "Repr-Digest", "sha-256=:" EMPTY_B64 ":"), -EBADMSG);
}

static void test_several(void **state)
{
    bool checked;
    const char *good = "sha-256=:" HELLO_B64 ":", *bad = "sha-256=:" EMPTY_B64 ":";
    assert_int_equal(feed(NULL, 200, "Repr-Digest", good, "Content-Digest", bad, &checked),
                     -EBADMSG);
    assert_int_equal(feed(NULL, 200, "Repr-Digest", bad, "Content-Digest", good, &checked),
                     -EBADMSG);
    assert_int_equal(feed(NULL, 200, "Repr-Digest", good, "Content-Digest", good, &checked), 0);
    assert_true(checked);
    /* Two lines are one list (RFC 9110, 5.3). */
    assert_int_equal(feed(NULL, 200, "Repr-Digest", bad, "Repr-Digest", good, &checked), 0);
    assert_int_equal(feed("sha256:" HELLO_HEX, 200, "Repr-Digest", bad, NULL, NULL, &checked),
                     -EBADMSG);
}

static void test_asked(void **state)
{
    const char *hex = NULL;
    bool checked;
    struct error err;
    assert_int_equal(checksum_init(&c, "sha256"), 0);
    assert_false(c.demanded);
    assert_null(checksum_asked(&c, &hex));
    assert_int_equal(checksum_update(&c, "hello", 5), 0);
    assert_int_equal(checksum_final(&c, &checked, &err), 0);
    assert_false(checked);
    assert_string_equal(checksum_asked(&c, &hex), "sha256");
    assert_string_equal(hex, HELLO_HEX);
    checksum_deinit(&c);

    assert_int_equal(feed("sha256:" HELLO_HEX, 200, NULL, NULL, NULL, NULL, &checked), 0);
    assert_true(checked);
    assert_true(c.demanded);
    char wrong[] = "sha256:" HELLO_HEX;
    wrong[10] = wrong[10] == '0' ? '1' : '0';
    assert_int_equal(feed(wrong, 200, NULL, NULL, NULL, NULL, &checked), -EBADMSG);
    /* sha512 beside the header's sha-256. */
    assert_int_equal(feed("sha512", 200, "Digest", "sha-256=" HELLO_B64, NULL, NULL, &checked), 0);
    assert_true(checked);
    assert_int_equal(strlen(c.running[2].hex), 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
