#include "parse/zip_directory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define END_SIZE     22 /* without the comment */
#define END64_SIZE   56
#define LOCATOR_SIZE 20
#define MAX_RECORD   ((size_t)4 << 20) /* of anything that says itself how long it is */

/* The numbers of the directory's end. */
struct ending {
    bool seen, seen64;
    uint64_t entries;
};

struct reader {
    struct zip_directory *d;
    struct archive_input *in;
    uint64_t at;
    uint64_t entries;
    size_t next; /* the member that the next entry is of, in all likelihood */
    struct ending end;
    struct error *why;
};

/* --- what went by ----------------------------------------------------------------------------- */

void zip_directory_init(struct zip_directory *d, int (*on_other)(void *, size_t, bool), void *arg)
{
    *d = (struct zip_directory){.on_other = on_other, .arg = arg};
    /* Without it a file could be made to fit; with less of it only an accident must not. */
    if (getrandom(&d->seed, sizeof d->seed, GRND_NONBLOCK) < 0)
        d->seed = (uintptr_t)d;
}

void zip_directory_deinit(struct zip_directory *d)
{
    free(d->members);
    d->members = NULL;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t check_of(const struct zip_directory *d, const struct zip_entry *e)
{
    uint64_t hash = mix(d->seed, e->raw_len), part;
    size_t i = 0;
    for (; i + sizeof part <= e->raw_len; i += sizeof part) {
        memcpy(&part, e->raw + i, sizeof part);
        hash = mix(hash, part);
    }
    for (; i < e->raw_len; i++)
        hash = mix(hash, (unsigned char)e->raw[i]);
    return hash;
}

int zip_directory_begin(struct zip_directory *d, const struct zip_entry *local, uint64_t offset)
{
    if (d->count == d->size) {
        size_t more = d->size ? 2 * d->size : 16;
        struct zip_member *members = reallocarray(d->members, more, sizeof *members);
        if (!members)
            return -ENOMEM;
        d->members = members;
        d->size = more;
    }
    d->members[d->count++] = (struct zip_member){.offset = offset, .check = check_of(d, local)};
    return 0;
}

void zip_directory_end(struct zip_directory *d, uint64_t size, uint32_t crc, bool wanted)
{
    struct zip_member *m = &d->members[d->count - 1];
    m->check = mix(mix(m->check, size), crc);
    m->wanted = wanted;
}

static int compare(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static struct zip_member *find(struct reader *r, uint64_t offset)
{
    struct zip_directory *d = r->d;
    struct zip_member key = {.offset = offset}, *m = NULL;
    if (r->next < d->count && d->members[r->next].offset == offset)
        m = &d->members[r->next];
    else if (d->count > 0)
        m = bsearch(&key, d->members, d->count, sizeof key, compare);
    if (m)
        r->next = (size_t)(m - d->members) + 1;
    return m;
}

/* --- the directory's parts -------------------------------------------------------------------- */

static int fail(struct reader *r, const char *what, const struct zip_entry *e)
{
    return error_set(r->why, -EINVAL, "the zip's directory %s \"%.*s\"", what,
                     (int)(e->raw_len < 200 ? e->raw_len : 200), e->raw);
}

static int fail_cut(struct reader *r)
{
    if (r->in->kind != KIND_NONE || ferror(r->in->body.file))
        return -EIO;
    return error_set(r->why, -EINVAL, "the zip's directory is cut: its end is missing");
}

/* The bytes from `at` on, at least `need` of them. NULL: there are not so many; *ret_len how many
 * there are. */
static const char *look(struct reader *r, size_t need, size_t *ret_len)
{
    archive_input_mark(r->in, r->at);
    for (;;) {
        const char *text = archive_input_since(r->in, r->at, ret_len);
        if (!text || *ret_len >= need)
            return text;
        if (!archive_input_next(r->in))
            return NULL;
    }
}

/* Passes over `len` bytes that are there. */
static int skip(struct reader *r, uint64_t len)
{
    size_t have;
    if (len > MAX_RECORD || !look(r, (size_t)len, &have))
        return fail_cut(r);
    r->at += len;
    return 0;
}

static int judge(struct reader *r, const struct zip_entry *e)
{
    struct zip_member *m = find(r, e->offset);
    if (!m)
        return fail(r, "names what is not there:", e);
    if (m->named)
        return fail(r, "names twice what is there once:", e);
    m->named = true;
    if (m->check != mix(mix(check_of(r->d, e), e->size), e->crc))
        return fail(r, "has another name, size or checksum than the member itself:", e);
    const char *kind = zip_entry_kind(e);
    size_t number = (size_t)(m - r->d->members);
    if (!kind || (!m->wanted && zip_entry_is_directory(e)) ||
        r->d->on_other(r->d->arg, number, m->wanted) >= 0)
        return 0;
    return error_set(r->why, -EINVAL,
                     "member \"%.*s\" was read as a file, and is %s by the zip's directory",
                     (int)(e->raw_len < 200 ? e->raw_len : 200), e->raw, kind);
}

static int take_entry(struct reader *r)
{
    struct zip_entry entry;
    size_t len = 0;
    long need = ZIP_CENTRAL_SIZE;
    while (need > 0) {
        const char *text = look(r, (size_t)need, &len);
        if (!text)
            return fail_cut(r);
        need = zip_entry_central(text, len, &entry);
    }
    if (need < 0)
        return error_set(r->why, -EINVAL, "the zip's directory is damaged");
    r->entries++;
    r->at += entry.len;
    return judge(r, &entry);
}

static int take_end64(struct reader *r)
{
    size_t len;
    const char *text = look(r, END64_SIZE, &len);
    if (!text)
        return fail_cut(r);
    r->end.seen64 = true;
    r->end.entries = zip_u64(text + 32);
    return skip(r, 12 + zip_u64(text + 4));
}

static int take_signature(struct reader *r)
{
    size_t len;
    const char *text = look(r, 6, &len);
    return text ? skip(r, 6 + zip_u16(text + 4)) : fail_cut(r);
}

static int take_end(struct reader *r)
{
    size_t len;
    const char *text = look(r, END_SIZE, &len);
    if (!text)
        return fail_cut(r);
    unsigned entries = zip_u16(text + 10);
    r->end.seen = true;
    if (!r->end.seen64)
        r->end.entries = entries;
    if (entries != UINT16_MAX && entries != (r->end.entries & UINT16_MAX))
        return error_set(r->why, -EINVAL, "the zip's directory contradicts itself");
    return skip(r, END_SIZE + zip_u16(text + 20));
}

/* --- the directory ---------------------------------------------------------------------------- */

static const struct {
    char magic[5];
    int (*take)(struct reader *r);
} parts[] = {{"PK\1\2", take_entry},
             {"PK\5\6", take_end},
             {"PK\6\6", take_end64},
             {"PK\5\5", take_signature}};
#define PARTS (sizeof parts / sizeof parts[0])

static size_t part_at(const char *text)
{
    size_t i = 0;
    while (i < PARTS && memcmp(text, parts[i].magic, 4) != 0)
        i++;
    return i;
}

/* There may be something between the members and the directory, as in signed packages of Android;
 * libarchive looks for it in the same way. */
static int find_begin(struct reader *r)
{
    size_t len;
    for (;;) {
        const char *text = look(r, 4, &len);
        if (!text)
            return fail_cut(r);
        for (size_t i = 0; i + 4 <= len; i++, r->at++)
            if (part_at(text + i) < PARTS)
                return 0;
    }
}

static int take_parts(struct reader *r)
{
    int e = find_begin(r);
    while (e == 0 && !r->end.seen) {
        size_t len;
        const char *text = look(r, 4, &len);
        if (!text)
            return fail_cut(r);
        if (memcmp(text, "PK\6\7", 4) == 0) {
            e = skip(r, LOCATOR_SIZE);
            continue;
        }
        size_t part = part_at(text);
        if (part == PARTS)
            return error_set(r->why, -EINVAL, "the zip's directory is damaged");
        e = parts[part].take(r);
    }
    return e;
}

static int judge_all(struct reader *r)
{
    const struct zip_directory *d = r->d;
    if (r->end.entries != r->entries)
        return error_set(r->why, -EINVAL,
                         "the zip's directory says that it has %" PRIu64
                         " entries, and has %" PRIu64,
                         r->end.entries, r->entries);
    for (size_t i = 0; i < d->count; i++)
        if (!d->members[i].named)
            return error_set(
                r->why, -EINVAL,
                "the zip's directory does not name the member whose header is at byte %" PRIu64,
                d->members[i].offset);
    return 0;
}

/* Zeros, as from a tape or a padded download, are nothing. */
static int judge_rest(struct reader *r)
{
    struct archive_input *in = r->in;
    archive_input_unmark(in);
    while (archive_input_next(in))
        if (in->zeros_from > r->at)
            break;
    if (in->kind != KIND_NONE || ferror(in->body.file))
        return -EIO;
    return in->zeros_from <= r->at
               ? 0
               : error_set(r->why, -EINVAL,
                           "something follows behind the zip's end, at byte %" PRIu64, r->at);
}

int zip_directory_read(struct zip_directory *d, struct archive_input *in, uint64_t from,
                       struct error *why)
{
    struct reader r = {.d = d, .in = in, .at = from, .why = why};
    int e = take_parts(&r);
    if (e == 0)
        e = judge_all(&r);
    return e == 0 ? judge_rest(&r) : e;
}
