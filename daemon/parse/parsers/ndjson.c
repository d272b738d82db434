/* ndjson: one JSON value a line (NDJSON, JSON Lines); the value's own text is the record.
 *
 * Nothing is re-encoded: a number keeps its digits, an object its order and its duplicates. Lines
 * of white space alone are passed over.
 *
 * A line that is no JSON value fails the job, or with on_error=skip is passed over; then the last
 * record is {"skipped":N,"line":L,"reason":"…"}: how many, and the first of them. That one is none
 * of those that `min_records` asks for; and where no line is a value there is nothing to skip to:
 * the job fails. */
#include "parse/registry.h"

#include "base/error.h"
#include "base/json_string.h"
#include "parse/json_check.h"
#include "parse/json_scan.h"
#include "parse/line_reader.h"
#include "parse/options.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_LINE ((size_t)64 << 20)

struct settings {
    bool skip;
    size_t max_line, max_depth;
};

struct ndjson {
    struct settings set;
    struct penstock_run *run;
    struct lines lines;
    struct json *json;
    uint64_t values, skipped, first_skipped;
    struct error why;
};

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    static const char *const choices[] = {"fail", "skip", NULL};
    s->skip = option_choice(o, "on_error", choices) == 1;
    s->max_line = option_bytes(o, "max_line", 1, MAX_LINE);
    s->max_depth = option_bytes(o, "max_depth", 1, JSON_MAX_DEPTH);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, read_settings, &s);
}

static bool blank(const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    return len == 0;
}

/* A line that is no JSON value. */
static int reject(struct ndjson *n, size_t at, const struct error *why)
{
    if (!n->set.skip) {
        n->run->fail(n->run, n->lines.number, n->lines.offset + at, why->text);
        return -EINVAL;
    }
    if (n->skipped++ == 0) {
        n->first_skipped = n->lines.number;
        n->why = *why;
    }
    return 0;
}

/* A limit, as the length of a line: it is not passed over. */
static int fail_depth(struct ndjson *n, size_t at, const struct error *why)
{
    struct error text;
    error_set(&text, 0, "%s (option max_depth)", why->text);
    parse_task_fail(n->run, KIND_LIMIT_EXCEEDED, n->lines.number, n->lines.offset + at, text.text);
    return -EINVAL;
}

static int take_line(struct ndjson *n, const char *line, size_t len)
{
    const char *value;
    size_t value_len, at;
    struct error why;
    int r = json_check(n->json, line, len, &value, &value_len, &at, &why);
    if (r == -EINVAL)
        return reject(n, at, &why);
    if (r == -E2BIG)
        return fail_depth(n, at, &why);
    n->values++;
    return r < 0 ? r : parse_task_emit(n->run, value, value_len);
}

static int fail_all(struct ndjson *n)
{
    struct error why;
    error_set(&why, 0, "no line is a JSON value; the first of %" PRIu64 ": %s", n->skipped,
              n->why.text);
    parse_task_fail(n->run, KIND_PARSER_FAILED, n->first_skipped, PENSTOCK_NO_OFFSET, why.text);
    return -EINVAL;
}

static int emit_skipped(struct ndjson *n)
{
    if (n->values == 0)
        return fail_all(n);
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"skipped\":%" PRIu64 ",\"line\":%" PRIu64 ",\"reason\":", n->skipped,
               n->first_skipped);
    json_put_string(&b, n->why.text, strlen(n->why.text));
    buf_putc(&b, '}');
    int r = b.failed ? -ENOMEM : parse_task_emit_note(n->run, b.data, b.len);
    buf_deinit(&b);
    return r;
}

static int take_all(struct ndjson *n)
{
    const char *line;
    size_t len;
    int r;
    while ((r = lines_next(&n->lines, &line, &len)) > 0) {
        if (blank(line, len))
            continue;
        r = take_line(n, line, len);
        if (r < 0)
            return r;
    }
    return r < 0 || n->skipped == 0 ? r : emit_skipped(n);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct ndjson n = {.run = run};
    options_of_run(run, read_settings, &n.set);
    n.json = json_new((unsigned)n.set.max_depth);
    lines_init(&n.lines, body, n.set.max_line);
    int r = n.json ? take_all(&n) : -ENOMEM;
    if (r < 0)
        lines_fail(&n.lines, run, r);
    lines_deinit(&n.lines);
    json_free(n.json);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"on_error", "fail",
     "a line that is no JSON value: fail, or skip it and count it in a last record"},
    {"max_line", "1M", "bytes of a line at most; a longer one fails the job (up to 64M)"},
    {"max_depth", "128", "levels of nesting; more fail the job (up to 1024)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_ndjson = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "ndjson",
    .summary = "a record for each line, which is one JSON value (NDJSON, JSON Lines)",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT,
};
