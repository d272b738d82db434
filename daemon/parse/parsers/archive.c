/* archive: the members of a tar, cpio or zip file, each read by another parser, as they come by;
 * nothing touches the disk. A record is {"member":"dir/a.csv","data":…}, data being the inner
 * parser's record; and "escaped":true, if the name is no text (parse/member_name.h).
 *
 * `parser` says which parser, `member` which members by a pattern (fnmatch(3); * goes over slashes
 * too, @(*.csv|*.tsv) is either). The inner parser's options have its name in front: csv_delimiter.
 * Only files that have content of their own are read: no directories, links, devices, which are
 * passed over and counted. A member that is compressed itself (a.csv.gz) is decoded, unless
 * decode=none.
 *
 * A .tar.gz and the like is decoded before (the job's `decode`); .lz4, .lzma, .lzo and .Z here. Tar
 * files may follow one another. Whatever ends without its format's end is cut: a tar's two blocks
 * of zeros, a cpio's trailer, a zip's directory.
 *
 * A zip is read as it comes, and its directory, which decides what is in it, comes last: what it
 * says otherwise than the members' own headers fails the job then. It alone tells links from files;
 * so a small member that could be the target of a link (HELD_SIZE bytes at most, and on one line)
 * waits for the directory, as long as there is room to keep it, and its records come last. Of the
 * ways to compress only deflate, bzip2 and zstd are taken, whose memory is bounded. */
#include "parse/registry.h"

#include "base/error.h"
#include "base/json_string.h"
#include "base/list.h"
#include "base/utf8.h"
#include "parse/archive_input.h"
#include "parse/archive_safe.h"
#include "parse/held.h"
#include "parse/inner.h"
#include "parse/member.h"
#include "parse/member_name.h"
#include "parse/options.h"
#include "parse/zip_directory.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Bytes of the body from the end of a member's data to the next member's. libarchive keeps as much
 * of a header as the header says it has, which may be gigabytes. */
#define MAX_HEADER ((uint64_t)4 << 20)

/* Two blocks of zeros end a tar. */
#define TAR_END 1024

/* What cpio's end is called; libarchive stops in front of it. */
#define CPIO_END 10

struct settings {
    const struct penstock_parser *parser;
    const char *pattern;
    const struct charset *names; /* or NULL */
    bool decode;
    size_t max_members, max_bytes;
};

struct reader {
    struct settings set;
    struct inner inner;
    struct parse_task *task;
    struct archive_input input;
    struct archive_safe safe;
    uint64_t members, bytes;
    bool in_header;        /* libarchive looks for the next member … */
    uint64_t header_start; /* … since this place in the body */
    bool header_too_long;
    /* The member at hand. */
    struct buf name, head;
    bool zip;
    struct zip_entry zip_entry; /* its names are gone with the header */
    uint64_t size;
    uint32_t crc;
    char *start; /* what was read of it to see whether it may be a link: HELD_SIZE + 1 bytes */
    size_t start_len, start_at;
    /* For a zip. */
    struct zip_directory directory;
    struct held held;
    bool held_run; /* its members' turn has come: `start` has all of each */
};

/* --- options ---------------------------------------------------------------------------------- */

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    s->parser = inner_choose(o);
    s->pattern = o->get(o->arg, "member");
    const char *names = o->get(o->arg, "names");
    s->names = names && names[0] ? charset_find(names) : NULL;
    if (names && names[0] && !s->names)
        option_fault(o, "option \"names\": \"%.64s\" is no charset that is known here", names);
    static const char *const decodes[] = {"auto", "none", NULL};
    s->decode = option_choice(o, "decode", decodes) == 0;
    s->max_members = option_bytes(o, "max_members", 1, (size_t)1 << 40);
    s->max_bytes = option_bytes(o, "max_bytes", 1, (size_t)1 << 50);
}

static void check_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    read_settings(o, s);
    inner_check(o, s->parser);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, check_settings, &s);
}

/* --- failing ---------------------------------------------------------------------------------- */

static int fail(struct reader *r, enum error_kind kind, const char *why)
{
    parse_task_fail(&r->task->run, kind, 0, r->input.body.offset, why);
    return -EINVAL;
}

static int fail_memory(struct reader *r)
{
    return fail(r, KIND_RESOURCES, "out of memory");
}

/* What libarchive says. It may be the body that was cut, or the filter in front. */
static int fail_archive(struct reader *r)
{
    struct error text;
    if (r->input.kind != KIND_NONE)
        return fail(r, r->input.kind, r->input.why.text);
    if (r->safe.no_memory)
        return fail_memory(r);
    const char *why = archive_error_string(r->safe.archive);
    if (!why) /* as when it ends between two members, or in a header */
        why = r->input.ended ? "it is cut: its end is missing" : "it is damaged";
    error_set(&text, 0, "the archive cannot be read: %s", why);
    return fail(r, r->header_too_long ? KIND_LIMIT_EXCEEDED : KIND_PARSER_FAILED, text.text);
}

static int fail_limit(struct reader *r, const char *what, size_t limit, const char *option)
{
    struct error why;
    error_set(&why, 0, "the archive has more than %zu %s (option %s)", limit, what, option);
    return fail(r, KIND_LIMIT_EXCEEDED, why.text);
}

static int fail_member(struct reader *r, enum error_kind kind, const char *what)
{
    struct error why;
    error_set(&why, 0, "member \"%.200s\": %s", r->name.data, what);
    return fail(r, kind, why.text);
}

/* --- a member's bytes ------------------------------------------------------------------------- */

static la_ssize_t read_body(struct archive *archive, void *arg, const void **ret_data)
{
    struct reader *r = arg;
    struct archive_input *in = &r->input;
    if (r->in_header && in->offset + in->len - r->header_start > MAX_HEADER) {
        r->header_too_long = true;
        archive_set_error(archive, E2BIG, "a header of more than 4 MiB");
        return -1;
    }
    if (archive_input_next(in)) {
        *ret_data = in->data;
        return (la_ssize_t)in->len;
    }
    if (in->kind == KIND_NONE && !ferror(in->body.file))
        return 0;
    archive_set_error(archive, EIO, "the body did not arrive whole");
    return -1;
}

static int check_most(struct reader *r, uint64_t bytes)
{
    uint64_t most = r->task->decode.max_decoded;
    struct error why;
    if (bytes > r->set.max_bytes)
        return fail_limit(r, "bytes in its members", r->set.max_bytes, "max_bytes");
    if (most == 0 || bytes <= most)
        return 0;
    error_set(&why, 0, "the archive has more than %" PRIu64 " bytes in its members (max_decoded)",
              most);
    return fail(r, KIND_LIMIT_EXCEEDED, why.text);
}

/* What the job allows its decoding it allows archives too: a tar may say of a few bytes that they
 * are the only ones of a hundred gigabytes of zeros. */
static int check_bytes(struct reader *r, uint64_t bytes)
{
    const struct decode_plan *plan = &r->task->decode;
    uint64_t body = atomic_load_explicit(&r->task->body->bytes_read, memory_order_relaxed);
    struct error why;
    if (check_most(r, bytes) < 0)
        return -EINVAL;
    if (plan->max_ratio == 0 || bytes <= DECODE_RATIO_FREE || bytes / plan->max_ratio <= body)
        return 0;
    error_set(&why, 0,
              "%" PRIu64 " bytes of the body became %" PRIu64 " of members, more than %" PRIu64
              " times as many (flow.decode_ratio)",
              body, bytes, plan->max_ratio);
    return fail(r, KIND_LIMIT_EXCEEDED, why.text);
}

static ssize_t read_data(struct reader *r, char *data, size_t size)
{
    la_ssize_t n = archive_safe_read(&r->safe, data, size);
    if (n < 0) {
        fail_archive(r);
        return -1;
    }
    r->bytes += (uint64_t)n;
    r->size += (uint64_t)n;
    if (r->zip && zip_entry_is_late(&r->zip_entry))
        r->crc = (uint32_t)crc32(r->crc, (const Bytef *)data, (uInt)n);
    return check_bytes(r, r->bytes) < 0 ? -1 : n;
}

/* What was read ahead comes first. */
static ssize_t read_member(void *arg, char *data, size_t size)
{
    struct reader *r = arg;
    size_t len = r->start_len - r->start_at;
    if (len == 0)
        return r->held_run ? 0 : read_data(r, data, size);
    len = len < size ? len : size;
    memcpy(data, r->start + r->start_at, len);
    r->start_at += len;
    return (ssize_t)len;
}

static int run_member(struct reader *r, const char *name, const char *head)
{
    const struct decode_plan *plan = &r->task->decode;
    uint64_t most = plan->max_decoded > 0 && plan->max_decoded < r->set.max_bytes
                        ? plan->max_decoded
                        : r->set.max_bytes;
    char shown[220];
    snprintf(shown, sizeof shown, "member \"%.200s\"", name);
    struct member member = {
        .outer = r->task,
        .name = shown,
        .head = head,
        .inner = &r->inner,
        .decode = {.file = r->set.decode ? DECODE_FILE_AUTO : DECODE_FILE_NONE,
                   .max_decoded = most,
                   .max_ratio = plan->max_ratio ? plan->max_ratio : DECODE_RATIO,
                   .max_window = plan->max_window},
        .source = read_member,
        .arg = r,
    };
    return member_run(&member);
}

/* --- members of a zip that may be links ------------------------------------------------------- */

/* 1: the member's first bytes, perhaps all, are in `start`, and it may be a link; 0: it is none. */
static int may_be_link(struct reader *r)
{
    if (!r->start && !(r->start = malloc(HELD_SIZE + 1)))
        return fail_memory(r);
    while (r->start_len <= HELD_SIZE) {
        ssize_t n = read_data(r, r->start + r->start_len, HELD_SIZE + 1 - r->start_len);
        if (n < 0)
            return -EINVAL;
        if (n == 0)
            break;
        r->start_len += (size_t)n;
    }
    return held_wants(&r->held, r->start, r->start_len);
}

static int on_other(void *arg, size_t number, bool wanted)
{
    struct reader *r = arg;
    struct held_member *h = wanted ? held_find(&r->held, number) : NULL;
    if (wanted && !h)
        return -1;
    r->task->skipped++;
    if (h)
        h->link = true;
    return 0;
}

/* Now that the directory is known. */
static int take_held(struct reader *r)
{
    int result = 0;
    r->held_run = true;
    for (size_t i = 0; result == 0 && i < r->held.count; i++) {
        const struct held_member *h = &r->held.members[i];
        if (h->link)
            continue;
        memcpy(r->start, h->data, h->len);
        r->start_len = h->len;
        r->start_at = 0;
        result = run_member(r, h->name, h->head);
    }
    return result;
}

/* --- members ---------------------------------------------------------------------------------- */

static int put_names(struct reader *r, const char *name, size_t len, bool said)
{
    bool escaped = member_name(&r->name, name, len, said, r->set.names);
    buf_reset(&r->head);
    buf_puts(&r->head, "{\"member\":");
    json_put_string(&r->head, r->name.data, r->name.len);
    if (escaped)
        buf_puts(&r->head, ",\"escaped\":true");
    return r->name.failed || r->head.failed ? fail_memory(r) : 0;
}

/* The name that libarchive has must be the archive's. */
static int take_name(struct reader *r, int status)
{
    const char *name = archive_safe_name(&r->safe), *why = archive_error_string(r->safe.archive);
    if (r->safe.no_memory)
        return fail_memory(r);
    size_t len = name ? strlen(name) : 0;
    /* A pax header's names are said to be UTF-8, others are it by chance if they are it at all. */
    int result = put_names(r, name ? name : "", len, utf8_valid(name, len) == len);
    if (result == 0 && status == ARCHIVE_WARN && why && strstr(why, "be converted"))
        return fail_member(r, KIND_DECODE_ERROR,
                           "its name is not what the archive says it is: UTF-8");
    return result;
}

/* A zip's header itself is looked at: libarchive tells too little of it. The data is behind it. */
static int take_zip_entry(struct reader *r)
{
    uint64_t end = (uint64_t)archive_filter_bytes(r->safe.archive, 0);
    struct zip_entry *e = &r->zip_entry;
    size_t len;
    const char *text = archive_input_since(&r->input, r->header_start, &len);
    if (!text)
        return fail_memory(r);
    for (size_t at = 0; at + 4 <= len && r->header_start + at < end; at++) {
        if (memcmp(text + at, "PK\3\4", 4) != 0 || zip_entry_local(text + at, len - at, e) != 0 ||
            r->header_start + at + e->len != end)
            continue;
        e->offset = r->header_start + at;
        r->crc = zip_entry_is_late(e) ? 0 : e->crc;
        if (zip_directory_begin(&r->directory, e, e->offset) < 0)
            return fail_memory(r);
        return put_names(r, e->name, e->name_len, e->utf8);
    }
    return fail(r, KIND_PARSER_FAILED, "the zip's header of a member is damaged");
}

static int format_of(const struct reader *r)
{
    return archive_format(r->safe.archive) & ARCHIVE_FORMAT_BASE_MASK;
}

/* Is it a file with content of its own? A cpio has it under the last of a file's names. */
static bool is_plain(const struct reader *r, struct archive_entry *entry)
{
    if (archive_entry_filetype(entry) != AE_IFREG)
        return false;
    bool empty = !archive_entry_size_is_set(entry) || archive_entry_size(entry) == 0;
    bool cpio = format_of(r) == ARCHIVE_FORMAT_CPIO;
    return !empty || !(archive_entry_hardlink(entry) || (cpio && archive_entry_nlink(entry) > 1));
}

static bool is_directory(struct archive_entry *entry)
{
    return archive_entry_filetype(entry) == AE_IFDIR;
}

static bool is_wanted(const struct reader *r)
{
    const char *name = r->name.data;
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    return fnmatch(r->set.pattern, name, FNM_EXTMATCH) == 0;
}

static int take_wanted(struct reader *r, struct archive_entry *entry)
{
    if (archive_entry_is_encrypted(entry))
        return fail_member(r, KIND_PARSER_FAILED, "it is encrypted");
    if (r->zip && !zip_entry_is_bounded(&r->zip_entry))
        return fail_member(
            r, KIND_PARSER_FAILED,
            "it is compressed in a way whose memory has no bound; deflate, bzip2 and zstd have");
    if (archive_entry_size_is_set(entry) &&
        check_most(r, r->bytes + (uint64_t)archive_entry_size(entry)) < 0)
        return -EINVAL;
    int may = r->zip ? may_be_link(r) : 0;
    if (may < 0)
        return may;
    if (may == 0)
        return run_member(r, r->name.data, r->head.data);
    int result = held_add(&r->held, r->directory.count - 1, r->name.data, r->head.data, r->start,
                          r->start_len);
    return result < 0 ? fail_memory(r) : 0;
}

/* What is not wanted is read too where only its end tells how long it is. */
static int pass_over(struct reader *r)
{
    char data[4096];
    ssize_t n = 1;
    while (n > 0 && r->zip && zip_entry_is_late(&r->zip_entry))
        n = read_data(r, data, sizeof data);
    if (n < 0)
        return -EINVAL;
    return archive_safe_skip(&r->safe) < ARCHIVE_WARN ? fail_archive(r) : 0;
}

static int take_member(struct reader *r, struct archive_entry *entry, int status)
{
    r->zip = format_of(r) == ARCHIVE_FORMAT_ZIP;
    r->size = r->start_len = r->start_at = 0;
    if (r->members++ == r->set.max_members)
        return fail_limit(r, "members", r->set.max_members, "max_members");
    int result = r->zip ? take_zip_entry(r) : take_name(r, status);
    archive_input_unmark(&r->input);
    if (result < 0)
        return result;
    bool plain = is_plain(r, entry), wanted = plain && is_wanted(r);
    r->task->skipped += !plain && !is_directory(entry);
    if (wanted)
        result = take_wanted(r, entry);
    if (result == 0)
        result = pass_over(r);
    if (r->zip)
        zip_directory_end(&r->directory,
                          zip_entry_is_late(&r->zip_entry) ? r->size : r->zip_entry.size, r->crc,
                          wanted);
    return result;
}

/* --- the archive's end ------------------------------------------------------------------------ */

static int fail_cut(struct reader *r, const char *what)
{
    struct error why;
    error_set(&why, 0, "the archive cannot be read: it is cut: %s", what);
    return fail(r, KIND_PARSER_FAILED, why.text);
}

static int end_zip(struct reader *r, uint64_t from)
{
    struct error why;
    int result = zip_directory_read(&r->directory, &r->input, from, &why);
    if (result == -ENOMEM)
        return fail_memory(r);
    if (result == -EIO && r->input.kind != KIND_NONE)
        return fail_archive(r);
    if (result == -EINVAL)
        return fail(r, KIND_DECODE_ERROR, why.text);
    return result < 0 ? result : take_held(r);
}

/* Where the last member of a tar has ended, and where libarchive saw a cpio's end, nothing but
 * zeros may follow. */
static int end_tape(struct reader *r)
{
    struct archive_input *in = &r->input;
    bool tar = format_of(r) == ARCHIVE_FORMAT_TAR;
    uint64_t from = tar ? r->header_start : (uint64_t)archive_filter_bytes(r->safe.archive, 0);
    while (archive_input_next(in))
        ;
    if (ferror(in->body.file) || in->kind != KIND_NONE)
        return in->kind != KIND_NONE ? fail_archive(r) : -EIO;
    uint64_t end = in->offset + in->len, zeros = in->zeros_from > from ? in->zeros_from : from;
    if (tar && end - zeros < TAR_END)
        return fail_cut(r, "the two blocks of zeros at its end are missing");
    if (!tar && in->zeros_from > from + CPIO_END)
        return fail(r, KIND_PARSER_FAILED, "something follows behind the archive's end");
    return 0;
}

/* --- the archive ------------------------------------------------------------------------------ */

static int next_header(struct reader *r)
{
    r->in_header = true;
    r->header_start = (uint64_t)archive_filter_bytes(r->safe.archive, 0);
    archive_input_mark(&r->input, r->header_start);
    int status = archive_safe_next(&r->safe);
    r->in_header = false;
    return status;
}

/* libarchive wants whole blocks; a tar may be followed by fewer zeros. */
static bool is_end(struct reader *r, int status)
{
    const struct archive_input *in = &r->input;
    if (status == ARCHIVE_EOF)
        return true;
    return in->ended && in->kind == KIND_NONE && !ferror(in->body.file) && r->members > 0 &&
           format_of(r) == ARCHIVE_FORMAT_TAR && in->zeros_from <= r->header_start;
}

static int take_all(struct reader *r)
{
    for (;;) {
        int status = next_header(r);
        if (is_end(r, status))
            break;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return fail_archive(r);
        int result = take_member(r, r->safe.entry, status);
        if (result < 0)
            return result;
    }
    if (format_of(r) == ARCHIVE_FORMAT_ZIP)
        return end_zip(r, r->header_start);
    return end_tape(r);
}

static int read_concatenated(struct archive *archive)
{
    return archive_read_set_format_option(archive, "tar", "read_concatenated_archives", "1");
}

static int run_all(struct reader *r)
{
    static const archive_support supports[] = {
        archive_read_support_format_tar, archive_read_support_format_cpio,
        archive_read_support_format_zip_streamable, read_concatenated, NULL};
    int result = archive_safe_open(&r->safe, supports, read_body, r);
    result = result < 0 ? fail_archive(r) : take_all(r);
    archive_safe_free(&r->safe);
    return result;
}

/* The locale is in a file: a parser that runs in a process opens it before that is closed in. */
static int setup(void)
{
    return member_name_locale() ? 0 : -1;
}

static void reader_deinit(struct reader *r)
{
    held_deinit(&r->held);
    zip_directory_deinit(&r->directory);
    archive_input_deinit(&r->input);
    buf_deinit(&r->name);
    buf_deinit(&r->head);
    free(r->start);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct reader r = {.task = container_of(run, struct parse_task, run)};
    const struct decode_plan *plan = &r.task->decode;
    options_of_run(run, read_settings, &r.set);
    inner_take(&r.inner, r.set.parser, run);
    archive_input_init(&r.input, body, plan->max_ratio, plan->max_decoded);
    zip_directory_init(&r.directory, on_other, &r);
    if (setup() < 0)
        return fail(&r, KIND_RESOURCES,
                    "the system has no locale C.UTF-8, which names of members need");
    locale_t before = uselocale(member_name_locale());
    int result = run_all(&r);
    uselocale(before);
    reader_deinit(&r);
    return result < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"member", "*", "which members, by a pattern: *.csv, data/*, @(*.csv|*.tsv)"},
    {"names", "",
     "the charset of names that are not in UTF-8, and of a zip's that do not say so: cp437"},
    {"decode", "auto", "members that are compressed themselves: auto, or none"},
    {"max_members", "1000000", "members at most, wanted or not"},
    {"max_bytes", "64G", "bytes of the wanted members at most"},
    INNER_OPTIONS,
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_archive = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "archive",
    .summary = "the members of a tar, cpio or zip file, each through another parser",
    .options = options,
    .check = check,
    .setup = setup,
    .parse = parse,
    .flags = PENSTOCK_PARSER_DECLARES, /* a member may be in any charset */
};
