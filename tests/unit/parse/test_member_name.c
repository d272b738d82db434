/* Names of an archive's members as text: what is kept, what is escaped, what is converted. */
#include "parse/member_name.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct buf text;

static int end(void **state)
{
    buf_deinit(&text);
    text = (struct buf)BUF_INIT;
    return 0;
}

static void names(const char *bytes, size_t len, bool utf8, const char *charset, const char *name,
                  bool escaped)
{
    char *copy = malloc(len > 0 ? len : 1); /* no NUL behind it */
    memcpy(copy, bytes, len);
    bool got = member_name(&text, copy, len, utf8, charset ? charset_find(charset) : NULL);
    assert_false(text.failed);
    assert_string_equal(text.data, name);
    assert_int_equal(text.len, strlen(name));
    assert_int_equal(got, escaped);
    free(copy);
}

#define NAMES(bytes, utf8, charset, name, escaped) \
    names(bytes, sizeof(bytes) - 1, utf8, charset, name, escaped)

static void what_is_utf8_stays_as_it_is(void **state)
{
    NAMES("a/b.csv", false, NULL, "a/b.csv", false);
    NAMES("", false, NULL, "", false);
    NAMES("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", true, NULL,
          "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", false);
    NAMES("100%.csv", false, NULL, "100%.csv", false); /* a % alone needs no escape … */
    NAMES("%FF", false, NULL, "%FF", false);
}

/* … but beside bytes that do, or two names could become the same. */
static void other_bytes_are_escaped(void **state)
{
    NAMES("\xff", false, NULL, "%FF", true);
    NAMES("a\xff"
          "b",
          false, NULL, "a%FFb", true);
    NAMES("%FF\xff", false, NULL, "%25FF%FF", true);
    NAMES("\xc3\xbc\xfc%", false, NULL, "\xc3\xbc%FC%25", true);
    NAMES("a\0b", false, NULL, "a%00b", true);
    NAMES("\xc3", false, NULL, "%C3", true);              /* cut */
    NAMES("\xed\xa0\x80", true, NULL, "%ED%A0%80", true); /* a surrogate is no character */
    NAMES("\xc0\xaf", true, NULL, "%C0%AF", true);        /* nor a slash in two bytes */
    NAMES("\xf4\x90\x80\x80", true, NULL, "%F4%90%80%80", true);
    NAMES("\x80\x80/\xc3\xa9", false, NULL, "%80%80/\xc3\xa9", true);
}

/* Whoever undoes the escapes has the bytes again: so no two names become one. */
static void no_two_names_become_the_same(void **state)
{
    static const char alphabet[] = {'%', 'F', '2', '5', (char)0xff, (char)0xc3, (char)0xbc, '\0'};
    enum { LETTERS = sizeof alphabet, LEN = 4 };
    for (unsigned n = 0; n < LETTERS * LETTERS * LETTERS * LETTERS; n++) {
        char bytes[LEN], back[4 * LEN];
        size_t len = 0;
        for (unsigned i = 0, rest = n; i < LEN; i++, rest /= LETTERS)
            bytes[i] = alphabet[rest % LETTERS];
        bool escaped = member_name(&text, bytes, LEN, false, NULL);
        for (const char *p = text.data; *p; p++) {
            char hex[3] = {p[0] == '%' ? p[1] : '\0', p[0] == '%' && p[1] ? p[2] : '\0', '\0'};
            bool code = escaped && *p == '%';
            back[len++] = code ? (char)strtoul(hex, NULL, 16) : *p;
            p += code ? 2 : 0;
        }
        assert_int_equal(len, LEN);
        assert_memory_equal(back, bytes, LEN);
    }
}

/* As Python has it: b"…".decode("cp437"), ("cp1252"), ("shift_jis"). */
static void a_name_in_a_charset_is_converted(void **state)
{
    NAMES("gr\x81n.txt", false, "ibm437", "gr\xc3\xbcn.txt", false);
    NAMES("\x80.txt", false, "windows-1252", "\xe2\x82\xac.txt", false);
    NAMES("\x83\x65\x83\x58\x83\x67", false, "shift_jis", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
          false);
    NAMES("plain.txt", false, "ibm437", "plain.txt", false);
    /* It says itself that it is UTF-8, and is: the charset is for the others. */
    NAMES("\xc3\xbc", true, "windows-1252", "\xc3\xbc", false);
    NAMES("\xc3\xbc", false, "windows-1252", "\xc3\x83\xc2\xbc", false);
    /* It says so, and is not: then it is in the charset after all. */
    NAMES("\xfc", true, "windows-1252", "\xc3\xbc", false);
}

static void what_is_not_in_the_charset_is_escaped(void **state)
{
    NAMES("\x83", false, "shift_jis", "%83", true); /* half a character */
    NAMES("x\xff", false, "utf-8", "x%FF", true);
    NAMES("\x81\0", false, "ibm437", "%81%00", true); /* a NUL is none of a name */
}

static void the_locale_knows_utf8(void **state)
{
    locale_t locale = member_name_locale();
    assert_true(locale != (locale_t)0);
    assert_true(locale == member_name_locale());
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        EACH(what_is_utf8_stays_as_it_is),           EACH(other_bytes_are_escaped),
        EACH(no_two_names_become_the_same),          EACH(a_name_in_a_charset_is_converted),
        EACH(what_is_not_in_the_charset_is_escaped), EACH(the_locale_knows_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
