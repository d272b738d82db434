/* json: a record for each element of an array, cut out of a document of any length; the element's
 * own text is the record.
 *
 * `pointer` (RFC 6901) says where the array is; without it it is the document itself. `each` says
 * what a record is: `element`, of an array; `member`, of an object, as {"name":…,"value":…} (and an
 * element of an array); `value`, the value there as it is. What is there and is not of that kind is
 * an error: {"error":"rate limited"} is no list of one. Several documents may follow one another,
 * with white space or RS (RFC 7464) between them; nothing at all is an error, and so is a pointer
 * that leads nowhere in all of them, or on whose way an object has the same name twice: which of
 * the two is meant nobody can tell.
 *
 * Nothing is re-encoded: a number keeps its digits, an object its order and its duplicates;
 * newlines and what indents the lines are taken out. Only the element at hand is held in memory,
 * and one that is cut by a block's end is copied. What is not wanted is checked all the same. */
#include "parse/registry.h"

#include "base/error.h"
#include "parse/block.h"
#include "parse/json_check.h"
#include "parse/json_pointer.h"
#include "parse/json_scan.h"
#include "parse/options.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_RECORD ((size_t)64 << 20)
#define MAX_NAME   ((size_t)64 << 10)

enum each { EACH_ELEMENT, EACH_MEMBER, EACH_VALUE };

struct settings {
    struct json_pointer pointer;
    enum each each;
    size_t max_record, max_depth;
};

/* The scan tells of values and names down to those directly in the innermost container of the path;
 * what is within them passes unseen. */
struct doc {
    struct settings set;
    struct penstock_run *run;
    struct json_scan scan;
    unsigned path; /* open containers, from the top, that the pointer goes through (or ends in) */
    /* the innermost of them is what the pointer ends in, and its elements are records */
    bool in_target;
    bool next_wanted; /* a member's name has come that the pointer goes to */
    bool found;
    /* The text that is being cut out: a record's or a name's. */
    bool cutting, naming;
    size_t from;     /* in the block */
    struct buf part; /* what came in earlier blocks */
    struct buf name; /* EACH_MEMBER: the member's, with its quotes */
    struct buf record, squeezed;
    /* Places, for messages. */
    uint64_t line; /* at `counted` in the block */
    size_t counted;
    uint64_t value_line;
    uint64_t value_offset;
    struct block block;
};

/* --- options ---------------------------------------------------------------------------------- */

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    static const char *const each[] = {"element", "member", "value", NULL};
    const char *pointer = o->get(o->arg, "pointer");
    struct error err;
    if (json_pointer_init(&s->pointer, pointer ? pointer : "", &err) < 0)
        option_fault(o, "option \"pointer\": %s", err.text);
    s->each = (enum each)option_choice(o, "each", each);
    s->max_record = option_bytes(o, "max_record", 1, MAX_RECORD);
    s->max_depth = option_bytes(o, "max_depth", 1, JSON_MAX_DEPTH);
    if (s->max_depth <= s->pointer.count)
        option_fault(o, "option \"max_depth\": the pointer alone goes deeper");
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    int r = options_check(get, arg, message, size, read_settings, &s);
    json_pointer_deinit(&s.pointer);
    return r;
}

/* --- failing ---------------------------------------------------------------------------------- */

/* The line at `at` in the block, which comes no earlier than those asked for before. */
static uint64_t line_at(struct doc *d, size_t at)
{
    uint64_t newlines = 0;
    for (size_t i = d->counted; i < at; i++)
        newlines += d->block.data[i] == '\n';
    d->counted = at;
    return d->line += newlines;
}

static int fail_at(struct doc *d, size_t at, enum error_kind kind, const char *why)
{
    parse_task_fail(d->run, kind, line_at(d, at), d->block.offset + at, why);
    return -EINVAL;
}

static int fail_memory(struct doc *d)
{
    parse_task_fail(d->run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    return -ENOMEM;
}

static size_t max_cut(const struct doc *d)
{
    return d->naming ? MAX_NAME : d->set.max_record;
}

/* The same wherever blocks end: with the place where the value begins. */
static int fail_size(struct doc *d)
{
    struct error why;
    error_set(&why, 0, "the %s has more than %zu bytes%s", d->naming ? "member's name" : "value",
              max_cut(d), d->naming ? "" : " (option max_record)");
    parse_task_fail(d->run, KIND_LIMIT_EXCEEDED, d->value_line, d->value_offset, why.text);
    return -EINVAL;
}

/* Is what is being cut out too long, if it goes on up to `to` at least? */
static bool too_long(const struct doc *d, size_t to)
{
    return d->cutting && d->part.len + (to - d->from) > max_cut(d);
}

/* The name that has just been read; the place is where it begins. */
static int fail_twice(struct doc *d)
{
    parse_task_fail(d->run, KIND_PARSER_FAILED, d->value_line, d->value_offset,
                    "the object has this name twice, and the pointer goes to it (option pointer)");
    return -EINVAL;
}

static int fail_depth(struct doc *d, size_t at)
{
    struct error why;
    error_set(&why, 0, "nested deeper than %zu levels (option max_depth)", d->set.max_depth);
    return fail_at(d, at, KIND_LIMIT_EXCEEDED, why.text);
}

/* --- cutting out ------------------------------------------------------------------------------ */

static void begin_cut(struct doc *d, size_t at, bool naming)
{
    d->cutting = true;
    d->naming = naming;
    d->from = at;
    d->value_offset = d->block.offset + at;
    d->value_line = line_at(d, at);
    buf_reset(&d->part);
}

/* The block's bytes up to `to` belong to it. 0, or negative with the failure said. */
static int keep(struct doc *d, size_t to)
{
    size_t len = to - d->from;
    if (too_long(d, to))
        return fail_size(d);
    if (len > 0 && buf_put(&d->part, d->block.data + d->from, len) < 0)
        return fail_memory(d);
    return 0;
}

/* It ends at `to`: its text, valid until the next cut. */
static int end_cut(struct doc *d, size_t to, const char **ret_text, size_t *ret_len)
{
    if (d->part.len == 0 && !too_long(d, to)) {
        *ret_text = d->block.data + d->from;
        *ret_len = to - d->from;
        d->cutting = false;
        return 0;
    }
    int r = keep(d, to);
    *ret_text = d->part.data;
    *ret_len = d->part.len;
    d->cutting = false;
    return r;
}

static int emit(struct doc *d, const char *text, size_t len)
{
    if (json_squeeze(&d->squeezed, &text, &len) < 0)
        return fail_memory(d);
    return parse_task_emit(d->run, text, len);
}

static int emit_member(struct doc *d, const char *text, size_t len)
{
    struct buf *b = &d->record;
    buf_reset(b);
    buf_puts(b, "{\"name\":");
    buf_put(b, d->name.data, d->name.len);
    buf_puts(b, ",\"value\":");
    buf_put(b, text, len);
    buf_putc(b, '}');
    return b->failed ? fail_memory(d) : emit(d, b->data, b->len);
}

static int end_record(struct doc *d, size_t to)
{
    const char *text;
    size_t len;
    int r = end_cut(d, to, &text, &len);
    if (r < 0)
        return r;
    return d->in_target && d->name.len > 0 ? emit_member(d, text, len) : emit(d, text, len);
}

/* --- the way through the document ------------------------------------------------------------- */

static void set_path(struct doc *d, unsigned depth)
{
    d->path = d->scan.watch = depth;
}

static void begin_record(struct doc *d, size_t at)
{
    d->found = true;
    begin_cut(d, at, false);
}

static const char *kind_of_value(char first)
{
    switch (first) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 't':
    case 'f':
        return "true or false";
    case 'n':
        return "null";
    default:
        return "a number";
    }
}

static int fail_kind(struct doc *d, size_t at)
{
    struct error why;
    error_set(&why, 0,
              "there is %s where option each=%s wants an array%s; each=value takes it as it is",
              kind_of_value(d->block.data[at]), d->set.each == EACH_MEMBER ? "member" : "element",
              d->set.each == EACH_MEMBER ? " or object" : "");
    return fail_at(d, at, KIND_PARSER_FAILED, why.text);
}

/* What the pointer leads to: its elements are records, or it is one. */
static int begin_target(struct doc *d, unsigned depth, size_t at)
{
    char first = d->block.data[at];
    if (d->set.each == EACH_VALUE) {
        begin_record(d, at);
        return 0;
    }
    if (first != '[' && !(first == '{' && d->set.each == EACH_MEMBER))
        return fail_kind(d, at);
    d->found = true;
    d->in_target = true;
    set_path(d, depth + 1);
    return 0;
}

/* Is the value at this depth, in a container of the path, on the pointer's way? */
static bool wanted(struct doc *d, unsigned depth)
{
    if (depth == 0)
        return true;
    if (json_scan_in_object(&d->scan, depth))
        return d->next_wanted;
    return json_pointer_is_element(&d->set.pointer, depth - 1);
}

/* A value whose first byte is at `at`. Only those directly in the innermost container of the path
 * are told. */
static int begin_value(struct doc *d, size_t at)
{
    char first = d->block.data[at];
    bool container = first == '[' || first == '{';
    unsigned depth = d->scan.depth - container;
    int r = 0;
    if (d->in_target) {
        begin_record(d, at);
    } else if (wanted(d, depth)) {
        if (depth == d->set.pointer.count) {
            r = begin_target(d, depth, at);
        } else if (container) {
            set_path(d, depth + 1);
            json_pointer_enter(&d->set.pointer, depth);
        }
    }
    d->next_wanted = false;
    return r;
}

static int end_value(struct doc *d, size_t to)
{
    unsigned depth = d->scan.depth;
    int r = 0;
    if (d->cutting) {
        r = end_record(d, to);
    } else if (depth < d->path) {
        d->in_target = false;
        set_path(d, depth);
    }
    buf_reset(&d->name);
    return r;
}

static int end_name(struct doc *d, size_t to)
{
    const char *text;
    size_t len;
    int r = end_cut(d, to, &text, &len);
    if (r < 0)
        return r;
    if (d->in_target)
        return buf_put(&d->name, text, len) < 0 ? fail_memory(d) : 0;
    d->next_wanted = json_pointer_is_member(&d->set.pointer, d->path - 1, text + 1, len - 2);
    if (d->set.pointer.name.failed)
        return fail_memory(d);
    return d->next_wanted && !json_pointer_take(&d->set.pointer, d->path - 1) ? fail_twice(d) : 0;
}

static int take_event(struct doc *d, enum json_event event, size_t at)
{
    switch (event) {
    case JSON_MORE:
        return 0;
    case JSON_BEGIN:
        return begin_value(d, at - 1);
    case JSON_END:
        return end_value(d, at);
    case JSON_NAME:
        begin_cut(d, at - 1, true);
        return 0;
    case JSON_NAME_END:
        return end_name(d, at);
    case JSON_BAD:
        return too_long(d, at) ? fail_size(d) : fail_at(d, at, KIND_PARSER_FAILED, d->scan.reason);
    case JSON_TOO_DEEP:
        return too_long(d, at) ? fail_size(d) : fail_depth(d, at);
    }
    return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

static int take_block(struct doc *d)
{
    size_t at = 0, used;
    int r = 0;
    d->from = d->counted = 0;
    while (r == 0 && at < d->block.len) {
        enum json_event event = json_scan(&d->scan, d->block.data + at, d->block.len - at, &used);
        at += used;
        r = take_event(d, event, at);
    }
    if (r == 0 && d->cutting)
        r = keep(d, d->block.len);
    line_at(d, d->block.len);
    return r;
}

static int take_end(struct doc *d)
{
    struct error why;
    d->from = d->counted = 0;
    enum json_event event = json_scan_end(&d->scan);
    int r = take_event(d, event, 0);
    if (r < 0)
        return r;
    if (d->scan.values == 0)
        return fail_at(d, 0, KIND_PARSER_FAILED, "there is no JSON value");
    if (d->found)
        return 0;
    error_set(&why, 0, "there is nothing at \"%.200s\" (option pointer)",
              d->run->option(d->run, "pointer"));
    return fail_at(d, 0, KIND_PARSER_FAILED, why.text);
}

static int take_all(struct doc *d)
{
    while (block_next(&d->block)) {
        int r = take_block(d);
        if (r < 0)
            return r;
    }
    return ferror(d->block.file) ? -EIO : take_end(d);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct doc d = {.run = run, .line = 1};
    if (options_of_run(run, read_settings, &d.set)) { /* it was right before: memory */
        json_pointer_deinit(&d.set.pointer);
        fail_memory(&d);
        return PENSTOCK_FAILED;
    }
    block_init(&d.block, body);
    json_scan_init(&d.scan, (unsigned)d.set.max_depth, 0);
    d.scan.separators = true;
    int r = take_all(&d);
    json_pointer_deinit(&d.set.pointer);
    buf_deinit(&d.part);
    buf_deinit(&d.name);
    buf_deinit(&d.record);
    buf_deinit(&d.squeezed);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"pointer", "", "where the records are, as a JSON Pointer: /data/items; nothing: at the top"},
    {"each", "element",
     "a record is each element of an array, also each member of an object (member), or the value"},
    {"max_record", "1M",
     "bytes of a record's text at most; a longer one fails the job (up to 64M)"},
    {"max_depth", "128", "levels of nesting; more fail the job (up to 1024)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_json = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "json",
    .summary = "a record for each element of an array in a JSON document of any length",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT,
};
