/* What a zip file says of a member, in entries that Python's zipfile wrote, and in others that are
 * put together here. */
#include "parse/zip_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct text {
    const char *bytes;
    size_t len;
};
#define TEXT(bytes)              \
    {                            \
        bytes, sizeof(bytes) - 1 \
    }

/* --- written by Python ------------------------------------------------------------------------ */

static const struct text plain_local =
    TEXT("\x50\x4b\x03\x04\x14\x00\x00\x00\x00\x00\x66\x51\xa1\x58\x20\x30"
         "\x3a\x36\x06\x00\x00\x00\x06\x00\x00\x00\x05\x00\x00\x00\x61\x2e"
         "\x63\x73\x76\x68\x65\x6c\x6c\x6f\x0a");
static const struct text plain_central =
    TEXT("\x50\x4b\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\x66\x51\xa1\x58"
         "\x20\x30\x3a\x36\x06\x00\x00\x00\x06\x00\x00\x00\x05\x00\x00\x00"
         "\x00\x00\x00\x00\x00\x00\x00\x00\xa4\x81\x00\x00\x00\x00\x61\x2e"
         "\x63\x73\x76");
static const struct text link_central =
    TEXT("\x50\x4b\x01\x02\x14\x03\x14\x00\x00\x08\x00\x00\x66\x51\xa1\x58"
         "\x83\x16\xdc\x8c\x01\x00\x00\x00\x01\x00\x00\x00\x06\x00\x00\x00"
         "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xa1\x00\x00\x00\x00\xc3\xbc"
         "\x2e\x74\x78\x74");
static const struct text zip64_local =
    TEXT("\x50\x4b\x03\x04\x2d\x00\x00\x00\x00\x00\x66\x51\xa1\x58\xc2\x41"
         "\x24\x35\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x14\x00\x62\x01"
         "\x00\x10\x00\x03\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00"
         "\x00\x00\x00\x61\x62\x63");
static const struct text late_local =
    TEXT("\x50\x4b\x03\x04\x14\x00\x08\x00\x08\x00\x66\x51\xa1\x58\x00\x00"
         "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x63\xcb"
         "\x49\x2c\x49\x05\x00");
static const struct text directory_central =
    TEXT("\x50\x4b\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\x66\x51\xa1\x58"
         "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00"
         "\x00\x00\x00\x00\x00\x00\x10\x00\xed\x41\x00\x00\x00\x00\x64\x2f");

typedef long reader(const char *text, size_t len, struct zip_entry *ret);

/* Without a byte behind it that a sanitizer would not see. */
static long read_exactly(reader *read, const char *bytes, size_t len, struct zip_entry *ret,
                         char **ret_copy)
{
    *ret_copy = malloc(len > 0 ? len : 1);
    assert_non_null(*ret_copy);
    memcpy(*ret_copy, bytes, len);
    return read(*ret_copy, len, ret);
}

static void assert_name(const struct zip_entry *e, const char *name)
{
    assert_int_equal(e->name_len, strlen(name));
    assert_memory_equal(e->name, name, strlen(name));
}

static void a_member_is_read_before_its_data(void **state)
{
    struct zip_entry e;
    assert_int_equal(zip_entry_local(plain_local.bytes, plain_local.len, &e), 0);
    assert_name(&e, "a.csv");
    assert_false(e.utf8);
    assert_int_equal(e.method, 0);
    assert_int_equal(e.crc, 909783072); /* zlib.crc32(b"hello\n") */
    assert_int_equal(e.size, 6);
    assert_int_equal(e.packed, 6);
    assert_int_equal(e.len, 35);
    assert_false(zip_entry_is_late(&e));
    assert_memory_equal(plain_local.bytes + e.len, "hello\n", 6);
}

static void one_that_was_streamed_says_its_size_behind_it(void **state)
{
    struct zip_entry e;
    assert_int_equal(zip_entry_local(late_local.bytes, late_local.len, &e), 0);
    assert_true(zip_entry_is_late(&e));
    assert_int_equal(e.method, 8);
    assert_int_equal(e.size, 0);
    assert_int_equal(e.crc, 0);
    assert_int_equal(e.len, 31);
}

static void one_of_the_directory_is_read(void **state)
{
    struct zip_entry e;
    assert_int_equal(zip_entry_central(plain_central.bytes, plain_central.len, &e), 0);
    assert_name(&e, "a.csv");
    assert_int_equal(e.made_by, 3);
    assert_int_equal(e.crc, 909783072);
    assert_int_equal(e.size, 6);
    assert_int_equal(e.offset, 0);
    assert_int_equal(e.attributes >> 16, 0100644);
    assert_int_equal(e.len, plain_central.len);
    assert_null(zip_entry_kind(&e));
    assert_int_equal(zip_entry_central(link_central.bytes, link_central.len, &e), 0);
    assert_name(&e, "\xc3\xbc.txt");
    assert_true(e.utf8);
    assert_string_equal(zip_entry_kind(&e), "a symbolic link");
    assert_int_equal(zip_entry_central(directory_central.bytes, directory_central.len, &e), 0);
    assert_true(zip_entry_is_directory(&e));
    assert_string_equal(zip_entry_kind(&e), "a directory");
}

static void large_numbers_stand_in_the_extra_field(void **state)
{
    struct zip_entry e;
    assert_int_equal(zip_entry_local(zip64_local.bytes, zip64_local.len, &e), 0);
    assert_int_equal(e.size, 3);
    assert_int_equal(e.packed, 3);
    assert_memory_equal(zip64_local.bytes + e.len, "abc", 3);
}

/* Of too few bytes: how many it takes; never a byte beyond them is looked at. */
static void too_few_bytes_ask_for_more(void **state)
{
    static const struct {
        const struct text *text;
        reader *read;
        size_t fixed, whole;
    } cases[] = {{&plain_local, zip_entry_local, ZIP_LOCAL_SIZE, 35},
                 {&zip64_local, zip_entry_local, ZIP_LOCAL_SIZE, 51},
                 {&plain_central, zip_entry_central, ZIP_CENTRAL_SIZE, 51}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t len = 0; len <= cases[i].whole; len++) {
            struct zip_entry e;
            char *copy;
            long r = read_exactly(cases[i].read, cases[i].text->bytes, len, &e, &copy);
            size_t wanted = len < cases[i].fixed   ? cases[i].fixed
                            : len < cases[i].whole ? cases[i].whole
                                                   : 0;
            assert_int_equal(r, wanted);
            free(copy);
        }
}

static void what_is_no_entry_is_refused(void **state)
{
    struct zip_entry e;
    assert_int_equal(zip_entry_local(plain_central.bytes, plain_central.len, &e), -1);
    assert_int_equal(zip_entry_central(plain_local.bytes, plain_local.len, &e), ZIP_CENTRAL_SIZE);
    char none[ZIP_CENTRAL_SIZE] = "PK\5\6";
    assert_int_equal(zip_entry_local(none, sizeof none, &e), -1);
    assert_int_equal(zip_entry_central(none, sizeof none, &e), -1);
}

/* --- extra fields ----------------------------------------------------------------------------- */

static void put16(char *p, unsigned n)
{
    p[0] = (char)n;
    p[1] = (char)(n >> 8);
}

/* The header of "old.txt" with these bytes as its extra field. */
static size_t make(char *to, uint32_t size, const char *extra, size_t len)
{
    memset(to, 0, ZIP_LOCAL_SIZE);
    memcpy(to, "PK\3\4", 4);
    put16(to + 22, size & 0xffff);
    put16(to + 24, size >> 16);
    put16(to + 26, 7);
    put16(to + 28, (unsigned)len);
    memcpy(to + ZIP_LOCAL_SIZE, "old.txt", 7);
    memcpy(to + ZIP_LOCAL_SIZE + 7, extra, len);
    return ZIP_LOCAL_SIZE + 7 + len;
}

static void the_name_in_utf8_counts_if_it_is_of_this_name(void **state)
{
    static const char good[] = "\x75\x70\x0b\0\1....new\xc3\xbc."; /* 4.6.9: version, CRC, name */
    char text[128], extra[sizeof good];
    struct zip_entry e;
    uint32_t crc = 1351459716; /* zlib.crc32(b"old.txt") */
    memcpy(extra, good, sizeof good);
    for (int i = 0; i < 4; i++)
        extra[5 + i] = (char)(crc >> 8 * i);
    size_t len = make(text, 0, extra, sizeof good - 1);
    assert_int_equal(zip_entry_local(text, len, &e), 0);
    assert_name(&e, "new\xc3\xbc.");
    assert_true(e.utf8);
    assert_int_equal(e.raw_len, 7);
    assert_memory_equal(e.raw, "old.txt", 7);
    extra[5] ^= 1; /* another name had this */
    len = make(text, 0, extra, sizeof good - 1);
    assert_int_equal(zip_entry_local(text, len, &e), 0);
    assert_name(&e, "old.txt");
    assert_false(e.utf8);
    extra[5] ^= 1;
    extra[4] = 2; /* another version of it */
    len = make(text, 0, extra, sizeof good - 1);
    assert_int_equal(zip_entry_local(text, len, &e), 0);
    assert_name(&e, "old.txt");
}

static void broken_extra_fields(void **state)
{
    static const struct {
        uint32_t size;
        struct text extra;
        long result;
        uint64_t wanted;
    } cases[] = {
        {5, TEXT(""), 0, 5},
        {5, TEXT("\1"), 0, 5},                 /* not even a head */
        {5, TEXT("\x99\x99\2\0ab"), 0, 5},     /* nobody's */
        {5, TEXT("\x99\x99\xff\0ab"), 0, 5},   /* longer than it can be: passed over */
        {UINT32_MAX, TEXT(""), 0, UINT32_MAX}, /* it may be that large */
        {UINT32_MAX, TEXT("\1\0\10\0\7\0\0\0\1\0\0\0"), 0, UINT64_C(0x100000007)},
        {UINT32_MAX, TEXT("\x99\x99\1\0x\1\0\10\0\7\0\0\0\0\0\0\0"), 0, 7},
        {UINT32_MAX, TEXT("\1\0\4\0\7\0\0\0"), -1, 0}, /* too short for what it is to hold */
        {5, TEXT("\1\0\0\0"), 0, 5},                   /* nothing is wanted of it */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128], *copy;
        struct zip_entry e;
        size_t len = make(text, cases[i].size, cases[i].extra.bytes, cases[i].extra.len);
        long r = read_exactly(zip_entry_local, text, len, &e, &copy);
        if (r != cases[i].result || (r == 0 && e.size != cases[i].wanted))
            fail_msg("%zu: %ld", i, r);
        free(copy);
    }
}

/* Those of the numbers that have no room, and no others, in their order: size, packed, offset. */
static void the_order_of_large_numbers(void **state)
{
    static const char numbers[] = "\1\0\x18\0\7\0\0\0\1\0\0\0\10\0\0\0\2\0\0\0\11\0\0\0\3\0\0\0";
    char text[128];
    struct zip_entry e;
    size_t len = make(text + ZIP_CENTRAL_SIZE - ZIP_LOCAL_SIZE, 0, numbers, 28);
    memset(text, 0, ZIP_CENTRAL_SIZE);
    memcpy(text, "PK\1\2", 4);
    put16(text + 28, 7);
    put16(text + 30, 28);
    memset(text + 20, 0xff, 8); /* packed and size */
    memset(text + 42, 0xff, 4); /* offset */
    len += ZIP_CENTRAL_SIZE - ZIP_LOCAL_SIZE;
    assert_int_equal(zip_entry_central(text, len, &e), 0);
    assert_int_equal(e.size, UINT64_C(0x100000007));
    assert_int_equal(e.packed, UINT64_C(0x200000008));
    assert_int_equal(e.offset, UINT64_C(0x300000009));
    memset(text + 20, 0x11, 4); /* packed has room: it is not there */
    assert_int_equal(zip_entry_central(text, len, &e), 0);
    assert_int_equal(e.size, UINT64_C(0x100000007));
    assert_int_equal(e.packed, 0x11111111);
    assert_int_equal(e.offset, UINT64_C(0x200000008));
}

/* --- kinds ------------------------------------------------------------------------------------ */

static void what_a_member_is_follows_from_who_made_it(void **state)
{
    enum { DOS = 0, UNIX = 3, DARWIN = 19 };
    static const struct {
        unsigned made_by, mode, dos;
        const char *name, *kind;
    } cases[] = {
        {UNIX, S_IFREG | 0644, 0, "f", NULL},
        {UNIX, S_IFLNK | 0777, 0, "f", "a symbolic link"},
        {DARWIN, S_IFLNK | 0777, 0, "f", "a symbolic link"},
        {DOS, S_IFLNK | 0777, 0, "f", NULL}, /* it has no such thing */
        {UNIX, S_IFDIR | 0755, 0, "f", "a directory"},
        {UNIX, S_IFREG | 0755, 0x10, "f", NULL}, /* of the mode there it says nothing */
        {DOS, 0, 0x10, "f", "a directory"},
        {DOS, 0, 0x20, "f", NULL},
        {DOS, 0, 0, "f/", "a directory"},
        {UNIX, S_IFREG | 0644, 0, "f/", "a directory"},
        {UNIX, S_IFCHR, 0, "f", "no file"},
        {UNIX, S_IFBLK, 0, "f", "no file"},
        {UNIX, S_IFSOCK, 0, "f", "no file"},
        {UNIX, S_IFIFO, 0, "f", NULL}, /* what zip writes of what it reads from one */
        {UNIX, 0, 0, "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zip_entry e = {.name = cases[i].name,
                              .name_len = strlen(cases[i].name),
                              .made_by = cases[i].made_by,
                              .attributes = cases[i].mode << 16 | cases[i].dos};
        const char *kind = zip_entry_kind(&e);
        if ((kind && !cases[i].kind) || (!kind && cases[i].kind) ||
            (kind && strcmp(kind, cases[i].kind) != 0))
            fail_msg("%zu: %s", i, kind ? kind : "none");
    }
}

/* PPMd and LZMA take what memory the file asks for. */
static void some_methods_have_no_bound(void **state)
{
    static const unsigned bounded[] = {0, 8, 12, 93}, other[] = {1, 6, 9, 14, 95, 98, 99};
    for (size_t i = 0; i < sizeof bounded / sizeof bounded[0]; i++)
        assert_true(zip_entry_is_bounded(&(struct zip_entry){.method = bounded[i]}));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_false(zip_entry_is_bounded(&(struct zip_entry){.method = other[i]}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_read_before_its_data),
        cmocka_unit_test(one_that_was_streamed_says_its_size_behind_it),
        cmocka_unit_test(one_of_the_directory_is_read),
        cmocka_unit_test(large_numbers_stand_in_the_extra_field),
        cmocka_unit_test(too_few_bytes_ask_for_more),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(the_name_in_utf8_counts_if_it_is_of_this_name),
        cmocka_unit_test(broken_extra_fields),
        cmocka_unit_test(the_order_of_large_numbers),
        cmocka_unit_test(what_a_member_is_follows_from_who_made_it),
        cmocka_unit_test(some_methods_have_no_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
