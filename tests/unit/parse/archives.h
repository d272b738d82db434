/* Archives written by libarchive into memory, and the parser over them, in pieces of several
 * sizes. */
#ifndef TESTS_UNIT_PARSE_ARCHIVES_H
#define TESTS_UNIT_PARSE_ARCHIVES_H

#include "samples.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#define ROOM ((size_t)1 << 20)

struct file {
    char data[ROOM];
    size_t len;
};

static struct file *file;
static locale_t utf8; /* for the writers; the parser has to do without */

static inline int setup(void **state)
{
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    assert_true(utf8 != (locale_t)0);
    file = malloc(sizeof *file);
    return file ? 0 : -1;
}

static inline int teardown(void **state)
{
    free(file);
    freelocale(utf8);
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static inline struct archive *begin_filtered(int format, const char *options, int filter)
{
    struct archive *a = archive_write_new();
    assert_non_null(a);
    uselocale(utf8);
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
    if (options)
        assert_int_equal(archive_write_set_options(a, options), ARCHIVE_OK);
    if (options && strstr(options, "encryption"))
        assert_int_equal(archive_write_set_passphrase(a, "x"), ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open_memory(a, file->data, ROOM, &file->len), ARCHIVE_OK);
    return a;
}

static inline struct archive *begin(int format, const char *options)
{
    return begin_filtered(format, options, ARCHIVE_FILTER_NONE);
}

static inline void put_kind(struct archive *a, const char *name, mode_t type, const void *data,
                            size_t len)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)len);
    archive_entry_set_mtime(entry, 1000000000, 0);
    if (type == AE_IFLNK)
        archive_entry_set_symlink(entry, "target");
    assert_true(archive_write_header(a, entry) >= ARCHIVE_WARN); /* of names that are no UTF-8 */
    if (len > 0)
        assert_int_equal(archive_write_data(a, data, len), len);
    archive_entry_free(entry);
}

static inline void put(struct archive *a, const char *name, const char *text)
{
    put_kind(a, name, AE_IFREG, text, strlen(text));
}

static inline void finish(struct archive *a)
{
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    uselocale(LC_GLOBAL_LOCALE);
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t skipped; /* members, of the last run */

static inline void expect(const char *options, enum error_kind kind, const char *records,
                          const char *message)
{
    static const size_t chunks[] = {1, 100, 512, 4096};
    for (size_t i = file->len > 50000 ? 3 : 0; i < 4; i++) {
        struct harness h;
        harness_init(&h, &parser_archive, options);
        h.chunk = chunks[i];
        harness_run(&h, file->data, file->len);
        if (h.task.kind != kind || !strstr(h.task.message, message))
            fail_msg("%s: %s", kind_name(h.task.kind), h.task.message);
        assert_string_equal(h.records.data, records);
        assert_int_equal(h.task.result, kind == KIND_NONE ? PENSTOCK_OK : PENSTOCK_FAILED);
        skipped = h.task.skipped;
        harness_deinit(&h);
    }
}

#endif
