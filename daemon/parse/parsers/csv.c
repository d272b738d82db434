/* csv: a record for each row; RFC 4180, and what real files do.
 *
 * Why not libcsv: it drops the spaces around fields or none of those in quotes, keeps swallowing
 * after `"a"b`, cannot do without a quote character, knows no lines, and looks at each byte through
 * several branches. Rows here are those of python's csv module (its excel dialect), which the tests
 * compare:
 *
 *   - a quote opens a quoted field at the field's start only; in it, two quotes are one, and
 *     delimiters and newlines are text. What follows a closing quote up to the delimiter is added
 *     to the field, and counted (`repaired` in the verdict); quotes=strict refuses it, and quotes
 *     in a field that does not begin with one.
 *   - LF, CRLF or CR end a row; rows without any byte are passed over.
 *   - comment=# passes over lines that begin with it, where a row could; skip_lines=N over the
 *     first N lines, whatever is in them.
 *   - an end of the body inside quotes is an error with the line where the quotes were opened.
 *
 * header=yes: the first row names the members of the objects that follow; a name that came before
 * gets _2, _3 … A row that is short lacks its last members; the fields of one that is long beyond
 * the header are an array, "_extra". header=no: every row is an array. ragged=fail refuses both
 * (without a header, a row of another length than the first). All values are strings.
 *
 * A row's JSON is written as its fields end, most of them straight from stdio's buffer; what a
 * block's end cuts in two waits in `part`. */
#include "parse/registry.h"

#include "base/error.h"
#include "base/json_string.h"
#include "parse/block.h"
#include "parse/columns.h"
#include "parse/options.h"

#include <errno.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MAX_RECORD ((size_t)64 << 20)
#define MAX_FIELDS 65536
#define MAX_SKIP   1000000

enum state {
    ROW_START,   /* nothing of the row has come */
    PASSED_LINE, /* one that is passed over */
    FIELD_START, /* a delimiter was the last byte */
    PLAIN,
    QUOTED,
    QUOTE, /* a quote in a quoted field: its end, or the first of two */
};

struct settings {
    unsigned char delimiter;
    int quote, comment; /* -1: none */
    bool header, ragged_fail, quotes_strict;
    size_t max_record, max_fields, skip_lines;
};

struct csv {
    struct settings set;
    struct penstock_run *run;
    enum state state;
    bool stops[256];      /* bytes that may mean something */
    bool after_cr;        /* an LF now belongs to the row before */
    uint64_t line;        /* the current one, from 1 */
    size_t skipped_lines; /* of those that are passed over first */
    uint64_t row_line, row_offset;
    uint64_t quote_line, quote_offset;
    struct buf part;        /* the field's bytes so far */
    struct buf row;         /* the row's JSON so far */
    size_t fields;          /* of the row, so far */
    struct columns columns; /* the header's; behind them `,"_extra":` */
    size_t column_count;
    bool named;          /* the header has been read */
    size_t first_fields; /* without a header: of the first row; 0: none yet */
};

/* --- options ---------------------------------------------------------------------------------- */

/* One byte, or -1 after a fault. */
static int read_byte(struct options *o, const char *name, bool none_ok)
{
    const char *text = o->get(o->arg, name);
    if (text && none_ok && strcmp(text, "none") == 0)
        return -1;
    if (text && (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0))
        return '\t';
    if (!text || strlen(text) != 1 || text[0] == '\n' || text[0] == '\r' || (text[0] & 0x80)) {
        option_fault(o, "option \"%s\": \"%.32s\" is not one ASCII character, \"tab\"%s", name,
                     text ? text : "", none_ok ? " or \"none\"" : "");
        return -1;
    }
    return text[0];
}

/* A comment's character must be no other mark. */
static int read_comment(struct options *o, const struct settings *s)
{
    int comment = read_byte(o, "comment", true);
    if (comment >= 0 && (comment == s->delimiter || comment == s->quote))
        option_fault(o, "option \"comment\": it is the delimiter or the quote as well");
    return comment;
}

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    static const char *const ragged[] = {"keep", "fail", NULL}, *const quotes[] = {"lax", "strict",
                                                                                   NULL};
    int delimiter = read_byte(o, "delimiter", false);
    s->delimiter = (unsigned char)delimiter;
    s->quote = read_byte(o, "quote", true);
    if (delimiter >= 0 && s->quote == delimiter)
        option_fault(o, "option \"quote\": it is the delimiter as well");
    s->comment = read_comment(o, s);
    s->quotes_strict = option_choice(o, "quotes", quotes) == 1;
    s->skip_lines = option_bytes(o, "skip_lines", 0, MAX_SKIP);
    s->header = option_yes(o, "header");
    s->ragged_fail = option_choice(o, "ragged", ragged) == 1;
    s->max_record = option_bytes(o, "max_record", 1, MAX_RECORD);
    s->max_fields = option_bytes(o, "max_fields", 1, MAX_FIELDS);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, read_settings, &s);
}

/* --- failing ---------------------------------------------------------------------------------- */

static int fail_row(struct csv *c, enum error_kind kind, const struct error *why)
{
    parse_task_fail(c->run, kind, c->row_line, c->row_offset, why->text);
    return -EINVAL;
}

static int fail_limit(struct csv *c, const char *what, size_t limit, const char *option)
{
    struct error why;
    error_set(&why, 0, "the row has more than %zu %s (option %s)", limit, what, option);
    return fail_row(c, KIND_LIMIT_EXCEEDED, &why);
}

static int fail_memory(struct csv *c)
{
    parse_task_fail(c->run, KIND_RESOURCES, c->row_line, c->row_offset, "out of memory");
    return -ENOMEM;
}

/* --- fields and rows -------------------------------------------------------------------------- */

/* What stands before a field: a comma or the row's bracket, and in an object the name; fields
 * beyond the header share one. */
static void put_separator(struct csv *c)
{
    size_t i = c->fields;
    if (i == 0)
        buf_putc(&c->row, c->set.header ? '{' : '[');
    if (!c->set.header || i > c->column_count) {
        if (i > 0)
            buf_putc(&c->row, ',');
        return;
    }
    const struct column *column = c->columns.items[i];
    size_t comma = i == 0; /* which the first has no use for */
    buf_put(&c->row, column->key + comma, column->len - comma);
    if (i == c->column_count)
        buf_putc(&c->row, '[');
}

static int end_field(struct csv *c, const char *text, size_t len)
{
    if (c->part.len > 0) {
        if (len > 0)
            buf_put(&c->part, text, len);
        text = c->part.data;
        len = c->part.len;
    }
    if (c->fields == c->set.max_fields)
        return fail_limit(c, "fields", c->set.max_fields, "max_fields");
    if (c->part.failed)
        return fail_memory(c);
    if (c->set.header && !c->named) {
        if (columns_add(&c->columns, text, len) < 0)
            return fail_memory(c);
    } else {
        put_separator(c);
        json_put_utf8(&c->row, text, len);
    }
    c->fields++;
    buf_reset(&c->part);
    return 0;
}

static int check_ragged(struct csv *c)
{
    size_t expected = c->set.header ? c->column_count : c->first_fields;
    struct error why;
    if (expected == 0)
        c->first_fields = c->fields;
    if (expected == 0 || !c->set.ragged_fail || c->fields == expected)
        return 0;
    error_set(&why, 0, "the row has %zu fields, %zu were expected", c->fields, expected);
    return fail_row(c, KIND_PARSER_FAILED, &why);
}

static int emit_row(struct csv *c)
{
    if (check_ragged(c) < 0)
        return -EINVAL;
    if (c->set.header && c->fields > c->column_count)
        buf_putc(&c->row, ']');
    buf_putc(&c->row, c->set.header ? '}' : ']');
    if (c->row.failed)
        return fail_memory(c);
    return parse_task_emit(c->run, c->row.data, c->row.len);
}

static int end_header(struct csv *c)
{
    c->named = true;
    c->column_count = c->columns.count;
    return columns_add(&c->columns, "_extra", strlen("_extra")) < 0 ? fail_memory(c) : 0;
}

static int check_size(struct csv *c, uint64_t offset)
{
    if (c->state == ROW_START || c->state == PASSED_LINE ||
        offset - c->row_offset <= c->set.max_record)
        return 0;
    return fail_limit(c, "bytes", c->set.max_record, "max_record");
}

static int end_row(struct csv *c)
{
    int r = c->set.header && !c->named ? end_header(c) : emit_row(c);
    buf_reset(&c->row);
    c->fields = 0;
    c->state = ROW_START;
    return r;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void set_stops(struct csv *c)
{
    memset(c->stops, 0, sizeof c->stops);
    c->stops['\n'] = c->stops['\r'] = c->stops[c->set.delimiter] = true;
    if (c->set.quote >= 0)
        c->stops[c->set.quote] = true;
}

/* LF, CRLF and CR each end a line. */
static void count_line(struct csv *c, char byte)
{
    if (byte == '\r' || !c->after_cr)
        c->line++;
    c->after_cr = byte == '\r';
}

static bool is_newline(char byte)
{
    return byte == '\n' || byte == '\r';
}

/* A field's first byte, in state ROW_START or FIELD_START. Returns where its text starts. */
static const char *start_field(struct csv *c, const char *p, uint64_t offset)
{
    if (c->state == ROW_START) {
        if (is_newline(*p)) { /* an empty row, or the LF of a CRLF */
            count_line(c, *p);
            return p + 1;
        }
        if ((unsigned char)*p == c->set.comment) {
            c->state = PASSED_LINE;
            return p;
        }
        c->row_line = c->line;
        c->row_offset = offset;
    }
    c->after_cr = false;
    if ((unsigned char)*p != c->set.quote) {
        c->state = PLAIN;
        return p;
    }
    c->state = QUOTED;
    c->quote_line = c->line;
    c->quote_offset = offset;
    return p + 1;
}

/* The delimiter or newline at p ends the field. Returns 0 or a negative errno. */
static int stop_field(struct csv *c, const char *text, size_t len, const char *p, uint64_t offset)
{
    /* Here and at a block's end, so that where blocks end changes nothing. */
    int r = check_size(c, offset);
    if (r == 0)
        r = end_field(c, text, len);
    if (r < 0 || !is_newline(*p)) {
        c->state = FIELD_START;
        return r;
    }
    count_line(c, *p);
    return end_row(c);
}

struct span {
    const char *p, *end; /* what is left of the block */
    const char *text;    /* the field's bytes that are not in `part` yet begin here */
    const char *block;
    uint64_t offset; /* of block in the body */
};

static uint64_t offset_of(const struct span *s)
{
    return s->offset + (uint64_t)(s->p - s->block);
}

static void keep_text(struct csv *c, const struct span *s, const char *until)
{
    if (until > s->text)
        buf_put(&c->part, s->text, (size_t)(until - s->text));
}

#ifdef __SSE2__
/* Sixteen bytes at once, up to one that stops or the last fifteen. */
static const char *skip_wide(const struct csv *c, const char *p, const char *end)
{
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    const __m128i delimiter = _mm_set1_epi8((char)c->set.delimiter);
    const __m128i quote = c->set.quote >= 0 ? _mm_set1_epi8((char)c->set.quote) : delimiter;
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i newline = _mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr));
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(v, delimiter), _mm_cmpeq_epi8(v, quote));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(newline, mark));
        if (found)
            return p + __builtin_ctz(found);
    }
    return p;
}
#endif

static void skip_plain(const struct csv *c, struct span *s)
{
    const char *p = s->p;
#ifdef __SSE2__
    p = skip_wide(c, p, s->end);
#endif
    while (p < s->end && !c->stops[(unsigned char)*p])
        p++;
    s->p = p;
}

/* To the end of a line that is no row. */
static int pass_line(struct csv *c, struct span *s)
{
    const char *start = s->p;
    while (s->p < s->end && !is_newline(*s->p))
        s->p++;
    if (s->p > start)
        c->after_cr = false;
    if (s->p == s->end)
        return 0;
    bool ends = *s->p == '\r' || !c->after_cr; /* and is not the LF of a CRLF */
    count_line(c, *s->p++);
    if (ends && c->skipped_lines < c->set.skip_lines)
        c->skipped_lines++;
    if (c->skipped_lines == c->set.skip_lines)
        c->state = ROW_START;
    return 0;
}

/* A quote where none belongs. */
static int judge_quote(struct csv *c, const struct span *s, const char *what)
{
    if (!c->set.quotes_strict)
        return 0;
    parse_task_fail(c->run, KIND_PARSER_FAILED, c->line, offset_of(s), what);
    return -EINVAL;
}

static int take_plain(struct csv *c, struct span *s)
{
    skip_plain(c, s);
    if (s->p == s->end)
        return 0;
    if ((unsigned char)*s->p == c->set.quote) {
        int wrong = judge_quote(
            c, s, "a quote stands in a field that does not begin with one (option quotes)");
        s->p++; /* text, as it is not at the field's start */
        return wrong;
    }
    int r = stop_field(c, s->text, (size_t)(s->p - s->text), s->p, offset_of(s));
    s->p++;
    return r;
}

/* Behind a quote in a quoted field; the text before that quote ends at `until`. */
static int take_quote(struct csv *c, struct span *s, const char *until)
{
    if ((unsigned char)*s->p == c->set.quote) {
        keep_text(c, s, until);
        buf_putc(&c->part, *s->p);
        s->text = ++s->p;
        c->state = QUOTED;
    } else if (c->stops[(unsigned char)*s->p]) {
        int r = stop_field(c, s->text, (size_t)(until - s->text), s->p, offset_of(s));
        s->p++;
        return r;
    } else {
        if (judge_quote(c, s, "text follows a closing quote (option quotes)") < 0)
            return -EINVAL;
        parse_task_repaired(c->run, 1);
        keep_text(c, s, until);
        s->text = s->p;
        c->state = PLAIN;
    }
    return 0;
}

static int take_quoted(struct csv *c, struct span *s)
{
    const char *p;
    for (;;) {
        const char *before = s->p;
        skip_plain(c, s);
        if (s->p > before)
            c->after_cr = false;
        if (s->p == s->end)
            return 0;
        p = s->p++;
        if ((unsigned char)*p == c->set.quote)
            break;
        if (is_newline(*p))
            count_line(c, *p);
        else
            c->after_cr = false;
    }
    c->after_cr = false;
    c->state = QUOTE;
    if (s->p < s->end)
        return take_quote(c, s, p);
    keep_text(c, s, p);
    s->text = s->end;
    return 0;
}

static int take_next(struct csv *c, struct span *s)
{
    switch (c->state) {
    case ROW_START:
    case FIELD_START:
        s->p = s->text = start_field(c, s->p, offset_of(s));
        return 0;
    case PASSED_LINE:
        return pass_line(c, s);
    case PLAIN:
        return take_plain(c, s);
    case QUOTED:
        return take_quoted(c, s);
    case QUOTE:
        return take_quote(c, s, s->text);
    }
    return 0;
}

static int take_block(struct csv *c, const struct block *block)
{
    struct span s = {.p = block->data,
                     .end = block->data + block->len,
                     .text = block->data,
                     .block = block->data,
                     .offset = block->offset};
    while (s.p < s.end) {
        int r = take_next(c, &s);
        if (r < 0)
            return r;
    }
    if (c->state == PLAIN || c->state == QUOTED)
        keep_text(c, &s, s.end);
    return check_size(c, block->offset + block->len);
}

/* The body has ended, complete. */
static int take_end(struct csv *c)
{
    if (c->state == ROW_START || c->state == PASSED_LINE)
        return 0;
    if (c->state == QUOTED) {
        parse_task_fail(c->run, KIND_PARSER_FAILED, c->quote_line, c->quote_offset,
                        "a quote is opened here and not closed before the end");
        return -EINVAL;
    }
    int r = end_field(c, "", 0);
    return r < 0 ? r : end_row(c);
}

static int take_all(struct csv *c, FILE *body)
{
    struct block block;
    block_init(&block, body);
    while (block_next(&block)) {
        int r = take_block(c, &block);
        if (r < 0)
            return r;
    }
    return ferror(body) ? -EIO : take_end(c);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct csv c = {.run = run, .line = 1};
    options_of_run(run, read_settings, &c.set);
    set_stops(&c);
    c.state = c.set.skip_lines > 0 ? PASSED_LINE : ROW_START;
    int r = take_all(&c, body);
    columns_deinit(&c.columns);
    buf_deinit(&c.part);
    buf_deinit(&c.row);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"delimiter", ",", "between fields: one ASCII character, or \"tab\""},
    {"quote", "\"", "around fields: one ASCII character, or \"none\""},
    {"quotes", "lax",
     "text behind a closing quote: lax adds it to the field and counts it (repaired), strict "
     "fails"},
    {"comment", "none",
     "lines that begin with it are passed over: one ASCII character, or \"none\""},
    {"skip_lines", "0", "lines at the start that are passed over, whatever is in them"},
    {"header", "yes", "yes: the first row names the members of objects; no: every row is an array"},
    {"ragged", "keep",
     "rows of another length: keep (what is missing is absent, more is _extra), or fail"},
    {"max_record", "512K", "bytes of a row at most; a longer one fails the job (up to 64M)"},
    {"max_fields", "4096", "fields of a row at most; more fail the job (up to 65536)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_csv = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "csv",
    .summary = "a record for each row of a CSV file: an object by the header's names",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT,
};
