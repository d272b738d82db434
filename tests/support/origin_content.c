#include "support/origin_content.h"

#include "base/fd.h"
#include "support/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define BIG (UINT64_C(1) << 30)

const struct content_rows content_lines = {"/lines", "", "line #\n", "text/plain"};
const struct content_rows content_csv = {"/csv", "id,name,note\n",
                                         "#,name #,\"a \"\"quoted\"\", note #\"\n", "text/csv"};
const struct content_rows content_ndjson = {"/ndjson", "", "{\"id\":#,\"name\":\"name #\"}\n",
                                            "application/x-ndjson"};

/* A row whose number has `digits` digits is of this size; all of a size lie together, which makes
 * the place of any byte a matter of a few divisions. */
static uint64_t row_size(const struct content_rows *rows, unsigned digits)
{
    uint64_t size = 0;
    for (const char *p = rows->row; *p; p++)
        size += *p == '#' ? digits : 1;
    return size;
}

static uint64_t rows_of(unsigned digits)
{
    uint64_t first = 1;
    while (--digits > 0)
        first *= 10;
    return first * 9;
}

void content_set_rows(struct content *content, const struct content_rows *rows, uint64_t count)
{
    content->kind = CONTENT_ROWS;
    content->rows = rows;
    content->type = rows->type;
    content->size = CONTENT_ENDLESS;
    if (count >= BIG << 10)
        return;
    content->size = strlen(rows->header);
    for (unsigned digits = 1; count > 0; digits++) {
        uint64_t here = count < rows_of(digits) ? count : rows_of(digits);
        content->size += here * row_size(rows, digits);
        count -= here;
    }
}

int content_set_memory(struct content *content, const void *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    if (!copy)
        return -ENOMEM;
    if (len > 0)
        memcpy(copy, data, len);
    content->kind = CONTENT_MEMORY;
    content->data = copy;
    content->size = len;
    return 0;
}

int content_set_file(struct content *content, const char *root, const char *path)
{
    char full[4096];
    struct stat st;
    if (strstr(path, "..") || snprintf(full, sizeof full, "%s/%s", root, path) >= (int)sizeof full)
        return -ENOENT;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        fd_close(&fd);
        return -ENOENT;
    }
    content->kind = CONTENT_FILE;
    content->fd = fd;
    content->size = (uint64_t)st.st_size;
    content->modified = st.st_mtim.tv_sec;
    content->type = "application/octet-stream";
    return 0;
}

void content_deinit(struct content *content)
{
    if (content->kind == CONTENT_MEMORY)
        free(content->data);
    if (content->kind == CONTENT_FILE)
        fd_close(&content->fd);
    *content = (struct content){0};
}

/* Writes row `number` from its byte `skip` on, at most len bytes; how many it wrote. */
static size_t put_row(const struct content_rows *rows, uint64_t number, size_t skip, char *ret,
                      size_t len)
{
    char text[128], digits[24];
    int width = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    size_t n = 0;
    for (const char *p = rows->row; *p; p++) {
        if (*p == '#') {
            memcpy(text + n, digits, (size_t)width);
            n += (size_t)width;
        } else {
            text[n++] = *p;
        }
    }
    n = n - skip < len ? n - skip : len;
    memcpy(ret, text + skip, n);
    return n;
}

static void read_rows(const struct content_rows *rows, uint64_t offset, char *ret, size_t len)
{
    size_t done = 0, header = strlen(rows->header);
    if (offset < header) {
        done = header - offset < len ? (size_t)(header - offset) : len;
        memcpy(ret, rows->header + offset, done);
        offset = header;
    }
    offset -= header;
    uint64_t number = 1;
    unsigned digits = 1;
    while (offset >= rows_of(digits) * row_size(rows, digits)) {
        offset -= rows_of(digits) * row_size(rows, digits);
        number += rows_of(digits++);
    }
    number += offset / row_size(rows, digits);
    size_t skip = (size_t)(offset % row_size(rows, digits));
    for (; done < len; skip = 0)
        done += put_row(rows, number++, skip, ret + done, len - done);
}

ssize_t content_read(const struct content *content, uint64_t offset, char *ret, size_t len)
{
    if (offset >= content->size)
        return 0;
    if (len > content->size - offset)
        len = (size_t)(content->size - offset);
    ssize_t n;
    switch (content->kind) {
    case CONTENT_BYTES:
        for (size_t i = 0; i < len; i++)
            ret[i] = (char)(origin_pattern(offset + i) + content->version);
        break;
    case CONTENT_ZEROS:
        memset(ret, 0, len);
        break;
    case CONTENT_ROWS:
        read_rows(content->rows, offset, ret, len);
        break;
    case CONTENT_MEMORY:
        memcpy(ret, content->data + offset, len);
        break;
    case CONTENT_FILE:
        do
            n = pread(content->fd, ret, len, (off_t)offset);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n == 0 ? -EIO : n;
    }
    return (ssize_t)len;
}

/* Content [from, to) as one gzip member. */
static int put_member(const struct content *content, uint64_t from, uint64_t to, struct buf *ret)
{
    char in[16384];
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int r = 0;
    for (int state = Z_OK; r == 0 && state != Z_STREAM_END;) {
        if (z.avail_in == 0 && from < to) {
            size_t want = to - from < sizeof in ? (size_t)(to - from) : sizeof in;
            ssize_t n = content_read(content, from, in, want);
            if (n < 0) {
                r = (int)n;
                break;
            }
            from += (uint64_t)n;
            z.next_in = (unsigned char *)in;
            z.avail_in = (uInt)n;
        }
        r = buf_reserve(ret, 16384);
        if (r < 0)
            break;
        z.next_out = (unsigned char *)ret->data + ret->len;
        z.avail_out = 16384;
        state = deflate(&z, from < to ? Z_NO_FLUSH : Z_FINISH);
        ret->len += 16384 - z.avail_out;
    }
    deflateEnd(&z);
    return r;
}

int content_gzip(struct content *content, const char *how)
{
    if (content->size > BIG)
        return -EFBIG;
    struct buf out = BUF_INIT;
    uint64_t middle = strcmp(how, "2") == 0 ? content->size / 2 : content->size;
    int r = put_member(content, 0, middle, &out);
    if (r == 0 && strcmp(how, "2") == 0)
        r = put_member(content, middle, content->size, &out);
    if (r < 0) {
        buf_deinit(&out);
        return r;
    }
    if (strcmp(how, "crc") == 0)
        out.data[out.len - 8] ^= 1; /* the trailer is CRC-32, then the size: RFC 1952 */
    struct content packed = {.kind = CONTENT_MEMORY,
                             .type = content->type,
                             .modified = content->modified,
                             .size = out.len};
    packed.data = buf_steal(&out);
    content_deinit(content);
    *content = packed;
    return 0;
}

int content_sha256(const struct content *content, unsigned char ret[32])
{
    char piece[16384];
    if (content->size > BIG)
        return -EFBIG;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int r = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) ? 0 : -ENOMEM;
    for (uint64_t offset = 0; r == 0 && offset < content->size;) {
        ssize_t n = content_read(content, offset, piece, sizeof piece);
        if (n < 0 || !EVP_DigestUpdate(md, piece, (size_t)n))
            r = -EIO;
        else
            offset += (uint64_t)n;
    }
    if (r == 0 && !EVP_DigestFinal_ex(md, ret, NULL))
        r = -EIO;
    EVP_MD_CTX_free(md);
    return r;
}
