/* lines: a record for each line of text, {"line":N,"text":"…"}.
 *
 * LF or CRLF end a line and are not part of it; the last line may lack them. Lines are numbered from 1, empty
 * ones included, so that a number means the same as in an editor. Bytes that are not UTF-8 become U+FFFD
 * (record/line.h), here as in every built-in parser. */
#include "parse/registry.h"

#include "parse/lines.h"
#include "parse/options.h"
#include "record/line.h"

#include <errno.h>
#include <inttypes.h>

/* A line is one record, which has a limit of its own (1 MiB unless told); escaped, it may be longer. */
#define MAX_LINE ((size_t)64 << 20)

struct settings {
    bool skip_empty;
    size_t max_line;
};

static void read_settings(struct options *o, struct settings *s)
{
    s->skip_empty = option_yes(o, "skip_empty");
    s->max_line = option_bytes(o, "max_line", 1, MAX_LINE);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct options o;
    struct settings s;
    options_init(&o, get, arg, message, size);
    read_settings(&o, &s);
    return o.wrong;
}

static int emit_line(struct penstock_run *run, struct buf *b, uint64_t number, const char *line,
                     size_t len)
{
    buf_reset(b);
    buf_printf(b, "{\"line\":%" PRIu64 ",\"text\":", number);
    json_put_string(b, line, len);
    buf_putc(b, '}');
    return b->failed ? -ENOMEM : parse_task_emit(run, b->data, b->len);
}

static int emit_all(struct lines *lines, const struct settings *s, struct penstock_run *run,
                    struct buf *b)
{
    const char *line;
    size_t len;
    int r;
    while ((r = lines_next(lines, &line, &len)) > 0) {
        if (len == 0 && s->skip_empty)
            continue;
        r = emit_line(run, b, lines->number, line, len);
        if (r < 0)
            return r;
    }
    return r;
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct options o;
    struct settings s;
    struct lines lines;
    struct buf b = BUF_INIT;
    options_of_run(&o, run);
    read_settings(&o, &s);
    lines_init(&lines, body, s.max_line);
    int r = emit_all(&lines, &s, run, &b);
    if (r < 0)
        lines_fail(&lines, run, r);
    lines_deinit(&lines);
    buf_deinit(&b);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
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
};
