/* fixed: a record for each line whose columns are told apart by their widths: {"name":"…",…}.
 *
 * `columns` names them: id:5 name:20 -:3 rest:*, with spaces or commas between. A width is a number
 * of characters (not bytes); a column called - is passed over; the last one may have * for whatever
 * is left of the line.
 *
 * All values are strings, without the blanks around them (trim=no keeps these). A line that ends
 * early lacks the columns of which nothing came, and what is behind the last column is "_extra", if
 * it is more than blanks; ragged=fail refuses lines of another length. Lines without any character
 * are passed over, as are the first skip_lines ones, and with comment=# those that begin with
 * it. */
#include "parse/registry.h"

#include "base/json_string.h"
#include "parse/columns.h"
#include "parse/line_reader.h"
#include "parse/options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE    ((size_t)64 << 20)
#define MAX_SKIP    1000000
#define MAX_COLUMNS 1024
#define MAX_WIDTH   1000000
#define REST        SIZE_MAX /* the width of a column that takes what is left */

struct field {
    const char *name; /* in the option's text */
    size_t len, width;
    bool passed; /* no member of the record */
};

struct settings {
    struct field fields[MAX_COLUMNS];
    size_t count;
    bool trim, ragged_fail;
    int comment; /* -1: none */
    size_t skip_lines, max_line;
};

struct fixed {
    struct settings set;
    struct columns columns; /* the members' names; behind them `_extra` */
    struct lines lines;
    struct penstock_run *run;
    struct buf row;
};

/* --- options ---------------------------------------------------------------------------------- */

/* The digits of p up to end, or *. 0: neither. */
static size_t read_width(const char *p, const char *end)
{
    size_t width = 0;
    if (end - p == 1 && *p == '*')
        return REST;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || width > MAX_WIDTH)
            return 0;
        width = width * 10 + (size_t)(*p - '0');
    }
    return width > MAX_WIDTH ? 0 : width;
}

static void read_column(struct options *o, struct settings *s, const char *word, size_t len)
{
    const char *colon = memrchr(word, ':', len);
    size_t name = colon ? (size_t)(colon - word) : 0;
    size_t width = colon ? read_width(colon + 1, word + len) : 0;
    if (name == 0 || width == 0) {
        option_fault(
            o, "option \"columns\": \"%.*s\" is none; write name:width, or name:* for the rest",
            len > 64 ? 64 : (int)len, word);
    } else if (s->count == MAX_COLUMNS) {
        option_fault(o, "option \"columns\": there are more than %d", MAX_COLUMNS);
    } else if (s->count > 0 && s->fields[s->count - 1].width == REST) {
        option_fault(o, "option \"columns\": only the last one can have the width *");
    } else {
        bool passed = name == 1 && *word == '-';
        s->fields[s->count++] = (struct field){word, name, width, passed};
    }
}

static void read_columns(struct options *o, struct settings *s)
{
    const char *p = o->get(o->arg, "columns");
    bool members = false;
    while (p && *(p += strspn(p, ", \t"))) {
        size_t len = strcspn(p, ", \t");
        read_column(o, s, p, len);
        if (o->wrong)
            return;
        members = members || !s->fields[s->count - 1].passed;
        p += len;
    }
    if (!members)
        option_fault(
            o, "option \"columns\": it names none; write names and widths, as id:5 name:20 rest:*");
}

static int read_comment(struct options *o)
{
    const char *text = o->get(o->arg, "comment");
    if (!text || strcmp(text, "none") == 0)
        return -1;
    if (strlen(text) != 1 || (text[0] & 0x80)) {
        option_fault(o, "option \"comment\": \"%.32s\" is not one ASCII character or \"none\"",
                     text);
        return -1;
    }
    return text[0];
}

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    static const char *const ragged[] = {"keep", "fail", NULL};
    s->count = 0;
    read_columns(o, s);
    s->trim = option_yes(o, "trim");
    s->ragged_fail = option_choice(o, "ragged", ragged) == 1;
    s->comment = read_comment(o);
    s->skip_lines = option_bytes(o, "skip_lines", 0, MAX_SKIP);
    s->max_line = option_bytes(o, "max_line", 1, MAX_LINE);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings *s = malloc(sizeof *s);
    int r = s ? options_check(get, arg, message, size, read_settings, s) : -ENOMEM;
    if (!s)
        snprintf(message, size, "option \"columns\": out of memory");
    free(s);
    return r;
}

/* --- a line ----------------------------------------------------------------------------------- */

/* Behind `width` characters, or at the end. The text is well-formed. */
static const char *skip_characters(const char *p, const char *end, size_t width)
{
    if (width >= (size_t)(end - p))
        width = (size_t)(end - p);
    for (; width > 0 && p < end; width--)
        for (p++; p < end && (*p & 0xc0) == 0x80; p++)
            ;
    return p;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **p, const char **end)
{
    while (*p < *end && is_blank((*end)[-1]))
        (*end)--;
    while (*p < *end && is_blank(**p))
        (*p)++;
}

static void put_member(struct fixed *f, size_t column, const char *p, const char *end)
{
    bool first = f->row.len == 1;
    const struct column *name = f->columns.items[column];
    if (f->set.trim)
        trim(&p, &end);
    buf_put(&f->row, name->key + first, name->len - first); /* the comma */
    json_put_utf8(&f->row, p, (size_t)(end - p));
}

static int fail_ragged(struct fixed *f, bool longer)
{
    parse_task_fail(f->run, KIND_PARSER_FAILED, f->lines.number, f->lines.offset,
                    longer ? "the line is longer than its columns (option ragged)"
                           : "the line ends before its last column does (option ragged)");
    return -EINVAL;
}

/* Behind the last column. */
static int put_extra(struct fixed *f, const char *p, const char *end)
{
    if (p == end)
        return 0;
    if (f->set.ragged_fail)
        return fail_ragged(f, true);
    const char *from = p, *to = end;
    trim(&from, &to);
    if (from < to)
        put_member(f, f->columns.count - 1, p, end);
    return 0;
}

static int emit_line(struct fixed *f, const char *p, const char *end)
{
    size_t column = 0;
    buf_reset(&f->row);
    buf_putc(&f->row, '{');
    for (size_t i = 0; i < f->set.count; i++) {
        const struct field *field = &f->set.fields[i];
        bool rest = field->width == REST;
        const char *start = p;
        p = rest ? end : skip_characters(p, end, field->width);
        if (f->set.ragged_fail && !rest &&
            (start == end || (p == end && skip_characters(start, end, field->width - 1) == end)))
            return fail_ragged(f, false);
        if (!field->passed && start < end)
            put_member(f, column, start, p);
        column += !field->passed;
    }
    int r = put_extra(f, p, end);
    buf_putc(&f->row, '}');
    if (r < 0)
        return r;
    return f->row.failed ? -ENOMEM : parse_task_emit(f->run, f->row.data, f->row.len);
}

static int emit_all(struct fixed *f)
{
    const char *line;
    size_t len;
    int r;
    while ((r = lines_next(&f->lines, &line, &len)) > 0) {
        bool comment = len > 0 && f->set.comment >= 0 && line[0] == f->set.comment;
        if (len == 0 || comment || f->lines.number <= f->set.skip_lines)
            continue;
        r = emit_line(f, line, line + len);
        if (r < 0)
            return r;
    }
    return r;
}

static int name_columns(struct fixed *f)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < f->set.count; i++)
        if (!f->set.fields[i].passed)
            r = columns_add(&f->columns, f->set.fields[i].name, f->set.fields[i].len);
    return r < 0 ? r : columns_add(&f->columns, "_extra", strlen("_extra"));
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct fixed *f = calloc(1, sizeof *f);
    if (!f)
        return parse_task_fail(run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    f->run = run;
    options_of_run(run, read_settings, &f->set);
    lines_init(&f->lines, body, f->set.max_line);
    int r = name_columns(f);
    if (r == 0)
        r = emit_all(f);
    if (r < 0)
        lines_fail(&f->lines, run, r);
    columns_deinit(&f->columns);
    lines_deinit(&f->lines);
    buf_deinit(&f->row);
    free(f);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"columns", "text:*",
     "names and widths in characters: id:5 name:20 -:3 rest:*; - is passed over"},
    {"trim", "yes", "no: keep the blanks around values"},
    {"ragged", "keep",
     "lines of another length: keep (what is missing is absent, more is _extra), or fail"},
    {"comment", "none",
     "lines that begin with it are passed over: one ASCII character, or \"none\""},
    {"skip_lines", "0", "lines at the start that are passed over"},
    {"max_line", "512K", "bytes of a line at most; a longer one fails the job (up to 64M)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_fixed = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "fixed",
    .summary = "a record for each line of columns of fixed width: an object by their names",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT,
};
