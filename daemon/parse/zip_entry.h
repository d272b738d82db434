/* A member as a zip file tells of it: in the header before its data, and once more in the directory
 * at the end (APPNOTE 6.3.10, 4.3.7 and 4.3.12). Any thread. */
#ifndef PENSTOCK_PARSE_ZIP_ENTRY_H
#define PENSTOCK_PARSE_ZIP_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZIP_LOCAL_SIZE   30 /* without name and extra field */
#define ZIP_CENTRAL_SIZE 46

struct zip_entry {
    /* Both within the text that was read: the name, and what stands in its place for old
     * programs. */
    const char *name, *raw;
    size_t name_len, raw_len;
    bool utf8; /* the name is said to be UTF-8 */
    unsigned flags, method, made_by;
    uint32_t crc, attributes; /* of the directory alone: external attributes */
    uint64_t size, packed;
    uint64_t offset; /* of the directory alone: of the member's header */
    size_t len;      /* of all of this in the file */
};

/* Size and checksum stand behind the data, as they were not known before. */
static inline bool zip_entry_is_late(const struct zip_entry *e)
{
    return e->flags & 8;
}

/* Each reads the entry at `text`, of which there are `len` bytes. 0 and the entry; or how many
 * bytes it takes to go on; or -1: it is none. */
long zip_entry_local(const char *text, size_t len, struct zip_entry *ret);
long zip_entry_central(const char *text, size_t len, struct zip_entry *ret);

/* Does its way to compress take a bounded memory? Some take whatever the file asks for. */
bool zip_entry_is_bounded(const struct zip_entry *e);

/* For an entry of the directory: is it something else than a file with content of its own? NULL, or
 * "a symbolic link", … */
const char *zip_entry_kind(const struct zip_entry *e);
bool zip_entry_is_directory(const struct zip_entry *e);

/* Little-endian, at p. */
uint16_t zip_u16(const char *p);
uint32_t zip_u32(const char *p);
uint64_t zip_u64(const char *p);

#endif
