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
        {"http://h/e%CC%81", "http://h/e\u0301"},                 /* a mark on its letter, */
        {"http://h/%CC%81%41%CC%81", "http://h/%CC%81%41%CC%81"}, /* on nothing, on a digit */
        {"http://h/e%CC%81%CC%81", "http://h/e\u0301%CC%81"},     /* and on another mark */
        {"http://h/%E0%A4%AE%E0%A5%87%E0%A4%82", "http://h/में"},   /* Hindi, */
        {"http://h/%E0%B8%97%E0%B8%B5%E0%B9%88", "http://h/ที่"},   /* Thai, */
        {"http://h/e%CC%82%CC%81%CC%83", "http://h/e\u0302\u0301%CC%83"}, /* two and a third */
        {"http://%C3%A9.example/%C3%A9", "http://%C3%A9.example/é"},      /* a host's name */
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

/* Is this character, on a letter, shown as itself? Else it must have stayed as it was. */
static bool is_shown(uint32_t code)
{
    char plain[5] = "", url[32] = "http://h/x", *at = url + strlen(url);
    struct buf b = BUF_INIT;
    size_t n = utf8_encode(plain, code);
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%%%02X", (unsigned)(unsigned char)plain[i]);
    readable_put_url(&b, url);
    buf_putc(&b, '\0');
    bool shown = strcmp(b.data + strlen("http://h/x"), plain) == 0;
    if (!shown)
        assert_string_equal(b.data, url);
    assert_int_equal(utf8_valid(b.data, b.len), b.len);
    buf_deinit(&b);
    return shown;
}

/* Nobody sees these, they turn the direction, or one takes them for a part of the URL's syntax. */
static void test_what_deceives(void **state)
{
    static const uint32_t ranges[][2] = {
        {0x0080, 0x00A0},   {0x00AD, 0x00AD},    {0x02D0, 0x02D0},   {0x034F, 0x034F},
        {0x037E, 0x037E},   {0x0589, 0x0589},    {0x05C3, 0x05C3},   {0x0600, 0x0605},
        {0x061C, 0x061C},   {0x066A, 0x066A},    {0x06DD, 0x06DD},   {0x070F, 0x070F},
        {0x0890, 0x0891},   {0x08E2, 0x08E2},    {0x115F, 0x1160},   {0x1680, 0x1680},
        {0x1735, 0x1735},   {0x17B4, 0x17B5},    {0x180B, 0x180F},   {0x2000, 0x200F},
        {0x2024, 0x202F},   {0x2041, 0x2041},    {0x2044, 0x2044},   {0x2052, 0x2052},
        {0x205A, 0x205A},   {0x205F, 0x206F},    {0x2215, 0x2216},   {0x2236, 0x2236},
        {0x22EF, 0x22EF},   {0x2571, 0x2572},    {0x27CB, 0x27CB},   {0x27CD, 0x27CD},
        {0x2800, 0x2800},   {0x29F5, 0x29F5},    {0x29F8, 0x29F9},   {0x2CC6, 0x2CC6},
        {0x2F02, 0x2F03},   {0x3000, 0x3000},    {0x3033, 0x3033},   {0x30A0, 0x30A0},
        {0x31D3, 0x31D4},   {0x3164, 0x3164},    {0xA4FD, 0xA4FD},   {0xA789, 0xA789},
        {0xE000, 0xF8FF},   {0xFDD0, 0xFDEF},    {0xFE00, 0xFE1F},   {0xFE50, 0xFE6F},
        {0xFEFF, 0xFF5E},   {0xFFA0, 0xFFA0},    {0xFFF0, 0xFFFF},   {0x110BD, 0x110BD},
        {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3},  {0x1D159, 0x1D159}, {0x1D173, 0x1D17A},
        {0x1D400, 0x1D7FF}, {0x1FFFE, 0x1FFFF},  {0x2FFFE, 0x2FFFF}, {0xE0000, 0xE0FFF},
        {0xF0000, 0xF0000}, {0x10FFFF, 0x10FFFF}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (uint32_t code = ranges[i][0]; code <= ranges[i][1]; code++)
            if (is_shown(code))
                fail_msg("U+%04X is shown", (unsigned)code);
}

/* A mark needs a letter; there are two on one, and they are not the same. */
static void test_marks(void **state)
{
    static const uint32_t marks[] = {0x0301, 0x0483, 0x05B0, 0x064B, 0x0670, 0x093F,
                                     0x0941, 0x0BBE, 0x0E31, 0x0E48, 0x0EB1, 0x102B,
                                     0x1DC4, 0x20D0, 0x3099, 0xA8E0, 0xFE20};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        char plain[5] = "", encoded[16] = "", *at = encoded;
        struct buf url = BUF_INIT, b = BUF_INIT, expected = BUF_INIT;
        size_t n = utf8_encode(plain, marks[i]);
        for (size_t k = 0; k < n; k++)
            at += sprintf(at, "%%%02X", (unsigned)(unsigned char)plain[k]);
        buf_printf(&url, "http://h/%sx%s%s", encoded, encoded, encoded);
        buf_putc(&url, '\0');
        buf_printf(&expected, "http://h/%sx%s%s", encoded, plain, encoded);
        buf_putc(&expected, '\0');
        readable_put_url(&b, url.data);
        buf_putc(&b, '\0');
        assert_string_equal(b.data, expected.data);
        buf_deinit(&url);
        buf_deinit(&b);
        buf_deinit(&expected);
    }
}

/* Whatever is encoded: what comes is the same URL, well-formed, without a control character. */
static void test_every_character(void **state)
{
    /* Of the planes where nothing is assigned some will do. */
    for (unsigned code = 1; code <= 0x10FFFF; code += code < 0x32400 ? 1 : 101) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        bool shown = is_shown(code);
        if (code < 0xA1)
            assert_false(shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_what_deceives),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_every_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
