/* The directory that a zip file ends with, against the members as they went by: the directory
 * decides what is in the file (APPNOTE 4.3.12 and 4.3.16), and comes last. A member that it does
 * not have, or has with another name, size or checksum, or a directory that is cut, damaged or
 * followed by something else, is a fault of the file. One thread. */
#ifndef PENSTOCK_PARSE_ZIP_DIRECTORY_H
#define PENSTOCK_PARSE_ZIP_DIRECTORY_H

#include "base/error.h"
#include "parse/archive_input.h"
#include "parse/zip_entry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is remembered of a member. */
struct zip_member {
    uint64_t offset; /* of its header */
    uint64_t check;  /* a hash of name, size and checksum */
    bool wanted, named;
};

struct zip_directory {
    struct zip_member *members; /* in the order of their offsets */
    size_t count, size;
    uint64_t seed;
    /* Called for each entry that is neither file nor directory, or was wanted as a file and is
     * none. Negative: it is too late to skip it. */
    int (*on_other)(void *arg, size_t member, bool wanted);
    void *arg;
};

void zip_directory_init(struct zip_directory *d, int (*on_other)(void *, size_t, bool), void *arg);
void zip_directory_deinit(struct zip_directory *d);

/* The next member, of which the header was read. 0 or -ENOMEM. */
int zip_directory_begin(struct zip_directory *d, const struct zip_entry *local, uint64_t offset);

/* And now its data as well. */
void zip_directory_end(struct zip_directory *d, uint64_t size, uint32_t crc, bool wanted);

/* Reads the directory, which begins at `from` or later, up to the body's end. 0; -EIO: the body
 * cannot be had; -EINVAL with a sentence; -ENOMEM. */
int zip_directory_read(struct zip_directory *d, struct archive_input *in, uint64_t from,
                       struct error *why);

#endif
