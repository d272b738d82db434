/* archive: the members of a tar, cpio or zip file, each read by another parser, as they come by; nothing touches
 * the disk. A record is {"member":"dir/a.csv","data":…}, data being the inner parser's record.
 *
 * `parser` says which parser, `member` which members by a pattern (fnmatch(3); * goes over slashes too,
 * @(*.csv|*.tsv) is either). The inner parser's options have its name in front: csv_delimiter. Only files that
 * have content of their own are read: no directories, links, devices. A member that is compressed itself
 * (a.csv.gz) is decoded, unless decode=none.
 *
 * A .tar.gz and the like is decoded before (the job's `decode`). Of a zip file the members' own headers count,
 * since its directory comes last; so one that was written without knowing the sizes and without compression
 * cannot be read, and of the ways to compress only deflate, bzip2 and zstd, whose memory is bounded. */
#include "parse/registry.h"

#include "base/error.h"
#include "base/list.h"
#include "parse/block.h"
#include "parse/member.h"
#include "parse/options.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <locale.h>
#include <string.h>

#define MAX_OPTIONS 16

/* Bytes of the body from the end of a member's data to the next member's. libarchive keeps as much of a header as
 * the header says it has, which may be gigabytes. */
#define MAX_HEADER ((uint64_t)4 << 20)

static const struct penstock_parser *const inner_parsers[] = {
    &parser_count, &parser_csv,   &parser_digest, &parser_feed,
    &parser_json,  &parser_lines, &parser_ndjson, &parser_xml,
};
#define INNER (sizeof inner_parsers / sizeof inner_parsers[0])

struct settings {
    const struct penstock_parser *parser;
    const char *pattern;
    bool decode;
    size_t max_members, max_bytes;
};

struct reader {
    struct settings set;
    struct parse_task *task;
    struct block block;
    struct archive *archive;
    uint64_t members, bytes;
    bool in_header;        /* libarchive looks for the next member … */
    uint64_t header_start; /* … since this place in the body */
    bool header_too_long;
    struct parse_pair options[MAX_OPTIONS];
    size_t option_count;
};

/* --- options ------------------------------------------------------------------------------------ */

/* "csv_delimiter" */
static void prefixed_name(const struct penstock_parser *parser, const char *name, char *to,
                          size_t size)
{
    snprintf(to, size, "%s_%s", parser->name, name);
}

struct inner_options {
    struct options *outer;
    const struct penstock_parser *parser;
};

static const char *get_inner(void *arg, const char *name)
{
    const struct inner_options *inner = arg;
    char prefixed[64];
    prefixed_name(inner->parser, name, prefixed, sizeof prefixed);
    return inner->outer->get(inner->outer->arg, prefixed);
}

static void check_inner(struct options *o, const struct penstock_parser *parser)
{
    struct inner_options inner = {o, parser};
    char message[200] = "its value will not do";
    if (parser->check && parser->check(get_inner, &inner, message, sizeof message) != 0)
        option_fault(o, "%s: %s", parser->name, message);
}

static void read_settings(struct options *o, struct settings *s)
{
    const char *names[INNER + 1] = {NULL};
    for (size_t i = 0; i < INNER; i++)
        names[i] = inner_parsers[i]->name;
    s->parser = inner_parsers[option_choice(o, "parser", names)];
    s->pattern = o->get(o->arg, "member");
    static const char *const decodes[] = {"auto", "none", NULL};
    s->decode = option_choice(o, "decode", decodes) == 0;
    s->max_members = option_bytes(o, "max_members", 1, (size_t)1 << 40);
    s->max_bytes = option_bytes(o, "max_bytes", 1, (size_t)1 << 50);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct options o;
    struct settings s;
    options_init(&o, get, arg, message, size);
    read_settings(&o, &s);
    check_inner(&o, s.parser);
    return o.wrong;
}

/* Those of the inner parser, under its own names. */
static void take_options(struct reader *r)
{
    const struct penstock_option *option = r->set.parser->options;
    char prefixed[64];
    for (; option && option->name && r->option_count < MAX_OPTIONS; option++) {
        prefixed_name(r->set.parser, option->name, prefixed, sizeof prefixed);
        const char *value = r->task->run.option(&r->task->run, prefixed);
        if (value)
            r->options[r->option_count++] = (struct parse_pair){option->name, value};
    }
}

/* --- failing ------------------------------------------------------------------------------------ */

static int fail(struct reader *r, enum error_kind kind, const char *why)
{
    parse_task_fail(&r->task->run, kind, 0, r->block.offset, why);
    return -EINVAL;
}

/* What libarchive says. It may be the body that was cut. */
static int fail_archive(struct reader *r)
{
    const char *why = archive_error_string(r->archive);
    struct error text;
    if (archive_errno(r->archive) == ENOMEM)
        return fail(r, KIND_RESOURCES, "out of memory");
    if (!why) /* as when it ends between two members, or in a header */
        why = feof(r->block.file) ? "it is cut: its end is missing" : "it is damaged";
    error_set(&text, 0, "the archive cannot be read: %s", why);
    return fail(r, r->header_too_long ? KIND_LIMIT_EXCEEDED : KIND_PARSER_FAILED, text.text);
}

static int fail_limit(struct reader *r, const char *what, size_t limit, const char *option)
{
    struct error why;
    error_set(&why, 0, "the archive has more than %zu %s (option %s)", limit, what, option);
    return fail(r, KIND_LIMIT_EXCEEDED, why.text);
}

static int fail_member(struct reader *r, const char *name, const char *what)
{
    struct error why;
    error_set(&why, 0, "member \"%.200s\": %s", name, what);
    return fail(r, KIND_PARSER_FAILED, why.text);
}

/* --- members ------------------------------------------------------------------------------------- */

static la_ssize_t read_body(struct archive *archive, void *arg, const void **ret_data)
{
    struct reader *r = arg;
    if (r->in_header && r->block.offset + r->block.len - r->header_start > MAX_HEADER) {
        r->header_too_long = true;
        archive_set_error(archive, E2BIG, "a header of more than 4 MiB");
        return -1;
    }
    if (block_next(&r->block)) {
        *ret_data = r->block.data;
        return (la_ssize_t)r->block.len;
    }
    if (!ferror(r->block.file))
        return 0;
    archive_set_error(archive, EIO, "the body did not arrive whole");
    return -1;
}

static ssize_t read_member(void *arg, char *data, size_t size)
{
    struct reader *r = arg;
    la_ssize_t n = archive_read_data(r->archive, data, size);
    if (n < 0) {
        fail_archive(r);
        return -1;
    }
    r->bytes += (uint64_t)n;
    if (r->bytes <= r->set.max_bytes)
        return n;
    fail_limit(r, "bytes in its members", r->set.max_bytes, "max_bytes");
    return -1;
}

/* As it is in the archive: UTF-8 where the format says so, else the bytes. */
static const char *name_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname_utf8(entry);
    if (!name)
        name = archive_entry_pathname(entry);
    return name ? name : "";
}

static bool is_wanted(const struct reader *r, struct archive_entry *entry, const char *name)
{
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
        return false;
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    return fnmatch(r->set.pattern, name, FNM_EXTMATCH) == 0;
}

/* Of zip's ways to compress some take whatever memory the file asks for. libarchive tells which one it is by
 * name only: "ZIP 2.0 (deflation)". */
static bool is_bounded(struct archive *archive)
{
    static const char *const ways[] = {"(uncompressed)", "(deflation)", "(bzip)", "(zstd)"};
    const char *format = archive_format_name(archive);
    if (!format || strncmp(format, "ZIP", 3) != 0)
        return true;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strstr(format, ways[i]))
            return true;
    return false;
}

static int take_member(struct reader *r, struct archive_entry *entry)
{
    const char *name = name_of(entry);
    if (r->members++ == r->set.max_members)
        return fail_limit(r, "members", r->set.max_members, "max_members");
    if (!is_wanted(r, entry, name))
        return 0;
    if (archive_entry_is_encrypted(entry))
        return fail_member(r, name, "it is encrypted");
    if (!is_bounded(r->archive))
        return fail_member(r, name, archive_format_name(r->archive));
    struct member member = {
        .outer = r->task,
        .name = name,
        .parser = r->set.parser,
        .options = r->options,
        .option_count = r->option_count,
        .decode = {.file = r->set.decode ? DECODE_FILE_AUTO : DECODE_FILE_NONE,
                   .max_decoded = r->set.max_bytes,
                   .max_ratio = DECODE_RATIO},
        .source = read_member,
        .arg = r,
    };
    return member_run(&member);
}

static int next_header(struct reader *r, struct archive_entry **ret_entry)
{
    r->in_header = true;
    r->header_start = r->block.offset;
    int status = archive_read_next_header(r->archive, ret_entry);
    r->in_header = false;
    return status;
}

static int take_all(struct reader *r)
{
    struct archive_entry *entry;
    for (;;) {
        int status = next_header(r, &entry);
        if (status == ARCHIVE_EOF)
            return ferror(r->block.file) ? -EIO : 0;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return fail_archive(r);
        int result = take_member(r, entry);
        if (result < 0)
            return result;
        status = archive_read_data_skip(r->archive);
        if (status < ARCHIVE_WARN)
            return fail_archive(r);
    }
}

static int open_archive(struct reader *r)
{
    r->archive = archive_read_new();
    if (!r->archive)
        return fail(r, KIND_RESOURCES, "out of memory");
    if (archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
        archive_read_support_format_cpio(r->archive) != ARCHIVE_OK ||
        archive_read_support_format_zip_streamable(r->archive) != ARCHIVE_OK ||
        archive_read_open(r->archive, r, NULL, read_body, NULL) != ARCHIVE_OK)
        return fail_archive(r);
    return 0;
}

static int run_all(struct reader *r)
{
    int result = open_archive(r);
    if (result == 0)
        result = take_all(r);
    if (r->archive)
        archive_read_free(r->archive);
    return result;
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct reader r = {.task = container_of(run, struct parse_task, run)};
    struct options o;
    options_of_run(&o, run);
    read_settings(&o, &r.set);
    take_options(&r);
    block_init(&r.block, body);
    /* libarchive gives names in the thread's locale, and none that this cannot express. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    int result = run_all(&r);
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return result < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

#define OF_INNER "as of the inner parser"

static const struct penstock_option options[] = {
    {"parser", "count", "what reads the members: count csv digest feed json lines ndjson xml"},
    {"member", "*", "which members, by a pattern: *.csv, data/*, @(*.csv|*.tsv)"},
    {"decode", "auto", "members that are compressed themselves: auto, or none"},
    {"max_members", "1000000", "members at most, wanted or not"},
    {"max_bytes", "64G", "bytes of the wanted members at most"},
    {"csv_delimiter", ",", OF_INNER},
    {"csv_quote", "\"", OF_INNER},
    {"csv_header", "yes", OF_INNER},
    {"csv_ragged", "keep", OF_INNER},
    {"csv_max_record", "512K", OF_INNER},
    {"csv_max_fields", "4096", OF_INNER},
    {"digest_algorithms", "sha256", OF_INNER},
    {"feed_max_record", "1M", OF_INNER},
    {"feed_max_depth", "128", OF_INNER},
    {"json_pointer", "", OF_INNER},
    {"json_each", "element", OF_INNER},
    {"json_max_record", "1M", OF_INNER},
    {"json_max_depth", "128", OF_INNER},
    {"lines_match", "", OF_INNER},
    {"lines_exclude", "", OF_INNER},
    {"lines_skip_empty", "no", OF_INNER},
    {"lines_max_line", "512K", OF_INNER},
    {"ndjson_on_error", "fail", OF_INNER},
    {"ndjson_max_line", "1M", OF_INNER},
    {"ndjson_max_depth", "128", OF_INNER},
    {"xml_path", "/*/*", OF_INNER},
    {"xml_trim", "yes", OF_INNER},
    {"xml_max_record", "1M", OF_INNER},
    {"xml_max_depth", "128", OF_INNER},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_archive = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "archive",
    .summary = "the members of a tar, cpio or zip file, each through another parser",
    .options = options,
    .check = check,
    .parse = parse,
};
