#include "parse/warc_block.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- the file --------------------------------------------------------------------------------- */

void warc_input_init(struct warc_input *in, FILE *file)
{
    *in = (struct warc_input){0};
    block_init(&in->block, file);
}

const char *warc_input_look(struct warc_input *in, size_t *ret_len)
{
    if (in->taken == in->block.len) {
        in->taken = 0;
        if (!block_next(&in->block))
            return NULL;
    }
    *ret_len = in->block.len - in->taken;
    return in->block.data + in->taken;
}

void warc_input_skip(struct warc_input *in, size_t len)
{
    in->taken += len;
}

uint64_t warc_input_offset(const struct warc_input *in)
{
    return in->block.offset + in->taken;
}

/* --- digests ---------------------------------------------------------------------------------- */

static const EVP_MD *algorithm_of(const char *field)
{
    static const struct {
        const char *name;
        const EVP_MD *(*md)(void);
    } known[] = {{"sha1:", EVP_sha1},      {"sha-1:", EVP_sha1},    {"sha256:", EVP_sha256},
                 {"sha-256:", EVP_sha256}, {"sha512:", EVP_sha512}, {"sha-512:", EVP_sha512},
                 {"md5:", EVP_md5}};
    for (size_t i = 0; field && i < sizeof known / sizeof known[0]; i++)
        if (strncasecmp(field, known[i].name, strlen(known[i].name)) == 0)
            return known[i].md();
    return NULL;
}

/* As WARC files mostly have them (RFC 4648, 6), without padding. */
static void put_base32(const unsigned char *data, size_t len, char *to)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | data[i];
        for (have += 8; have >= 5; have -= 5)
            *to++ = letters[bits >> (have - 5) & 31];
    }
    if (have > 0)
        *to++ = letters[bits << (5 - have) & 31];
    *to = '\0';
}

static void put_hex(const unsigned char *data, size_t len, char *to)
{
    for (size_t i = 0; i < len; i++)
        sprintf(to + 2 * i, "%02x", data[i]);
}

bool warc_block_differs(struct warc_block *b, const char *field)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len;
    if (!b->digest || EVP_DigestFinal_ex(b->digest, digest, &len) != 1)
        return false;
    const char *value = strchr(field, ':') + 1;
    size_t said = strcspn(value, "= \t");
    if (said == 2 * (size_t)len)
        put_hex(digest, len, text);
    else
        put_base32(digest, len, text);
    return strlen(text) != said || strncasecmp(text, value, said) != 0;
}

/* --- the block -------------------------------------------------------------------------------- */

int warc_block_begin(struct warc_block *b, struct warc_input *in, uint64_t size, const char *digest)
{
    const EVP_MD *md = algorithm_of(digest);
    *b = (struct warc_block){.in = in, .left = size};
    if (!md)
        return 0;
    b->digest = EVP_MD_CTX_new();
    return b->digest && EVP_DigestInit_ex(b->digest, md, NULL) == 1 ? 0 : -ENOMEM;
}

void warc_block_deinit(struct warc_block *b)
{
    EVP_MD_CTX_free(b->digest);
    b->digest = NULL;
}

/* What is at hand of the block; NULL: nothing (its end, or the file's: *ret_len is 0 or 1). */
static const char *look(struct warc_block *b, size_t *ret_len)
{
    *ret_len = 0;
    if (b->left == 0)
        return NULL;
    const char *data = warc_input_look(b->in, ret_len);
    if (!data) {
        b->why = "it is cut";
        *ret_len = 1;
        return NULL;
    }
    if (*ret_len > b->left)
        *ret_len = (size_t)b->left;
    return data;
}

static void skip(struct warc_block *b, const char *data, size_t len)
{
    if (b->digest)
        EVP_DigestUpdate(b->digest, data, len);
    b->left -= len;
    warc_input_skip(b->in, len);
}

ssize_t warc_block_read(struct warc_block *b, char *data, size_t size)
{
    size_t len;
    const char *from = look(b, &len);
    if (!from)
        return len > 0 ? -1 : 0;
    if (len > size)
        len = size;
    memcpy(data, from, len);
    skip(b, from, len);
    return (ssize_t)len;
}

int warc_block_head(struct warc_block *b, struct warc_head *head)
{
    size_t len, used;
    const char *data;
    int r = 0;
    while (r == 0 && (data = look(b, &len))) {
        r = warc_head_take(head, data, len, &used);
        if (r >= 0)
            skip(b, data, used);
    }
    return r == 0 && b->why ? -1 : r;
}

/* --- chunks ----------------------------------------------------------------------------------- */

void warc_block_chunked(struct warc_block *b)
{
    size_t len;
    const char *data = look(b, &len);
    if (data && isxdigit((unsigned char)*data))
        b->chunks = CHUNKS_SIZE;
}

static ssize_t wrong(struct warc_block *b)
{
    if (!b->why)
        b->why = "its chunks are damaged";
    return -1;
}

/* One byte of what is between chunks. -1: there is none. */
static int take_byte(struct warc_block *b)
{
    size_t len;
    const char *data = look(b, &len);
    if (!data)
        return -1;
    int byte = (unsigned char)*data;
    skip(b, data, 1);
    return byte;
}

/* "1a3f; extension\r\n" */
static bool take_size(struct warc_block *b)
{
    int byte, digits = 0;
    b->chunk = 0;
    while ((byte = take_byte(b)) >= 0 && isxdigit(byte)) {
        if (digits++ == 15)
            return false;
        b->chunk =
            b->chunk * 16 + (uint64_t)(isdigit(byte) ? byte - '0' : tolower(byte) - 'a' + 10);
    }
    while (byte >= 0 && byte != '\n')
        byte = take_byte(b);
    return digits > 0 && byte == '\n';
}

static bool take_line_end(struct warc_block *b)
{
    int byte = take_byte(b);
    if (byte == '\r')
        byte = take_byte(b);
    return byte == '\n';
}

/* The trailer is of no interest. */
static ssize_t end_chunks(struct warc_block *b)
{
    char data[512];
    ssize_t n;
    b->chunks = CHUNKS_DONE;
    do
        n = warc_block_read(b, data, sizeof data);
    while (n > 0);
    return n;
}

static ssize_t read_chunk(struct warc_block *b, char *data, size_t size)
{
    ssize_t n = warc_block_read(b, data, b->chunk < size ? (size_t)b->chunk : size);
    if (n <= 0)
        return wrong(b);
    b->chunk -= (uint64_t)n;
    if (b->chunk == 0)
        b->chunks = CHUNKS_END;
    return n;
}

ssize_t warc_block_payload(struct warc_block *b, char *data, size_t size)
{
    for (;;) {
        switch (b->chunks) {
        case CHUNKS_NONE:
            return warc_block_read(b, data, size);
        case CHUNKS_SIZE:
            if (!take_size(b))
                return wrong(b);
            b->chunks = CHUNKS_DATA;
            if (b->chunk == 0)
                return end_chunks(b);
            break;
        case CHUNKS_DATA:
            return read_chunk(b, data, size);
        case CHUNKS_END:
            if (!take_line_end(b))
                return wrong(b);
            b->chunks = CHUNKS_SIZE;
            break;
        case CHUNKS_DONE:
            return 0;
        }
    }
}
