/* lines: a record for each line of text, {"line":N,"text":"…"}.
 *
 * `match` keeps only the lines that a regular expression matches somewhere, `exclude` those that
 * one does not (PCRE2's syntax: (?i) goes without case). Named groups of `match` come along: with
 * (?<user>\w+) a record is {"line":N,"text":"…","groups":{"user":"…"}}.
 *
 * LF or CRLF end a line and are not part of it; the last line may lack them. Lines are numbered
 * from 1, empty ones included, so that a number means the same as in an editor. */
#include "parse/registry.h"

#include "base/json_string.h"
#include "parse/line_reader.h"
#include "parse/options.h"
#include "parse/regex.h"

#include <errno.h>
#include <inttypes.h>

/* A line is one record, which has a limit of its own (1 MiB unless told); escaped, it may be
 * longer. */
#define MAX_LINE ((size_t)64 << 20)

struct settings {
    bool skip_empty;
    size_t max_line;
    const char *match, *exclude; /* "": none */
};

struct filter {
    struct regex *match, *exclude; /* or NULL */
};

static const char *read_pattern(struct options *o, const char *name)
{
    const char *pattern = o->get(o->arg, name);
    struct error err;
    if (pattern && pattern[0] && regex_check(pattern, &err) < 0)
        option_fault(o, "option \"%s\": %s", name, err.text);
    return pattern ? pattern : "";
}

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    s->match = read_pattern(o, "match");
    s->exclude = read_pattern(o, "exclude");
    s->skip_empty = option_yes(o, "skip_empty");
    s->max_line = option_bytes(o, "max_line", 1, MAX_LINE);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, read_settings, &s);
}

static int filter_init(struct filter *f, const struct settings *s)
{
    *f = (struct filter){0};
    int r = s->match[0] ? regex_new(s->match, &f->match, NULL) : 0;
    return r == 0 && s->exclude[0] ? regex_new(s->exclude, &f->exclude, NULL) : r;
}

static void filter_deinit(struct filter *f)
{
    regex_free(f->match);
    regex_free(f->exclude);
}

/* 1: the line is wanted; 0; or negative, as regex_match. */
static int filter_line(struct filter *f, const char *line, size_t len)
{
    int r = f->match ? regex_match(f->match, line, len) : 1;
    if (r <= 0 || !f->exclude)
        return r;
    r = regex_match(f->exclude, line, len);
    return r < 0 ? r : !r;
}

static int emit_line(struct penstock_run *run, struct buf *b, const struct filter *f,
                     uint64_t number, const char *line, size_t len)
{
    buf_reset(b);
    buf_printf(b, "{\"line\":%" PRIu64 ",\"text\":", number);
    json_put_utf8(b, line, len);
    if (f->match && regex_has_groups(f->match)) {
        buf_puts(b, ",\"groups\":");
        regex_put_groups(f->match, line, b);
    }
    buf_putc(b, '}');
    return b->failed ? -ENOMEM : parse_task_emit(run, b->data, b->len);
}

static int emit_all(struct lines *lines, const struct settings *s, struct filter *f,
                    struct penstock_run *run, struct buf *b)
{
    const char *line;
    size_t len;
    int r;
    while ((r = lines_next(lines, &line, &len)) > 0) {
        if (len == 0 && s->skip_empty)
            continue;
        r = filter_line(f, line, len);
        if (r > 0)
            r = emit_line(run, b, f, lines->number, line, len);
        if (r < 0)
            return r;
    }
    return r;
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct settings s;
    struct lines lines;
    struct filter filter;
    struct buf b = BUF_INIT;
    options_of_run(run, read_settings, &s);
    lines_init(&lines, body, s.max_line);
    int r = filter_init(&filter, &s);
    if (r == 0)
        r = emit_all(&lines, &s, &filter, run, &b);
    if (r == -E2BIG)
        parse_task_fail(run, KIND_LIMIT_EXCEEDED, lines.number, lines.offset,
                        "the pattern takes too many steps on this line (option match or exclude)");
    else if (r < 0)
        lines_fail(&lines, run, r);
    filter_deinit(&filter);
    lines_deinit(&lines);
    buf_deinit(&b);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"match", "", "only lines that this regular expression matches; its named groups come along"},
    {"exclude", "", "no lines that this regular expression matches"},
    {"skip_empty", "no", "yes: no record for a line that is empty"},
    {"max_line", "512K", "bytes of a line at most; a longer one fails the job (up to 64M)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_lines = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "lines",
    .summary = "a record for each line of text: its number and the text",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT,
};
