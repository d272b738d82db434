#include "parse/archive_input.h"

#include "flow/decode.h"

#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libarchive looks ahead by 512 bytes at most, so what it has not used may begin in an earlier
 * block, by that much. */
#define LOOK_AHEAD 1024

#define LZMA_HEADER 13

#define FILTERED ((size_t)64 << 10)

/* What an .lzma may ask for its dictionary; lz4 and compress have small windows of their own. */
#define MAX_DICTIONARY ((uint32_t)128 << 20)

void archive_input_init(struct archive_input *in, FILE *file, uint64_t max_ratio,
                        uint64_t max_bytes)
{
    *in = (struct archive_input){
        .marked = UINT64_MAX, .max_ratio = max_ratio, .max_bytes = max_bytes};
    block_init(&in->body, file);
}

void archive_input_deinit(struct archive_input *in)
{
    archive_safe_free(&in->filter);
    lzop_free(in->lzop);
    free(in->filtered);
    buf_deinit(&in->head);
    buf_deinit(&in->back);
    buf_deinit(&in->joined);
}

static bool fail(struct archive_input *in, enum error_kind kind, const char *why)
{
    if (in->kind == KIND_NONE) {
        in->kind = kind;
        error_set(&in->why, 0, "%s", why);
    }
    in->ended = true;
    return false;
}

/* --- a filter --------------------------------------------------------------------------------- */

static la_ssize_t read_body(struct archive *archive, void *arg, const void **ret_data)
{
    struct archive_input *in = arg;
    if (!in->head_given) {
        in->head_given = true;
        *ret_data = in->head.data;
        return (la_ssize_t)in->head.len;
    }
    if (block_next(&in->body)) {
        *ret_data = in->body.data;
        return (la_ssize_t)in->body.len;
    }
    if (!ferror(in->body.file))
        return 0;
    archive_set_error(archive, EIO, "the body did not arrive whole");
    return -1;
}

/* What the head has, and then blocks. */
static ssize_t read_lzop(void *arg, char *data, size_t size)
{
    struct archive_input *in = arg;
    bool head = in->head_at < in->head.len;
    if (!head && in->block_at == in->body.len) {
        in->block_at = 0;
        if (!block_next(&in->body))
            return ferror(in->body.file) ? -1 : 0;
    }
    const char *from = head ? in->head.data + in->head_at : in->body.data + in->block_at;
    size_t len = head ? in->head.len - in->head_at : in->body.len - in->block_at;
    len = len < size ? len : size;
    memcpy(data, from, len);
    *(head ? &in->head_at : &in->block_at) += len;
    return (ssize_t)len;
}

static bool begins(const struct buf *head, const char *magic, size_t len)
{
    return head->len >= len && memcmp(head->data, magic, len) == 0;
}

/* lzma has no magic: these are the properties that every encoder writes, and a size that is either
 * not known or not absurd. No tar, cpio or zip file begins so. */
static bool is_lzma(const struct buf *head)
{
    const unsigned char *p = (const unsigned char *)head->data;
    if (head->len < LZMA_HEADER || p[0] != 0x5d || p[1] != 0 || p[2] != 0)
        return false;
    return memcmp(p + 5, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0 || (p[11] == 0 && p[12] == 0);
}

static uint32_t lzma_dictionary(const struct buf *head)
{
    uint32_t size;
    memcpy(&size, head->data + 1, sizeof size);
    return le32toh(size);
}

static archive_support filter_of(const struct buf *head)
{
    if (begins(head, "\x04\x22\x4d\x18", 4) || begins(head, "\x02\x21\x4c\x18", 4))
        return archive_read_support_filter_lz4;
    if (begins(head, "\x1f\x9d", 2))
        return archive_read_support_filter_compress;
    return is_lzma(head) ? archive_read_support_filter_lzma : NULL;
}

static bool fail_filter(struct archive_input *in)
{
    if (in->filter.no_memory)
        return fail(in, KIND_RESOURCES, "out of memory");
    const char *why = archive_error_string(in->filter.archive);
    return fail(in, KIND_DECODE_ERROR, why ? why : "the compressed data is damaged");
}

static bool open_filter(struct archive_input *in, archive_support support)
{
    const archive_support supports[] = {support, archive_read_support_format_raw,
                                        archive_read_support_format_empty, NULL};
    if (support == archive_read_support_filter_lzma && lzma_dictionary(&in->head) > MAX_DICTIONARY)
        return fail(in, KIND_LIMIT_EXCEEDED,
                    "the lzma data asks for a dictionary of more than 128 MiB");
    in->filtered = malloc(FILTERED);
    if (!in->filtered)
        return fail(in, KIND_RESOURCES, "out of memory");
    /* A filter that is ARCHIVE_WARN is a program that it would run. */
    if (archive_safe_open(&in->filter, supports, read_body, in) != ARCHIVE_OK ||
        archive_safe_next(&in->filter) != ARCHIVE_OK)
        return fail_filter(in);
    return true;
}

static bool open_lzop(struct archive_input *in)
{
    in->block_at = in->body.len; /* all of it is in the head */
    in->lzop = lzop_new(read_lzop, in);
    return in->lzop || fail(in, KIND_RESOURCES, "out of memory");
}

static bool fail_lzop(struct archive_input *in)
{
    return fail(in, lzop_no_memory(in->lzop) ? KIND_RESOURCES : KIND_DECODE_ERROR,
                lzop_message(in->lzop));
}

static bool over_limit(struct archive_input *in)
{
    uint64_t given = in->offset + in->len, body = in->body.offset + in->body.len;
    if (in->max_bytes > 0 && given > in->max_bytes)
        return true;
    return in->max_ratio > 0 && given > DECODE_RATIO_FREE && given / in->max_ratio > body;
}

/* libarchive takes an .lzma to end with its first stream, and an .lz4 where no other frame begins,
 * whatever is there. */
static bool is_filter_whole(struct archive_input *in)
{
    uint64_t taken = (uint64_t)archive_filter_bytes(in->filter.archive, -1);
    return taken == in->body.offset + in->body.len && !block_next(&in->body);
}

static bool next_filtered(struct archive_input *in)
{
    const char *data = in->filtered;
    ssize_t n = in->lzop ? lzop_next(in->lzop, &data)
                         : archive_safe_read(&in->filter, in->filtered, FILTERED);
    if (n == 0 && in->filter.archive && !is_filter_whole(in) && !ferror(in->body.file))
        return fail(in, KIND_DECODE_ERROR, "something else follows the end of the compressed data");
    if (n == 0 || ferror(in->body.file))
        return false;
    if (n < 0)
        return in->lzop ? fail_lzop(in) : fail_filter(in);
    in->data = data;
    in->len = (size_t)n;
    return over_limit(in) ? fail(in, KIND_LIMIT_EXCEEDED,
                                 "the archive unpacks to more than is allowed (max_decoded, "
                                 "flow.decode_ratio)")
                          : true;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static bool next_plain(struct archive_input *in)
{
    if (!block_next(&in->body))
        return false;
    in->data = in->body.data;
    in->len = in->body.len;
    return true;
}

/* What a filter is known by may come in pieces, which are put together. */
static bool begin(struct archive_input *in)
{
    in->started = true;
    while (in->head.len < LZMA_HEADER && block_next(&in->body))
        if (buf_put(&in->head, in->body.data, in->body.len) < 0)
            return fail(in, KIND_RESOURCES, "out of memory");
    archive_support support = filter_of(&in->head);
    if (support)
        return open_filter(in, support) && next_filtered(in);
    if (begins(&in->head, LZOP_MAGIC, sizeof LZOP_MAGIC - 1))
        return open_lzop(in) && next_filtered(in);
    in->data = in->head.data;
    in->len = in->head.len;
    return in->len > 0;
}

/* Moves what is to be kept of the block that goes now into `back`. */
static bool keep_back(struct archive_input *in)
{
    uint64_t end = in->offset + in->len, start = in->offset - in->back.len;
    uint64_t from = end > LOOK_AHEAD ? end - LOOK_AHEAD : 0;
    if (in->marked < from)
        from = in->marked;
    if (from < start)
        from = start;
    if (from >= in->offset) {
        buf_reset(&in->back);
        buf_put(&in->back, in->data + (from - in->offset), (size_t)(end - from));
    } else {
        buf_drop(&in->back, (size_t)(from - start));
        buf_put(&in->back, in->data, in->len);
    }
    return !in->back.failed;
}

static void note_zeros(struct archive_input *in)
{
    size_t len = in->len;
    while (len > 0 && in->data[len - 1] == '\0')
        len--;
    if (len > 0)
        in->zeros_from = in->offset + len;
}

bool archive_input_next(struct archive_input *in)
{
    if (in->ended)
        return false;
    if (in->len > 0 && !keep_back(in))
        return fail(in, KIND_RESOURCES, "out of memory");
    in->offset += in->len;
    in->len = 0;
    bool more = !in->started                     ? begin(in)
                : in->filter.archive || in->lzop ? next_filtered(in)
                                                 : next_plain(in);
    if (!more) {
        in->ended = true;
        in->len = 0;
        return false;
    }
    note_zeros(in);
    return true;
}

void archive_input_mark(struct archive_input *in, uint64_t from)
{
    in->marked = from;
}

void archive_input_unmark(struct archive_input *in)
{
    in->marked = UINT64_MAX;
}

const char *archive_input_since(struct archive_input *in, uint64_t from, size_t *ret_len)
{
    uint64_t end = in->offset + in->len, start = in->offset - in->back.len;
    if (from < start || from > end)
        return NULL; /* of a filter that was asked too late */
    *ret_len = (size_t)(end - from);
    if (from >= in->offset)
        return in->len > 0 ? in->data + (from - in->offset) : "";
    buf_reset(&in->joined);
    buf_put(&in->joined, in->back.data + (from - start), (size_t)(in->offset - from));
    buf_put(&in->joined, in->data, in->len);
    return in->joined.failed ? NULL : in->joined.data;
}
