#include "parse/lzop.h"

#include "base/buf.h"
#include "parse/lzo.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_BLOCK ((uint32_t)64 << 20) /* as lzop has it; it writes 256 KiB */

enum flag {
    ADLER_DATA = 0x1,
    ADLER_CODED = 0x2,
    EXTRA = 0x40,
    CRC_DATA = 0x100,
    CRC_CODED = 0x200,
    FILTER = 0x800,
    CRC_HEADER = 0x1000,
};

struct lzop {
    lzop_source source;
    void *arg;
    uint32_t flags;
    bool open;           /* within a file: blocks come */
    bool any;            /* there was one */
    uint32_t adler, crc; /* of the header so far */
    struct buf coded, data;
    const char *message;
    bool failed;
};

struct lzop *lzop_new(lzop_source source, void *arg)
{
    struct lzop *z = calloc(1, sizeof *z);
    if (z) {
        z->source = source;
        z->arg = arg;
    }
    return z;
}

void lzop_free(struct lzop *z)
{
    if (!z)
        return;
    buf_deinit(&z->coded);
    buf_deinit(&z->data);
    free(z);
}

const char *lzop_message(const struct lzop *z)
{
    return z->message;
}

bool lzop_no_memory(const struct lzop *z)
{
    return z->coded.failed || z->data.failed;
}

static bool fail(struct lzop *z, const char *why)
{
    if (!z->failed)
        z->message = why;
    z->failed = true;
    return false;
}

/* How many of them there were. */
static size_t read_some(struct lzop *z, void *to, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = z->source(z->arg, (char *)to + have, size - have);
        if (n < 0)
            fail(z, NULL);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    return have;
}

static bool read_all(struct lzop *z, void *to, size_t size)
{
    return read_some(z, to, size) == size || fail(z, "the lzo data is cut");
}

static uint32_t read_u32(struct lzop *z)
{
    uint32_t n = 0;
    read_all(z, &n, sizeof n);
    return be32toh(n);
}

/* --- the header ------------------------------------------------------------------------------- */

/* A number of `size` bytes, which its checksum covers. */
static uint32_t header_number(struct lzop *z, size_t size)
{
    unsigned char bytes[4];
    uint32_t n = 0;
    if (!read_all(z, bytes, size))
        return 0;
    z->adler = (uint32_t)adler32(z->adler, bytes, (uInt)size);
    z->crc = (uint32_t)crc32(z->crc, bytes, (uInt)size);
    for (size_t i = 0; i < size; i++)
        n = n << 8 | bytes[i];
    return n;
}

static bool skip_extra(struct lzop *z)
{
    char data[512];
    uint32_t left = read_u32(z);
    for (uint32_t n; left > 0 && !z->failed; left -= n) {
        n = left < sizeof data ? left : (uint32_t)sizeof data;
        read_all(z, data, n);
    }
    read_u32(z);
    return !z->failed;
}

static bool read_header(struct lzop *z)
{
    z->adler = 1;
    z->crc = 0;
    uint32_t version = header_number(z, 2);
    header_number(z, 2);
    if (version >= 0x0940)
        header_number(z, 2);
    uint32_t method = header_number(z, 1);
    if (version >= 0x0940)
        header_number(z, 1);
    z->flags = header_number(z, 4);
    if (z->flags & FILTER)
        return fail(z, "the lzo data was filtered in a way that is not known here");
    for (int i = version >= 0x0940 ? 3 : 2; i > 0; i--) /* mode, time */
        header_number(z, 4);
    for (uint32_t len = header_number(z, 1); len > 0 && !z->failed; len--)
        header_number(z, 1);
    uint32_t wanted = z->flags & CRC_HEADER ? z->crc : z->adler;
    if (!z->failed && read_u32(z) != wanted)
        return fail(z, "the lzo header is damaged");
    if (!z->failed && (method < 1 || method > 3))
        return fail(z, "the lzo data is in a coding that is not known here");
    return !z->failed && (!(z->flags & EXTRA) || skip_extra(z));
}

/* The next file of several. False: there is none, or a fault. */
static bool begin(struct lzop *z)
{
    char magic[sizeof LZOP_MAGIC - 1];
    size_t n = read_some(z, magic, sizeof magic);
    if (n == 0 && z->any)
        return false;
    if (n < sizeof magic || memcmp(magic, LZOP_MAGIC, sizeof magic) != 0)
        return fail(z, "what follows the lzo data is none");
    z->any = z->open = read_header(z);
    return z->open;
}

/* --- blocks ----------------------------------------------------------------------------------- */

struct sums {
    bool adler_there, crc_there;
    uint32_t adler, crc;
};

static struct sums read_sums(struct lzop *z, uint32_t adler, uint32_t crc)
{
    struct sums s = {z->flags & adler, z->flags & crc, 0, 0};
    s.adler = s.adler_there ? read_u32(z) : 0;
    s.crc = s.crc_there ? read_u32(z) : 0;
    return s;
}

static bool fits(const struct sums *s, const struct buf *b)
{
    const Bytef *data = (const Bytef *)b->data;
    return (!s->adler_there || s->adler == adler32(1, data, (uInt)b->len)) &&
           (!s->crc_there || s->crc == crc32(0, data, (uInt)b->len));
}

static bool room(struct lzop *z, struct buf *b, uint32_t size)
{
    buf_reset(b);
    if (buf_reserve(b, size + 1) < 0)
        return fail(z, "out of memory");
    b->len = size;
    return true;
}

/* False: the file has ended, or a fault. */
static bool take_block(struct lzop *z)
{
    uint32_t size = read_u32(z);
    if (z->failed || size == 0) {
        z->open = false;
        return false;
    }
    uint32_t coded = read_u32(z);
    if (size > MAX_BLOCK || coded > size || coded == 0)
        return fail(z, "the lzo data is damaged");
    struct sums data_sums = read_sums(z, ADLER_DATA, CRC_DATA), coded_sums = {0};
    if (coded < size)
        coded_sums = read_sums(z, ADLER_CODED, CRC_CODED);
    struct buf *to = coded < size ? &z->coded : &z->data;
    if (z->failed || !room(z, to, coded) || !read_all(z, to->data, coded))
        return false;
    if (coded < size) {
        if (!room(z, &z->data, size) || !fits(&coded_sums, &z->coded) ||
            !lzo_decode((const unsigned char *)z->coded.data, coded, (unsigned char *)z->data.data,
                        size))
            return fail(z, "the lzo data is damaged");
    }
    return fits(&data_sums, &z->data) || fail(z, "the lzo data has another checksum");
}

ssize_t lzop_next(struct lzop *z, const char **ret_data)
{
    while (!z->failed) {
        if (!z->open && !begin(z))
            break;
        if (take_block(z)) {
            *ret_data = z->data.data;
            return (ssize_t)z->data.len;
        }
    }
    return z->failed ? -1 : 0;
}
