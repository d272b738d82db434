/* From the top: figures and graphs, what is wrong, hosts, jobs, keys. A terminal that is low loses graphs and hosts
 * first; one that is narrow, columns from the least telling on, and what is left of a line is cut. */
#include "ctl/top_layout.h"
#include "ctl/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void top_page_deinit(struct top_page *page)
{
    buf_deinit(&page->text);
    page->count = 0;
}

/* --- lines -------------------------------------------------------------------------------------- */

struct lay {
    const struct top_model *m;
    const struct top_look *look;
    struct top_page *page;
};

static bool is_full(const struct lay *l)
{
    size_t max = l->look->lines ? l->look->lines : TOP_LINES;
    return l->page->count >= max || l->page->count >= TOP_LINES;
}

/* Takes the text over. What is wider than a screen is cut. */
static void add(struct lay *l, enum top_style style, struct buf *line)
{
    struct top_page *page = l->page;
    const char *data = line->data ? line->data : "";
    if (!is_full(l) && !line->failed) {
        size_t len = l->look->lines ? text_fit(data, line->len, l->look->columns) : line->len;
        while (len > 0 && data[len - 1] == ' ' && (style != TOP_HEAD || !l->look->lines))
            len--;
        page->offset[page->count] = page->text.len;
        page->style[page->count] = style;
        buf_put(&page->text, data, len);
        buf_putc(&page->text, '\0');
        page->count += !page->text.failed;
    }
    buf_deinit(line);
}

static void add_text(struct lay *l, enum top_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void add_text(struct lay *l, enum top_style style, const char *fmt, ...)
{
    struct buf line = BUF_INIT, raw = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    if (raw.data)
        text_put_safe(&line, raw.data, raw.len);
    buf_deinit(&raw);
    add(l, style, &line);
}

/* --- bars and graphs ------------------------------------------------------------------------------ */

static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
static const char *const heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii_heights[] = {"_", ".", ":", "-", "=", "+", "*", "#"};

void top_put_bar(struct buf *b, double part, size_t width, bool utf8)
{
    size_t eighth = part > 0 ? (size_t)((part < 1 ? part : 1) * (double)width * 8 + 0.5) : 0;
    for (size_t i = 0; i < width; i++, eighth -= eighth < 8 ? eighth : 8) {
        size_t n = eighth < 8 ? eighth : 8;
        if (part < 0)
            buf_puts(b, utf8 ? "·" : ".");
        else if (utf8)
            buf_puts(b, n > 0 ? eighths[n] : " ");
        else
            buf_putc(b, n >= 4 ? '#' : '-');
    }
}

void top_put_graph(struct buf *b, const struct top_series *s, size_t width, bool utf8)
{
    double peak = top_series_peak(s, width);
    size_t shown = s->count < width ? s->count : width;
    for (size_t i = shown; i < width; i++)
        buf_putc(b, ' ');
    for (size_t i = s->count - shown; i < s->count; i++) {
        double part = peak > 0 ? s->values[i] / peak : 0;
        size_t n = (size_t)(part * 7 + 0.5);
        buf_puts(b, utf8 ? heights[n] : ascii_heights[n]);
    }
}

/* --- figures -------------------------------------------------------------------------------------- */

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? (int64_t)json_number_value(value) : 0;
}

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static void add_title(struct lay *l)
{
    struct buf up = BUF_INIT;
    const json_t *answer = l->m->answer, *uptime = json_object_get(answer, "uptime");
    text_put_seconds(&up, json_is_number(uptime) ? json_number_value(uptime) : 0);
    add_text(l, TOP_TITLE, "penstockd %s at %s, up %s%s", text(answer, "version"),
             l->look->path ? l->look->path : "?", up.data ? up.data : "",
             l->look->frozen ? "  [frozen]" : "");
    buf_deinit(&up);
}

static void add_states(struct lay *l)
{
    const json_t *jobs = json_object_get(l->m->answer, "jobs");
    const json_t *totals = json_object_get(l->m->answer, "totals");
    add_text(l, TOP_TEXT,
             "jobs     %" PRIi64 " running  %" PRIi64 " queued  %" PRIi64
             " waiting   since its start: %" PRIi64 " done  %" PRIi64 " failed  %" PRIi64
             " cancelled  %" PRIi64 " retries",
             number(jobs, "running"), number(jobs, "queued"), number(jobs, "waiting"),
             number(totals, "done"), number(totals, "failed"), number(totals, "cancelled"),
             number(totals, "retries"));
}

/* Columns of what is left beside the words. */
static size_t graph_width(const struct lay *l)
{
    size_t columns = l->look->columns;
    size_t max = l->look->lines ? 120 : 40;
    return columns > 60 ? columns - 45 < max ? columns - 45 : max : 12;
}

static void put_figure(struct buf *b, double value, bool bytes)
{
    struct buf figure = BUF_INIT;
    if (value < 0)
        buf_puts(&figure, "-");
    else if (bytes)
        text_put_bytes(&figure, value);
    else
        buf_printf(&figure, value < 99.95 ? "%.1f" : "%.0f", value);
    if (value >= 0)
        buf_puts(&figure, "/s");
    buf_printf(b, "%12s", figure.data ? figure.data : "");
    buf_deinit(&figure);
}

static void add_series(struct lay *l, const char *name, const struct top_series *s, bool bytes)
{
    struct buf line = BUF_INIT;
    size_t width = graph_width(l);
    buf_printf(&line, "%-8s", name);
    put_figure(&line, top_series_last(s), bytes);
    buf_puts(&line, "  ");
    top_put_graph(&line, s, width, l->look->utf8);
    buf_puts(&line, "  peak");
    put_figure(&line, s->count > 0 ? top_series_peak(s, width) : -1, bytes);
    add(l, TOP_TEXT, &line);
}

static void add_workers(struct lay *l)
{
    struct buf line = BUF_INIT;
    const json_t *workers = json_object_get(l->m->answer, "workers");
    int64_t limit = number(workers, "limit"), active = number(l->m->answer, "active");
    int64_t busy = number(workers, "busy"), abandoned = number(workers, "abandoned");
    buf_puts(&line, "workers  ");
    top_put_bar(&line, limit > 0 ? (double)active / (double)limit : 0, 20, l->look->utf8);
    buf_printf(&line,
               "  %" PRIi64 " of %" PRIi64 " taken, %" PRIi64 " in a parser, %" PRIi64
               " lost   %" PRIi64 " connections so far",
               active, limit, busy, abandoned + number(workers, "lost"),
               number(json_object_get(l->m->answer, "fetch"), "connections"));
    add(l, TOP_TEXT, &line);
}

static void add_sinks(struct lay *l)
{
    size_t i;
    json_t *sink;
    json_array_foreach(json_object_get(l->m->answer, "sinks"), i, sink)
    {
        if (json_is_true(json_object_get(sink, "failing")))
            add_text(l, TOP_BAD, "The log %s cannot be written: %s (since %s); nothing starts",
                     text(sink, "name"), text(sink, "error"), text(sink, "since"));
    }
}

static void add_trouble(struct lay *l)
{
    const json_t *answer = l->m->answer;
    if (l->look->notice)
        add_text(l, TOP_BAD, "%s", l->look->notice);
    if (json_is_true(json_object_get(answer, "draining")))
        add_text(l, TOP_BAD, "The daemon is stopping: nothing starts any more");
    if (json_is_true(json_object_get(answer, "paused")))
        add_text(l, TOP_BAD, "Paused: nothing starts until `penstockctl resume`");
    if (json_is_true(json_object_get(answer, "store_failing")))
        add_text(l, TOP_BAD, "The store cannot write (its disk?): nothing starts");
    add_sinks(l);
}

/* --- hosts ---------------------------------------------------------------------------------------- */

static void add_host(struct lay *l, const json_t *host, size_t width)
{
    struct buf line = BUF_INIT, name = BUF_INIT, queued = BUF_INIT;
    const char *raw = text(host, "name");
    const json_t *retry_in = json_object_get(host, "retry_in");
    text_put_safe(&name, raw, strlen(raw));
    size_t fit = name.data ? text_fit(name.data, name.len, width) : 0;
    buf_put(&line, name.data, fit);
    for (size_t i = text_width(line.data ? line.data : "", line.len); i < width; i++)
        buf_putc(&line, ' ');
    buf_printf(&queued, "%" PRIi64 "%s", number(host, "queued"),
               json_is_true(json_object_get(host, "more")) ? "+" : "");
    buf_printf(&line, "%9" PRIi64 " %6" PRIi64 " %7s %9" PRIi64 "  %s", number(host, "running"),
               number(host, "limit"), queued.data ? queued.data : "", number(host, "failures"),
               text(host, "state"));
    if (json_is_number(retry_in))
        buf_printf(&line, ", tried in %.0f s", json_number_value(retry_in));
    if (number(host, "redirected") > 0)
        buf_printf(&line, ", %" PRIi64 " redirected here wait", number(host, "redirected"));
    bool bad = strcmp(text(host, "state"), "broken") == 0;
    buf_deinit(&name);
    buf_deinit(&queued);
    add(l, bad ? TOP_BAD : TOP_TEXT, &line);
}

static void add_hosts(struct lay *l, size_t max)
{
    size_t i, width = l->look->columns > 70 ? l->look->columns / 3 : 20;
    json_t *host, *hosts = json_object_get(l->m->answer, "hosts");
    size_t known = (size_t)number(l->m->answer, "known_hosts"), told = json_array_size(hosts);
    if (told == 0 || max == 0)
        return;
    add_text(l, TOP_TEXT, " ");
    add_text(l, TOP_HEAD, "%-*s%9s %6s %7s %9s  %-*s", (int)width, "HOST", "RUNNING", "LIMIT",
             "QUEUED", "FAILURES", (int)l->look->columns, "STATE");
    json_array_foreach(hosts, i, host)
    {
        if (i < max)
            add_host(l, host, width);
    }
    if (known > told || told > max)
        add_text(l, TOP_DIM, "and %zu more",
                 (known > told ? known : told) - (told < max ? told : max));
}

/* --- jobs ----------------------------------------------------------------------------------------- */

enum column {
    COL_ID,
    COL_ATTEMPT,
    COL_BAR,
    COL_BYTES,
    COL_RATE,
    COL_RECORDS,
    COL_TIME,
    COL_WAITS,
    COL_URL,
    COL_COUNT_
};

static const struct {
    const char *name;
    int width;       /* negative: to the left; 0: what is left */
    size_t shown_at; /* from so many columns on */
} columns[COL_COUNT_] = {
    [COL_ID] = {"JOB", 8, 0},          [COL_ATTEMPT] = {"TRY", 3, 70},
    [COL_BAR] = {"PROGRESS", -12, 60}, [COL_BYTES] = {"BYTES", 9, 0},
    [COL_RATE] = {"RATE", 11, 50},     [COL_RECORDS] = {"RECORDS", 9, 100},
    [COL_TIME] = {"TIME", 11, 90},     [COL_WAITS] = {"WAITS FOR", -9, 40},
    [COL_URL] = {"URL", 0, 0},
};

static void put_cell(struct buf *line, enum column c, const char *data, size_t len)
{
    int width = columns[c].width;
    size_t room = (size_t)abs(width), used = text_width(data, len);
    if (line->len > 0)
        buf_putc(line, ' ');
    for (size_t i = used; width > 0 && i < room; i++)
        buf_putc(line, ' ');
    buf_put(line, data, width == 0 ? len : text_fit(data, len, room));
    for (size_t i = used; width < 0 && i < room; i++)
        buf_putc(line, ' ');
}

static void put_number(struct buf *b, int64_t n)
{
    if (n >= 0)
        buf_printf(b, "%" PRIi64, n);
    else
        buf_putc(b, '-');
}

static void put_value(struct buf *b, const struct top_row *row, enum column c, bool utf8)
{
    switch (c) {
    case COL_ID:
        buf_printf(b, "%" PRIu64, row->id);
        break;
    case COL_ATTEMPT:
        put_number(b, row->attempt);
        break;
    case COL_BAR:
        top_put_bar(b, row->length > 0 ? (double)row->bytes / (double)row->length : -1, 12, utf8);
        break;
    case COL_BYTES:
        text_put_bytes(b, (double)row->bytes);
        break;
    case COL_RATE:
        put_figure(b, row->rate.known ? row->rate.per_second : -1, true);
        break;
    case COL_RECORDS:
        put_number(b, row->records);
        break;
    case COL_TIME:
        text_put_seconds(b, row->seconds);
        break;
    case COL_WAITS:
        text_put_safe(b, row->waiting_for, strlen(row->waiting_for));
        break;
    default:
        text_put_safe(b, row->url, strlen(row->url));
        break;
    }
}

static void add_job(struct lay *l, const struct top_row *row)
{
    struct buf line = BUF_INIT;
    for (enum column c = 0; c < COL_COUNT_; c++) {
        struct buf cell = BUF_INIT;
        if (l->look->columns < columns[c].shown_at)
            continue;
        put_value(&cell, row, c, l->look->utf8);
        const char *data = cell.data ? cell.data : "";
        size_t lead = strspn(data, " ");
        put_cell(&line, c, data + (c == COL_BAR ? 0 : lead), cell.len - (c == COL_BAR ? 0 : lead));
        line.failed |= cell.failed;
        buf_deinit(&cell);
    }
    add(l, TOP_TEXT, &line);
}

static void add_job_head(struct lay *l)
{
    struct buf line = BUF_INIT;
    for (enum column c = 0; c < COL_COUNT_; c++)
        if (l->look->columns >= columns[c].shown_at)
            put_cell(&line, c, columns[c].name, strlen(columns[c].name));
    for (size_t i = text_width(line.data ? line.data : "", line.len); i < l->look->columns; i++)
        buf_putc(&line, ' ');
    add(l, TOP_HEAD, &line);
}

static void add_jobs(struct lay *l, size_t keep)
{
    size_t active = (size_t)number(l->m->answer, "active"), i = l->look->skip;
    add_text(l, TOP_TEXT, " ");
    add_job_head(l);
    if (i > l->m->row_count)
        i = l->m->row_count;
    for (; i < l->m->row_count; i++) {
        if (l->look->lines && l->page->count + keep + 1 >= l->look->lines &&
            i + 1 < l->m->row_count)
            break;
        add_job(l, &l->m->rows[i]);
    }
    if (i < l->m->row_count || active > l->m->row_count)
        add_text(l, TOP_DIM, "and %zu more", (active > i ? active : l->m->row_count) - i);
    if (active == 0)
        add_text(l, TOP_DIM, "nothing runs");
}

/* --- the whole ------------------------------------------------------------------------------------ */

static void add_keys(struct lay *l)
{
    while (!is_full(l) && l->page->count + 1 < l->look->lines)
        add_text(l, TOP_TEXT, " ");
    add_text(l, TOP_DIM,
             l->look->help
                 ? "q ends  s sorts by time, rate, bytes, host  space freezes  up, down, page up, "
                   "page down scroll  h hides this"
                 : "q quit  s sort (%s)  space freeze  h help",
             top_sort_name(l->m->sort));
}

void top_lay(const struct top_model *m, const struct top_look *look, struct top_page *page)
{
    struct lay l = {m, look, page};
    size_t lines = look->lines ? look->lines : TOP_LINES;
    buf_reset(&page->text);
    page->count = 0;
    add_title(&l);
    if (m->answer) {
        add_states(&l);
        if (lines >= 12)
            add_series(&l, "body", &m->bytes, true);
        if (lines >= 18) {
            add_series(&l, "records", &m->records, false);
            add_series(&l, "ends", &m->ended, false);
        }
        if (lines >= 8)
            add_workers(&l);
    }
    add_trouble(&l);
    if (m->answer) {
        add_hosts(&l, lines >= 16 ? lines / 5 : 0);
        add_jobs(&l, look->lines ? 1 : 0);
    }
    if (look->lines)
        add_keys(&l);
}
