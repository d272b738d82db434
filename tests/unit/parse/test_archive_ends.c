/* archive: what a file's end tells of it. A zip's directory decides what is in it, a tar ends with
 * zeros, tars may follow one another, and a filter in front changes nothing. */
#include "archives.h"

#define RECORD_A "{\"member\":\"a\",\"data\":1}\n"
#define RECORD_B "{\"member\":\"b\",\"data\":2}\n"

/* --- tar and cpio ----------------------------------------------------------------------------- */

static void make(int format, const char *name, const char *text)
{
    struct archive *a = begin(format, NULL);
    put(a, name, text);
    finish(a);
}

static void drop_zeros(size_t keep)
{
    while (file->len > 0 && file->data[file->len - 1] == '\0')
        file->len--;
    file->len = (file->len + 511) / 512 * 512 + keep;
}

static const int tars[] = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_GNUTAR,
                           ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE};

static void test_tar_without_end(void **state)
{
    static const size_t left[] = {0, 1, 511, 512, 1000, 1023};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof left / sizeof left[0]; j++) {
            make(tars[i], "a", "1\n");
            drop_zeros(left[j]);
            expect("parser=ndjson", KIND_PARSER_FAILED, RECORD_A, "cannot be read: ");
        }
        for (size_t more = 1024; more < 1600; more += 100) {
            make(tars[i], "a", "1\n");
            drop_zeros(0);
            memset(file->data + file->len, 0, more);
            file->len += more;
            expect("parser=ndjson", KIND_NONE, RECORD_A, "");
        }
    }
    memset(file->data, 0, 10240);
    file->len = 10240;
    expect("parser=ndjson", KIND_NONE, "", "");
    /* The last member's own zeros are none of the end's. */
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put_kind(a, "zeros", AE_IFREG, file->data + 100000, 0);
    static const char zeros[4096];
    put_kind(a, "zeros", AE_IFREG, zeros, sizeof zeros);
    finish(a);
    file->len -= 1024;
    expect("member=none", KIND_PARSER_FAILED, "", "two blocks of zeros");
}

static void test_tars_one_after_another(void **state)
{
    static char first[ROOM];
    for (size_t i = 0; i < 3; i++) {
        make(tars[i], "a", "1\n");
        size_t len = file->len;
        memcpy(first, file->data, len);
        make(tars[i], "b", "2\n");
        memmove(file->data + len, file->data, file->len);
        memcpy(file->data, first, len);
        file->len += len;
        expect("parser=ndjson", KIND_NONE, RECORD_A RECORD_B, "");
        strcpy(file->data + len, "this is none");
        expect("parser=ndjson", KIND_PARSER_FAILED, RECORD_A, "cannot be read");
    }
}

static void test_behind_a_cpio(void **state)
{
    static const int kinds[] = {ARCHIVE_FORMAT_CPIO_POSIX, ARCHIVE_FORMAT_CPIO_SVR4_NOCRC};
    for (size_t i = 0; i < 2; i++) {
        make(kinds[i], "a", "1\n");
        expect("parser=ndjson", KIND_NONE, RECORD_A, "");
        size_t len = file->len;
        memset(file->data + len, 0, 3000);
        file->len += 3000;
        expect("parser=ndjson", KIND_NONE, RECORD_A, "");
        file->data[len + 2500] = '0';
        expect("parser=ndjson", KIND_PARSER_FAILED, RECORD_A, "something follows behind");
        memcpy(file->data + len, file->data, len);
        file->len = 2 * len;
        expect("parser=ndjson", KIND_PARSER_FAILED, RECORD_A, "something follows behind");
    }
}

/* A cpio has the content of a file with two names under the last one, a tar under the first. */
static void test_hard_links(void **state)
{
    static const char newc[] = "07070100000001000081a4000000000000000000000002000000010000000000000"
                               "0000000000000000000000000000000000200000000"
                               "a\0"
                               "07070100000001000081a4000000000000000000000002000000010000000200000"
                               "0000000000000000000000000000000000200000000"
                               "b\0"
                               "2\n\0\0"
                               "0707010000000000000000000000000000000000000001000000010000000000000"
                               "0000000000000000000000000000000000b00000000"
                               "TRAILER!!!\0\0\0\0";
    memcpy(file->data, newc, sizeof newc - 1);
    file->len = sizeof newc - 1;
    expect("parser=ndjson", KIND_NONE, RECORD_B, "");
    assert_int_equal(skipped, 1);

    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put(a, "b", "2\n");
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, "c");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_hardlink(entry, "b");
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    archive_entry_free(entry);
    put_kind(a, "l", AE_IFLNK, NULL, 0);
    put_kind(a, "d", AE_IFDIR, NULL, 0);
    put_kind(a, "p", AE_IFIFO, NULL, 0);
    finish(a);
    expect("parser=ndjson", KIND_NONE, RECORD_B, "");
    assert_int_equal(skipped, 3);
}

static void test_filters(void **state)
{
    static const int filters[] = {ARCHIVE_FILTER_LZ4, ARCHIVE_FILTER_LZMA, ARCHIVE_FILTER_COMPRESS};
    static const int formats[] = {ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FORMAT_CPIO_POSIX,
                                  ARCHIVE_FORMAT_ZIP};
    for (size_t i = 0; i < 9; i++) {
        struct archive *a = begin_filtered(formats[i / 3], NULL, filters[i % 3]);
        put(a, "a", "1\n");
        put(a, "b", "2\n");
        finish(a);
        expect("parser=ndjson", KIND_NONE, RECORD_A RECORD_B, "");
        if (filters[i % 3] == ARCHIVE_FILTER_COMPRESS)
            continue; /* has no end of its own: the formats' ends are looked at */
        file->len -= 5;
        expect("member=none", KIND_DECODE_ERROR, "", "");
    }
}

/* Behind an .lzma there is nothing; behind an .lz4 another one, and nothing else. */
static void test_behind_a_filter(void **state)
{
    static const int filters[] = {ARCHIVE_FILTER_LZ4, ARCHIVE_FILTER_LZMA};
    static const size_t more[] = {1, 5, 100000};
    for (size_t i = 0; i < 2; i++) {
        struct archive *a = begin_filtered(ARCHIVE_FORMAT_TAR_GNUTAR, NULL, filters[i]);
        put(a, "a", "1\n");
        finish(a);
        size_t len = file->len;
        for (size_t j = 0; j < 3; j++) {
            memset(file->data + len, 'x', more[j]);
            file->len = len + more[j];
            expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A, "something else follows");
        }
        memcpy(file->data + len, file->data, len);
        file->len = 2 * len;
        if (filters[i] == ARCHIVE_FILTER_LZ4)
            expect("parser=ndjson", KIND_NONE, RECORD_A RECORD_A, "");
        else
            expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A, "something else follows");
    }
}

/* Made by lzop(1), which has no library here: a tar with a.txt, "1\n2\n3\n". */
static void test_lzo(void **state)
{
    static const char lzo[] = "\211\114\132\117\000\015\012\032\012\020\100\040\240\011\100\003\011"
                              "\003\000\000\015\000\000\000"
                              "\000\153\014\303\366\000\000\000\000\000\057\006\003\246\000\000\012"
                              "\000\000\000\000\117\243\101"
                              "\016\330\027\141\056\164\170\164\000\040\075\001\000\060\103\000\066"
                              "\064\064\234\000\100\000\056"
                              "\034\000\164\003\051\054\000\174\002\005\066\067\062\062\000\040\060"
                              "\000\040\102\000\000\002\165"
                              "\163\164\141\162\111\016\000\040\325\000\000\004\061\012\062\012\063"
                              "\012\000\040\000\000\000\000"
                              "\000\000\000\337\000\000\021\000\000\000\000\000\000";
    static const char records[] =
        "{\"member\":\"a.txt\",\"data\":1}\n{\"member\":\"a.txt\",\"data\":2}\n"
        "{\"member\":\"a.txt\",\"data\":3}\n";
    const size_t len = sizeof lzo - 1;
    memcpy(file->data, lzo, len);
    file->len = len;
    expect("parser=ndjson", KIND_NONE, records, "");
    for (file->len = 10; file->len < len; file->len += 7)
        expect("parser=ndjson\nmember=none", KIND_DECODE_ERROR, "", "cut");
    for (size_t at = 9; at < len; at += 5) {
        memcpy(file->data, lzo, len);
        file->data[at] ^= 0x10;
        file->len = len;
        struct harness h;
        harness_init(&h, &parser_archive, "parser=ndjson");
        harness_run(&h, file->data, file->len);
        assert_int_equal(h.task.result, PENSTOCK_FAILED);
        harness_deinit(&h);
    }
    memcpy(file->data, lzo, len);
    memcpy(file->data + len, "more", 4);
    file->len = len + 4;
    expect("parser=ndjson", KIND_DECODE_ERROR, records, "what follows the lzo data is none");
}

/* An .lzma may ask for 4 GiB of memory in its fifth byte. */
static void test_greedy_filter(void **state)
{
    struct archive *a = begin_filtered(ARCHIVE_FORMAT_TAR_GNUTAR, NULL, ARCHIVE_FILTER_LZMA);
    put(a, "a", "1\n");
    finish(a);
    memset(file->data + 1, 0xff, 4);
    file->data[1] = file->data[2] = 0;
    expect("parser=ndjson", KIND_LIMIT_EXCEEDED, "", "dictionary");
}

/* --- zip -------------------------------------------------------------------------------------- */

static void make_zip(const char *options)
{
    struct archive *a = begin(ARCHIVE_FORMAT_ZIP, options);
    put(a, "a", "1\n");
    put(a, "b", "2\n");
    finish(a);
}

static char *directory(void)
{
    char *p = memmem(file->data, file->len, "PK\1\2", 4);
    assert_non_null(p);
    return p;
}

static const char *const zips[] = {"zip:compression=store", "zip:compression=deflate"};

static void test_cut_directory(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        make_zip(zips[i]);
        size_t whole = file->len;
        file->len = (size_t)(directory() - file->data) + 24;
        for (; file->len < whole; file->len += 3)
            expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A RECORD_B, "directory is cut");
        file->len = whole;
        memset(file->data + whole, 0, 700);
        file->len += 700;
        expect("parser=ndjson", KIND_NONE, RECORD_A RECORD_B, "");
        file->data[whole + 600] = 'x';
        expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A RECORD_B, "something follows behind");
    }
}

static void test_directory_decides(void **state)
{
    static const struct {
        size_t at; /* in the first entry, or the end */
        bool end;
        char value;
        const char *message;
    } changes[] = {
        {46, false, 'x', "another name, size or checksum"},
        {24, false, 7, "another name, size or checksum"},
        {16, false, 7, "another name, size or checksum"},
        {42, false, 7, "names what is not there"},
        {0, false, 'Q', "has 2 entries, and has 1"},
        {10, true, 3, "has 3 entries, and has 2"},
        {0, true, 'Q', "directory is damaged"},
        {20, true, 1, "directory is cut"},
    };
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof changes / sizeof changes[0]; j++) {
            make_zip(zips[i]);
            char *place = changes[j].end ? memmem(file->data, file->len, "PK\5\6", 4) : directory();
            place[changes[j].at] = changes[j].value;
            expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A RECORD_B, changes[j].message);
        }
    /* Two entries of one member, and none of it. */
    make_zip(zips[0]);
    char *first = directory(), *second = memmem(first + 4, 200, "PK\1\2", 4);
    memcpy(second + 42, first + 42, 4);
    expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A RECORD_B, "twice");
    make_zip(zips[0]);
    size_t len = (size_t)((char *)memmem(directory() + 4, 200, "PK\1\2", 4) - directory());
    char *rest = directory() + len;
    memmove(directory(), rest, (size_t)(file->data + file->len - rest));
    file->len -= len;
    char *end = memmem(file->data, file->len, "PK\5\6", 4);
    end[8] = end[10] = 1;
    expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A RECORD_B, "does not name the member");
}

/* What the directory calls a link was no file, if only it says so. */
static void test_links_of_a_zip(void **state)
{
    struct archive *a = begin(ARCHIVE_FORMAT_ZIP, "zip:compression=store,zip:!experimental");
    put(a, "a", "1\n");
    put(a, "link", "a");
    put(a, "no", "3");
    put(a, "b", "2\n");
    finish(a);
    char *entry = (char *)memmem(directory(), 500, "link", 4) - 46;
    entry[5] = 3;
    entry[40] = 0;
    entry[41] = (char)0xa1; /* 0120000 */
    expect("parser=ndjson", KIND_NONE, RECORD_A RECORD_B "{\"member\":\"no\",\"data\":3}\n", "");
    assert_int_equal(skipped, 1);
    entry = memmem(directory(), 500, "PK\1\2", 4);
    entry[5] = 3;
    entry[41] = (char)0xa1;
    expect("parser=ndjson", KIND_DECODE_ERROR, RECORD_A RECORD_B,
           "member \"a\" was read as a file, and is a symbolic link");
    expect("parser=ndjson\nmember=b", KIND_NONE, RECORD_B, "");
    assert_int_equal(skipped, 2);
}

/* Names that are no text stay apart. */
static void test_names_apart(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        struct archive *a = begin(i ? ARCHIVE_FORMAT_ZIP : ARCHIVE_FORMAT_TAR_USTAR, NULL);
        put(a, "\xe9%\xc3\xa9", "1");
        put(a, "\xe8%\xc3\xa9", "2");
        put(a, "%E9%", "3");
        finish(a);
        expect("parser=ndjson\nmember=%*", KIND_NONE,
               "{\"member\":\"%E9%25\xc3\xa9\",\"escaped\":true,\"data\":1}\n"
               "{\"member\":\"%E8%25\xc3\xa9\",\"escaped\":true,\"data\":2}\n"
               "{\"member\":\"%E9%\",\"data\":3}\n",
               "");
    }
}

static void test_names_in_a_charset(void **state)
{
    static const char *const bytes[][4] = {
        {"names=cp437", "Zo\x89", "Zo\xc3\xab"},
        {"names=shift_jis", "\x93\xfa\x96\x7b.csv", "\xe6\x97\xa5\xe6\x9c\xac.csv"},
        {"names=windows-1251", "\xff", "\xd1\x8f"},
    };
    char options[100], records[200];
    for (size_t i = 0; i < 6; i++) {
        struct archive *a = begin(i % 2 ? ARCHIVE_FORMAT_ZIP : ARCHIVE_FORMAT_TAR_USTAR, NULL);
        put(a, bytes[i / 2][1], "1");
        finish(a);
        snprintf(options, sizeof options, "parser=ndjson\nmember=%s\n%s", bytes[i / 2][2],
                 bytes[i / 2][0]);
        snprintf(records, sizeof records, "{\"member\":\"%s\",\"data\":1}\n", bytes[i / 2][2]);
        expect(options, KIND_NONE, records, "");
    }
}

/* Each member's text is in a charset of its own, if it says so. */
static void test_text_of_members(void **state)
{
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put_kind(a, "a", AE_IFREG, "\xff\xfe\"\0\xe9\0\"\0", 8);
    put(a, "b", "\"\xc3\xa9\"");
    finish(a);
    expect("parser=ndjson", KIND_NONE,
           "{\"member\":\"a\",\"data\":\"\xc3\xa9\"}\n{\"member\":\"b\",\"data\":\"\xc3\xa9\"}\n",
           "");
    a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put(a, "a", "\"\xe9\"");
    finish(a);
    expect("parser=ndjson", KIND_DECODE_ERROR, "", "member \"a\": ");
    expect("parser=ndjson\ncharset=latin1", KIND_NONE, "{\"member\":\"a\",\"data\":\"\xc3\xa9\"}\n",
           "");
    expect("parser=ndjson\ncharset_errors=replace", KIND_NONE,
           "{\"member\":\"a\",\"data\":\"\xef\xbf\xbd\"}\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tar_without_end),
        cmocka_unit_test(test_tars_one_after_another),
        cmocka_unit_test(test_behind_a_cpio),
        cmocka_unit_test(test_hard_links),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_behind_a_filter),
        cmocka_unit_test(test_lzo),
        cmocka_unit_test(test_greedy_filter),
        cmocka_unit_test(test_cut_directory),
        cmocka_unit_test(test_directory_decides),
        cmocka_unit_test(test_links_of_a_zip),
        cmocka_unit_test(test_names_apart),
        cmocka_unit_test(test_names_in_a_charset),
        cmocka_unit_test(test_text_of_members),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, teardown);
}
