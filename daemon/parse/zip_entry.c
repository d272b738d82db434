#include "parse/zip_entry.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define EXTRA_ZIP64 0x0001
#define EXTRA_PATH  0x7075 /* Info-ZIP's name in UTF-8 (4.6.9) */

#define FLAG_UTF8 0x0800

enum { MADE_BY_UNIX = 3, MADE_BY_DARWIN = 19 };

uint16_t zip_u16(const char *p)
{
    uint16_t n;
    memcpy(&n, p, sizeof n);
    return le16toh(n);
}

uint32_t zip_u32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return le32toh(n);
}

uint64_t zip_u64(const char *p)
{
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return le64toh(n);
}

/* Those of the three numbers that have no room in the entry, in this order. */
static bool take_zip64(struct zip_entry *e, const char *p, size_t len)
{
    uint64_t *const numbers[] = {&e->size, &e->packed, &e->offset};
    for (size_t i = 0; i < 3; i++) {
        if (*numbers[i] != UINT32_MAX)
            continue;
        if (len < 8)
            return false;
        *numbers[i] = zip_u64(p);
        p += 8;
        len -= 8;
    }
    return true;
}

/* It counts if it was made for the name that stands there: a tool that knows nothing of it may have
 * changed that. */
static void take_path(struct zip_entry *e, const char *p, size_t len)
{
    if (len < 6 || p[0] != 1 ||
        zip_u32(p + 1) != (uint32_t)crc32(0, (const Bytef *)e->raw, (uInt)e->raw_len))
        return;
    e->name = p + 5;
    e->name_len = len - 5;
    e->utf8 = true;
}

static bool take_extra(struct zip_entry *e, const char *p, size_t len)
{
    while (len >= 4) {
        size_t size = zip_u16(p + 2);
        unsigned id = zip_u16(p);
        p += 4;
        len -= 4;
        if (size > len)
            return true; /* what is broken there many programs pass over */
        if (id == EXTRA_ZIP64 && !take_zip64(e, p, size))
            return false;
        if (id == EXTRA_PATH)
            take_path(e, p, size);
        p += size;
        len -= size;
    }
    return true;
}

static long take_names(struct zip_entry *e, const char *text, size_t len, size_t extra_len)
{
    if (e->len > len)
        return (long)e->len;
    e->utf8 = e->flags & FLAG_UTF8;
    return take_extra(e, e->name + e->name_len, extra_len) ? 0 : -1;
}

long zip_entry_local(const char *text, size_t len, struct zip_entry *ret)
{
    if (len < ZIP_LOCAL_SIZE)
        return ZIP_LOCAL_SIZE;
    if (memcmp(text, "PK\3\4", 4) != 0)
        return -1;
    size_t name_len = zip_u16(text + 26), extra_len = zip_u16(text + 28);
    *ret = (struct zip_entry){.name = text + ZIP_LOCAL_SIZE,
                              .raw = text + ZIP_LOCAL_SIZE,
                              .name_len = name_len,
                              .raw_len = name_len,
                              .flags = zip_u16(text + 6),
                              .method = zip_u16(text + 8),
                              .crc = zip_u32(text + 14),
                              .packed = zip_u32(text + 18),
                              .size = zip_u32(text + 22),
                              .len = ZIP_LOCAL_SIZE + name_len + extra_len};
    return take_names(ret, text, len, extra_len);
}

long zip_entry_central(const char *text, size_t len, struct zip_entry *ret)
{
    if (len < ZIP_CENTRAL_SIZE)
        return ZIP_CENTRAL_SIZE;
    if (memcmp(text, "PK\1\2", 4) != 0)
        return -1;
    size_t name_len = zip_u16(text + 28), extra_len = zip_u16(text + 30);
    *ret = (struct zip_entry){.name = text + ZIP_CENTRAL_SIZE,
                              .raw = text + ZIP_CENTRAL_SIZE,
                              .name_len = name_len,
                              .raw_len = name_len,
                              .made_by = zip_u16(text + 4) >> 8,
                              .flags = zip_u16(text + 8),
                              .method = zip_u16(text + 10),
                              .crc = zip_u32(text + 16),
                              .packed = zip_u32(text + 20),
                              .size = zip_u32(text + 24),
                              .attributes = zip_u32(text + 38),
                              .offset = zip_u32(text + 42),
                              .len = ZIP_CENTRAL_SIZE + name_len + extra_len + zip_u16(text + 32)};
    return take_names(ret, text, len, extra_len);
}

bool zip_entry_is_bounded(const struct zip_entry *e)
{
    enum { STORED = 0, DEFLATED = 8, BZIP2 = 12, ZSTD = 93 };
    return e->method == STORED || e->method == DEFLATED || e->method == BZIP2 || e->method == ZSTD;
}

static bool is_unix(const struct zip_entry *e)
{
    return e->made_by == MADE_BY_UNIX || e->made_by == MADE_BY_DARWIN;
}

bool zip_entry_is_directory(const struct zip_entry *e)
{
    if (e->name_len > 0 && e->name[e->name_len - 1] == '/')
        return true;
    return is_unix(e) ? S_ISDIR(e->attributes >> 16) : e->attributes & 0x10;
}

const char *zip_entry_kind(const struct zip_entry *e)
{
    mode_t mode = e->attributes >> 16;
    if (zip_entry_is_directory(e))
        return "a directory";
    if (!is_unix(e))
        return NULL;
    if (S_ISLNK(mode))
        return "a symbolic link";
    if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
        return "no file";
    return NULL; /* a FIFO, too: Info-ZIP's zip takes that for the mode of what it reads from one */
}
