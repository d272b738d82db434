#include "base/readable.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_urls(void **state)
{
    static const char *const cases[][2] = {
        {"http://h/caf%C3%A9?q=%e6%96%87%E5%AD%97#%D0%B6", "http://h/café?q=文字#ж"},
        {"http://h/%F0%9F%98%80.csv", "http://h/😀.csv"},
        {"http://h/a%20b%2Fc%25%41%00%0a%1b", "http://h/a%20b%2Fc%25%41%00%0a%1b"}, /* ASCII */
        {"http://h/%25C3%25A9", "http://h/%25C3%25A9"},
        {"http://h/%C3", "http://h/%C3"},         /* ends in its middle */
        {"http://h/%C3x%A9", "http://h/%C3x%A9"}, /* is broken in its middle */
        {"http://h/%C3%C3%A9", "http://h/%C3é"},  /* one that is, and one that is not */
        {"http://h/%C0%AF%ED%A0%80", "http://h/%C0%AF%ED%A0%80"}, /* overlong, a surrogate */
        {"http://h/%F4%90%80%80", "http://h/%F4%90%80%80"},
        {"http://h/%", "http://h/%"},
        {"http://h/%4", "http://h/%4"},
        {"http://h/%zz%C3%A9", "http://h/%zzé"},
        {"http://h/%C3%A", "http://h/%C3%A"},
        {"http://h/%C2%85%C2%A0%C2%AD", "http://h/%C2%85%C2%A0%C2%AD"}, /* C1, blank, invisible */
        {"http://h/%E2%80%AE%E2%80%8B", "http://h/%E2%80%AE%E2%80%8B"}, /* turns the direction */
        {"http://h/%EF%BC%8F%E2%81%84", "http://h/%EF%BC%8F%E2%81%84"}, /* look like slashes */
        {"http://h/%EE%80%80%F4%8F%BF%BF", "http://h/%EE%80%80%F4%8F%BF%BF"}, /* private, none */
        {"http://h/e%CC%81", "http://h/e\u0301"},                    /* a mark on its letter, */
        {"http://h/%CC%81%41%CC%81", "http://h/%CC%81%41%CC%81"},    /* on nothing, on a digit */
        {"http://h/e%CC%81%CC%81", "http://h/e\u0301%CC%81"},        /* and on another mark */
        {"http://%C3%A9.example/%C3%A9", "http://%C3%A9.example/é"}, /* a host's name */
        {"http://h?%C3%A9", "http://h?é"},
        {"%C3%A9", "é"},
        {"", ""},
        {"http://h/é", "http://h/é"}, /* was not encoded */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF_INIT;
        readable_put_url(&b, cases[i][0]);
        buf_putc(&b, '\0');
        assert_string_equal(b.data, cases[i][1]);
        buf_deinit(&b);
    }
}

/* Whatever is encoded: what comes is the same URL, well-formed, without a control character. */
static void test_every_character(void **state)
{
    /* Of the planes where nothing is assigned some will do. */
    for (unsigned code = 1; code <= 0x10FFFF; code += code < 0x32400 ? 1 : 101) {
        char plain[5] = "", url[32] = "http://h/x", *at = url + strlen(url);
        struct buf b = BUF_INIT;
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        size_t n = utf8_encode(plain, code);
        for (size_t i = 0; i < n; i++)
            at += sprintf(at, "%%%02X", (unsigned)(unsigned char)plain[i]);
        readable_put_url(&b, url);
        buf_putc(&b, '\0');
        bool shown = strcmp(b.data + strlen("http://h/x"), plain) == 0;
        if (!shown)
            assert_string_equal(b.data, url);
        if (code < 0xA1)
            assert_false(shown);
        assert_int_equal(utf8_valid(b.data, b.len), b.len);
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_every_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
