/* What a body is made of: generated, from memory or from a file; readable at any offset, so that
 * ranges and resumes cost nothing. */
#ifndef TESTS_SUPPORT_ORIGIN_CONTENT_H
#define TESTS_SUPPORT_ORIGIN_CONTENT_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTENT_ENDLESS (UINT64_MAX >> 1)

enum content_kind { CONTENT_BYTES, CONTENT_ZEROS, CONTENT_ROWS, CONTENT_MEMORY, CONTENT_FILE };

/* Rows that differ in their number alone, which '#' stands for in `row`. */
struct content_rows {
    const char *path, *header, *row, *type;
};
extern const struct content_rows content_lines, content_csv, content_ndjson;

struct content {
    enum content_kind kind;
    uint64_t size; /* CONTENT_ENDLESS or less */
    const char *type;
    const struct content_rows *rows;
    char *data;       /* CONTENT_MEMORY's, owned */
    int fd;           /* CONTENT_FILE's, owned */
    unsigned version; /* CONTENT_BYTES': what is added to each byte */
    int64_t modified; /* seconds since 1970 */
};

/* `count` rows, or CONTENT_ENDLESS. */
void content_set_rows(struct content *content, const struct content_rows *rows, uint64_t count);
/* Copies. 0 or -ENOMEM. */
int content_set_memory(struct content *content, const void *data, size_t len);
/* A regular file `path` below `root`. 0 or a negative errno. */
int content_set_file(struct content *content, const char *root, const char *path);
void content_deinit(struct content *content);

/* min(len, size - offset) bytes from offset on; the count, or a negative errno (a file that shrank:
 * -EIO). */
ssize_t content_read(const struct content *content, uint64_t offset, char *ret, size_t len);

/* Replaces the content by itself in gzip: "1", "2" (two members) or "crc" (a wrong checksum). 0,
 * -EFBIG if it is over 1 GiB, or -ENOMEM. */
int content_gzip(struct content *content, const char *how);

/* SHA-256 of all of it. 0, -EFBIG or -EIO. */
int content_sha256(const struct content *content, unsigned char ret[32]);

#endif
